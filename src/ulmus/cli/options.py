"""Dataclasses -> command-line options: every field is one option, and one key of a `--config` file.

How: `command(app, Options)` gives typer a signature built from the dataclass's fields, so that a command is a
plain function of one frozen dataclass, and options that several commands share are declared once.
Cost: imports only typer. Knows no text, no model, no file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_type_hints

import typer

from ulmus.cli.failures import set_debug
from ulmus.cli.guard import check_stdout
from ulmus.cli.pages import Command
from ulmus.cli.settings import use_config
from ulmus.config import LARGEST_SEED
from ulmus.errors import UsageError

Options = TypeVar("Options")

TextCols = Annotated[
    list[str],
    typer.Option(
        "--text",
        metavar="COL",
        help="Text column: its name, or its number (from 0) in a file without a header. "
        "Repeat to join several columns.",
    ),
]
TextBCols = Annotated[
    list[str],
    typer.Option(
        "--text-b",
        metavar="COL",
        help="Column of the second text, if each row is a pair of texts. Repeat to join several columns.",
    ),
]
LabelCols = Annotated[
    list[str],
    typer.Option(
        "--label",
        metavar="COL",
        help="Label column: its name or number, or first-word in plain text (everything before the first space). "
        "Repeat for one 0/1 column per class.",
    ),
]
LabelDelimiter = Annotated[
    str | None,
    typer.Option(
        "--label-delimiter", metavar="CHAR", help="Separator between the labels of a text (multi-label)."
    ),
]
UnlabeledFiles = Annotated[
    list[Path],
    typer.Option(
        "--unlabeled",
        "--unlabelled",
        metavar="FILE",
        help="Additional texts without labels. Repeatable.",
    ),
]
Classifier = Annotated[
    Path, typer.Argument(metavar="MODEL.ulmus", help="Classifier to use.", show_default=False)
]
EncoderFolder = Annotated[
    Path | None,
    typer.Option(
        "--encoder",
        metavar="FOLDER|FILE",
        rich_help_panel="Model",
        help="Transformer to start from instead of a language model: a local folder with config.json, tokenizer "
        "and safetensors weights, or a file that `ulmus tune` made of one. Needs the extra transformers.",
    ),
]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Device to compute on.")]
InferencePrecision = Annotated[
    Literal["auto", "float32", "bf16", "int8"],
    typer.Option(
        "--precision", help="Number format of matrix products; auto: bf16 if the processor supports it."
    ),
]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report", metavar="FILE.html", help="Also write a page with everything, to look at or send."
    ),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Overwrite an existing file even if this command did not write it."),
]
Format = Literal["auto", "csv", "tsv", "jsonl", "parquet", "arrow", "text", "folder"]


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """The options of every command."""

    GROUP: ClassVar[str] = "Output"

    json: Annotated[
        bool, typer.Option("--json", help="Print exactly one JSON object on stdout; messages go to stderr.")
    ] = False
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", callback=set_debug, is_eager=True, help="Show the traceback when the command fails."
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class ReaderOptions:
    """How files are read. `auto` goes by the file name, also for compression (.gz, .bz2, .zst, .xz)."""

    GROUP: ClassVar[str] = "Reading files"

    format: Annotated[Format, typer.Option(help="File format; auto: by name and content.")] = "auto"
    delimiter: Annotated[
        str | None, typer.Option(metavar="CHAR", help="Column separator of csv files; \\t for a tab.")
    ] = None
    header: Annotated[
        bool | None, typer.Option("--header/--no-header", help="Whether the first line holds column names.")
    ] = None
    quoting: Annotated[
        bool | None, typer.Option("--quoting/--no-quoting", help='Whether fields may be in "quotes".')
    ] = None
    encoding: Annotated[
        str, typer.Option(metavar="NAME", help="Text encoding, e.g. latin-1; auto: UTF-8.")
    ] = "auto"
    documents: Annotated[
        Literal["auto", "line", "blank"],
        typer.Option(help="Plain text: one text per line, or texts separated by blank lines."),
    ] = "auto"
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Read only this split of a folder, e.g. train.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class ComputeOptions:
    """The options of every command that trains, if only for a few steps."""

    GROUP: ClassVar[str] = "Running"

    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            callback=use_config,
            is_eager=True,
            help="TOML file with any of these options and the model settings; overridden by the command line.",
        ),
    ] = None
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            max=LARGEST_SEED,
            metavar="N",
            help="Random seed; the same seed, data and machine give the same model.",
        ),
    ] = 0
    device: Device = "auto"
    precision: Annotated[
        Literal["auto", "float32", "bf16", "fp16"], typer.Option(help="Number format of matrix products.")
    ] = "auto"
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress on stderr.")] = False


@dataclass(frozen=True, kw_only=True)
class RunOptions(ComputeOptions):
    """The options of every command that writes a model."""

    GROUP: ClassVar[str] = "Running"

    out: Annotated[Path, typer.Option("--out", metavar="MODEL.ulmus", help="Model file to write.")]
    minutes: Annotated[
        float | None, typer.Option(min=0.01, metavar="MINUTES", help="Time budget of the whole run.")
    ] = None
    work_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for checkpoints; by default a hidden folder next to --out, removed at the end.",
        ),
    ] = None
    log: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="Append losses and learning rates to this file, one JSON object per line.",
        ),
    ] = None
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write curves for TensorBoard into this folder. Needs the extra tensorboard."
        ),
    ] = None
    force: Force = False


def reader_arguments(options: ReaderOptions) -> list[str]:
    """The command-line arguments equivalent to these options; defaults and `split` are left out."""
    arguments: list[str] = []
    for item in fields(ReaderOptions):
        value, name = getattr(options, item.name), item.name.replace("_", "-")
        if value == item.default or item.name == "split":
            continue
        flag = [f"--{name}" if value else f"--no-{name}"]
        arguments += flag if isinstance(value, bool) else [f"--{name}", value]
    return arguments


def command(
    app: typer.Typer, options: type[Options], *, name: str | None = None, example: str = ""
) -> Callable[[Callable[[Options], None]], Callable[[Options], None]]:
    """Register a function of one `options` dataclass as a subcommand; its docstring is the help text.

    example: one or more command lines, shown at the end of the help page.
    """

    def register(run: Callable[[Options], None]) -> Callable[[Options], None]:
        def call(**values: Any) -> None:
            given = options(**values)
            check_stdout(given)
            run(given)

        call.__name__ = run.__name__
        call.__doc__ = run.__doc__
        call.__signature__ = _signature(options)  # type: ignore[attr-defined]
        app.command(name, cls=Command, epilog=example or None)(call)
        return run

    return register


def _signature(options: type) -> inspect.Signature:
    """One keyword parameter per field: the class's own first, then those of its bases in the order listed."""
    hints = get_type_hints(options, include_extras=True)
    home = {
        name: i for i, cls in reversed([*enumerate(options.__mro__)]) for name in inspect.get_annotations(cls)
    }
    ordered = sorted(fields(options), key=lambda f: home[f.name])  # stable: keeps the order inside a class
    groups = [cls.__dict__.get("GROUP", "Options") for cls in options.__mro__]
    return inspect.Signature([_parameter(f, _grouped(hints[f.name], groups[home[f.name]])) for f in ordered])


def _grouped(annotation: Any, group: str) -> Any:
    """The annotation of an option with its help group, unless it names one itself."""
    kind, given = get_args(annotation)
    option = copy(given)
    option.rich_help_panel = option.rich_help_panel or group
    return Annotated[kind, option]


def _parameter(item: Field[Any], annotation: Any) -> inspect.Parameter:
    default = item.default if item.default is not MISSING else inspect.Parameter.empty
    if item.default_factory is not MISSING:
        default = item.default_factory()
    return inspect.Parameter(
        item.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def sizes_of(given: str | None) -> tuple[int, ...]:
    """The numbers of --sizes, separated by commas; none if it is not given. Raises UsageError."""
    try:
        return tuple(int(size) for size in given.split(",") if size.strip()) if given is not None else ()
    except ValueError as error:
        raise UsageError(
            f"--sizes: expected numbers separated by commas, as in 100,1000, got {given!r}."
        ) from error

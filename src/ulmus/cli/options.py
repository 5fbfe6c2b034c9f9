"""Dataclasses -> command-line options: every field is one option, and one key of a `--config` file.

How: `command(app, Options)` gives typer a signature made of the dataclass's fields, so that a command is a
plain function of one frozen dataclass, and options that several commands share are written down once.
Cost: nothing is imported here but typer. Knows no text, no model, no file.
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

Options = TypeVar("Options")
LARGEST_SEED = 2**32 - 1

TextCols = Annotated[
    list[str],
    typer.Option(
        "--text", metavar="COL", help="Column of the text; a number from 0 without header. Repeat for fields."
    ),
]
LabelCols = Annotated[
    list[str],
    typer.Option(
        "--label",
        metavar="COL",
        help="Column of the label; of plain text: first-word (all before the first space). "
        "Repeat for columns of 0 and 1, one for each class.",
    ),
]
LabelDelimiter = Annotated[
    str | None,
    typer.Option(
        "--label-delimiter", metavar="CHAR", help="Several labels per text, with this between them."
    ),
]
Classifier = Annotated[Path, typer.Argument(metavar="MODEL.ulmus", help="A classifier.", show_default=False)]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where to compute.")]
ReadPrecision = Annotated[
    Literal["auto", "float32", "bf16", "int8"],
    typer.Option(
        "--precision", help="Number format of the matrix products; auto: bf16 where the processor has it."
    ),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Write over an existing file that is not what this command writes."),
]
Format = Literal["auto", "csv", "tsv", "jsonl", "parquet", "arrow", "text", "folder"]


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """What every command takes."""

    GROUP: ClassVar[str] = "Output"

    json: Annotated[
        bool, typer.Option("--json", help="Print exactly one JSON object on stdout, all else on stderr.")
    ] = False
    debug: Annotated[
        bool,
        typer.Option("--debug", callback=set_debug, is_eager=True, help="Show the traceback of a failure."),
    ] = False


@dataclass(frozen=True, kw_only=True)
class ReaderOptions:
    """How files are read; `auto` goes by the name, the compression (.gz .bz2 .zst .xz) too."""

    GROUP: ClassVar[str] = "Reading files"

    format: Annotated[Format, typer.Option(help="Format of the files.")] = "auto"
    delimiter: Annotated[
        str | None, typer.Option(metavar="CHAR", help="Between the columns of a csv file; \\t is a tab.")
    ] = None
    header: Annotated[
        bool | None, typer.Option("--header/--no-header", help="First line holds column names.")
    ] = None
    quoting: Annotated[
        bool | None, typer.Option("--quoting/--no-quoting", help='Fields may stand in "quotes".')
    ] = None
    encoding: Annotated[str, typer.Option(metavar="NAME", help="Encoding, e.g. latin-1; auto is UTF-8.")] = (
        "auto"
    )
    documents: Annotated[
        Literal["auto", "line", "blank"],
        typer.Option(help="In plain text: one a line, or blank lines between."),
    ] = "auto"
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Read only this split of a folder, e.g. train.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class ComputeOptions:
    """What every command takes that trains, if only a few steps."""

    GROUP: ClassVar[str] = "Running"

    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            callback=use_config,
            is_eager=True,
            help="TOML file with any of these options and the settings of the model; the command line wins.",
        ),
    ] = None
    seed: Annotated[
        int,
        typer.Option(min=0, max=LARGEST_SEED, help="The same seed, data and machine give the same model."),
    ] = 0
    device: Device = "auto"
    precision: Annotated[
        Literal["auto", "float32", "bf16", "fp16"], typer.Option(help="Number format of the matrix products.")
    ] = "auto"
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False


@dataclass(frozen=True, kw_only=True)
class RunOptions(ComputeOptions):
    """What every command takes that writes a model."""

    GROUP: ClassVar[str] = "Running"

    out: Annotated[Path, typer.Option("--out", metavar="MODEL.ulmus", help="The model file to write.")]
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Time the whole run may take.")] = None
    work_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Checkpoints; by default a hidden folder beside --out, removed at the end."
        ),
    ] = None
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help="Append losses and rates to this file, one object a line."),
    ] = None
    force: Force = False


def reader_arguments(options: ReaderOptions) -> list[str]:
    """The arguments that read other files as these options read theirs; those that are not given stay away."""
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

    example: one or more command lines, shown at the end of the help.
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
    """One keyword parameter per field: the class's own first, then those of its bases as they are listed."""
    hints = get_type_hints(options, include_extras=True)
    home = {
        name: i for i, cls in reversed([*enumerate(options.__mro__)]) for name in inspect.get_annotations(cls)
    }
    ordered = sorted(fields(options), key=lambda f: home[f.name])  # stable: keeps the order within a class
    groups = [cls.__dict__.get("GROUP", "Options") for cls in options.__mro__]
    return inspect.Signature([_parameter(f, _grouped(hints[f.name], groups[home[f.name]])) for f in ordered])


def _grouped(annotation: Any, group: str) -> Any:
    """The annotation of an option with the group that it stands in, unless it names one itself."""
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

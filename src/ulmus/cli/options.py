"""Dataclasses -> command-line options: every field is one option, and one key of a `--config` file.

How: `command(app, Options)` gives typer a signature made of the dataclass's fields, so that a command is a
plain function of one frozen dataclass, and options that several commands share are written down once.
Cost: nothing is imported here but typer. Knows no text, no model, no file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import typer

from ulmus.cli.failures import set_debug
from ulmus.cli.settings import use_config

Options = TypeVar("Options")
LARGEST_SEED = 2**32 - 1

TextCols = Annotated[
    list[str],
    typer.Option(
        "--text", metavar="COL", help="Column of the text; a number from 0 without header. Repeat for fields."
    ),
]
LabelCol = Annotated[
    str | None,
    typer.Option(
        "--label",
        metavar="COL",
        help="Column of the label; of plain text: first-word (all before the first space).",
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
Format = Literal["auto", "csv", "tsv", "jsonl", "parquet", "arrow", "text", "folder"]


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """What every command takes."""

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


def command(
    app: typer.Typer, options: type[Options], *, name: str | None = None
) -> Callable[[Callable[[Options], None]], Callable[[Options], None]]:
    """Register a function of one `options` dataclass as a subcommand; its docstring is the help text."""

    def register(run: Callable[[Options], None]) -> Callable[[Options], None]:
        def call(**values: Any) -> None:
            run(options(**values))

        call.__name__ = run.__name__
        call.__doc__ = run.__doc__
        call.__signature__ = _signature(options)  # type: ignore[attr-defined]
        app.command(name)(call)
        return run

    return register


def _signature(options: type) -> inspect.Signature:
    """One keyword parameter per field: the class's own first, then those of its bases as they are listed."""
    hints = get_type_hints(options, include_extras=True)
    home = {
        name: i for i, cls in reversed([*enumerate(options.__mro__)]) for name in inspect.get_annotations(cls)
    }
    ordered = sorted(fields(options), key=lambda f: home[f.name])  # stable: keeps the order within a class
    return inspect.Signature([_parameter(f, hints[f.name]) for f in ordered])


def _parameter(item: Field[Any], annotation: Any) -> inspect.Parameter:
    default = item.default if item.default is not MISSING else inspect.Parameter.empty
    if item.default_factory is not MISSING:
        default = item.default_factory()
    return inspect.Parameter(
        item.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )

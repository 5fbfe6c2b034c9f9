"""`ulmus learning-curve`: what more labels are worth; with --suggest, which texts to label next.

Cost: a training for each size and seed: a minute or two with word counts. Every file is opened and the outputs are
tested for writing before it. Knows no model; `to_label.py` has the files of texts to label.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from ulmus.cli import guard, inputs, outputs, reading, show, to_label
from ulmus.cli.failures import advise
from ulmus.cli.options import (
    CommonOptions,
    Force,
    LabelCols,
    LabelDelimiter,
    ReaderOptions,
    TextBCols,
    TextCols,
    UnlabeledFiles,
    command,
    sizes_of,
)
from ulmus.config import LARGEST_SEED
from ulmus.errors import DataError, UsageError

if TYPE_CHECKING:
    from ulmus.corpus.source import Source
    from ulmus.studies.curve import LearningCurve
    from ulmus.studies.learning_curve import CurveConfig

EXAMPLE = """\
ulmus learning-curve reviews.csv --text text --label label --unlabeled more.csv --plot curve.png
ulmus learning-curve reviews.csv --text text --label label --unlabeled more.csv \\
  --suggest 50 -o next.csv"""
_OF_A_CURVE = ("out", "plot", "sizes", "minutes", "work_dir", "part")  # options that --suggest has no use for


@dataclass(frozen=True, kw_only=True)
class CurveOptions(ReaderOptions, CommonOptions):
    """The options of `ulmus learning-curve`."""

    GROUP: ClassVar[str] = "Texts and labels"

    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="File or folder of texts; rows without a label count as unlabelled.",
            show_default=False,
        ),
    ]
    text: TextCols = field(default_factory=list)
    text_b: TextBCols = field(default_factory=list)
    label: LabelCols = field(default_factory=list)
    label_delimiter: LabelDelimiter = None
    task: Annotated[
        Literal["classification", "regression"], typer.Option(help="regression: labels are numbers.")
    ] = "classification"
    group: Annotated[
        str | None,
        typer.Option(
            metavar="COL", help="Column whose values are held out together or not at all, e.g. authors."
        ),
    ] = None
    unlabeled: UnlabeledFiles = field(default_factory=list)
    add: Annotated[
        list[Path],
        typer.Option(
            metavar="NEXT.csv",
            help="File of --suggest with labels filled in: they are added to those of DATA. Repeatable.",
        ),
    ] = field(default_factory=list)
    sizes: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,N",
            rich_help_panel="Curve",
            help="Numbers of labels to train on.",
            show_default="all, half, a quarter ...",
        ),
    ] = None
    seeds: Annotated[
        int, typer.Option(min=2, metavar="N", rich_help_panel="Curve", help="Draws of labels for each size.")
    ] = 3
    part: Annotated[
        Literal["counts", "all"] | None,
        typer.Option(
            rich_help_panel="Curve",
            help="What is trained: word counts (seconds), or all that `ulmus train` does.",
            show_default="counts, or all with --minutes",
        ),
    ] = None
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            metavar="MINUTES",
            rich_help_panel="Curve",
            help="Time budget of all trainings together.",
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(metavar="CURVE.json", rich_help_panel="Curve", help="Save the curve as JSON."),
    ] = None
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", rich_help_panel="Curve", help="Save a plot of the curve."),
    ] = None
    work_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            rich_help_panel="Curve",
            help="Folder for finished trainings, kept; by default a hidden folder next to --out, removed at the end.",
        ),
    ] = None
    suggest: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            rich_help_panel="Texts to label next",
            help="Choose K of the texts without a label, instead of measuring a curve.",
        ),
    ] = None
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="NEXT.csv", rich_help_panel="Texts to label next", help="File for them."
        ),
    ] = None
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            max=LARGEST_SEED,
            metavar="N",
            rich_help_panel="Running",
            help="Random seed of the first draw.",
        ),
    ] = 0
    quiet: Annotated[
        bool, typer.Option("--quiet", rich_help_panel="Running", help="Show no progress on stderr.")
    ] = False
    force: Force = False


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, CurveOptions, name="learning-curve", example=EXAMPLE)(learning_curve)


def learning_curve(options: CurveOptions) -> None:
    """Estimate what more labels are worth, or choose the texts to label next."""
    started = perf_counter()
    _check(options)
    config = _config(options)
    columns = inputs.Columns(options.text, options.label, options.label_delimiter, options.text_b)
    data = inputs.source(options.data, options, columns)
    more = [
        inputs.source(path, options, replace(columns, label=(), label_delimiter=None), like=options.data)
        for path in options.unlabeled
    ]
    names = to_label.Names.of(data, group=options.group)
    filled = [names.source(path, options.label_delimiter) for path in options.add]
    inputs.probe([data, *more, *filled])
    given = to_label.read_all(data, more, filled, names)
    if not options.quiet:
        _report(data, more, given, numbers=options.task == "regression")
    if options.suggest is not None:
        _suggest(options, data, names, given)
    else:
        _measure(options, data, given, config, started)


def _check(options: CurveOptions) -> None:
    """Raise UsageError for options that contradict each other or outputs that may not be written; StorageError."""
    if options.suggest is None:
        if options.output is not None:
            raise UsageError(
                "-o is the file of --suggest K. For the curve, give --out CURVE.json or --plot FILE.png."
            )
        if not options.label:
            raise UsageError(
                "a curve needs labels: give --label COL. Without any, --suggest K chooses texts to label."
            )
    else:
        if options.output is None:
            raise UsageError("--suggest needs a file for the texts: give -o NEXT.csv.")
        for name in _OF_A_CURVE:
            if getattr(options, name) is not None:
                flag = "--" + name.replace("_", "-")
                raise UsageError(
                    f"--suggest chooses texts and measures no curve. Remove {flag} or --suggest."
                )
    for path, kind in (
        (options.out, to_label.CURVE),
        (options.plot, guard.PLOT),
        (options.output, to_label.NEXT),
    ):
        if path is not None:
            outputs.claim(path, options, kind)
    if options.work_dir is not None:
        from ulmus.studies.finished import ROWS

        guard.check_separate(options.work_dir, options)
        guard.check_work_folder(options.work_dir, ROWS, force=options.force)


def _config(options: CurveOptions) -> CurveConfig:
    from ulmus.studies.learning_curve import CurveConfig

    part = options.part or ("counts" if options.minutes is None else "all")
    sizes = sizes_of(options.sizes)
    return CurveConfig(
        sizes, seeds=options.seeds, part=part, minutes=options.minutes, task=options.task, seed=options.seed
    )


def _report(data: Source, more: list[Source], given: to_label.Given, *, numbers: bool) -> None:
    """Report on stderr how files were read and what they contain."""
    if given.labels:
        found = inputs.Labelled(given.texts, given.labels, given.unlabeled)
        reading.report_labelled(data, found, title="Texts", numbers=numbers)
    else:
        reading.report_texts([data])
    reading.report_texts(more)


def _measure(
    options: CurveOptions, data: Source, given: to_label.Given, config: CurveConfig, started: float
) -> None:
    from ulmus.studies.learning_curve import learning_curve as measured

    if not any(given.labels):
        raise DataError(
            f"no row of {options.data} has a label. Check the --label column, or choose with --suggest."
        )
    folder = _work_folder(options)
    advise(lambda: _how_to_resume(folder))
    curve = measured(
        inputs.documents(data, given.texts),
        given.labels,
        inputs.documents(data, given.unlabeled),
        groups=given.groups if options.group is not None else None,
        config=config,
        work_dir=folder,
        tell=_tell(options),
    )
    report = curve.report() | {"seconds": perf_counter() - started}
    if options.out is not None:
        with outputs.writing(options.out) as file:
            file.write(show.dumps(report) + "\n")
    if options.plot is not None:
        curve.plot(options.plot)
    if folder is not None and options.work_dir is None:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        show.as_json(report)
    else:
        _print_curve(curve)


def _tell(options: CurveOptions) -> Callable[[str], None] | None:
    return None if options.quiet else show.note


def _work_folder(options: CurveOptions) -> Path | None:
    if options.work_dir is not None or options.out is None or outputs.is_device(options.out):
        return options.work_dir
    return options.out.with_name(f".{options.out.name}.work")


def _how_to_resume(folder: Path | None) -> str:
    if folder is None:
        return (
            "Nothing was kept. With --work-dir DIR finished trainings are kept, and the same command resumes."
        )
    return f"Finished trainings are in {folder}: run the same command again to resume."


def _print_curve(curve: LearningCurve) -> None:
    """Print mean and spread of the scores for each size, and what more labels are expected to bring."""
    import numpy as np

    scores = np.array(curve.scores)
    rows = [
        [
            f"{size:,}",
            show.percent(column.mean()),
            f"{100 * column.std(ddof=1):.1f}",
            f"{curve.at(size).points:.1f} %",
        ]
        for size, column in zip(curve.sizes, scores.T, strict=True)
    ]
    show.table(["labels", curve.measure, f"sd of {len(scores)}", "power law"], rows)
    law = curve.law
    show.say(
        f"Measured on {curve.held_out:,} texts. Error = {100 * law.floor:.1f} % + {law.scale:.3g} n^-{law.rate:.2f}; "
        f"from the {curve.labels:,} labels there are:"
    )
    for more in curve.steps():
        show.say(f"  {curve.sentence(more)}")


def _suggest(options: CurveOptions, data: Source, names: to_label.Names, given: to_label.Given) -> None:
    from ulmus.studies.suggestion import suggest

    output, wanted = Path(str(options.output)), options.suggest or 1
    labelled = (inputs.documents(data, given.texts), given.labels) if any(given.labels) else None
    found = suggest(
        inputs.documents(data, given.unlabeled),
        wanted,
        labelled,
        numbers=options.task == "regression",
        seed=options.seed,
    )
    with outputs.writing(output) as file:
        to_label.write(file, names, [(given.cells[one.document], one) for one in found])
    if len(found) < wanted:
        show.note(
            f"Only {len(found):,} texts without a label differ from the others and from the labelled ones."
        )
    if options.json:
        chosen = [one._asdict() for one in found]
        show.as_json({"out": str(output), "n": len(found), "suggestions": chosen})
    else:
        show.note(
            f"{len(found):,} texts to label: {output}. Fill in the column {names.label!r}, then run the command "
            f"again with --add {output}."
        )

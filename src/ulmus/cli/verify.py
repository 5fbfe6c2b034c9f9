"""`ulmus verify`: a model and labelled texts -> whether the model does what its file claims.

Exit code 0 if claimed and measured scores agree, 1 if not. Knows no layer.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ulmus.cli import guard, inputs, reading, remembered, scoring, show
from ulmus.cli.options import (
    Classifier,
    CommonOptions,
    Device,
    InferencePrecision,
    LabelCols,
    LabelDelimiter,
    ReaderOptions,
    TextBCols,
    TextCols,
    command,
)
from ulmus.errors import UsageError

if TYPE_CHECKING:
    from ulmus.tasks.classifier.verification import Check, Verification


@dataclass(frozen=True, kw_only=True)
class VerifyOptions(ReaderOptions, CommonOptions):
    """The options of `ulmus verify`."""

    model: Classifier
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Labelled texts: those that the model was trained or measured on, or others.",
            show_default=False,
        ),
    ]
    text: TextCols = field(default_factory=list)
    text_b: TextBCols = field(default_factory=list)
    label: LabelCols = field(default_factory=list)
    label_delimiter: LabelDelimiter = None
    group: Annotated[
        str | None, typer.Option(metavar="COL", help="The --group that the model was trained with.")
    ] = None
    time: Annotated[
        str | None, typer.Option(metavar="COL", help="The --time that the model was trained with.")
    ] = None
    device: Device = "auto"
    precision: InferencePrecision = "auto"
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not report on stderr how files are read.")] = (
        False
    )


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, VerifyOptions, example="ulmus verify reviews.ulmus reviews.csv")(verify)


def verify(options: VerifyOptions) -> None:
    """Measure again what a model file claims.

    The held-out set of the training data is recovered, and compared by its SHA-256. On other texts the scores are
    compared with their confidence intervals. Exit code 0 if claimed and measured scores agree, 1 if not.
    """
    guard.check_order(options.model, options.data)
    if options.group is not None and options.time is not None:
        raise UsageError("--group and --time: a model is trained with one of them. Remove the other.")
    columns = inputs.Columns(options.text, options.label, options.label_delimiter, options.text_b)
    source = remembered.source(options.model, options.data, options, columns, labelled=True)
    source = replace(source, keep=tuple(filter(None, (options.group, options.time))))
    from ulmus.tasks.classifier import verification
    from ulmus.tasks.classifier.model import TextClassifier
    from ulmus.tasks.classifier.regressor import load_estimator

    model = load_estimator(options.model, device=options.device, precision=options.precision)
    given = inputs.labelled(source)
    if not options.quiet:
        reading.report_labelled(source, given, title="Texts", numbers=model.NUMERIC)
    labels, unknown = list[Any](given.labels), list[str]()
    if isinstance(model, TextClassifier):
        names = (str(options.model), str(source.path))
        labels, found = scoring.as_classes(model, given.labels, names, options.label_delimiter)
        unknown = sorted(found)
    result = verification.verify(
        model,
        inputs.documents(source, given.texts),
        labels,
        unknown=unknown,
        groups=given.beside if options.group is not None else None,
        times=given.beside if options.time is not None else None,
    )
    if options.json:
        show.as_json(_as_dict(result))
    else:
        _print(result, str(options.model))
    if not result.agrees:
        raise typer.Exit(1)


def _as_dict(result: Verification) -> dict[str, Any]:
    return asdict(result) | {"explanation": result.explanation}


def _print(result: Verification, name: str) -> None:
    """Print claimed and measured scores of each part, what was compared, and the verdict."""
    columns = ["part", "score", "claimed", "measured", "difference", "95% confidence interval", "agrees"]
    show.table(columns, [_row(check) for check in result.checks])
    show.say(result.explanation)
    verdict = "does what it claims" if result.agrees else "does not do what it claims"
    show.say(f"{name} {verdict}: claimed on {result.claimed_on:,} texts, measured on {result.measured_on:,}.")


def _row(check: Check) -> list[str]:
    gap, by = check.gap, 1 if check.measure == "pearson" else 100
    digits = 3 if check.measure == "pearson" else 1
    return [
        scoring.PART_NAMES[check.part],
        show.SCORES[check.measure],
        show.score(check.measure, check.claimed),
        show.score(check.measure, check.measured),
        f"{by * gap.difference:+.{digits}f}",
        f"{by * gap.low:+.{digits}f} to {by * gap.high:+.{digits}f}",
        "yes" if check.agrees else "no",
    ]

"""`ulmus evaluate`: a model and labelled texts -> accuracy and F1, overall, per part and per class.

Texts whose label is not a class of the model count as errors. A regressor is scored by correlations and errors.
Knows no layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ulmus.cli import guard, inputs, outputs, reading, remembered, scoring, show
from ulmus.cli.options import (
    Classifier,
    CommonOptions,
    Device,
    Force,
    InferencePrecision,
    LabelCols,
    LabelDelimiter,
    ReaderOptions,
    ReportFile,
    TextBCols,
    TextCols,
    command,
)
from ulmus.errors import UsageError

_ROWS, _COLUMNS = 40, 10  # largest numbers of classes in a table and in a confusion matrix
_SUMMARY = ("pearson", "spearman", "mae", "rmse")  # of a regressor, in the last line


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(ReaderOptions, CommonOptions):
    """The options of `ulmus evaluate`."""

    model: Classifier
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="File or folder of labelled texts.", show_default=False)
    ]
    text: TextCols = field(default_factory=list)
    text_b: TextBCols = field(default_factory=list)
    label: LabelCols = field(default_factory=list)
    label_delimiter: LabelDelimiter = None
    train_data: Annotated[
        Path | None,
        typer.Option(
            "--train-data",
            metavar="FILE",
            help="The training texts: counts (nearly) equal ones in DATA, and tests whether DATA is of another kind.",
        ),
    ] = None
    report: ReportFile = None
    group: Annotated[
        str | None, typer.Option(metavar="COL", help="Column of groups: the report has the accuracy of each.")
    ] = None
    time: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column of dates or numbers: the report has the accuracy by time."),
    ] = None
    device: Device = "auto"
    precision: InferencePrecision = "auto"
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not report on stderr how files are read.")] = (
        False
    )
    force: Force = False


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, EvaluateOptions, example="ulmus evaluate reviews.ulmus test.csv --text text --label label")(
        evaluate
    )


def evaluate(options: EvaluateOptions) -> None:
    """Score a classifier or regressor on labelled texts."""
    guard.check_order(options.model, options.data)
    outputs.claim_report(options)
    beside = {name: column for name in ("group", "time") if (column := getattr(options, name)) is not None}
    if beside and options.report is None:
        raise UsageError(
            "--group and --time: only the report shows accuracies by them. Add --report FILE.html."
        )
    columns = inputs.Columns(options.text, options.label, options.label_delimiter, options.text_b)
    source = remembered.source(options.model, options.data, options, columns, labelled=True)
    source = replace(source, keep=tuple(beside.values()))
    from ulmus.tasks.classifier.regressor import TextRegressor, load_estimator

    model = load_estimator(options.model, device=options.device, precision=options.precision)
    given = inputs.labelled(source)
    if not options.quiet:
        numbers = isinstance(model, TextRegressor)
        reading.report_labelled(source, given, title="Texts", numbers=numbers)
    train = None if options.train_data is None else _train_texts(options, columns)
    reported = scoring.Reported(model, given, beside) if options.report is not None else None
    result = scoring.scored(
        model,
        source,
        given,
        name=str(options.model),
        delimiter=options.label_delimiter,
        train=train,
        measure=reported,
    )
    if reported is not None and options.report is not None:
        replace(reported.report, title=f"{options.model.name} on {options.data.name}").save(options.report)
    if result["seen"] and train is None:
        show.note(
            f"Warning: about {show.percent(result['seen'])} of these texts were trained on. "
            "The scores say little about other texts."
        )
    if options.json:
        show.as_json(result)
    elif isinstance(model, TextRegressor):
        _print_numbers(result, str(options.model))
    else:
        _print_scores(result, str(options.model))


def _train_texts(options: EvaluateOptions, columns: inputs.Columns) -> list[Any]:
    """The texts of `--train-data`, as the model takes them."""
    path = Path(str(options.train_data))
    source = remembered.source(options.model, path, options, replace(columns, label=()))
    return inputs.documents(source, list(inputs.Texts([source])))


def _print_scores(result: dict[str, Any], name: str) -> None:
    """Print the scores of the parts and of each class, the confusion matrix, and a summary in the last line."""
    show.scores(scoring.rows(result["parts"] | {"majority": result.get("majority")}), name)
    _print_classes(result["classes"])
    counts = result["confusion"]["counts"]
    if counts.ndim == 2:  # (C, C), single-label
        _print_confusion([str(label) for label in result["confusion"]["classes"]], counts)
    if result["unmeasured"]:
        show.say(f"No scores for labels that no text has: {inputs.listed(result['unmeasured'])}.")
    key, word = ("micro_f1", "micro") if "micro_f1" in result else ("macro_f1", "macro")
    show.say(
        f"Accuracy {show.percent(result['accuracy'])}, {word} F1 {show.percent(result[key])} "
        f"on {result['n']:,} texts ({show.seconds(result['seconds'])})."
    )


def _print_numbers(result: dict[str, Any], name: str) -> None:
    """Print the scores of the parts of a regressor, and a summary in the last line."""
    show.scores(scoring.rows(result["parts"] | {"majority": result.get("majority")}), name)
    shown = ", ".join(f"{show.SCORES[key]} {show.score(key, result[key])}" for key in _SUMMARY)
    show.say(f"{shown} on {result['n']:,} texts ({show.seconds(result['seconds'])}).")


def _print_classes(classes: Mapping[Any, Mapping[str, float]]) -> None:
    """Print one row per class, in their order; if there are very many, the most frequent ones."""
    most = sorted(classes, key=lambda name: classes[name]["support"], reverse=True)[:_ROWS]
    rows = [
        [
            str(name),
            *(show.percent(row[key]) for key in ("precision", "recall", "f1")),
            *(f"{row[key]:,}" for key in ("support", "predicted")),
        ]
        for name, row in classes.items()
        if name in most
    ]
    show.table(["class", "precision", "recall", "F1", "texts", "predicted"], rows)
    if len(classes) > _ROWS:
        show.say(f"Showing the {_ROWS} most frequent of {len(classes):,} classes; --json has all.")


def _print_confusion(names: list[str], counts: Any) -> None:
    """Print the (C, C) matrix of true and predicted classes; with many classes, the most frequent errors."""
    if len(names) <= _COLUMNS:
        rows = [[name, *(f"{n:,}" for n in row)] for name, row in zip(names, counts, strict=True)]
        show.table(["true \\ predicted", *names], rows)
        return
    from ulmus.evaluation.confusions import most_confused

    rows = [
        [names[one.true], names[one.predicted], f"{one.documents:,}"]
        for one in most_confused(counts, _COLUMNS)
    ]
    show.table(["true", "predicted", "texts"], rows)

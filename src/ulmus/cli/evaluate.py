"""`ulmus evaluate`: a model and labelled texts -> accuracy and F1, overall, per part and per class.

Texts whose label is not a class of the model count as errors. A regressor is scored by correlations and errors.
Knows no layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ulmus.cli import guard, inputs, reading, remembered, show
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
from ulmus.cli.train import PART_NAMES
from ulmus.cli.writers import escaped
from ulmus.corpus.saved_lists import saved_list
from ulmus.errors import DataError, UsageError

if TYPE_CHECKING:
    from ulmus.corpus.source import Source
    from ulmus.tasks.classifier.model import TextClassifier
    from ulmus.tasks.classifier.regressor import TextRegressor

_ROWS, _COLUMNS = 40, 10  # largest numbers of classes in a table and in a confusion matrix
_SUMMARY = ("pearson", "spearman", "mae", "rmse")  # of a regressor, in the last line
_DELIMITERS = (",", ";", "|", " ")  # tried as separators of several labels in one cell


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
    device: Device = "auto"
    precision: InferencePrecision = "auto"
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not report on stderr how files are read.")] = (
        False
    )


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, EvaluateOptions, example="ulmus evaluate reviews.ulmus test.csv --text text --label label")(
        evaluate
    )


def evaluate(options: EvaluateOptions) -> None:
    """Score a classifier or regressor on labelled texts."""
    guard.check_order(options.model, options.data)
    columns = inputs.Columns(options.text, options.label, options.label_delimiter, options.text_b)
    source = remembered.source(options.model, options.data, options, columns, labelled=True)
    from ulmus.tasks.classifier.regressor import TextRegressor, load_estimator

    model = load_estimator(options.model, device=options.device, precision=options.precision)
    given = inputs.labelled(source)
    if not options.quiet:
        numbers = isinstance(model, TextRegressor)
        reading.report_labelled(source, given, title="Texts", numbers=numbers)
    result = (
        _of_numbers(model, source, given)
        if isinstance(model, TextRegressor)
        else _of_classes(model, source, given, options)
    )
    if result["seen"]:
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


def _of_numbers(model: TextRegressor, source: Source, given: inputs.Labelled) -> dict[str, Any]:
    """The scores of a regressor."""
    if given.unlabeled:
        show.note(f"{len(given.unlabeled):,} texts without a number are left out.")
    started = perf_counter()
    result = model.evaluate(inputs.documents(source, given.texts), given.labels)
    return result | {"seconds": perf_counter() - started}


def _of_classes(
    classifier: TextClassifier, source: Source, given: inputs.Labelled, options: EvaluateOptions
) -> dict[str, Any]:
    """The scores of a classifier; unknown labels are reported."""
    if given.unlabeled and classifier.multi_label_ and not _tells_none_from_unknown(source):
        show.note(f"{len(given.unlabeled):,} texts without a label count as having none of the labels.")
        given.texts.extend(given.unlabeled)
        given.labels.extend([()] * len(given.unlabeled))
    elif given.unlabeled:
        show.note(f"{len(given.unlabeled):,} texts without a label are left out.")
    labels, unknown = _labels(classifier, given.labels, options)
    started = perf_counter()
    result = classifier.evaluate(inputs.documents(source, given.texts), labels, unknown=sorted(unknown))
    result["seconds"] = perf_counter() - started
    if unknown:
        result["unknown_labels"] = dict(unknown)
        _warn(unknown, classifier.class_names_)
    return result


def _tells_none_from_unknown(source: Source) -> bool:
    """Whether the file distinguishes a text with none of the labels from one whose labels are unknown."""
    return source.label_delimiter is not None or isinstance(source.label, tuple)


def _labels(
    classifier: TextClassifier, given: Sequence[Any], options: EvaluateOptions
) -> tuple[list[Any], Counter[str]]:
    """The labels as classes of the model (which may be numbers, if fitted in Python), and counts of unknown labels.

    A label that `predict` escaped in a csv file is recognized. Raises UsageError and DataError for labels that do
    not fit the model.
    """
    own = {str(name): name for name in classifier.class_names_}
    names = {escaped(text): name for text, name in own.items()} | own
    if not classifier.multi_label_:
        if options.label_delimiter is not None:
            raise UsageError(f"{options.model} predicts one label per text. Remove --label-delimiter.")
        rows = [(label,) if isinstance(label, str) else label for label in given]
        if odd := sum(len(row) != 1 for row in rows):
            raise DataError(
                f"{options.model} predicts one label per text, but {odd:,} texts of {options.data} have several or "
                "none. Give a file with one label per text."
            )
    else:
        delimiter = options.label_delimiter or _delimiter(names, given)
        rows = [_split(label, inputs.character(delimiter)) for label in given]
    unknown = Counter(part for row in rows for part in row if part not in names)
    if len(unknown) and not any(part in names for row in rows for part in row):
        raise DataError(
            f"none of the labels in {options.data} is a class of the model. The file has "
            f"{inputs.listed(sorted(unknown))}; the model has {inputs.listed(sorted(own))}. "
            "Check the --label column."
        )
    named = [tuple(names.get(part, part) for part in row) for row in rows]
    return (named if classifier.multi_label_ else [row[0] for row in named]), unknown


def _delimiter(names: Mapping[str, Any], given: Sequence[Any]) -> str:
    """The delimiter that splits the labels so that most of them are classes of the model."""

    def known(delimiter: str) -> float:
        parts = [part for label in given for part in _split(label, delimiter)]
        return sum(part in names for part in parts) / max(len(parts), 1)

    return max(_DELIMITERS, key=known)


def _split(label: Any, delimiter: str | None) -> tuple[str, ...]:
    if not isinstance(label, str):  # a list in a jsonl or parquet file
        return tuple(label)
    if (saved := saved_list(label)) is not None:
        return saved
    return tuple(part.strip() for part in label.split(delimiter) if part.strip())


def _warn(unknown: Counter[str], classes: Sequence[Any]) -> None:
    show.note(
        f"Warning: not a class of the model: {inputs.listed(sorted(unknown))}. The texts with these labels "
        f"({sum(unknown.values()):,}) count as errors. Its classes are {inputs.listed(sorted(map(str, classes)))}."
    )


def _print_scores(result: dict[str, Any], name: str) -> None:
    """Print the scores of the parts and of each class, the confusion matrix, and a summary in the last line."""
    parts = result["parts"]
    show.scores({PART_NAMES[part]: parts[part] for part in PART_NAMES if part in parts}, name)
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
    parts = result["parts"]
    show.scores({PART_NAMES[part]: parts[part] for part in PART_NAMES if part in parts}, name)
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
    wrong = [(n, i, j) for i, row in enumerate(counts.tolist()) for j, n in enumerate(row) if n and i != j]
    wrong.sort(key=lambda error: error[0], reverse=True)
    rows = [[names[i], names[j], f"{n:,}"] for n, i, j in wrong[:_COLUMNS]]
    show.table(["true", "predicted", "texts"], rows)

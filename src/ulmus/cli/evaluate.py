"""`ulmus evaluate`: a classifier and labelled texts -> accuracy and F1, of the whole and of its parts.

A label that the model does not know can only be predicted wrongly, and is counted so. Knows no layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ulmus.cli import inputs, reading, show
from ulmus.cli.options import (
    Classifier,
    CommonOptions,
    Device,
    LabelCol,
    LabelDelimiter,
    ReaderOptions,
    ReadPrecision,
    TextCols,
    command,
)
from ulmus.cli.train import PARTS
from ulmus.errors import DataError, UsageError

if TYPE_CHECKING:
    from ulmus.tasks.classifier.model import TextClassifier

_DELIMITERS = (",", ";", "|", " ")  # what several labels in one cell may have between them


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(ReaderOptions, CommonOptions):
    """The options of `ulmus evaluate`."""

    model: Classifier
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="File or folder of labelled texts.", show_default=False)
    ]
    text: TextCols = field(default_factory=list)
    label: LabelCol = None
    label_delimiter: LabelDelimiter = None
    device: Device = "auto"
    precision: ReadPrecision = "auto"
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing on stderr of what is read.")] = False


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, EvaluateOptions)(evaluate)


def evaluate(options: EvaluateOptions) -> None:
    """Score a classifier on labelled texts."""
    source = inputs.source(options.data, options, inputs.Columns(options.text, options.label))
    inputs.probe([source])
    from ulmus.tasks.classifier.model import TextClassifier

    classifier = TextClassifier.load(options.model, device=options.device, precision=options.precision)
    given = inputs.labelled(source)
    if not options.quiet:
        reading.tell_labelled(source, given)
    if given.unlabeled and classifier.multi_label_:
        show.note(f"{len(given.unlabeled):,} texts without a label are read as having none of the labels.")
        given.texts.extend(given.unlabeled)
        given.labels.extend([()] * len(given.unlabeled))
    elif given.unlabeled:
        show.note(f"{len(given.unlabeled):,} texts without a label are left out.")
    labels, unknown = _labels(classifier, given.labels, options)
    started = perf_counter()
    score = partial(_scores_with_strangers, classifier) if unknown else classifier.evaluate
    result = score(given.texts, labels)
    result["seconds"] = perf_counter() - started
    if unknown:
        result["unknown_labels"] = dict(unknown)
        _warn(unknown, classifier.class_names_)
    if options.json:
        show.as_json(result)
    else:
        _tell(result, str(options.model))


def _labels(
    classifier: TextClassifier, given: Sequence[Any], options: EvaluateOptions
) -> tuple[list[Any], Counter[str]]:
    """Labels as the model names them (one made in Python may have numbers), and those it does not know."""
    names = {str(name): name for name in classifier.class_names_}
    if not classifier.multi_label_:
        if options.label_delimiter is not None:
            raise UsageError(f"{options.model} gives one label to a text. Leave --label-delimiter away.")
        rows = [(label,) if isinstance(label, str) else label for label in given]
    else:
        delimiter = options.label_delimiter or _delimiter(names, given)
        rows = [_split(label, inputs.character(delimiter)) for label in given]
    unknown = Counter(part for row in rows for part in row if part not in names)
    if len(unknown) and not any(part in names for row in rows for part in row):
        raise DataError(
            f"none of the labels of {options.data} is a class of the model: the file has "
            f"{inputs.listed(sorted(unknown))}; the model knows {inputs.listed(sorted(names))}. "
            "Is it the right --label column?"
        )
    named = [tuple(names.get(part, part) for part in row) for row in rows]
    return (named if classifier.multi_label_ else [row[0] for row in named]), unknown


def _delimiter(names: Mapping[str, Any], given: Sequence[Any]) -> str:
    """The delimiter under which most of the labels are classes of the model."""

    def known(delimiter: str) -> float:
        parts = [part for label in given for part in _split(label, delimiter)]
        return sum(part in names for part in parts) / max(len(parts), 1)

    return max(_DELIMITERS, key=known)


def _split(label: Any, delimiter: str | None) -> tuple[str, ...]:
    if not isinstance(label, str):  # a list in a jsonl or parquet file
        return tuple(label)
    return tuple(part.strip() for part in label.split(delimiter) if part.strip())


def _scores_with_strangers(classifier: TextClassifier, texts: list[str], labels: list[Any]) -> dict[str, Any]:
    """The scores where some labels are no classes of the model: those texts count as wrong."""
    parts = {}
    for part in classifier.parts:
        predicted = classifier.labels_of(classifier.predict_proba(texts, part=part), part=part)
        parts[part] = _counted(labels, predicted, classifier.multi_label_)
    return {**parts[classifier.parts[0]], "n": len(texts), "parts": parts}


def _counted(labels: list[Any], predicted: list[Any], multi_label: bool) -> dict[str, float]:
    """Accuracy and F1 of any names, known to the model or not."""
    from ulmus.evaluation import metrics

    if not multi_label:
        truth, guess = [str(label) for label in labels], [str(label) for label in predicted]
        return {"accuracy": metrics.accuracy(truth, guess), "macro_f1": metrics.macro_f1(truth, guess)}
    every = sorted({str(part) for row in [*labels, *predicted] for part in row})
    truth_hot, guess_hot = (
        [[int(name in row) for name in every] for row in (set(map(str, parts)) for parts in rows)]
        for rows in (labels, predicted)
    )  # (N, C and the strangers)
    return {
        "accuracy": metrics.accuracy(truth_hot, guess_hot),
        "macro_f1": metrics.macro_f1(truth_hot, guess_hot),
        "micro_f1": metrics.micro_f1(truth_hot, guess_hot),
    }


def _warn(unknown: Counter[str], classes: Sequence[Any]) -> None:
    show.note(
        f"Warning: the model does not know {inputs.listed(sorted(unknown))}: the texts with these labels "
        f"({sum(unknown.values()):,}) count as wrong. It knows {inputs.listed(sorted(map(str, classes)))}."
    )


def _tell(result: dict[str, Any], name: str) -> None:
    parts = result.get("parts", {})
    rows = {PARTS[part]: parts[part] for part in PARTS if part in parts} or {name: result}
    show.scores(rows, f"{result['n']:,} texts in {show.seconds(result['seconds'])}")

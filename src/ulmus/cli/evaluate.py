"""`ulmus evaluate`: a classifier and labelled texts -> accuracy and F1, of the whole, its parts and each class.

A label that the model does not know can only be predicted wrongly, and is counted so. Knows no layer.
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
    LabelCols,
    LabelDelimiter,
    ReaderOptions,
    ReadPrecision,
    TextCols,
    command,
)
from ulmus.cli.train import PARTS
from ulmus.cli.writers import guarded
from ulmus.corpus.saved_lists import saved_list
from ulmus.errors import DataError, UsageError

if TYPE_CHECKING:
    from ulmus.corpus.source import Source
    from ulmus.tasks.classifier.model import TextClassifier

_ROWS, _COLUMNS = 40, 10  # most classes in a table, and in a matrix
_DELIMITERS = (",", ";", "|", " ")  # what several labels in one cell may have between them


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(ReaderOptions, CommonOptions):
    """The options of `ulmus evaluate`."""

    model: Classifier
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="File or folder of labelled texts.", show_default=False)
    ]
    text: TextCols = field(default_factory=list)
    label: LabelCols = field(default_factory=list)
    label_delimiter: LabelDelimiter = None
    device: Device = "auto"
    precision: ReadPrecision = "auto"
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing on stderr of what is read.")] = False


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, EvaluateOptions, example="ulmus evaluate reviews.ulmus test.csv --text text --label label")(
        evaluate
    )


def evaluate(options: EvaluateOptions) -> None:
    """Score a classifier on labelled texts."""
    guard.check_order(options.model, options.data)
    columns = inputs.Columns(options.text, options.label, options.label_delimiter)
    source = remembered.source(options.model, options.data, options, columns, labelled=True)
    from ulmus.tasks.classifier.model import TextClassifier

    classifier = TextClassifier.load(options.model, device=options.device, precision=options.precision)
    given = inputs.labelled(source)
    if not options.quiet:
        reading.tell_labelled(source, given, title="Texts")
    if given.unlabeled and classifier.multi_label_ and not _says_none(source):
        show.note(f"{len(given.unlabeled):,} texts without a label are read as having none of the labels.")
        given.texts.extend(given.unlabeled)
        given.labels.extend([()] * len(given.unlabeled))
    elif given.unlabeled:
        show.note(f"{len(given.unlabeled):,} texts without a label are left out.")
    labels, unknown = _labels(classifier, given.labels, options)
    started = perf_counter()
    result = classifier.evaluate(given.texts, labels, unknown=sorted(unknown))
    result["seconds"] = perf_counter() - started
    if unknown:
        result["unknown_labels"] = dict(unknown)
        _warn(unknown, classifier.class_names_)
    if result["seen"]:
        show.note(
            f"Warning: about {show.percent(result['seen'])} of these texts were trained on. "
            "The scores say little of other texts."
        )
    if options.json:
        show.as_json(result)
    else:
        _tell(result, str(options.model))


def _says_none(source: Source) -> bool:
    """Whether a text with none of several labels can be told from one whose labels are not known."""
    return source.label_delimiter is not None or isinstance(source.label, tuple)


def _labels(
    classifier: TextClassifier, given: Sequence[Any], options: EvaluateOptions
) -> tuple[list[Any], Counter[str]]:
    """Labels as the model names them (one made in Python may have numbers), and those it does not know.

    A label that stands in a csv file as `predict` guards it is the label that it was.
    """
    own = {str(name): name for name in classifier.class_names_}
    names = {guarded(text): name for text, name in own.items()} | own
    if not classifier.multi_label_:
        if options.label_delimiter is not None:
            raise UsageError(f"{options.model} gives one label to a text. Leave --label-delimiter away.")
        rows = [(label,) if isinstance(label, str) else label for label in given]
        if odd := sum(len(row) != 1 for row in rows):
            raise DataError(
                f"{options.model} gives one label to a text, and {odd:,} texts of {options.data} have several or none. "
                "Give a file with one label a text."
            )
    else:
        delimiter = options.label_delimiter or _delimiter(names, given)
        rows = [_split(label, inputs.character(delimiter)) for label in given]
    unknown = Counter(part for row in rows for part in row if part not in names)
    if len(unknown) and not any(part in names for row in rows for part in row):
        raise DataError(
            f"none of the labels of {options.data} is a class of the model: the file has "
            f"{inputs.listed(sorted(unknown))}; the model knows {inputs.listed(sorted(own))}. "
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
    if (saved := saved_list(label)) is not None:
        return saved
    return tuple(part.strip() for part in label.split(delimiter) if part.strip())


def _warn(unknown: Counter[str], classes: Sequence[Any]) -> None:
    show.note(
        f"Warning: the model does not know {inputs.listed(sorted(unknown))}: the texts with these labels "
        f"({sum(unknown.values()):,}) count as wrong. It knows {inputs.listed(sorted(map(str, classes)))}."
    )


def _tell(result: dict[str, Any], name: str) -> None:
    """The parts side by side, each class, what is taken for what, and last of all one line of it."""
    parts = result["parts"]
    show.scores({PARTS[part]: parts[part] for part in PARTS if part in parts}, name)
    _tell_classes(result["classes"])
    counts = result["confusion"]["counts"]
    if counts.ndim == 2:  # of single labels
        _tell_confusion([str(label) for label in result["confusion"]["classes"]], counts)
    if result["unmeasured"]:
        show.say(f"Not measured, since no text has that label: {inputs.listed(result['unmeasured'])}.")
    key, word = ("micro_f1", "micro") if "micro_f1" in result else ("macro_f1", "macro")
    show.say(
        f"Accuracy {show.percent(result['accuracy'])}, {word} F1 {show.percent(result[key])} "
        f"on {result['n']:,} texts ({show.seconds(result['seconds'])})."
    )


def _tell_classes(classes: Mapping[Any, Mapping[str, float]]) -> None:
    """One row a class, in their order; of very many those with the most texts."""
    most = sorted(classes, key=lambda name: classes[name]["support"], reverse=True)[:_ROWS]
    rows = [
        [
            str(name),
            *(show.percent(found[key]) for key in ("precision", "recall", "f1")),
            *(f"{found[key]:,}" for key in ("support", "predicted")),
        ]
        for name, found in classes.items()
        if name in most
    ]
    show.table(["class", "precision", "recall", "F1", "texts", "predicted"], rows)
    if len(classes) > _ROWS:
        show.say(f"These are the {_ROWS} of {len(classes):,} classes with the most texts; --json has all.")


def _tell_confusion(names: list[str], counts: Any) -> None:
    """The matrix (true class, predicted class) of few classes; the most frequent mistakes of many."""
    if len(names) <= _COLUMNS:
        rows = [[name, *(f"{n:,}" for n in row)] for name, row in zip(names, counts, strict=True)]
        show.table(["texts of ... taken for", *names], rows)
        return
    wrong = [(n, i, j) for i, row in enumerate(counts.tolist()) for j, n in enumerate(row) if n and i != j]
    wrong.sort(key=lambda found: found[0], reverse=True)
    rows = [[names[i], names[j], f"{n:,}"] for n, i, j in wrong[:_COLUMNS]]
    show.table(["texts of ...", "... taken for", "texts"], rows)

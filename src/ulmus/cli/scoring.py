"""A model and labelled texts from a file -> the report of `evaluate`, and what is to be said about it.

For `ulmus evaluate` and for `ulmus train --test`. Labels as they stand in files become classes of the model; those that
are none are reported and count as errors. Knows no layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ulmus.cli import inputs, show
from ulmus.cli.writers import escaped
from ulmus.corpus.saved_lists import saved_list
from ulmus.errors import DataError, UsageError

if TYPE_CHECKING:
    from ulmus.corpus.source import Source
    from ulmus.evaluation.report import Report
    from ulmus.tasks.classifier.model import TextClassifier
    from ulmus.tasks.classifier.regressor import TextRegressor

__all__ = ["PART_NAMES", "Reported", "as_classes", "rows", "scored"]

PART_NAMES = {"counts": "word counts", "lm": "network", "combined": "combined"}
_DELIMITERS = (",", ";", "|", " ")  # tried as separators of several labels in one cell


def scored(
    model: TextClassifier | TextRegressor,
    source: Source,
    given: inputs.Labelled,
    *,
    name: str,
    delimiter: str | None = None,
    train: list[Any] | None = None,
    measure: Callable[..., Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The report of the labelled texts of a file, with the seconds it took; prints notes and warnings on stderr.

    name: of the model, for messages. delimiter: between the labels of a text (None: guessed). train: texts that the
    model was trained on, to compare with. measure: instead of the model's `evaluate`, whose arguments it takes.
    """
    from ulmus.tasks.classifier.model import TextClassifier

    if given.unlabeled and isinstance(model, TextClassifier) and _counts_as_none(model, source):
        show.note(f"{len(given.unlabeled):,} texts without a label count as having none of the labels.")
        given.texts.extend(given.unlabeled)
        given.labels.extend([()] * len(given.unlabeled))
    elif given.unlabeled:
        show.note(
            f"{len(given.unlabeled):,} texts without a {'number' if model.NUMERIC else 'label'} are left out."
        )
    texts = inputs.documents(source, given.texts)
    started = perf_counter()
    measured: Callable[..., Mapping[str, Any]] = measure or model.evaluate
    if not isinstance(model, TextClassifier):
        result = dict(measured(texts, given.labels, train=train))
    else:
        labels, unknown = as_classes(model, given.labels, (name, str(source.path)), delimiter)
        result = dict(measured(texts, labels, unknown=sorted(unknown), train=train))
        if unknown:
            result["unknown_labels"] = dict(unknown)
            _warn(unknown, model.class_names_)
    for warning in result["warnings"]:
        show.note(f"Warning: {warning}")
    return result | {"seconds": perf_counter() - started}


class Reported:
    """A model's `evaluate` that keeps the whole report; `columns` are those of groups and times that were read."""

    report: Report

    def __init__(
        self, model: TextClassifier | TextRegressor, given: inputs.Labelled, columns: Mapping[str, str]
    ) -> None:
        self._model, self._given, self._columns = model, given, columns

    def __call__(self, texts: list[Any], labels: Sequence[Any], **how: Any) -> Mapping[str, Any]:
        """The scores."""
        every = len(self._columns)
        beside = {f"{name}s": list(self._given.beside[i::every]) for i, name in enumerate(self._columns)}
        for column in beside.values():  # (texts without a label, which count as having none)
            column.extend([None] * (len(texts) - len(column)))
        self.report = self._model.report(texts, labels, **beside, **how)
        return self.report.scores


def rows(report: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    """The rows of a table of scores: those of the parts, and of always answering the most frequent class."""
    named = {PART_NAMES[part]: report[part] for part in PART_NAMES if isinstance(report.get(part), Mapping)}
    return named | ({"most frequent class": report["majority"]} if report.get("majority") else {})


def _counts_as_none(model: TextClassifier, source: Source) -> bool:
    """Whether a text without a label has none of the labels: in a file that does not tell that from unknown labels."""
    told = source.label_delimiter is not None or isinstance(source.label, tuple)
    return model.multi_label_ and not told


def as_classes(
    classifier: TextClassifier, given: Sequence[Any], names: tuple[str, str], delimiter: str | None
) -> tuple[list[Any], Counter[str]]:
    """The labels as classes of the model (which may be numbers, if fitted in Python), and counts of unknown labels.

    `names`: of the model and of the file, for messages. A label that `predict` escaped in a csv file is recognized.
    Raises UsageError and DataError for labels that do not fit the model.
    """
    model, data = names
    own = {str(name): name for name in classifier.class_names_}
    known = {escaped(text): name for text, name in own.items()} | own
    if not classifier.multi_label_:
        if delimiter is not None:
            raise UsageError(f"{model} predicts one label per text. Remove --label-delimiter.")
        rows = [(label,) if isinstance(label, str) else label for label in given]
        if odd := sum(len(row) != 1 for row in rows):
            raise DataError(
                f"{model} predicts one label per text, but {odd:,} texts of {data} have several or "
                "none. Give a file with one label per text."
            )
    else:
        delimiter = delimiter or _delimiter(known, given)
        rows = [_split(label, inputs.character(delimiter)) for label in given]
    unknown = Counter(part for row in rows for part in row if part not in known)
    if len(unknown) and not any(part in known for row in rows for part in row):
        raise DataError(
            f"none of the labels in {data} is a class of the model. The file has "
            f"{inputs.listed(sorted(unknown))}; the model has {inputs.listed(sorted(own))}. "
            "Check the --label column."
        )
    named = [tuple(known.get(part, part) for part in row) for row in rows]
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

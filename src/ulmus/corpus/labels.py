"""Labels in any common form -> class numbers.

One value per document is a single label; a list, tuple or set of values is multi-label, and so is a row of a table of
zeros and ones (`indicators`). Class names keep the user's type (str, int, bool). Knows no text and no model.
Axes: N documents, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ulmus.corpus.columns import as_list, missing
from ulmus.corpus.indicators import Indicators, of_rows, of_table
from ulmus.errors import DataError, UsageError
from ulmus.evaluation.objectives import MULTI_LABEL, SINGLE_LABEL, Objective

__all__ = ["Labels"]
_SEVERAL = (list, tuple, set, frozenset, np.ndarray)  # types that hold several labels of a document


@dataclass(frozen=True)
class Labels:
    """Class names (C,) in order, and the target of N documents: (N,) class numbers, or (N, C) zeros and ones."""

    classes: tuple[Any, ...]
    target: np.ndarray
    multi_label: bool

    @classmethod
    def of(
        cls, values: Any, classes: tuple[Any, ...] | None = None, multi_label: bool | None = None
    ) -> Labels:
        """Labels of N documents.

        values: N single labels, N lists or sets of labels, or a table (N, C) of zeros and ones, whose columns are the
        classes. `classes` and `multi_label` are those of an existing model.
        Raises DataError for a single class or a class not in `classes`, UsageError for missing or mixed labels.
        """
        if len(getattr(values, "shape", ())) == 2:
            return cls._indicated(of_table(values), classes, multi_label)
        rows = as_list(values, "labels")
        matrix = of_rows(rows, classes)
        if matrix is not None and multi_label is not False:
            return cls._indicated(matrix, classes, multi_label)
        lists = any(isinstance(row, _SEVERAL) for row in rows)
        multi = lists if multi_label is None else multi_label
        if lists and not multi:
            raise UsageError("labels: this model is single-label: expected one value per text, got a list.")
        sets = [_members(row) for row in rows]
        if any(missing(label) for row in sets for label in row):
            raise UsageError(
                "labels: a document has no label (None). Pass texts without a label as `unlabeled`."
            )
        for label in (label for row in sets for label in row):
            _check(label)
        names = classes if classes is not None else _in_order(label for row in sets for label in row)
        number = {name: i for i, name in enumerate(names)}
        unknown = sorted({str(label) for row in sets for label in row if label not in number})
        if unknown:
            raise DataError(
                f"labels: {', '.join(unknown[:5])} is not a class of this model ({_listed(names)})."
            )
        if len(names) < (MULTI_LABEL if multi else SINGLE_LABEL).fewest_classes:
            raise DataError(
                f"expected labels of at least two classes, got only {_listed(names)!r}. Check the labels."
            )
        objective = MULTI_LABEL if multi else SINGLE_LABEL
        members = [[number[label] for label in row] for row in sets]
        return cls(names, objective.target(members, len(names)), multi)

    @property
    def objective(self) -> Objective:
        """The objective: single-label or multi-label."""
        return MULTI_LABEL if self.multi_label else SINGLE_LABEL

    @classmethod
    def _indicated(
        cls, found: Indicators, classes: tuple[Any, ...] | None, multi_label: bool | None
    ) -> Labels:
        """Labels of a table, in the order of `classes` if given. Raises UsageError for a single-label model."""
        if multi_label is False:
            raise UsageError(
                "labels: this model is single-label: expected one value per text, got a table of 0 and 1."
            )
        if classes is not None:
            return cls(classes, found.of_classes(classes), True)
        for name in found.names or ():
            _check(name)
        return cls(found.names or tuple(range(found.target.shape[1])), found.target, True)

    def like(self, values: Any) -> Labels:
        """Labels of other documents, with the same classes. Raises as `of`."""
        return Labels.of(values, self.classes, self.multi_label)

    def rows(self, index: np.ndarray) -> Labels:
        """The labels of the documents `index` (n,), with the same classes."""
        return Labels(self.classes, self.target[index], self.multi_label)

    def hot(self) -> np.ndarray:
        """The target as (N, C) float32: 1 for each class of a document, else 0."""
        return self.objective.hot(self.target, len(self.classes))

    def learnable(self) -> np.ndarray:
        """The target for training a network: class numbers (N,) int64, or (N, C) float32."""
        return self.hot() if self.multi_label else self.target

    def counts(self) -> np.ndarray:
        """The number of documents of each class, (C,)."""
        return self.objective.counts(self.target, len(self.classes))

    def __len__(self) -> int:
        return len(self.target)


def _members(row: Any) -> tuple[Any, ...]:
    """The labels of one document; numpy scalars become Python scalars."""
    members = as_list(row, "labels") if isinstance(row, _SEVERAL) else (row,)
    return tuple(label.item() if isinstance(label, np.generic) else label for label in members)


def _check(label: Any) -> None:
    """Raise UsageError for a label that a model file cannot restore exactly."""
    if not isinstance(label, (str, int, float)):
        raise UsageError(f"labels: expected str, int, float or bool, got {type(label).__name__} ({label}).")
    if isinstance(label, float) and not math.isfinite(label):
        raise UsageError(f"labels: expected finite numbers, got {label}. Name that class with a string.")


def _in_order(names: Iterable[Any]) -> tuple[Any, ...]:
    try:
        return tuple(sorted(set(names)))
    except TypeError:
        raise UsageError("labels: expected labels of one type (str, int or bool), got a mixture.") from None


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(map(str, names))

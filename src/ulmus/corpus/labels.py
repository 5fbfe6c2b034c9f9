"""Labels as users hold them -> class numbers; which labelled documents to hold back.

One value a document is a single label; a list, tuple or set of values is several (multi-label), and so is a row of a
table of zeros and ones (`indicators`). Class names keep the user's type (str, int, bool). Knows no text and no model.
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
_SEVERAL = (list, tuple, set, frozenset, np.ndarray)  # how several labels of a document come


@dataclass(frozen=True)
class Labels:
    """Class names (C,) in order, and what each of N documents is: (N,) numbers, or (N, C) zeros and ones."""

    classes: tuple[Any, ...]
    target: np.ndarray
    multi_label: bool

    @classmethod
    def of(
        cls, values: Any, classes: tuple[Any, ...] | None = None, multi_label: bool | None = None
    ) -> Labels:
        """Labels of documents. Raises DataError for one class only or a class not in `classes`, UsageError for None.

        values: N single labels, N lists or sets of labels, or a table (N, C) of zeros and ones, whose classes are its
        columns. `classes` and `multi_label` are those of a model that is there already.
        """
        if len(getattr(values, "shape", ())) == 2:
            return cls._indicated(of_table(values), classes, multi_label)
        rows = as_list(values, "labels")
        matrix = of_rows(rows, classes)
        if matrix is not None and multi_label is not False:
            return cls._indicated(matrix, classes, multi_label)
        found = any(isinstance(row, _SEVERAL) for row in rows)
        multi = found if multi_label is None else multi_label
        if found and not multi:
            raise UsageError(
                "labels: expected one value a text, as this model has learnt, got a list of them."
            )
        sets = [_members(row) for row in rows]
        if any(missing(label) for row in sets for label in row):
            raise UsageError("labels: a document has none (None). Give texts without a label as `unlabeled`.")
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
        """What is decided of each document."""
        return MULTI_LABEL if self.multi_label else SINGLE_LABEL

    @classmethod
    def _indicated(
        cls, found: Indicators, classes: tuple[Any, ...] | None, multi_label: bool | None
    ) -> Labels:
        """Labels of a table, with the known classes if there are some."""
        if multi_label is False:
            raise UsageError(
                "labels: expected one value a text, as this model has learnt, got a table of 0 and 1."
            )
        if classes is not None:
            return cls(classes, found.of_classes(classes), True)
        for name in found.names or ():
            _check(name)
        return cls(found.names or tuple(range(found.target.shape[1])), found.target, True)

    def rows(self, index: np.ndarray) -> Labels:
        """The same classes, fewer documents."""
        return Labels(self.classes, self.target[index], self.multi_label)

    def hot(self) -> np.ndarray:
        """(N, C) float32: 1 for the classes of a document, else 0."""
        return self.objective.hot(self.target, len(self.classes))

    def learnable(self) -> np.ndarray:
        """The targets as a network learns them: class numbers (N,) int64, or (N, C) float32."""
        return self.hot() if self.multi_label else self.target

    def counts(self) -> np.ndarray:
        """How many documents each class has, (C,)."""
        return self.objective.counts(self.target, len(self.classes))

    def __len__(self) -> int:
        return len(self.target)


def _members(row: Any) -> tuple[Any, ...]:
    """The labels of one document; scalars of numpy become Python's."""
    members = as_list(row, "labels") if isinstance(row, _SEVERAL) else (row,)
    return tuple(label.item() if isinstance(label, np.generic) else label for label in members)


def _check(label: Any) -> None:
    """Raise UsageError for what a model file could not bring back as the very same label."""
    if not isinstance(label, (str, int, float)):
        raise UsageError(f"labels: expected str, int, float or bool, got {type(label).__name__} ({label}).")
    if isinstance(label, float) and not math.isfinite(label):
        raise UsageError(f"labels: expected finite numbers, got {label}. Name that class by a word.")


def _in_order(names: Iterable[Any]) -> tuple[Any, ...]:
    try:
        return tuple(sorted(set(names)))
    except TypeError:
        raise UsageError("labels: expected all of one type (str, int or bool), got a mixture.") from None


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(map(str, names))

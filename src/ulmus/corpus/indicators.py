"""Tables of zeros and ones -> a multi-label matrix: one row per document, one column per class.

A table is a numpy or sparse array (N, C), a pandas, polars or Arrow table, or a list of N lists of 0 and 1, each of
length C. Classes are the column names, or the column numbers if there are no names. Knows no text and no model.
Axes: N documents, C classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ulmus.corpus.columns import as_list, missing
from ulmus.errors import DataError, UsageError

__all__ = ["Indicators", "is_set", "of_rows", "of_table"]

_WORDS = {"0": 0, "1": 1, "false": 0, "true": 1}  # cells of text files


class Indicators(NamedTuple):
    """Column names (C,), or None if there are none, and the matrix (N, C) of zeros and ones, int64."""

    names: tuple[Any, ...] | None
    target: np.ndarray

    def of_classes(self, classes: tuple[Any, ...]) -> np.ndarray:
        """The matrix (N, C) with its columns in the order of `classes`. Raises DataError if they do not match."""
        if self.names is None:
            if self.target.shape[1] != len(classes):
                raise DataError(
                    f"labels: expected one column of 0 and 1 for each of the {len(classes)} classes of this model, "
                    f"got {self.target.shape[1]}."
                )
            return self.target
        if set(self.names) != set(classes):
            raise DataError(
                f"labels: expected a column for each class of this model ({_listed(classes)}), "
                f"got the columns {_listed(self.names)}."
            )
        return self.target[:, [self.names.index(name) for name in classes]]


def of_table(table: Any) -> Indicators:
    """The matrix (N, C) of a table. Raises UsageError for a single column and for values other than 0 and 1."""
    shape = tuple(table.shape)
    if shape[1] < 2:
        raise UsageError(
            "labels: expected one column, or a table with a column of 0 and 1 for each class, got a "
            f"{type(table).__name__} of shape {shape}. Pass the column itself, not a table."
        )
    names, columns = _columns(table)
    cells = [_checked(column, name) for name, column in zip(names or range(shape[1]), columns, strict=True)]
    return Indicators(names, np.array(cells, np.int64).T.reshape(shape))


def of_rows(rows: list[Any], classes: tuple[Any, ...] | None = None) -> Indicators | None:
    """The matrix (N, C) of equally long rows of 0 and 1; None for rows that are single labels or sets of labels.

    A matrix has at least two columns, and as many as there are known `classes`. Its rows cannot be sets of the classes
    0 and 1: every row would contain a duplicate.
    """
    if not rows or not all(isinstance(row, (list, tuple, np.ndarray)) for row in rows):
        return None
    width = len(rows[0])
    if width < 2 or any(len(row) != width for row in rows) or (classes is not None and width != len(classes)):
        return None
    if not all(isinstance(cell, (int, float, np.generic)) and cell in (0, 1) for row in rows for cell in row):
        return None
    return Indicators(None, np.array([list(row) for row in rows], np.int64))


def is_set(cell: Any, column: Any) -> bool:
    """Whether a cell of a column of zeros and ones is 1. Raises UsageError unless it is 0 or 1."""
    value = _WORDS.get(cell.strip().lower().removesuffix(".0")) if isinstance(cell, str) else None
    if value is None and isinstance(cell, (int, float, np.generic)) and cell in (0, 1):
        value = int(cell)
    if value is None:
        raise UsageError(
            f"labels: expected 0 or 1 in each of several label columns, got {str(cell)[:40]!r} in column {column!r}. "
            "Name one label column, or pass a list of labels for each text."
        )
    return bool(value)


def _columns(table: Any) -> tuple[tuple[Any, ...] | None, list[list[Any]]]:
    """The names (C,), or None, and the columns (C, N) as lists. Raises UsageError for invalid or duplicate names."""
    named = getattr(table, "column_names", getattr(table, "columns", None))  # Arrow; pandas and polars
    if named is None:
        # sparse; arrays and tensors
        dense = table.toarray() if hasattr(table, "toarray") else np.asarray(table)
        return None, dense.T.tolist()
    names = as_list(named, "labels") if hasattr(named, "shape") else list(named)
    if len(set(names)) != len(names):
        raise UsageError(f"labels: two columns have the same name ({_listed(names)}). Rename one of them.")
    if wrong := [name for name in names if not isinstance(name, (str, int, float))]:
        raise UsageError(f"labels: expected column names that are strings or numbers, got {wrong[0]!r}.")
    return tuple(names), [as_list(table[name], "labels") for name in names]


def _checked(column: list[Any], name: Any) -> list[bool]:
    if any(missing(cell) for cell in column):
        row = next(i for i, cell in enumerate(column) if missing(cell))
        raise UsageError(
            f"labels: column {name!r} has no value in row {row}. Pass texts without labels as `unlabeled`."
        )
    return [is_set(cell, name) for cell in column]


def _listed(names: Any) -> str:
    return ", ".join(str(name) for name in names)

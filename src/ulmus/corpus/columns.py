"""Columns in any common form -> lists of str: lists, numpy arrays, pandas and polars columns, Arrow arrays.

Anything that can be iterated repeatedly, such as files read as a stream, is a column of texts too and stays out of
memory. Knows no model and no label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ulmus.errors import UsageError

__all__ = [
    "as_groups",
    "as_list",
    "as_texts",
    "as_weights",
    "missing",
    "others",
    "readable",
]


def as_list(values: Any, what: str = "texts") -> list[Any]:
    """A list, tuple, array (N,) or (N, 1), pandas/polars column or Arrow array as a list of N values.

    Raises UsageError for a single string and for a table.
    """
    if isinstance(values, (str, bytes)):
        raise UsageError(f"{what}: expected a list, got a single {type(values).__name__}. Put it in a list.")
    values = _single_column(values)
    if isinstance(values, Mapping) or len(getattr(values, "shape", (0,))) != 1:
        raise UsageError(
            f"{what}: expected one column or a list, got a {type(values).__name__}{_shape(values)}."
        )
    for name in ("to_pylist", "to_list", "tolist"):  # Arrow; pandas and polars; numpy
        if hasattr(values, name):
            return list(getattr(values, name)())
    return list(values)


def _single_column(values: Any) -> Any:
    """The only column of a table of shape (N, 1); anything else unchanged."""
    if isinstance(values, Mapping) or tuple(getattr(values, "shape", ()))[1:] != (1,):
        return values
    if hasattr(values, "iloc"):  # pandas
        return values.iloc[:, 0]
    if hasattr(values, "columns") and not callable(values.columns):  # Arrow; polars
        first = values.columns[0]
        return values[first] if isinstance(first, str) else first
    return values[:, 0]


def _shape(values: Any) -> str:
    return f" of shape {tuple(values.shape)}" if hasattr(values, "shape") else ""


def as_texts(values: Any, what: str = "texts") -> list[str]:
    """A list of str; a missing value (None, NaN, NA) is an empty text. Raises UsageError for any other type."""
    return [_text(value, what, i) for i, value in enumerate(as_list(values, what))]


def as_groups(values: Any, length: int) -> np.ndarray:
    """A number (length,) for each value of a column; equal values have the same. Raises UsageError: another length."""
    rows = as_list(values, "groups")
    if len(rows) != length:
        raise UsageError(f"groups: expected one value for each of {length} texts, got {len(rows)}.")
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(row, len(numbers)) for row in rows], np.int64)


def others(texts: list[str], *known: list[str]) -> list[str]:
    """The `texts` that are not among the `known` ones, ignoring white space at both ends."""
    seen = {text.strip() for some in known for text in some}
    return [text for text in texts if text.strip() not in seen]


def readable(texts: Any, what: str = "texts") -> Iterable[str]:
    """Texts that can be iterated repeatedly: columns as lists, streams unchanged. Raises UsageError for an iterator."""
    if isinstance(texts, Iterator):
        raise UsageError(
            f"{what}: expected texts that can be read several times, got a {type(texts).__name__}, which "
            "can be read only once. Put them in a list."
        )
    column = isinstance(texts, (str, bytes, list, tuple, Mapping)) or hasattr(texts, "shape")
    return as_texts(texts, what) if column or hasattr(texts, "to_pylist") else texts


def missing(value: Any) -> bool:
    """Whether a value is missing: None, NaN, pandas' NA or NaT."""
    return (
        value is None
        or (isinstance(value, float) and value != value)
        or type(value).__name__ in ("NAType", "NaTType")
    )


def as_weights(values: Any, length: int, what: str = "sample_weight") -> np.ndarray:
    """Weights (length,) float64. Raises UsageError unless they are `length` finite, non-negative numbers, not all 0."""
    try:
        weights = np.array(as_list(values, what), np.float64)
    except (TypeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{what}: expected numbers, got {values!r}.") from None
    if len(weights) != length:
        raise UsageError(f"{what}: expected {length} numbers, got {len(weights)}.")
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise UsageError(f"{what}: expected finite numbers, at least 0 and not all 0.")
    return weights


def _text(value: Any, what: str, i: int) -> str:
    if isinstance(value, str):
        return str(value)
    if missing(value):
        return ""
    raise UsageError(
        f"{what}: expected str, got {type(value).__name__} at position {i} ({str(value)[:40]!r})."
    )

"""Cells of a table -> the text, label and weight of a record. Knows no file but its name."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ulmus.corpus.saved_lists import saved_list
from ulmus.errors import DataError

__all__ = ["Label", "label_of", "text_of_cell", "weight_of"]

Label = str | tuple[str, ...] | None


def text_of_cell(value: Any) -> str:
    """The text in a cell; null is an empty text."""
    return value if isinstance(value, str) else "" if value is None else str(value)


def label_of(value: Any, delimiter: str | None) -> Label:
    """The label in a cell: empty is None, or () with a delimiter; a list is multi-label; null is None."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return tuple(text_of_cell(item) for item in value)
    if delimiter is not None and (saved := saved_list(text_of_cell(value))) is not None:
        return saved
    if delimiter is not None:
        return tuple(part.strip() for part in text_of_cell(value).split(delimiter) if part.strip())
    return text_of_cell(value).strip() or None


def weight_of(value: Any, path: Path) -> float:
    """The weight in a cell of the file `path`. Raises DataError: not a number of at least 0."""
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise DataError(f"weight: expected a number of at least 0, got {value!r} in {path}.")
    return weight

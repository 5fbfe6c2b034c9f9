"""Values of typed files (JSON, parquet, Arrow) -> what a csv cell would hold: a text or nothing.

How: a text stays unchanged; a number is written plainly, whole numbers without a fraction (a column 0, 1, missing is
often stored as 0.0, 1.0, NaN); null and NaN are missing; anything else is an error with its location. Knows no records.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from ulmus.corpus.streams import LARGEST_DOCUMENT, too_large
from ulmus.errors import DataError

__all__ = ["Cell", "Values", "plain"]

Cell = str | tuple[str, ...] | None  # a tuple: several labels

_WHOLE = 10**15  # below this, whole 64-bit floats are written without an exponent
_KINDS = {dict: "an object", list: "a list", bytes: "bytes", float: "a number out of range"}


def plain(value: Any) -> str | None:
    """A single value as text; None if it is missing. Raises TypeError for a value without a plain text form."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int):  # bool too: True, as pandas writes it into csv
        return str(value)
    if not isinstance(value, float | np.floating | Decimal) or math.isinf(value):
        raise TypeError
    if math.isnan(value):
        return None
    if isinstance(value, Decimal):
        return format(value, "f")
    number = float(value)  # str(value) keeps the digits of a float32 short
    return str(int(number)) if number.is_integer() and abs(number) < _WHOLE else str(value)


@dataclass(frozen=True)
class Values:
    """Converts the values of one file to cells.

    unit: what messages call a row ("row", "line"). several: the column whose values may be lists.
    """

    path: Path
    unit: str
    several: str | None = None

    def cell(self, value: Any, column: str, number: int) -> Cell:
        """The cell of a column in row `number` (from 1). Raises DataError for any value but text and numbers."""
        if isinstance(value, list) and column == self.several:
            items = [self.cell(item, f"{column}[]", number) for item in value]
            if None in items:
                raise self.unfit("null in a list", column, number)
            return tuple(str(item) for item in items)
        try:
            text = plain(value)
        except TypeError:
            kind = _KINDS.get(type(value), f"a {type(value).__name__}")
            raise self.unfit(f"{kind} ({str(value)[:40]})", column, number) from None
        if text is not None and len(text) > LARGEST_DOCUMENT // 4:
            self._check_size(text, number)
        return text

    def _check_size(self, text: str, number: int) -> None:
        if len(text) > LARGEST_DOCUMENT or len(text.encode("utf-8", "surrogatepass")) > LARGEST_DOCUMENT:
            raise too_large(self.path, f"{self.unit} {number:,}")

    def unfit(self, got: str, column: str, number: int) -> DataError:
        """The error for a value that cannot be a cell; `got` describes it."""
        advice = "Store it as text, or choose another column"
        if got.startswith("an object"):
            advice = f"Name a field of it, such as {column}.text"
        return DataError(
            f"{self.path}, {self.unit} {number:,}: expected a text or a number in column {column!r}, got {got}. "
            f"{advice}."
        )

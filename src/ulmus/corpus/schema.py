"""Column names of a file -> the requested columns. Shared by all readers of tables. Knows no rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ulmus.config import did_you_mean
from ulmus.errors import DataError, UsageError

__all__ = ["ROWS", "USUAL_TEXT", "Cells", "Choose", "find_columns"]

Cells = list[list[Any]]  # one list per requested column, all of the same length

ROWS = 1024  # rows in a batch of cells
USUAL_TEXT = (
    "text",
    "texts",
    "review",
    "sentence",
    "content",
    "comment",
    "body",
    "document",
    "question",
    "message",
)

Choose = Callable[[Sequence[str]], list[str]]  # all column names of a file -> the requested ones


def find_columns(
    names: Sequence[str], wanted: Sequence[str], where: Path, *, by_number: bool = False
) -> list[int]:
    """The position of each requested column. Raises UsageError (no such column), DataError (duplicate name)."""
    positions = []
    for name in wanted:
        if names.count(name) > 1:
            raise DataError(f"{where} has {names.count(name)} columns named {name!r}. Rename one of them.")
        if name in names:
            positions.append(names.index(name))
        elif by_number and name.isdigit() and int(name) < len(names):
            positions.append(int(name))
        else:
            hint = did_you_mean(name, names, least=0.5)
            columns = ", ".join(map(repr, names[:30]))
            raise UsageError(f"{where} has no column {name!r}.{hint} Its columns are {columns}.")
    return positions

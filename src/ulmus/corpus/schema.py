"""The names of a file's columns -> the columns that are wanted. What every reader of tables shares. Knows no rows."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ulmus.errors import DataError, UsageError

__all__ = ["ROWS", "USUAL_TEXT", "Cells", "Choose", "find_columns"]

Cells = list[list[Any]]  # one list per wanted column, all of the same length

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

Choose = Callable[[Sequence[str]], list[str]]  # the names of a file's columns -> those that are wanted


def find_columns(
    names: Sequence[str], wanted: Sequence[str], where: Path, *, by_number: bool = False
) -> list[int]:
    """The position of each wanted column. Raises UsageError (no such column), DataError (two of that name)."""
    positions = []
    for name in wanted:
        if names.count(name) > 1:
            raise DataError(f"{where} has {names.count(name)} columns named {name!r}. Rename one of them.")
        if name in names:
            positions.append(names.index(name))
        elif by_number and name.isdigit() and int(name) < len(names):
            positions.append(int(name))
        else:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            there = ", ".join(map(repr, names[:30]))
            raise UsageError(f"{where} has no column {name!r}.{hint} Its columns are {there}.")
    return positions

"""JSON -> batches of the requested fields, streamed: one object per line (jsonl), an array of objects, or columns.

How: with `json`, not a typed reader, so that rows may differ (a label is text in one and a number in the next); a
field of a nested object is named `data.text`. The columns are those of all rows: if the first row lacks a requested
one, the file is searched first. Costs: one batch of rows in memory, and one more pass for such a search; a file of
columns (`to_json()` of pandas) is loaded whole. Knows no labels and no rules.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ulmus.corpus.jsonvalues import Row, read_objects
from ulmus.corpus.schema import ROWS, USUAL_TEXT, Cells, Choose, find_columns
from ulmus.corpus.values import Values
from ulmus.errors import DataWarning, UsageError

__all__ = ["read_jsonl"]

_Objects = tuple[str, Iterator[tuple[int, Row]]]  # as of `read_objects`

_NAMES = 1000  # columns listed at most
_DEPTH = 5  # levels of nested objects whose fields are columns


def read_jsonl(path: Path, choose: Choose, *, encoding: str, several: str | None = None) -> Iterator[Cells]:
    """The requested fields of a JSON file in batches; a missing field is None; only column `several` may hold lists.

    Raises DataError (no JSON, no objects, values that are not text), UsageError (no row has the column).
    """
    unit, rows = read_objects(path, encoding)
    first = list(islice(rows, 2))
    again: Callable[[], _Objects] = partial(read_objects, path, encoding)
    if len(first) == 1 and (table := _table(first[0][1], choose, path)):
        unit, first, again = "row", table, lambda: ("row", iter(table))
    if not first:
        return
    wanted = _wanted(first[0][1], again, choose, path)
    values = Values(path, unit, several)
    every = chain(first, rows)
    while batch := list(islice(every, ROWS)):
        yield [[values.cell(_field(row, name), name, n) for n, row in batch] for name in wanted]


def _wanted(first: Row, again: Callable[[], _Objects], choose: Choose, path: Path) -> list[str]:
    """The requested columns, each present in some row; the first row decides only if no other can change the choice."""
    if USUAL_TEXT[0] in first or not _guesses(choose):
        wanted = choose(_names(first))
        if set(wanted) <= set(_names(first)):
            return wanted
    always = {*USUAL_TEXT, *choose(USUAL_TEXT[:1])}  # kept beyond the limit
    names: dict[str, None] = {}
    for _, row in again()[1]:
        for name in _names(row):
            if len(names) < _NAMES or name in always:
                names[name] = None
    wanted = choose(list(names))
    find_columns(list(names), wanted, path)
    return wanted


def _guesses(choose: Choose) -> bool:
    """Whether the requested columns depend on those of the file."""
    try:
        choose(())
    except UsageError:
        return True
    return False


def _names(row: Row, depth: int = _DEPTH) -> list[str]:
    """The fields of a row and of its nested objects."""
    names = []
    for name, value in row.items():
        names.append(name)
        if depth > 1 and isinstance(value, dict):
            names += [f"{name}.{inner}" for inner in _names(value, depth - 1)]
    return names


def _field(row: Row, name: str) -> Any:
    """The value of a field, or of `data.text` in the object `data`; None if the row lacks it."""
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def _table(row: Row, choose: Choose, path: Path) -> list[tuple[int, Row]] | None:
    """The rows of a file whose only object is a table; None if the object is a row.

    A table is a set of columns, each {index: value} or a list, or the only list of objects in `row` (with a warning).
    """
    try:
        wanted = choose(list(row))
    except UsageError:
        wanted = []
    if not wanted or not set(wanted) <= set(row) or any(_is_rows(row[name]) for name in wanted):
        lists = [name for name, value in row.items() if _is_rows(value)]
        if len(lists) != 1:
            return None
        warnings.warn(f"{path}: reading the objects in {lists[0]!r} as rows.", DataWarning, stacklevel=2)
        return list(enumerate(row[lists[0]], 1))
    columns = list(row.values())
    objects = all(isinstance(column, dict) for column in columns)
    if not objects and not all(isinstance(column, list) for column in columns):
        return None
    index = [list(column) if objects else len(column) for column in columns]
    if any(one != index[0] for one in index):
        return None
    cells = [list(column.values()) if objects else column for column in columns]
    return [(n, dict(zip(row, values, strict=True))) for n, values in enumerate(zip(*cells, strict=True), 1)]


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)

"""jsonl -> batches of the fields that are wanted, streamed.

How: line by line with `json` (labels may be text in one line and a number in the next, lists, escaped surrogates,
which a typed reader refuses). Costs: one batch of rows in memory. Knows no labels and no rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ulmus.corpus.schema import ROWS, Cells, Choose, find_columns
from ulmus.corpus.streams import open_text
from ulmus.errors import DataError

__all__ = ["read_jsonl"]


def read_jsonl(path: Path, choose: Choose, *, encoding: str) -> Iterator[Cells]:
    """The wanted fields of a file with one JSON object a line, in batches; a field a later line lacks is None."""
    rows: list[list[Any]] = []
    wanted: list[str] = []
    with open_text(path, encoding) as stream:
        for n, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(
                    f"{path} line {n:,} is not JSON ({error}). Expected one object a line (jsonl)."
                ) from error
            if not isinstance(row, dict):
                raise DataError(
                    f"{path} line {n:,} is a {type(row).__name__}. Expected one JSON object a line (jsonl)."
                )
            if not wanted:
                wanted = choose(list(row))
                find_columns(list(row), wanted, path)
            rows.append([row.get(name) for name in wanted])
            if len(rows) == ROWS:
                yield [list(column) for column in zip(*rows, strict=True)]
                rows = []
    if rows:
        yield [list(column) for column in zip(*rows, strict=True)]

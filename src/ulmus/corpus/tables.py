"""csv, tsv, jsonl and parquet -> batches of the columns that are wanted, streamed.

How: csv and parquet through pyarrow's readers in record batches; jsonl line by line with `json` (labels may
be text in one line and a number in the next, lists, escaped surrogates, which a typed reader refuses).
Everything csv-like is read as text.
Costs: one block (16 MB) or row batch in memory. Knows columns and cells, no labels and no rules.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ulmus.corpus.streams import open_text
from ulmus.errors import DataError, StorageError, UsageError

__all__ = [
    "USUAL_TEXT",
    "Choose",
    "Dialect",
    "find_columns",
    "read_csv",
    "read_jsonl",
    "read_parquet",
    "sniff",
]

Cells = list[list[Any]]  # one list per wanted column, all of the same length

_BLOCK = 16 << 20  # bytes; no row of a csv file may be longer
_SAMPLE = 1 << 20  # bytes looked at to guess the dialect
_ROWS = 1024
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


@dataclass(frozen=True)
class Dialect:
    """How a csv-like file is written: one character parts cells, `"` may enclose them, the first row may name them."""

    delimiter: str
    quoting: bool
    header: bool
    names: tuple[str, ...]


def sniff(
    sample: bytes,
    wanted: Sequence[str],
    *,
    delimiter: str | None = None,
    quoting: bool | None = None,
    header: str = "auto",
) -> Dialect:
    """The dialect of a file from its first bytes, where it is not given.

    header "auto": the first row is one when it holds a wanted name. Numbers as names, or none at all, say nothing:
    then it is one when it holds a usual name of a text column. quoting None: on for commas and semicolons; for
    tabs only when every cell with a quotation mark is properly enclosed.
    """
    text = sample.decode("utf-8", "ignore")
    first = text.split("\n", 1)[0]
    if delimiter is None:
        delimiter = max("\t,;|", key=lambda sign: (first.count(sign), -"\t,;|".index(sign)))
        delimiter = delimiter if delimiter in first else ","
    if len(delimiter) != 1:
        raise UsageError(f"the delimiter is one character such as , or ; or a tab; got {delimiter!r}.")
    if quoting is None:
        quoting = delimiter != "\t" or _is_enclosed(text, delimiter)
    rows = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE,
    )
    csv.field_size_limit(max(csv.field_size_limit(), _BLOCK))
    row = next((row for row in rows if row), [""])
    if header == "auto":
        named = any(name in row for name in wanted)
        numbered = all(name.isdigit() for name in wanted)
        usual = any(name.strip().lower() in USUAL_TEXT for name in row)
        header = "yes" if named or usual or not numbered else "no"
    names = row if header == "yes" else [str(i) for i in range(len(row))]
    return Dialect(delimiter, quoting, header == "yes", tuple(name.strip() for name in names))


def _is_enclosed(text: str, delimiter: str) -> bool:
    """Whether every cell with a quotation mark in the first 200 lines is enclosed by two, those inside doubled."""
    cells = [
        cell for line in text.split("\n")[:200] for cell in line.rstrip("\r").split(delimiter) if '"' in cell
    ]
    return bool(cells) and all(
        len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', "")
        for cell in cells
    )


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


def read_csv(path: Path, choose: Choose, *, encoding: str, dialect: Dialect) -> Iterator[Cells]:
    """The wanted columns of a csv-like file in batches, all cells as text (an empty cell is "")."""
    positions = find_columns(dialect.names, choose(dialect.names), path, by_number=True)
    numbers = [str(i) for i in range(len(dialect.names))]
    read = pa_csv.ReadOptions(
        use_threads=False,
        block_size=_BLOCK,
        column_names=numbers,
        skip_rows_after_names=int(dialect.header),
    )
    parse = pa_csv.ParseOptions(
        delimiter=dialect.delimiter,
        quote_char='"' if dialect.quoting else False,
        newlines_in_values=dialect.quoting,
        ignore_empty_lines=len(numbers) > 1,
    )
    convert = pa_csv.ConvertOptions(
        column_types=dict.fromkeys(numbers, pa.string()),
        include_columns=[numbers[i] for i in dict.fromkeys(positions)],
        strings_can_be_null=False,
        check_utf8=False,  # the stream has checked it
    )
    with open_text(path, encoding) as stream:
        try:
            for batch in pa_csv.open_csv(stream, read, parse, convert):
                for i in range(0, batch.num_rows, _ROWS):
                    part = batch.slice(i, _ROWS)
                    yield [part.column(numbers[p]).to_pylist() for p in positions]
        except pa.ArrowInvalid as error:
            raise DataError(
                f"{path} cannot be read as a table with {len(numbers)} columns parted by {dialect.delimiter!r}, "
                f"quoting {'on' if dialect.quoting else 'off'}: {str(error)[:300]}. Mend the row, or say the "
                "delimiter and quoting."
            ) from error


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
            if len(rows) == _ROWS:
                yield [list(column) for column in zip(*rows, strict=True)]
                rows = []
    if rows:
        yield [list(column) for column in zip(*rows, strict=True)]


def read_parquet(path: Path, choose: Choose) -> Iterator[Cells]:
    """The wanted columns of a parquet file in batches."""
    try:
        with pq.ParquetFile(path) as table:
            names = table.schema_arrow.names
            wanted = choose(names)
            find_columns(names, wanted, path)
            for batch in table.iter_batches(
                batch_size=_ROWS, columns=list(dict.fromkeys(wanted)), use_threads=False
            ):
                yield [batch.column(name).to_pylist() for name in wanted]
    except PermissionError as error:
        raise StorageError(
            f"{path} may not be read: permission denied. Change its permissions or its owner."
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is no parquet file, or it is cut off or damaged: {str(error)[:300]}. Fetch it again."
        ) from error

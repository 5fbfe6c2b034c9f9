"""csv, tsv and the like -> batches of the columns that are wanted, streamed.

How: Python's csv reader in its strict mode, so that a quotation mark that is not what it should be is an error with its
line, and never swallows rows. It is as fast as pyarrow's where cells end up as str, and starts no thread.
Costs: one batch of rows in memory. Everything is read as text. Knows columns and cells, no labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ulmus.corpus.dialect import FIELD_LIMIT, AstrayError, Dialect, rows_of
from ulmus.corpus.sample import open_lines
from ulmus.corpus.schema import ROWS, Cells, Choose, find_columns
from ulmus.errors import DataError, DataWarning

__all__ = ["read_delimited"]

_Row = tuple[int, list[str]]  # number of its first line, cells (none: an empty line)
_SAY = "Mend the line, or say --no-quoting (quoting=False) if quotation marks are part of the texts."


def read_delimited(
    path: Path, choose: Choose, *, encoding: str, dialect: Dialect, guessed: bool
) -> Iterator[Cells]:
    """The wanted columns of a csv-like file in batches, all cells as text (an empty cell is "").

    guessed: the quoting was not given; then a file that is a table with and without it is an error.
    Raises DataError, with the number of the line, for a row with more or fewer cells than the first, and for quotation
    marks that do not enclose a cell. Warns (DataWarning) of a header that is repeated further on.
    """
    positions = find_columns(dialect.names, choose(dialect.names), path, by_number=True)
    with open_lines(path, encoding) as lines:
        rows = _rows(path, dialect, guessed, lines)
        rows = _below_header(path, rows) if dialect.header else rows
        rows = _without_empty(rows, one_column=len(dialect.names) == 1)
        while batch := _batch(path, dialect, rows):
            yield [[row[p] for row in batch] for p in positions]


def _batch(path: Path, dialect: Dialect, rows: Iterator[_Row]) -> list[list[str]]:
    """The next rows, each with as many cells as there are columns. Raises DataError for one that has not."""
    columns = len(dialect.names)
    batch = []
    for line, row in islice(rows, ROWS):
        if len(row) != columns:
            plain = " A file of one text a line is plain text: --format text." if columns == 1 else ""
            raise DataError(
                f"{path} line {line:,}: expected {columns} columns as in the first row, got {len(row)} "
                f"({_read_as(dialect)}). Enclose cells that hold a delimiter or a line break in quotation marks, "
                f"or say the --delimiter and whether there is --quoting.{plain}"
            )
        batch.append(row)
    return batch


def _rows(path: Path, dialect: Dialect, guessed: bool, lines: Iterator[str]) -> Iterator[_Row]:
    """Every row. Raises DataError for quotation marks that go wrong, or may be no quoting at all."""
    watched = _Watched(lines, dialect.delimiter, len(dialect.names))
    ambiguous = guessed and dialect.quoting and len(dialect.names) > 1
    several = line = 0  # the first row of several lines
    rows = rows_of(iter(watched) if ambiguous else lines, dialect.delimiter, dialect.quoting, dialect.spaces)
    try:
        for start, row in rows:
            if start > line + 1 and not several:
                several = line
            line = start
            yield start, row
    except AstrayError as error:
        raise DataError(_astray(path, dialect, error)) from error
    several = several or (line if watched.count > line else 0)
    if ambiguous and several and watched.plain:
        raise DataError(
            f"{path} line {several:,}: a quotation mark opens a cell that goes on over the next line, but every line "
            "of the file is a row in itself. Say --no-quoting (quoting=False) if quotation marks are part of the "
            "texts, --quoting (quoting=True) if the cell has several lines."
        )


class _Watched:
    """Lines, and whether each of them so far is a row in itself when quotation marks are part of the texts."""

    def __init__(self, lines: Iterator[str], delimiter: str, columns: int) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._delimiters = columns - 1
        self.plain = True
        self.count = 0  # of lines, while they are plain

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.count += 1
            self.plain = line.count(self._delimiter) == self._delimiters or not line.strip("\r\n")
            yield line
            if not self.plain:
                break
        yield from self._lines


def _below_header(path: Path, rows: Iterator[_Row]) -> Iterator[_Row]:
    """The rows after the first that is not empty. One like it is left out, but for one column, and warned of."""
    header = next((row for _, row in rows if row), [])
    for line, row in rows:
        if row == header:
            left_out = len(header) > 1
            warnings.warn(
                f"{path} line {line:,}: the header again; it is {'left out' if left_out else 'read as a text'}.",
                DataWarning,
                stacklevel=2,
            )
            if left_out:
                continue
        yield line, row


def _without_empty(rows: Iterator[_Row], *, one_column: bool) -> Iterator[_Row]:
    """The rows without those of empty lines; in a file of one column they are empty cells, but for one at the end."""
    held: _Row | None = None
    for line, row in rows:
        if row:
            if held is not None:
                yield held
            held = None
            yield line, row
        elif one_column:
            if held is not None:
                yield held
            held = (line, [""])


def _astray(path: Path, dialect: Dialect, error: AstrayError) -> str:
    where = f"{path} line {error.line:,}"
    if "new-line" in str(error):
        return (
            f"{where}: a carriage return within a row. Enclose the cell in quotation marks, or take it out."
        )
    if error.unclosed or "limit" in str(error):
        end = "the end of the file" if error.unclosed else f"{FIELD_LIMIT:,} characters"
        return f"{where}: a quotation mark opens a cell that is not closed before {end}. {_SAY}"
    return (
        f"{where}: a row that begins here has a quotation mark that closes a cell, but more text follows it "
        f"({_read_as(dialect)}; one inside a cell is doubled). {_SAY}"
    )


def _read_as(dialect: Dialect) -> str:
    return f"delimiter {dialect.delimiter!r}, quoting {'on' if dialect.quoting else 'off'}"

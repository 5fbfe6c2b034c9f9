"""csv, tsv and the like -> batches of the requested columns, streamed.

How: Python's csv reader in strict mode, so that a misplaced quotation mark is an error with its line number and never
swallows rows. For cells that end up as str it is as fast as pyarrow's, and it starts no thread.
Costs: one batch of rows in memory. Every cell is read as text. Knows columns and cells, no labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ulmus.corpus.dialect import FIELD_LIMIT, Dialect, QuotingError, rows_of
from ulmus.corpus.sample import open_lines
from ulmus.corpus.schema import ROWS, Cells, Choose, find_columns
from ulmus.errors import DataError, DataWarning

__all__ = ["read_delimited"]

_Row = tuple[int, list[str]]  # number of the first line, cells (none for an empty line)
_QUOTING_ADVICE = (
    "Fix the line, or add --no-quoting (quoting=False) if quotation marks are part of the texts."
)


def read_delimited(
    path: Path, choose: Choose, *, encoding: str, dialect: Dialect, guessed: bool
) -> Iterator[Cells]:
    """The requested columns of a csv-like file in batches, all cells as text (an empty cell is "").

    guessed: quoting was not specified; a file that is a valid table both ways is then an error.
    Raises DataError, with the line number, for a row with more or fewer cells than the first and for quotation marks
    that do not enclose a cell; UsageError for a missing column. Warns (DataWarning) of a repeated header.
    """
    positions = find_columns(dialect.names, choose(dialect.names), path, by_number=True)
    with open_lines(path, encoding) as lines:
        rows = _rows(path, dialect, guessed, lines)
        rows = _below_header(path, rows) if dialect.header else rows
        rows = _without_empty(rows, one_column=len(dialect.names) == 1)
        while batch := _batch(path, dialect, rows):
            yield [[row[p] for row in batch] for p in positions]


def _batch(path: Path, dialect: Dialect, rows: Iterator[_Row]) -> list[list[str]]:
    """The next rows. Raises DataError for a row whose number of cells differs from that of the columns."""
    columns = len(dialect.names)
    batch = []
    for line, row in islice(rows, ROWS):
        if len(row) != columns:
            plain = " For one text a line use --format text." if columns == 1 else ""
            raise DataError(
                f"{path} line {line:,}: expected {columns} columns as in the first row, got {len(row)} "
                f"({_read_as(dialect)}). Enclose cells that contain a delimiter or a line break in quotation "
                f"marks, or specify --delimiter and --quoting or --no-quoting.{plain}"
            )
        batch.append(row)
    return batch


def _rows(path: Path, dialect: Dialect, guessed: bool, lines: Iterator[str]) -> Iterator[_Row]:
    """Every row. Raises DataError for misplaced quotation marks, and for those that may not be quoting at all."""
    watched = _Watched(lines, dialect.delimiter, len(dialect.names))
    ambiguous = guessed and dialect.quoting and len(dialect.names) > 1
    several = line = 0  # several: the first row that spans lines
    rows = rows_of(iter(watched) if ambiguous else lines, dialect.delimiter, dialect.quoting, dialect.spaces)
    try:
        for start, row in rows:
            if start > line + 1 and not several:
                several = line
            line = start
            yield start, row
    except QuotingError as error:
        raise DataError(_quoting_message(path, dialect, error)) from error
    several = several or (line if watched.count > line else 0)
    if ambiguous and several and watched.plain:
        raise DataError(
            f"{path} line {several:,}: a quotation mark opens a cell that continues on the next line, but every line "
            "of the file is a complete row. Add --no-quoting (quoting=False) if quotation marks are part of the "
            "texts, or --quoting (quoting=True) if the cell spans several lines."
        )


class _Watched:
    """Lines, and whether each so far is a complete row if quotation marks are part of the texts."""

    def __init__(self, lines: Iterator[str], delimiter: str, columns: int) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._delimiters = columns - 1
        self.plain = True
        self.count = 0  # lines so far, counted while all are plain

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.count += 1
            self.plain = line.count(self._delimiter) == self._delimiters or not line.strip("\r\n")
            yield line
            if not self.plain:
                break
        yield from self._lines


def _below_header(path: Path, rows: Iterator[_Row]) -> Iterator[_Row]:
    """The rows after the header, the first non-empty row. Warns of its repetitions, and skips them in wider tables."""
    header = next((row for _, row in rows if row), [])
    for line, row in rows:
        if row == header:
            skipped = len(header) > 1
            warnings.warn(
                f"{path} line {line:,}: repeated header, {'skipped' if skipped else 'read as a text'}.",
                DataWarning,
                stacklevel=2,
            )
            if skipped:
                continue
        yield line, row


def _without_empty(rows: Iterator[_Row], *, one_column: bool) -> Iterator[_Row]:
    """The rows without empty lines; in a file of one column an empty line is an empty cell, except at the end."""
    pending: _Row | None = None
    for line, row in rows:
        if row:
            if pending is not None:
                yield pending
            pending = None
            yield line, row
        elif one_column:
            if pending is not None:
                yield pending
            pending = (line, [""])


def _quoting_message(path: Path, dialect: Dialect, error: QuotingError) -> str:
    where = f"{path} line {error.line:,}"
    if "new-line" in str(error):
        return f"{where}: a carriage return inside a row. Enclose the cell in quotation marks, or remove it."
    if error.unclosed or "limit" in str(error):
        end = "the end of the file" if error.unclosed else f"{FIELD_LIMIT:,} characters"
        return f"{where}: a quotation mark opens a cell that is not closed before {end}. {_QUOTING_ADVICE}"
    return (
        f"{where}: in the row that starts here, text follows the quotation mark that closes a cell "
        f"({_read_as(dialect)}; double a quotation mark inside a cell). {_QUOTING_ADVICE}"
    )


def _read_as(dialect: Dialect) -> str:
    return f"delimiter {dialect.delimiter!r}, quoting {'on' if dialect.quoting else 'off'}"

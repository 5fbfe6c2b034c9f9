"""The start of a csv-like file -> its dialect: delimiter, quoting, header.

How: every possible dialect is tried on the sample; the first one under which all rows have the same number of cells
and every quotation mark encloses a cell is taken, else the one that fails latest: the reader (`delimited`) then
reports where. Costs: milliseconds, for a sample of a megabyte. Knows no file and no labels.
"""

from __future__ import annotations

import csv
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ulmus.corpus.sample import Sample
from ulmus.corpus.schema import USUAL_TEXT
from ulmus.corpus.streams import LARGEST_DOCUMENT
from ulmus.errors import DataError, DataWarning, UsageError

__all__ = ["FIELD_LIMIT", "Dialect", "QuotingError", "guess", "rows_of"]

FIELD_LIMIT = LARGEST_DOCUMENT  # characters in a cell
_DELIMITERS = "\t,;|"
_ROWS = 1000  # rows kept to compare the first one with
_USUAL = {*USUAL_TEXT, "label", "labels", "class", "category", "target", "sentiment"}
_EXCEL = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)
_ENCLOSED = re.compile(r'"(?:[^"]|"")*"')
_NAME = re.compile(
    r'(?![\d.,+-]+$)[^\n"]{0,40}[^\s.!?,;:"]|'
)  # a plausible column name: short, not a sentence


@dataclass(frozen=True)
class Dialect:
    """How a csv-like file is written: the delimiter of cells, whether `"` encloses them, whether a header names them.

    spaces: spaces at the start of a cell are ignored (`good, "a film"`).
    """

    delimiter: str
    quoting: bool
    header: bool
    names: tuple[str, ...]
    spaces: bool = False


class QuotingError(ValueError):
    """Misplaced quotation marks in the row that starts at `line`."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.unclosed = "end of data" in reason


@dataclass(frozen=True)
class _Quotes:
    """Counts of the sample's cells that start with a quotation mark, if lines are rows."""

    enclosed: int = 0  # those that also end with one
    doubled: int = 0  # of these, those with doubled quotation marks inside
    stray: int = 0  # the others
    first: int = 0  # number of the first line with any


@dataclass(frozen=True)
class _Trial:
    """A dialect tried on the sample: its first rows, and the line where it fails (0: from the start)."""

    delimiter: str
    quoting: bool
    spaces: bool
    rows: list[list[str]]
    fault: float = math.inf


def guess(
    sample: Sample,
    wanted: Sequence[str],
    where: Path,
    *,
    delimiter: str | None = None,
    quoting: bool | None = None,
    header: str = "auto",
) -> Dialect:
    """The dialect of a file, guessed where it is not specified. `wanted`: names (or numbers) of columns.

    quoting None: on if that works; with tabs, only if some cell needs it or most cells are enclosed.
    header "auto": see `_has_header`. Warns (DataWarning) if the guess is doubtful.
    Raises UsageError for a delimiter that is not one character, DataError for no rows or a first line for Excel.
    """
    if excel := _EXCEL.match(sample.text):
        raise DataError(
            f"{where}: its first line, {excel[0].strip()}, is meant for Excel and is not a row. Remove it and specify "
            f"the delimiter with --delimiter {excel[1]!r} (delimiter=...)."
        )
    csv.field_size_limit(max(csv.field_size_limit(), FIELD_LIMIT))
    trials = (
        _tried(sample, sign, on, spaces, quoting is None)
        for sign in _delimiters(sample, wanted, delimiter)
        for on, spaces in _quotings(sample, sign, quoting)
    )
    best = next(trials)
    while best.fault < math.inf and (other := next(trials, None)):
        best = max(best, other, key=lambda trial: trial.fault)
    if best.spaces:
        warnings.warn(
            f"{where}: there are spaces before quotation marks that enclose cells; spaces at the start of cells are "
            "ignored. Add --no-quoting (quoting=False) if the quotation marks are part of the texts.",
            DataWarning,
            stacklevel=2,
        )
    if quoting is None and not best.quoting and best.delimiter != "\t":
        line = _quotes(sample, best.delimiter).first
        warnings.warn(
            f"{where} line {line:,}: a quotation mark that does not enclose a cell. All of them are read as "
            "text (quoting off); if that is right, add --no-quoting (quoting=False), else fix the file.",
            DataWarning,
            stacklevel=2,
        )
    rows = best.rows
    if not rows:
        raise DataError(f"expected texts, but {where} contains none: its lines are empty.")
    named = header == "yes" or (header == "auto" and _has_header(rows, wanted, where))
    names = rows[0] if named else [str(i) for i in range(len(rows[0]))]
    return Dialect(best.delimiter, best.quoting, named, tuple(name.strip() for name in names), best.spaces)


def rows_of(
    lines: Iterator[str], delimiter: str, quoting: bool, spaces: bool
) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, cells) of every row; an empty line has no cells. Raises QuotingError."""
    if not quoting:
        for number, line in enumerate(lines, 1):
            line = line.removesuffix("\n").removesuffix("\r")
            yield number, line.split(delimiter) if line else []
        return
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=spaces, strict=True)
    start = 1
    try:
        for row in reader:
            yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        raise QuotingError(start, str(error)) from error


def _delimiters(sample: Sample, wanted: Sequence[str], given: str | None) -> list[str]:
    """The possible delimiters, most likely first. Raises UsageError if the one `given` is invalid."""
    if given is not None:
        if len(given) != 1 or given in '"\r\n':
            raise UsageError(f"the delimiter must be one character such as , or ; or a tab; got {given!r}.")
        return [given]
    first = next((line for line in sample.lines() if line.strip()), "")
    present = sorted((sign for sign in _DELIMITERS if sign in first), key=lambda sign: -first.count(sign))
    with_names = [s for s in present if {c.strip(' "\r\n\t') for c in first.split(s)} & {*wanted}]
    return (with_names if any(not name.isdigit() for name in wanted) else []) or present or [","]


def _quotings(sample: Sample, delimiter: str, given: bool | None) -> Iterator[tuple[bool, bool]]:
    """The possible (quoting, spaces), most likely first."""
    if given is not False:
        yield True, False
        if _spaced(sample, delimiter):
            yield True, True
    if given is not True:
        yield False, False


def _tried(sample: Sample, delimiter: str, quoting: bool, spaces: bool, guessed: bool) -> _Trial:
    """Read the sample with one dialect, up to the first fault."""
    kept: list[list[str]] = []
    columns, fault = 0, math.inf
    spaced = quoting and not spaces and _spaced(sample, delimiter)
    try:
        for number, row in rows_of(sample.lines(), delimiter, quoting, spaces):
            if row and len(kept) < _ROWS:
                columns = columns or len(row)
                kept.append(row)
            if row and (len(row) != columns or (spaced and any(map(_shifted, row)))):
                fault = number
                break
    except QuotingError as error:
        if sample.whole or not error.unclosed:  # else the cell may end after the sample
            fault = error.line
    if guessed and math.isinf(fault) and not _likely(sample, delimiter, quoting, len(kept)):
        fault = 0
    return _Trial(delimiter, quoting, spaces, kept, fault)


def _spaced(sample: Sample, delimiter: str) -> bool:
    """Whether any cell starts with spaces followed by a quotation mark."""
    if delimiter == " ":
        return False
    # (a regular expression is slow)
    before = (part.rstrip(" ")[-1:] for part in sample.text.split(' "')[:-1])
    return any(sign in (delimiter, sample.end, "") for sign in before)


def _shifted(cell: str) -> bool:
    """Whether a cell starts with spaces followed by a quotation mark."""
    return cell[:1] == " " and cell.lstrip(" ")[:1] == '"'


def _likely(sample: Sample, delimiter: str, quoting: bool, rows: int) -> bool:
    """Whether a file that is readable with this quoting is likely to have been written with it."""
    if quoting and delimiter != "\t":
        return True
    quotes = _quotes(sample, delimiter)
    enclosing = quotes.doubled > quotes.stray or 2 * quotes.enclosed > rows
    if not quoting:
        return not enclosing
    return not quotes.enclosed or enclosing or quotes.stray > 0  # stray: it encloses tabs or line ends


def _quotes(sample: Sample, delimiter: str) -> _Quotes:
    enclosed = doubled = stray = first = 0
    for number, line in enumerate(sample.lines(), 1):
        if '"' not in line:
            continue
        for cell in line.rstrip("\r\n").split(delimiter):
            if cell[:1] != '"':
                continue
            first = first or number
            whole = _ENCLOSED.fullmatch(cell) is not None
            enclosed += whole
            doubled += whole and '""' in cell[1:-1]
            stray += not whole
    return _Quotes(enclosed, doubled, stray, first)


def _has_header(rows: Sequence[Sequence[str]], wanted: Sequence[str], where: Path) -> bool:
    """Whether the first row names the columns.

    It does if columns are requested by name, if it numbers the columns from 0, or if it contains a common column name
    and only plausible names, none of which recurs in its own column.
    """
    first, others = [name.strip() for name in rows[0]], rows[1:]
    if any(not name.isdigit() for name in wanted) or first == [str(i) for i in range(max(2, len(first)))]:
        return True
    columns = list(zip(*others, strict=False))
    names = all(map(_NAME.fullmatch, first)) and len({*first}) == len(first)
    if not names or any(name in column for name, column in zip(first, columns, strict=False)):
        return False
    if any(name.lower() in _USUAL for name in first):
        return True
    if len(first) > 1 and any(2 * len({*column}) < len(column) for column in columns):
        warnings.warn(
            f"{where}: its first row, {', '.join(map(repr, first[:5]))}, is read as data, though it looks like "
            "column names. Specify --header or --no-header (header='yes' or 'no').",
            DataWarning,
            stacklevel=3,
        )
    return False

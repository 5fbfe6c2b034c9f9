"""The beginning of a csv-like file -> how it is written: delimiter, quoting, header.

How: each way to read it that is possible is tried on the sample; the first under which every row has as many cells as
the first one and every quotation mark encloses a cell is taken, else the one that goes wrong last: the reader
(`delimited`) then says where. Costs: milliseconds, for a sample of a megabyte. Knows no file and no labels.
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

__all__ = ["FIELD_LIMIT", "AstrayError", "Dialect", "guess", "rows_of"]

FIELD_LIMIT = LARGEST_DOCUMENT  # characters in a cell
_DELIMITERS = "\t,;|"
_ROWS = 1000  # rows kept to judge the first one by
_USUAL = {*USUAL_TEXT, "label", "labels", "class", "category", "target", "sentiment"}
_EXCEL = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)
_ENCLOSED = re.compile(r'"(?:[^"]|"")*"')
_NAME = re.compile(r'(?![\d.,+-]+$)[^\n"]{0,40}[^\s.!?,;:"]|')  # may stand above a column: short, no sentence


@dataclass(frozen=True)
class Dialect:
    """How a csv-like file is written: one character parts cells, `"` may enclose them, the first row may name them.

    spaces: those at the beginning of a cell are no part of it (`good, "a film"`).
    """

    delimiter: str
    quoting: bool
    header: bool
    names: tuple[str, ...]
    spaces: bool = False


class AstrayError(ValueError):
    """A row that begins in `line` where quotation marks are not what they should be."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.unclosed = "end of data" in reason


@dataclass(frozen=True)
class _Quotes:
    """How many cells of the sample begin with a quotation mark, when lines are rows."""

    enclosed: int = 0  # those that end with one, too
    doubled: int = 0  # of these, those with doubled ones inside
    stray: int = 0  # the others
    first: int = 0  # number of the first line with one


@dataclass(frozen=True)
class _Trial:
    """A way to read the sample, its first rows, and the line where it goes wrong (0: from the start)."""

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
    """The dialect of a file, as far as it is not given. `wanted` are the names (or numbers) of columns.

    quoting None: on where it goes well, but where tabs part cells only if some cell needs it or most are enclosed.
    header "auto": see `_has_header`. Warns (DataWarning) where the guess may well be wrong.
    Raises UsageError for a delimiter that is not one character, DataError for no rows or a first line for Excel.
    """
    if excel := _EXCEL.match(sample.text):
        raise DataError(
            f"{where}: its first line, {excel[0].strip()}, speaks to Excel and is no row. Take it out; the delimiter "
            f"can be said with --delimiter {excel[1]!r} (delimiter=...)."
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
            f"{where}: spaces stand before quotation marks that enclose cells; those at the beginning of cells are "
            "left out. Say --no-quoting (quoting=False) if the quotation marks are part of the texts.",
            DataWarning,
            stacklevel=2,
        )
    if quoting is None and not best.quoting and best.delimiter != "\t":
        line = _quotes(sample, best.delimiter).first
        warnings.warn(
            f"{where} line {line:,}: a quotation mark that does not enclose a cell. All of them are read as "
            "text (quoting off); say --no-quoting (quoting=False) if that is right, else mend the file.",
            DataWarning,
            stacklevel=2,
        )
    rows = best.rows
    if not rows:
        raise DataError(f"expected texts, but {where} holds none: its lines are empty.")
    named = header == "yes" or (header == "auto" and _has_header(rows, wanted, where))
    names = rows[0] if named else [str(i) for i in range(len(rows[0]))]
    return Dialect(best.delimiter, best.quoting, named, tuple(name.strip() for name in names), best.spaces)


def rows_of(
    lines: Iterator[str], delimiter: str, quoting: bool, spaces: bool
) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, cells) of every row; an empty line has no cells. Raises AstrayError."""
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
        raise AstrayError(start, str(error)) from error


def _delimiters(sample: Sample, wanted: Sequence[str], given: str | None) -> list[str]:
    """The delimiters that are possible, likely ones first."""
    if given is not None:
        if len(given) != 1 or given in '"\r\n':
            raise UsageError(f"the delimiter is one character such as , or ; or a tab; got {given!r}.")
        return [given]
    first = next((line for line in sample.lines() if line.strip()), "")
    found = sorted((sign for sign in _DELIMITERS if sign in first), key=lambda sign: -first.count(sign))
    with_names = [s for s in found if {c.strip(' "\r\n\t') for c in first.split(s)} & {*wanted}]
    return (with_names if any(not name.isdigit() for name in wanted) else []) or found or [","]


def _quotings(sample: Sample, delimiter: str, given: bool | None) -> Iterator[tuple[bool, bool]]:
    """(quoting, spaces) that are possible, likely ones first."""
    if given is not False:
        yield True, False
        if _spaced(sample, delimiter):
            yield True, True
    if given is not True:
        yield False, False


def _tried(sample: Sample, delimiter: str, quoting: bool, spaces: bool, guessed: bool) -> _Trial:
    """Reads the sample in one way, as far as it goes well."""
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
    except AstrayError as error:
        if sample.whole or not error.unclosed:  # else the cell may end after the sample
            fault = error.line
    if guessed and math.isinf(fault) and not _likely(sample, delimiter, quoting, len(kept)):
        fault = 0
    return _Trial(delimiter, quoting, spaces, kept, fault)


def _spaced(sample: Sample, delimiter: str) -> bool:
    """Whether somewhere there are spaces, and nothing else, before a quotation mark in its cell."""
    if delimiter == " ":
        return False
    before = (
        piece.rstrip(" ")[-1:] for piece in sample.text.split(' "')[:-1]
    )  # a regular expression is slow
    return any(sign in (delimiter, sample.end, "") for sign in before)


def _shifted(cell: str) -> bool:
    """Whether spaces keep a quotation mark from enclosing the cell."""
    return cell[:1] == " " and cell.lstrip(" ")[:1] == '"'


def _likely(sample: Sample, delimiter: str, quoting: bool, rows: int) -> bool:
    """Whether a file that can be read with this quoting looks as if it had been written with it."""
    if quoting and delimiter != "\t":
        return True
    found = _quotes(sample, delimiter)
    enclosing = found.doubled > found.stray or 2 * found.enclosed > rows
    if not quoting:
        return not enclosing
    return not found.enclosed or enclosing or found.stray > 0  # stray: it encloses tabs or line ends


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

    It does where columns are wanted by name, where it counts the columns from 0, or where it holds a usual name and
    nothing but what may be names, none of which stands in its own column again.
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
            f"{where}: its first row, {', '.join(map(repr, first[:5]))}, is read as data, though it looks like the "
            "names of the columns. Say --header or --no-header (header='yes' or 'no').",
            DataWarning,
            stacklevel=3,
        )
    return False

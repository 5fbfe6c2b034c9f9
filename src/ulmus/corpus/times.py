"""A column of times in any common form -> numbers that can be ordered.

Numbers stay what they are (years, Unix times, positions). Dates become seconds since 1970; one without a time zone is
taken as UTC, one without a time of day as midnight. A format is used where it fits every value of the column, so that
03/04/2021 is never read as April in one row and as March in another. Knows no text and no label.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulmus.corpus.columns import as_list, missing
from ulmus.errors import DataError, UsageError

__all__ = ["Times", "as_times"]

# the first that fits all values is used; those of one line contradict each other where both fit
_FORMATS = (
    ("%Y-%m", "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y.%m.%d"),
    ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S"),
    ("%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%B-%Y"),
    ("%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %z %Y"),
)  # fmt: skip
_AMBIGUOUS = tuple(
    (f"%d{sign}%m{sign}%Y{clock}", f"%m{sign}%d{sign}%Y{clock}")
    for sign in "/-"
    for clock in ("", " %H:%M", " %H:%M:%S")
)


class Times(NamedTuple):
    """Numbers (N,) in the order of the times; `dates`: they are seconds since 1970."""

    numbers: NDArray[np.float64]
    dates: bool

    def oldest(self, documents: NDArray[np.int64]) -> str:
        """The oldest time of some of the documents, (K,), to be shown."""
        number = float(self.numbers[documents].min())
        if not self.dates:
            return f"{number:.15g}"
        moment = datetime.fromtimestamp(0, UTC) + timedelta(seconds=number)
        return moment.isoformat(" ", "minutes").removesuffix("+00:00").removesuffix(" 00:00")


def as_times(values: Any, length: int, documents: NDArray[np.int64] | None = None) -> Times:
    """Times of some `documents` (K,), all if None, from a column of dates or numbers for `length` documents.

    Raises UsageError: another length. DataError: missing values, values that cannot be ordered, dates that can be read
    in two ways, or one time only.
    """
    if getattr(getattr(values, "dtype", None), "kind", "") == "M":  # numpy: nanoseconds would become integers
        values = np.asarray(values).astype("datetime64[us]")
    rows = as_list(values, "times")
    if len(rows) != length:
        raise UsageError(f"times: expected one value for each of {length} texts, got {len(rows)}.")
    if documents is not None:
        rows = [rows[i] for i in documents]
    rows = [row.strip() if isinstance(row, str) else row for row in rows]
    if empty := sum(missing(row) or row == "" for row in rows):
        raise DataError(
            f"times: {empty:,} of {len(rows):,} values are missing. Every labelled text needs a time; leave out the "
            "rows without one."
        )
    numbers = _all(rows, _number)
    read = Times(_dates(rows), True) if numbers is None else Times(numbers, False)
    if len(np.unique(read.numbers)) == 1:
        raise DataError(
            f"times: all values are {rows[0]!r}, so no text is newer than another. Check the column."
        )
    return read


def _dates(rows: Sequence[Any]) -> NDArray[np.float64]:
    """Seconds since 1970 of all rows, by the first way of reading that fits every one of them."""
    for read in (_date, _mail):
        if (found := _all(rows, read)) is not None:
            return found
    for line in _FORMATS:
        for form in line:
            if (found := _all(rows, partial(_by_format, form=form))) is not None:
                return found
    for day_first, month_first in _AMBIGUOUS:
        first, second = (_all(rows, partial(_by_format, form=form)) for form in (day_first, month_first))
        if first is not None and second is not None and not np.array_equal(first, second):
            raise DataError(
                f"times: {rows[0]!r} and all other values can be read as day and month or as month and day. Write "
                "them as year-month-day, e.g. 2021-04-03."
            )
        if (found := first if first is not None else second) is not None:
            return found
    raise DataError(_unreadable(rows))


def _all(rows: Sequence[Any], read: Callable[[Any], float]) -> NDArray[np.float64] | None:
    """All rows as `read` reads them; None if it cannot read one of them."""
    try:
        numbers = np.array([read(row) for row in rows], np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if np.isfinite(numbers).all() else None


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError("no number")
    return float(value)


def _date(value: Any) -> float:
    """A date object, or ISO 8601."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise TypeError("no date")
    return _seconds(value)


def _mail(value: Any) -> float:
    """A date as in the head of an e-mail: Mon, 5 Apr 1993 10:00:00 GMT."""
    if not isinstance(value, str) or ":" not in value:
        raise TypeError("no date of an e-mail")
    return _seconds(parsedate_to_datetime(value))


def _by_format(value: Any, form: str) -> float:
    return _seconds(datetime.strptime(value, form))


def _seconds(value: datetime) -> float:
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()


def _unreadable(rows: Sequence[Any]) -> str:
    """The message, with the value that is the odd one out if most can be read in one way."""
    if len({type(row) for row in rows}) > 1:
        kinds = ", ".join(sorted({type(row).__name__ for row in rows}))
        return f"times: expected dates or numbers that can be ordered, got a mixture of {kinds}."
    forms = [form for line in (*_FORMATS, *_AMBIGUOUS) for form in line]
    ways: list[Callable[[Any], float]] = [
        _number,
        _date,
        _mail,
        *(partial(_by_format, form=form) for form in forms),
    ]
    odd = min((_failing(rows, read) for read in ways), key=len)
    shown = ", ".join(repr(row) for row in odd[:3])
    return (
        f"times: expected dates (2021-04-03, 2021-04-03 10:30, 3.4.2021, 3 Apr 2021) or numbers, all in one form; "
        f"{len(odd):,} of {len(rows):,} values cannot be ordered, e.g. {shown}."
    )


def _failing(rows: Sequence[Any], read: Callable[[Any], float]) -> list[Any]:
    """The rows that `read` cannot read."""
    failing = []
    for row in rows:
        try:
            good = math.isfinite(read(row))
        except (TypeError, ValueError, OverflowError):
            good = False
        if not good:
            failing.append(row)
    return failing

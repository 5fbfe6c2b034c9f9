"""Columns of times: dates in common forms, numbers, and what cannot be ordered."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ulmus.corpus.times import as_times
from ulmus.errors import DataError, UsageError

DAYS = [dt.date(2021, 3, 4) + dt.timedelta(days=40 * i) for i in range(6)]
FORMS = (
    "%Y-%m-%d %Y%m%d %Y/%m/%d %Y.%m.%d %d.%m.%Y %d/%m/%Y %m/%d/%Y %m-%d-%Y %d-%b-%Y "
    "%Y-%m-%dT%H:%M:%SZ %Y-%m-%dT%H:%M:%S+02:00"
).split()
LONG = ["%d %b %Y", "%B %d, %Y", "%a, %d %b %Y 10:00:00 GMT", "%d.%m.%Y 10:30", "%Y-%m-%d 10:30", "%Y-%m"]


@pytest.mark.parametrize("form", [*FORMS, *LONG])
def test_dates_in_common_forms_are_ordered(form: str) -> None:
    """The order is that of the calendar, not of the characters."""
    drawn = [3, 0, 5, 1, 4, 2]
    times = as_times([f" {DAYS[i].strftime(form)}" for i in drawn], 6)
    assert np.argsort(times.numbers).tolist() == np.argsort(drawn).tolist()


@pytest.mark.parametrize(
    "values",
    [
        [3, 1, 2],
        ["10", "9", "9.5"],
        np.array([3, 1, 2]),
        pd.Series(pd.to_datetime(["2021-03-01", "2020-03-01", "2020-05-01"])),
        np.array(["2021-03-01", "2020-03-01", "2020-05-01"], "datetime64[ns]"),
        [dt.datetime(2021, 3, 1), dt.date(2020, 3, 1), dt.datetime(2020, 5, 1)],
    ],
)
def test_numbers_and_dates_of_any_library_are_ordered(values: Any) -> None:
    """The largest or newest is the first, the second the smallest."""
    assert np.argsort(as_times(values, 3).numbers).tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["2021-03-04", "soon", "2021-05-06"], "1 of 3 values cannot be ordered, e.g. 'soon'"),
        (["a", "b", "c"], "cannot be ordered"),
        (["2021-03-04", "", "2021-05-06"], "1 of 3 values are missing"),
        (["2021-03-04", None, "2021-05-06"], "1 of 3 values are missing"),
        (["03/04/2021", "05/06/2021", "01/02/2021"], "day and month or as month and day"),
        (["2021"] * 3, "all values are '2021'"),
        ([3, "2021-03-04", 5], "a mixture of int, str"),
        ([1.0, float("inf"), 2.0], "cannot be ordered, e.g. inf"),
    ],
)
def test_times_without_an_order_are_refused(values: list[Any], message: str) -> None:
    """The message names the values."""
    with pytest.raises(DataError, match=message):
        as_times(values, 3)


def test_every_text_needs_a_time() -> None:
    """As many values as texts; of those without a label none is needed."""
    with pytest.raises(UsageError, match="one value for each of 4 texts, got 3"):
        as_times([1, 2, 3], 4)
    assert as_times([1, None, 3], 3, np.array([0, 2])).numbers.tolist() == [1, 3]


def test_a_time_is_shown_as_it_is_understood() -> None:
    """Dates without a time of day stay so; numbers are numbers."""
    every = np.arange(2)
    assert as_times(["3.4.2021", "2.5.2021"], 2).oldest(every) == "2021-04-03"
    assert as_times(["2021-04-03T10:30Z", "2021-04-03T11:30Z"], 2).oldest(every) == "2021-04-03 10:30"
    assert as_times([1999, 2003], 2).oldest(every) == "1999"

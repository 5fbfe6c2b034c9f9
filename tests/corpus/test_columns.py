"""Texts as users hold them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ulmus.corpus.columns import as_list, as_texts, missing, readable
from ulmus.errors import UsageError

TEXTS = ["one text", "another, longer text", "", "ein Text: größer", "日本語"]


@pytest.mark.parametrize(
    "column",
    [list, tuple, np.array, lambda t: np.array(t, object), pd.Series, pl.Series, pa.array, iter],
    ids=["list", "tuple", "numpy", "objects", "pandas", "polars", "arrow", "iterator"],
)
def test_any_column_of_texts_is_a_list_of_texts(column: Any) -> None:
    """The same plain strings come out of all of them."""
    found = as_texts(column(TEXTS))
    assert found == TEXTS
    assert {type(text) for text in found} == {str}


def test_columns_of_tables_and_chunks_are_columns(tmp_path: Path) -> None:
    """What one gets by naming a column: pandas with string types, polars, Arrow in chunks."""
    frame = pd.DataFrame({"text": TEXTS})
    assert as_texts(frame["text"]) == as_texts(frame["text"].astype("string")) == TEXTS
    assert as_texts(frame["text"].astype("category")) == TEXTS
    assert as_texts(pl.DataFrame({"text": TEXTS})["text"]) == TEXTS
    assert as_texts(pa.chunked_array([TEXTS[:2], TEXTS[2:]])) == TEXTS


@pytest.mark.parametrize(
    "column",
    [
        ["a", None, "b"],
        ["a", float("nan"), "b"],
        ["a", pd.NA, "b"],
        np.array(["a", None, "b"], object),
        pd.Series(["a", None, "b"]),
        pd.Series(["a", pd.NA, "b"], dtype="string"),
        pl.Series(["a", None, "b"]),
        pa.array(["a", None, "b"]),
    ],
)
def test_a_missing_text_is_an_empty_one(column: Any) -> None:
    """A gap in a table is a document without words, not an error and not the word nan."""
    assert as_texts(column) == ["a", "", "b"]


def test_what_is_missing() -> None:
    """None, NaN, pandas' NA and NaT; not the empty string, zero or False."""
    assert all(map(missing, [None, float("nan"), np.float64("nan"), pd.NA, pd.NaT]))
    assert not any(map(missing, ["", "nan", 0, False, 0.0, ()]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("a text", "single str. Put it in a list"),
        (b"a text", "single bytes"),
        (["a", 3], r"expected str, got int at position 1 \('?3'?\)"),
        (["a", b"b"], "expected str, got bytes at position 1"),
        ([["a"]], "expected str, got list"),
        (np.array([["a", "b"]]), r"one column or a list, got a ndarray of shape \(1, 2\)"),
        (np.array("a"), "one column or a list"),
        (pd.DataFrame({"text": ["a"], "b": ["b"]}), r"one column or a list, got a DataFrame"),
        (pl.DataFrame({"text": ["a"], "b": ["b"]}), r"one column or a list, got a DataFrame"),
        (pa.table({"text": ["a"], "b": ["b"]}), r"one column or a list, got a Table"),
        ({"text": ["a"]}, "one column or a list, got a dict"),
    ],
)
def test_what_are_no_texts_is_refused(values: Any, message: str) -> None:
    """With what was expected and what came; a table is not read as its column names."""
    with pytest.raises(UsageError, match=f"texts: .*{message}"):
        as_texts(values)


def test_streams_are_read_as_they_are_and_iterators_are_not_texts() -> None:
    """A language model reads its texts several times: what ends after the first time is refused."""

    class Stream:
        def __iter__(self) -> Iterator[str]:
            return iter(TEXTS)

    stream = Stream()
    assert readable(stream) is stream
    assert readable(pd.Series(TEXTS)) == TEXTS
    with pytest.raises(UsageError, match="several times"):
        readable(iter(TEXTS))
    with pytest.raises(UsageError, match="single str"):
        readable("text")


def test_as_list_gives_plain_values() -> None:
    """numpy's and Arrow's scalars become Python's."""
    assert [type(v) for v in as_list(np.array([1, 2]))] == [int, int]
    assert [type(v) for v in as_list(pa.array([True, False]))] == [bool, bool]

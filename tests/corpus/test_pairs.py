"""Pairs of texts in any common form become joined texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ulmus.corpus.pairs import as_documents
from ulmus.corpus.source import Source, read
from ulmus.errors import UsageError
from ulmus.fields import split_pair

PAIRS = [("a b", "c"), ("d", ""), ("e", "f")]


@pytest.mark.parametrize(
    "given",
    [
        PAIRS,
        [list(pair) for pair in PAIRS],
        np.array(PAIRS),
        pd.DataFrame(PAIRS, columns=["first", "second"]),
        pd.DataFrame([("a b", "c"), ("d", None), ("e", "f")], index=[5, 3, 9]),
    ],
    ids=["tuples", "lists", "array", "frame", "frame with a missing text"],
)
def test_a_list_an_array_or_a_table_of_two_columns(given: Any) -> None:
    """Each row becomes one text, which can be taken apart again."""
    found = as_documents(given)
    assert found.pairs
    assert [split_pair(text) for text in found.texts] == PAIRS


def test_arrow_and_polars_tables() -> None:
    """Their columns are pairs too."""
    arrow = pytest.importorskip("pyarrow")
    columns = {"x": ["a b", "d", "e"], "y": ["c", "", "f"]}
    assert as_documents(arrow.table(columns)).pairs
    polars = pytest.importorskip("polars")
    assert [split_pair(text) for text in as_documents(polars.DataFrame(columns)).texts] == PAIRS


def test_single_texts_stay_as_they_are() -> None:
    """A list of str, and an empty list, are no pairs."""
    assert as_documents(["a", "b"]) == (["a", "b"], False)
    assert as_documents(pd.Series(["a"])) == (["a"], False)
    assert as_documents([]) == ([], False)
    assert as_documents([], pairs=True) == ([], True)


@pytest.mark.parametrize(
    ("given", "pairs", "message"),
    [
        (["a"], True, "takes pairs of texts.*--text-b COL"),
        (PAIRS, False, "takes single texts, got pairs"),
        ([("a", "b"), ("c",)], None, "pairs of texts.*at position 1"),
        ([("a", "b"), "c"], None, "pairs of texts.*'c' at position 1"),
        ([("a", 1)], None, "expected str, got int at position 0"),
        ([("a", "b", "c")], None, "at position 0"),
    ],
)
def test_what_is_not_expected_is_refused(given: Any, pairs: bool | None, message: str) -> None:
    """With what came, and where."""
    with pytest.raises(UsageError, match=message):
        as_documents(given, pairs=pairs)


def test_two_columns_of_a_file_are_pairs(tmp_path: Path) -> None:
    """Several columns of one side are joined by spaces; plain text has no columns."""
    path = tmp_path / "p.csv"
    path.write_text("a,more,b,y\n1 x,z,2,0\n", encoding="utf-8")
    (record,) = read(Source(path, ("a", "more"), "y", text_b=("b",)))
    assert split_pair(record.text) == ("1 x z", "2")
    assert record.label == "0"
    with pytest.raises(UsageError, match="--text COL with --text-b COL"):
        Source(path, text_b=("b",))
    plain = tmp_path / "p.txt"
    plain.write_text("a\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no columns for pairs of texts"):
        list(read(Source(plain, "a", text_b=("b",), format="text")))

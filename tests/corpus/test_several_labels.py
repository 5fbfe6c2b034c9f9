"""Several labels of a text in a file: columns of zeros and ones, and lists that were saved as text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ulmus.corpus.source import Source, read
from ulmus.errors import DataError, UlmusError, UsageError

Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Writes a file into a fresh folder and gives its path."""

    def write(name: str, content: str) -> Path:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return write


def pairs(source: Source) -> list[tuple[str, object]]:
    """The (text, label) of every record."""
    return [(record.text, record.label) for record in read(source)]


def test_several_label_columns_hold_zeros_and_ones(put: Put) -> None:
    """The labels are the names of the columns with a one; a row of empty ones is unlabelled."""
    path = put("a.csv", "text,toxic,obscene\na,1,0\nb,0,0\nc,1.0,True\nd,,\n")
    expected = [("a", ("toxic",)), ("b", ()), ("c", ("toxic", "obscene")), ("d", None)]
    assert pairs(Source(path, "text", ("toxic", "obscene"))) == expected
    lines = put("a.jsonl", '{"text": "a", "x": 1, "y": false}\n{"text": "b", "x": null, "y": null}\n')
    assert pairs(Source(lines, "text", ("x", "y"))) == [("a", ("x",)), ("b", None)]
    pq.write_table(pa.table({"text": ["a"], "x": [True], "y": [0]}), path.with_suffix(".parquet"))
    assert pairs(Source(path.with_suffix(".parquet"), "text", ("x", "y"))) == [("a", ("x",))]


@pytest.mark.parametrize(
    ("row", "error", "said"),
    [
        ("a,joy,0", UsageError, "got 'joy' in column 'x'"),
        ("a,0,-1", UsageError, "got '-1' in column 'y'"),
        ("a,1,", DataError, "none in 'y'"),
    ],
)
def test_other_values_in_several_label_columns_are_refused(
    put: Put, row: str, error: type[UlmusError], said: str
) -> None:
    """They are no classes, and a row is labelled whole or not at all."""
    with pytest.raises(error, match=said):
        pairs(Source(put("a.csv", f"text,x,y\n{row}\n"), "text", ("x", "y")))


def test_lists_saved_as_text_are_several_labels(put: Put) -> None:
    """As pandas, Python and JSON write them; other cells are split; one that is cut off is an error."""
    rows = """text,label\na,"['joy', 'anger']"\nb,"[""joy""]"\nc,"joy, anger"\nd,[]\n"""
    expected = [("a", ("joy", "anger")), ("b", ("joy",)), ("c", ("joy", "anger")), ("d", ())]
    assert pairs(Source(put("a.csv", rows), "text", "label", ",")) == expected
    with pytest.raises(DataError, match="looks like a saved list"):
        pairs(Source(put("b.csv", """text,label\na,"['joy', 'ang"\n"""), "text", "label", ","))

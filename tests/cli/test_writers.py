"""Predictions -> csv and JSON."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from ulmus.cli.writers import CsvWriter, JsonLinesWriter, JsonWriter, escaped

PROBABILITIES = np.array([[0.25, 0.75], [1.0, 0.0]])
NONE_KEPT: list[tuple[()]] = [(), ()]


def test_csv_quotes_what_needs_quoting() -> None:
    """Class names with commas, quotes and newlines survive a round trip."""
    file = io.StringIO()
    names = ['a,"b"', "c\nd"]
    writer = CsvWriter(file, names)
    writer.write([names[1], names[0]], PROBABILITIES, NONE_KEPT)
    rows = list(csv.reader(io.StringIO(file.getvalue(), newline="")))
    assert rows[0] == ["row", "label", *names]
    assert [row[1] for row in rows[1:]] == [names[1], names[0]]
    assert writer.rows == 2


def test_a_class_named_as_a_column_gets_another_header() -> None:
    """A class named like another column gets a different header."""
    file = io.StringIO()
    CsvWriter(file, ["label", "row"])
    assert file.getvalue() == "row,label,p(label),p(row)\n"


def test_kept_columns_are_between_row_and_label() -> None:
    """Kept columns are text, lists JSON, None empty; an input column called label or row gets another header."""
    file = io.StringIO()
    writer = CsvWriter(file, ["x", "id"], ["id", "label"])
    writer.write(["x", "x"], PROBABILITIES, [(7, "old"), (["a", 1], None)])
    assert list(csv.reader(io.StringIO(file.getvalue(), newline=""))) == [
        ["row", "id", "input(label)", "label", "x", "p(id)"],
        ["0", "7", "old", "x", "0.250000", "0.750000"],
        ["1", '["a", 1]', "", "x", "1.000000", "0.000000"],
    ]


def test_kept_columns_keep_their_type_in_json() -> None:
    """In JSON kept columns keep their type, under a key of their own."""
    file = io.StringIO()
    writer = JsonLinesWriter(file, ["x", "y"], ["id", "row"])
    writer.write(["x"], PROBABILITIES[:1], [(7, "=1+1")])
    assert json.loads(file.getvalue())["kept"] == {"id": 7, "row": "=1+1"}


@pytest.mark.parametrize(
    "cell", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "\r=1", "\n=1", "＝1+1", "-x", "--"]
)
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(cell: str) -> None:
    """Labels, kept cells and column names that look like formulas are prefixed with an apostrophe."""
    file = io.StringIO()
    writer = CsvWriter(file, [cell, "y"], [f"{cell}!"])
    writer.write([cell], PROBABILITIES[:1], [(cell,)])
    rows = list(csv.reader(io.StringIO(file.getvalue(), newline="")))
    assert rows[0] == ["row", f"'{cell}!", "label", f"'{cell}", "y"]
    assert rows[1][1:3] == [f"'{cell}"] * 2


@pytest.mark.parametrize(
    "cell", ["-1", "+1.5", "-.5", "+491701234567", "-1e-3", "-", "+", "@", "=", "a=b", "'", ""]
)
def test_numbers_and_single_signs_are_unchanged(cell: str) -> None:
    """Numbers and single signs are not escaped."""
    assert escaped(cell) == cell


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_json_lines_are_objects_and_end_with_a_newline(batches: int) -> None:
    """Each line is an object, and rows are numbered across batches."""
    file = io.StringIO()
    writer = JsonLinesWriter(file, ["x", "y"])
    for _ in range(batches):
        writer.write(["y", "x"], PROBABILITIES, NONE_KEPT)
    writer.finish({})
    lines = file.getvalue().split("\n")
    assert lines[-1] == ""
    assert [json.loads(line)["row"] for line in lines[:-1]] == list(range(2 * batches))


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_the_json_object_is_complete_for_any_length(batches: int) -> None:
    """The JSON object is complete for any number of batches, also for none."""
    file = io.StringIO()
    writer = JsonWriter(file, ["x", "y"])
    for _ in range(batches):
        writer.write(["y", ("x",)], PROBABILITIES, NONE_KEPT)
    writer.finish({"n": writer.rows})
    result = json.loads(file.getvalue())
    assert result["n"] == len(result["predictions"]) == 2 * batches

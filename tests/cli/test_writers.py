"""Predictions -> csv and JSON."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from ulmus.cli.writers import CsvWriter, JsonLinesWriter, JsonWriter

PROBABILITIES = np.array([[0.25, 0.75], [1.0, 0.0]])


def test_csv_quotes_what_needs_quoting() -> None:
    """Class names with commas, quotes and newlines come back as they were."""
    file = io.StringIO()
    names = ['a,"b"', "c\nd"]
    writer = CsvWriter(file, names)
    writer.write([names[1], names[0]], PROBABILITIES)
    rows = list(csv.reader(io.StringIO(file.getvalue(), newline="")))
    assert rows[0] == ["row", "label", *names]
    assert [row[1] for row in rows[1:]] == [names[1], names[0]]
    assert writer.rows == 2


def test_a_class_named_as_a_column_gets_another_header() -> None:
    """Two columns of one name would be lost in most readers."""
    file = io.StringIO()
    CsvWriter(file, ["label", "row"])
    assert file.getvalue() == "row,label,p(label),p(row)\n"


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_json_lines_are_objects_and_end_with_a_newline(batches: int) -> None:
    """Rows are numbered through all batches."""
    file = io.StringIO()
    writer = JsonLinesWriter(file, ["x", "y"])
    for _ in range(batches):
        writer.write(["y", "x"], PROBABILITIES)
    writer.finish({})
    lines = file.getvalue().split("\n")
    assert lines[-1] == ""
    assert [json.loads(line)["row"] for line in lines[:-1]] == list(range(2 * batches))


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_the_one_object_is_whole_whatever_its_length(batches: int) -> None:
    """Also with no prediction in it."""
    file = io.StringIO()
    writer = JsonWriter(file, ["x", "y"])
    for _ in range(batches):
        writer.write(["y", ("x",)], PROBABILITIES)
    writer.finish({"n": writer.rows})
    result = json.loads(file.getvalue())
    assert result["n"] == len(result["predictions"]) == 2 * batches

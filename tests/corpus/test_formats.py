"""One table in every format: the same records, and the same plain way to write numbers."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmus.corpus.source import Record, Source, read
from ulmus.corpus.values import plain

Rows = list[dict[str, Any]]


def _delimited(rows: Rows, path: Path, delimiter: str) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([list(rows[0]), *([plain(cell) or "" for cell in row.values()] for row in rows)])
    path.write_bytes(buffer.getvalue().encode())


def _arrow_stream(rows: Rows, path: Path) -> None:
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_stream(str(path), table.schema) as stream:
        stream.write_table(table, max_chunksize=2)


WRITERS: dict[str, Callable[[Rows, Path], Any]] = {
    "csv": lambda rows, path: _delimited(rows, path, ","),
    "tsv": lambda rows, path: _delimited(rows, path, "\t"),
    "jsonl": lambda rows, path: path.write_text("".join(json.dumps(row) + "\n" for row in rows)),
    "array.json": lambda rows, path: path.write_text(json.dumps(rows)),
    "indented.json": lambda rows, path: path.write_text(json.dumps(rows, indent=2)),
    "objects.json": lambda rows, path: path.write_text("\n".join(json.dumps(r, indent=1) for r in rows)),
    "lists.json": lambda rows, path: path.write_text(
        json.dumps({name: [row[name] for row in rows] for name in rows[0]})
    ),
    "columns.json": lambda rows, path: path.write_text(
        json.dumps({name: {str(i): row[name] for i, row in enumerate(rows)} for name in rows[0]})
    ),
    "parquet": lambda rows, path: pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=3),
    "feather": lambda rows, path: feather.write_feather(pa.Table.from_pylist(rows), str(path), chunksize=2),
    "arrow": _arrow_stream,
}

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
labels = st.sampled_from(
    [st.sampled_from(["pos", "neg", None]), st.integers(-5, 5) | st.none(), numbers.map(float) | st.none()]
).flatmap(lambda one: st.lists(one, min_size=1, max_size=40))
TABLES = labels.flatmap(
    lambda column: st.lists(texts, min_size=len(column), max_size=len(column)).map(
        lambda column_of_texts: [
            {"id": i, "text": text, "label": label}
            for i, (text, label) in enumerate(zip(column_of_texts, column, strict=True))
        ]
    )
)


@settings(max_examples=40, deadline=None)
@given(rows=TABLES)
def test_one_table_in_every_format_is_the_same_records(
    rows: Rows, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Texts with line ends and quotes, labels that are words, whole or broken numbers or missing: what was written."""
    folder = tmp_path_factory.mktemp("formats")
    expected = [Record(row["text"], (plain(row["label"]) or "").strip() or None) for row in rows]
    for name, write in WRITERS.items():
        path = folder / (name if "." in name else f"a.{name}")
        write(rows, path)
        quoting = True if name in ("csv", "tsv") else None
        assert list(read(Source(path, "text", "label", quoting=quoting))) == expected, name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1.0", "1.0"),
        (1, "1"),
        (1.0, "1"),
        (-0.0, "0"),
        (0.5, "0.5"),
        (np.float32(0.1), "0.1"),
        (np.float16(2), "2"),
        (1e300, "1e+300"),
        (2**70, str(2**70)),
        (True, "True"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (None, None),
        (math.nan, None),
        (Decimal("nan"), None),
    ],
)
def test_how_a_value_is_written(value: object, text: str | None) -> None:
    """A text as it is, a whole number without a fraction, another with its shortest digits, NaN as nothing."""
    assert plain(value) == text


@pytest.mark.parametrize("value", [math.inf, -math.inf, Decimal("inf"), [], {}, b"a", object()])
def test_what_is_no_text(value: object) -> None:
    """Lists, objects, bytes and infinity have no plain text."""
    with pytest.raises(TypeError):
        plain(value)


FRAMES: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "a.jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "records.json": lambda frame, path: frame.to_json(path, orient="records"),
    "a.json": lambda frame, path: frame.to_json(path),
    "a.parquet": lambda frame, path: frame.to_parquet(path),
    "a.feather": lambda frame, path: frame.to_feather(path),
    "polars.parquet": lambda frame, path: pl.from_pandas(frame).write_parquet(path),
    "polars.arrow": lambda frame, path: pl.from_pandas(frame).write_ipc(path),
    "polars.jsonl": lambda frame, path: pl.from_pandas(frame).write_ndjson(path),
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("kind", ["float64", "Int64", "category", "boolean", "object"])
def test_frames_of_pandas_and_polars(tmp_path: Path, name: str, kind: str) -> None:
    """Labels 0 and 1 of which one is missing are 0 and 1, whatever pandas made of them and wrote them into."""
    labels = pd.Series([0, 1, None]).astype("Int64").astype(kind)
    if kind == "category":
        labels = pd.Series(["0", "1", None]).astype(kind)
    FRAMES[name](pd.DataFrame({"text": ["a", "b", "c"], "label": labels}), tmp_path / name)
    names = ["False", "True"] if kind == "boolean" else ["0", "1"]
    assert [record.label for record in read(Source(tmp_path / name, label="label"))] == [*names, None]

"""parquet and Arrow files: types of columns, sizes, damage."""

from __future__ import annotations

import datetime as dt
import io
import tracemalloc
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from ulmus.corpus.source import Record, Source, read
from ulmus.corpus.streams import LARGEST_DOCUMENT
from ulmus.errors import DataError, DataWarning, UlmusError, UsageError

WRITERS: dict[str, Callable[[pa.Table, Path], Any]] = {
    "a.parquet": pq.write_table,
    "a.feather": lambda table, path: feather.write_feather(table, str(path)),
}
writers = pytest.mark.parametrize("name", WRITERS)


def write(name: str, folder: Path, **columns: Any) -> Path:
    """A file of these columns."""
    WRITERS[name](pa.table(columns), folder / name)
    return folder / name


@writers
@pytest.mark.parametrize(
    ("column", "labels"),
    [
        (pa.array([1, None], pa.int8()), ["1", None]),
        (pa.array([0.1, 1.0], pa.float32()), ["0.1", "1"]),
        (pa.array([1.0, None], pa.float64()), ["1", None]),
        (pa.array([np.float16(0.5), None], pa.float16()), ["0.5", None]),
        (pa.array(["a", None]).dictionary_encode(), ["a", None]),
        (pa.array([3, 4]).dictionary_encode(), ["3", "4"]),
        (pa.array([True, None]), ["True", None]),
        (pa.array(["x", "y"], pa.large_string()), ["x", "y"]),
        (pa.array([["x", "y"], []]), [("x", "y"), ()]),
        (pa.array([[1, 2], None]), [("1", "2"), None]),
        (pa.nulls(2), [None, None]),
    ],
    ids=str,
)
def test_types_of_columns(tmp_path: Path, name: str, column: pa.Array, labels: list[object]) -> None:
    """Numbers, categories, lists and nulls are what a csv file would hold."""
    path = write(name, tmp_path, text=["a", "b"], label=column)
    assert [record.label for record in read(Source(path, "text", "label"))] == labels


@writers
def test_bytes_are_texts_where_they_are_utf8(tmp_path: Path, name: str) -> None:
    """Bytes, as older programs write texts, are read as UTF-8, which is said; what is not is an error with its row."""
    path = write(name, tmp_path, text=["é".encode(), None, b"b"])
    with pytest.warns(DataWarning, match=r"column 'text' .* holds bytes; decoding them as UTF-8"):
        assert [record.text for record in read(Source(path))] == ["é", "", "b"]
    path = write(name, tmp_path, text=[b"a"] * 100 + [b"a\xff"])
    with (
        pytest.warns(DataWarning),
        pytest.raises(DataError, match=r"row 101: .* bytes that are not UTF-8 \(0xff at byte 1"),
    ):
        list(read(Source(path)))


@writers
def test_strings_that_are_not_utf8(tmp_path: Path, name: str) -> None:
    """Strings that claim to be UTF-8 and are not are an error that says where."""
    good = pa.array([b"a"] * 100 + [b"a\xff"])
    path = write(name, tmp_path, text=pa.Array.from_buffers(pa.string(), len(good), good.buffers()))
    with pytest.raises(DataError, match=r"rows? 1.*(not UTF-8|Invalid UTF8)"):
        list(read(Source(path)))


@writers
@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pa.array([None, {"en": "a"}]), "an object .* Name a field of it, such as text.text"),
        (pa.array([None, ["a", "b"]]), "a list"),
        (pa.array([None, dt.datetime(2026, 1, 1)]), "a value of type timestamp"),
        (pa.array([None, float("inf")]), "a number|a float"),
        (pa.array([None, b"1234"], pa.binary(4)), "a value of type fixed_size_binary"),
    ],
    ids=str,
)
def test_values_that_are_no_texts(tmp_path: Path, name: str, column: pa.Array, words: str) -> None:
    """What has no plain text is an error that names row, column and type, not Python's way to write it."""
    path = write(name, tmp_path, text=column, label=["x", "y"])
    with pytest.raises(
        DataError, match=rf"row 2: expected a text or a number in column 'text', got ({words})"
    ):
        list(read(Source(path, "text", "label")))


@writers
def test_fields_of_structs(tmp_path: Path, name: str) -> None:
    """A dotted name finds a field of a struct; a row without the struct has none."""
    rows = pa.array([{"text": "a", "by": {"id": 7}}, None])
    path = write(name, tmp_path, data=rows, id=[1, 2])
    assert list(read(Source(path, "data.text", "data.by.id"))) == [Record("a", "7"), Record("")]
    with pytest.raises(UsageError, match=r"no column 'data\.txt'. Did you mean 'data\.text'"):
        list(read(Source(path, "data.txt")))


@pytest.mark.parametrize("name", ["a.pq", "part-0000", "a.csv.part", "table.data"])
@pytest.mark.parametrize("kind", ["parquet", "feather", "stream"])
def test_tables_of_any_name(tmp_path: Path, name: str, kind: str) -> None:
    """A parquet or Arrow file is known by its first bytes where its name says nothing."""
    table, path = pa.table({"text": ["a"], "label": ["x"]}), tmp_path / name
    if kind == "stream":
        with pa.ipc.new_stream(str(path), table.schema) as stream:
            stream.write_table(table)
    else:
        WRITERS[f"a.{kind}"](table, path)
    if path.suffix == ".pq" and kind != "parquet":
        pytest.skip("a name that says parquet")
    assert list(read(Source(path, "text", "label"))) == [Record("a", "x")]
    assert list(read(Source(path))) == [Record("a")]


@pytest.mark.parametrize("name", ["a.parquet", "a.feather", "a.arrow"])
@pytest.mark.parametrize("compression", ["zstd", "lz4", None])
def test_changed_bytes_never_crash(tmp_path: Path, name: str, compression: str | None) -> None:
    """A file with a few other bytes is read or is an error of ours; no other error, and no crash of the process."""
    rows = [{"text": f"text {i} ä", "label": ["x", "y"][: i % 3], "d": {"x": i / 3}} for i in range(60)]
    table, buffer = pa.Table.from_pylist(rows), io.BytesIO()
    if name == "a.parquet":
        pq.write_table(table, buffer, row_group_size=20, compression=compression or "none")
    elif name == "a.feather":
        feather.write_feather(table, buffer, compression=compression or "uncompressed")
    else:
        options = pa.ipc.IpcWriteOptions(compression=compression)
        with pa.ipc.new_stream(buffer, table.schema, options=options) as stream:
            stream.write_table(table, max_chunksize=20)
    content = buffer.getvalue()
    for seed in range(60):
        changed, random = bytearray(content), Random(seed)
        for _ in range(random.choice([1, 2, 5])):
            changed[random.randrange(len(changed))] = random.choice([0, 255, random.randrange(256)])
        (tmp_path / name).write_bytes(changed)
        with warnings.catch_warnings(action="ignore"), suppress(UlmusError):
            assert len(list(read(Source(tmp_path / name, ("text", "d.x"), "label")))) == len(rows)


@pytest.mark.parametrize("name", ["a.parquet", "a.feather", "a.arrow"])
@pytest.mark.parametrize("damage", ["empty", "another kind", "truncated", "cut off early", "zeros"])
def test_damaged_files(tmp_path: Path, name: str, damage: str) -> None:
    """A file that is damaged, cut off or of another kind is an error and never fewer rows."""
    table = pa.table({"text": [f"text {i}" for i in range(5000)]})
    buffer = io.BytesIO()
    if name == "a.arrow":
        with pa.ipc.new_stream(buffer, table.schema) as stream:
            stream.write_table(table, max_chunksize=1000)
    elif name == "a.feather":
        feather.write_feather(table, buffer)
    else:
        pq.write_table(table, buffer)
    whole = buffer.getvalue()
    content = {
        "empty": b"",
        "another kind": b"text\nnothing of the kind\n",
        "truncated": whole[:-30],
        "cut off early": whole[:20],
        "zeros": whole[:200] + bytes(len(whole) - 300) + whole[-100:],
    }[damage]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=r"is empty|truncated or damaged|are damaged"):
        list(read(Source(tmp_path / name)))


def test_a_stream_that_is_cut_off_between_batches(tmp_path: Path) -> None:
    """What may be missing batches, as the format cannot tell, is said."""
    table = pa.table({"text": ["a", "b"]})
    with pa.ipc.new_stream(str(tmp_path / "a.arrow"), table.schema) as stream:
        stream.write_table(table)
    (tmp_path / "a.arrow").write_bytes((tmp_path / "a.arrow").read_bytes()[:-8])
    with pytest.warns(DataWarning, match="may be truncated"):
        assert len(list(read(Source(tmp_path / "a.arrow")))) == 2


def test_a_small_file_of_large_texts_is_read_in_bounded_memory(tmp_path: Path) -> None:
    """Hundreds of equal texts of a megabyte, packed into a few hundred bytes, are read a few at a time."""
    text = "a" * 1_000_000
    table = pa.table({"text": pa.array([text]).take(pa.array([0] * 300))})
    pq.write_table(table, tmp_path / "a.parquet", compression="brotli")
    assert (tmp_path / "a.parquet").stat().st_size < 2000
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    seen = peak = 0
    for record in read(Source(tmp_path / "a.parquet")):
        seen += len(record.text)
        peak = max(peak, pa.total_allocated_bytes() - before)
    peak += tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen == 300 * len(text)
    assert peak < 8 * LARGEST_DOCUMENT


@writers
def test_a_text_larger_than_one_may_be(tmp_path: Path, name: str) -> None:
    """One giant value, however small it is packed, is an error; the largest that may be is read."""
    path = write(name, tmp_path, text=["a", "a" * LARGEST_DOCUMENT])
    assert [len(record.text) for record in read(Source(path))] == [1, LARGEST_DOCUMENT]
    path = write(name, tmp_path, text=["a", "a" * (LARGEST_DOCUMENT + 1)])
    with pytest.raises(DataError, match="row 2: a text may have at most 16 MB"):
        list(read(Source(path)))
    path = write(name, tmp_path, text=["a" * (4 * LARGEST_DOCUMENT)])
    with pytest.raises(DataError, match=r"row.* 1.*: a text may have at most 16 MB"):
        list(read(Source(path)))


def test_rows_are_counted_over_row_groups(tmp_path: Path) -> None:
    """The row in a message is that of the file."""
    table = pa.table({"text": [["x"] if i == 777 else None for i in range(1000)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=100)
    with pytest.raises(DataError, match="row 778:"):
        list(read(Source(tmp_path / "a.parquet")))

"""parquet and Arrow (Feather) files -> batches of the requested columns, streamed through pyarrow.

How: a few rows at a time, so that even the largest texts fit in memory; a field of a struct is named `data.text`;
UTF-8 bytes are texts, as older programs write them. Memory: for parquet a page of each requested column, for an Arrow
file a record batch if it is compressed, else the current rows. Knows no labels and no rules.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ulmus.corpus.packing import check_regular, read_error
from ulmus.corpus.schema import Cells, Choose, find_columns
from ulmus.corpus.streams import LARGEST_DOCUMENT, too_large
from ulmus.corpus.values import Cell, Values
from ulmus.errors import DataError, DataWarning

__all__ = ["read_arrow", "read_parquet"]

_ROWS = 16  # per batch: so many of the largest texts are in memory
_BUFFER = 1 << 20  # bytes of a parquet column read at a time
_LARGE = 1 << 20  # bytes of a batch above which equal neighbours share one string
_END = b"\xff\xff\xff\xff\0\0\0\0"  # end of a stream
_INDEX = "__index_level_"  # prefix of a pandas index stored beside the columns
_BYTES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
_OTHERS = (pa.types.is_integer, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_null)


def read_parquet(path: Path, choose: Choose, *, several: str | None = None) -> Iterator[Cells]:
    """The requested columns of a parquet file in batches; only the column `several` may hold lists.

    Raises DataError (damaged file, values that are not text), UsageError (no such column), StorageError (not
    readable).
    """
    _check_file(path)
    with (
        _errors(path, "parquet"),
        pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True) as table,
    ):
        wanted = _chosen(table.schema_arrow, choose, path)
        _check_sizes(table.metadata, path)
        batches = table.iter_batches(_ROWS, columns=list(dict.fromkeys(wanted)), use_threads=False)
        yield from _cells(batches, wanted, Values(path, "row", several))


def read_arrow(path: Path, choose: Choose, *, several: str | None = None) -> Iterator[Cells]:
    """The requested columns of an Arrow file (Feather 2) or stream in batches. Raises as `read_parquet` does."""
    _check_file(path)
    with _errors(path, "Arrow (Feather)"), pa.memory_map(str(path)) as file:
        head = file.read(6)
        file.seek(0)
        if head.startswith(b"FEA1"):
            raise DataError(f"{path} is a Feather version 1 file. Save it as version 2 or as parquet.")
        is_file = head == b"ARROW1"
        schema = (pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)).schema
        wanted = _chosen(schema, choose, path)
        file.seek(0)
        roots = sorted({schema.get_field_index(_root(name, schema)) for name in wanted})
        options = pa.ipc.IpcReadOptions(included_fields=roots, use_threads=False)
        if is_file:
            reader = pa.ipc.open_file(file, options=options)
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        else:
            batches = iter(pa.ipc.open_stream(file, options=options))
        yield from _cells(_slices(batches, path), wanted, Values(path, "row", several))
        file.seek(file.size() - len(_END))
        if not is_file and file.read() != _END:
            warnings.warn(
                f"{path} has no end-of-stream marker: it may be truncated.", DataWarning, stacklevel=2
            )


def _check_file(path: Path) -> None:
    check_regular(path)
    if path.stat().st_size == 0:
        raise DataError(f"expected texts, but {path} is empty.")


@contextmanager
def _errors(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise read_error(path, error) from error
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} is not a {kind} file, or it is truncated or damaged: {str(error)[:300]}. Download it again."
        ) from error


def _chosen(schema: pa.Schema, choose: Choose, path: Path) -> list[str]:
    """The requested columns, all present; warns if one holds bytes. Raises UsageError for a missing column."""
    names = [name for field in schema for name in _names(field) if not name.startswith(_INDEX)]
    wanted = choose(names)
    find_columns(names, wanted, path)
    for name in dict.fromkeys(wanted):
        if _is(_type(schema, name), _BYTES):
            warnings.warn(
                f"column {name!r} of {path} holds bytes; decoding them as UTF-8.", DataWarning, stacklevel=2
            )
    return wanted


def _names(field: pa.Field) -> list[str]:
    """The name of a column and of the fields nested in it."""
    inner = field.type.fields if pa.types.is_struct(field.type) else []
    return [field.name, *(f"{field.name}.{name}" for part in inner for name in _names(part))]


def _root(name: str, schema: pa.Schema) -> str:
    """The top-level column of a field: `data` of `data.text`."""
    return name if name in schema.names else next(n for n in schema.names if name.startswith(f"{n}."))


def _type(schema: pa.Schema, name: str) -> pa.DataType:
    root = _root(name, schema)
    kind = schema.field(root).type
    for part in name[len(root) + 1 :].split(".") if name != root else ():
        kind = kind.field(part).type
    return kind


def _is(kind: pa.DataType, tests: tuple[Any, ...]) -> bool:
    return any(test(kind) for test in tests)


def _check_sizes(metadata: pq.FileMetaData, path: Path) -> None:
    """Raise DataError if a row group must contain too large a text, before unpacking it, or if rows are missing."""
    row = 1
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)  # (accessing a damaged column of it crashes the process)
        if group.total_byte_size > (group.num_rows + 1) * group.num_columns * LARGEST_DOCUMENT:
            raise too_large(path, f"rows {row:,} to {row + group.num_rows - 1:,}")
        row += group.num_rows
    if row != metadata.num_rows + 1:
        raise DataError(f"{path} is damaged: expected {metadata.num_rows:,} rows, got {row - 1:,}.")


def _slices(batches: Iterator[pa.RecordBatch], path: Path) -> Iterator[pa.RecordBatch]:
    """A few rows at a time, after checking all offsets of a batch. Raises DataError for a damaged file."""
    row = 1
    for batch in batches:
        try:
            batch.validate(full=True)
        except pa.ArrowInvalid as error:
            last = row + batch.num_rows - 1
            raise DataError(f"{path}, rows {row:,} to {last:,} are damaged: {str(error)[:300]}.") from error
        for i in range(0, batch.num_rows, _ROWS):
            yield batch.slice(i, _ROWS)
        row += batch.num_rows


def _cells(batches: Iterator[pa.RecordBatch], wanted: list[str], values: Values) -> Iterator[Cells]:
    row = 1
    last: list[Cell] = [None] * len(wanted)
    for batch in batches:
        columns = [_column(_field(batch, name), name, row, values) for name in wanted]
        if batch.nbytes > _LARGE:
            _share(columns, last)
        yield columns
        row += batch.num_rows


def _share(columns: Cells, last: list[Cell]) -> None:
    """Make equal neighbours share one string: a small file can hold a large text a million times."""
    for k, column in enumerate(columns):
        for i, cell in enumerate(column):
            column[i] = last[k] = last[k] if cell == last[k] else cell


def _field(batch: pa.RecordBatch, name: str) -> pa.Array:
    root = _root(name, batch.schema)
    column = batch.column(root)
    return column if name == root else pc.struct_field(column, name[len(root) + 1 :].split("."))


def _column(array: pa.Array, name: str, row: int, values: Values) -> list[Cell]:
    """The cells of a column whose first row has the number `row`. Raises DataError for values that are not text."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if isinstance(array, pa.DictionaryArray):
        entries = array.dictionary
        if _is(entries.type, _TEXTS):
            entries = entries.cast(pa.large_string())
        array = entries.take(array.indices)
    kind = array.type
    if _is(kind, (*_TEXTS, *_BYTES)):
        cells = _texts(array, name, row, values)
        if array.nbytes < LARGEST_DOCUMENT:  # then no value is too large, and all are texts
            return cells
    elif pa.types.is_floating(kind):  # as numpy numbers, which keep the digits of a float32 short
        cells = array.to_numpy(zero_copy_only=False)
    elif _is(kind, (*_LISTS, *_OTHERS)):
        cells = array.to_pylist()
    else:
        cells = [None] * len(array)
        if array.null_count < len(array):
            got = f"an object ({kind})" if pa.types.is_struct(kind) else f"a value of type {kind}"
            raise values.unfit(got, name, row + array.is_valid().index(True).as_py())
    return [values.cell(cell, name, row + i) for i, cell in enumerate(cells)]


def _texts(array: pa.Array, name: str, row: int, values: Values) -> list[Any]:
    """The values of a column of strings or bytes. Raises DataError for bytes that are not UTF-8."""
    with suppress(UnicodeDecodeError):
        if not _is(array.type, _BYTES):
            return list(array.to_pylist())
    texts: list[str | None] = []
    for value in array.cast(pa.large_binary()).to_pylist():
        try:
            texts.append(None if value is None else value.decode("utf-8"))
        except UnicodeDecodeError as error:
            got = f"bytes that are not UTF-8 (0x{value[error.start]:02x} at byte {error.start:,})"
            raise values.unfit(got, name, row + len(texts)) from error
    return texts

"""Predictions -> a parquet file, in two steps: batches are appended to an Arrow stream, which then becomes row groups.

A parquet file can be neither continued nor read before its end is written; a stream of Arrow messages can be cut after
any of them, so that a run can resume. Memory: one batch while predicting, one row group at the end.
Knows no model and no file name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ulmus.cli.writers import cell_text, columns

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ParquetWriter", "to_parquet"]

_GROUP = 65_536  # rows of a row group


class ParquetWriter:
    """row (int64), kept columns (string), the label (string, or a list of them; a double of numbers), probabilities.

    It writes the stream; `to_parquet` makes the file of it. `several`: whether a text can have several labels.
    """

    def __init__(
        self,
        file: BinaryIO,
        classes: list[str],
        keep: Sequence[str] = (),
        *,
        name: str = "label",
        several: bool = False,
        rows: int = 0,
    ) -> None:
        import pyarrow as pa

        self.rows = rows
        self._file, self._numbers = file, not classes
        label = pa.list_(pa.string()) if several else pa.float64() if self._numbers else pa.string()
        kinds = [pa.int64(), *(pa.string() for _ in keep), label, *(pa.float64() for _ in classes)]
        self._schema = pa.schema(list(zip(columns(classes, keep, name), kinds, strict=True)))
        if not rows:
            file.write(self._schema.serialize())

    def write(self, labels: Sequence[Any], probabilities: Any, kept: Sequence[Sequence[Any]]) -> None:
        """Append one batch of N texts; `probabilities` is (N, C), not rounded."""
        import numpy as np
        import pyarrow as pa

        end = self.rows + len(labels)
        shown = [] if self._numbers else list(np.asarray(probabilities, np.float64).T)
        copied = [
            [None if cell is None else cell_text(cell) for cell in cells] for cells in zip(*kept, strict=True)
        ]
        given = [range(self.rows, end), *copied, list(map(_plain, labels)), *shown]
        arrays = [pa.array(values, kind) for values, kind in zip(given, self._schema.types, strict=True)]
        self._file.write(pa.record_batch(arrays, schema=self._schema).serialize())
        self.rows = end

    def finish(self, summary: dict[str, Any]) -> None:
        """Write nothing: a stream ends with its last message."""


def to_parquet(stream: Path, out: Path) -> None:
    """Write the rows of a finished stream as a parquet file, a row group at a time. Raises OSError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with (
        stream.open("rb") as file,
        pa.ipc.open_stream(file) as batches,
        pq.ParquetWriter(out, batches.schema) as writer,
    ):
        group: list[pa.RecordBatch] = []
        for batch in batches:
            group.append(batch)
            if sum(part.num_rows for part in group) >= _GROUP:
                writer.write_table(pa.Table.from_batches(group))
                group = []
        if group:
            writer.write_table(pa.Table.from_batches(group))


def _plain(label: Any) -> Any:
    return list(label) if isinstance(label, tuple) else label

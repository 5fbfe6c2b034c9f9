"""parquet -> batches of the columns that are wanted, streamed through pyarrow in record batches.

Costs: one row batch in memory. Knows no labels and no rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ulmus.corpus.schema import ROWS, Cells, Choose, find_columns
from ulmus.errors import DataError, StorageError

__all__ = ["read_parquet"]


def read_parquet(path: Path, choose: Choose) -> Iterator[Cells]:
    """The wanted columns of a parquet file in batches."""
    try:
        with pq.ParquetFile(path) as table:
            names = table.schema_arrow.names
            wanted = choose(names)
            find_columns(names, wanted, path)
            for batch in table.iter_batches(
                batch_size=ROWS, columns=list(dict.fromkeys(wanted)), use_threads=False
            ):
                yield [batch.column(name).to_pylist() for name in wanted]
    except PermissionError as error:
        raise StorageError(
            f"{path} may not be read: permission denied. Change its permissions or its owner."
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is no parquet file, or it is cut off or damaged: {str(error)[:300]}. Fetch it again."
        ) from error

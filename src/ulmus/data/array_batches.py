"""Arrays with one row per example, shuffled, in batches of equal size: features and targets, or anything else.

Rows are taken on demand; an epoch's order costs 8 bytes an example. Knows no text and no model.
Axes: N examples, B of them in a batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmus.data.resume import ResumableBatches
from ulmus.errors import UsageError

__all__ = ["ArrayBatches"]


class ArrayBatches(ResumableBatches[tuple[NDArray[Any], ...]]):
    """Iterating gives one epoch of tuples with B rows of each array (N, ...); `set_epoch` reshuffles.

    `batch_size` is the most rows of a batch. Raises UsageError: no rows, different numbers of rows, or a batch size
    below 1.
    """

    def __init__(
        self, *arrays: NDArray[Any], batch_size: int = 64, shuffle: bool = True, seed: int = 0
    ) -> None:
        rows = sorted({len(array) for array in arrays})
        if len(rows) != 1 or rows[0] < 1 or batch_size < 1:
            raise UsageError(
                f"expected arrays of the same number of rows and batches of at least 1, got {rows} and {batch_size}."
            )
        self.arrays, self.batch_size, self.shuffle, self.seed = arrays, batch_size, shuffle, seed
        self.rows = rows[0]
        self._order: tuple[int, NDArray[np.int64]] | None = None  # of an epoch

    def __len__(self) -> int:
        return -(-self.rows // self.batch_size)

    def batch(self, k: int) -> tuple[NDArray[Any], ...]:
        """Batch `k` of this epoch: rows (B, ...) of each array."""
        if self._order is None or self._order[0] != self.epoch:
            rng = np.random.default_rng([self.seed, self.epoch])
            self._order = self.epoch, rng.permutation(self.rows) if self.shuffle else np.arange(self.rows)
        index = np.array_split(self._order[1], len(self))[k]  # (B,)
        return tuple(array[index] for array in self.arrays)

    def settings(self) -> dict[str, int | bool | str | None]:
        """What a saved position depends on."""
        return {
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "documents": self.rows,
        }

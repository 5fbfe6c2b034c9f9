"""Precomputed document features with their targets, shuffled, in batches of equal size.

Costs nothing: rows are taken on demand. Knows no text and no model.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulmus.data.resume import ResumableBatches

__all__ = ["FeatureBatch", "FeatureBatches"]


class FeatureBatch(NamedTuple):
    """Features of B documents and their targets."""

    features: NDArray[np.float32]  # (B, F)
    targets: NDArray[Any]  # (B,) int64 or (B, C) float32


@dataclass(eq=False, repr=False)
class FeatureBatches(ResumableBatches[FeatureBatch]):
    """Iterating gives one epoch of `FeatureBatch(features, targets)`; `set_epoch` reshuffles."""

    features: NDArray[np.float32]  # (N, F)
    targets: NDArray[Any]  # (N,) or (N, C)
    _: KW_ONLY
    batch_size: int = 64  # documents, at most
    seed: int = 0

    def __len__(self) -> int:
        return -(-len(self.features) // self.batch_size)

    def batch(self, k: int) -> FeatureBatch:
        """Batch `k` of this epoch: features (B, F), targets (B,) or (B, C)."""
        drawn = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.features))
        index = np.array_split(drawn, len(self))[k]  # (B,)
        return FeatureBatch(self.features[index], self.targets[index])

    def settings(self) -> dict[str, int | bool | str | None]:
        """What a saved position depends on."""
        return {"batch_size": self.batch_size, "seed": self.seed, "documents": len(self.features)}

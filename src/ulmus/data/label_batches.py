"""Batches of documents of similar length, padded to (B, T), with their targets, for training and using a classifier.

Not shuffled: sorted, longest first (peak memory is allocated at once, and padding is small). Shuffled, "sortish":
random pools of up to 50 batches, each sorted by length and split into batches, the batches shuffled, the one with the
longest document first. Every document occurs exactly once; batch sizes are balanced, so that no document is alone in a
batch, where batch norm would fail.
Costs 8 bytes a document and well below 1 ms a batch. Knows no strings and no model; `lengths` is the mask.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulmus.data.resume import ResumableBatches
from ulmus.data.store import IdStore, check_documents
from ulmus.errors import UsageError
from ulmus.special_tokens import PAD

__all__ = ["Batch", "LabelBatches"]

POOL_BATCHES = 50  # batches per pool that is sorted by length, at most
LEAST_POOLS = 4  # if one would do for all: every epoch would have the same batches
# Shuffled batches are padded to multiples of so many tokens: kernels and blocks of memory are made for each new shape,
# and kept; sixty shapes cost a fortieth more padding and no memory that grows with every step.
GRAIN = 4


class Batch(NamedTuple):
    """Documents padded on the right, how long they are, what they should be, and which they are."""

    ids: NDArray[np.int64]  # (B, T)
    lengths: NDArray[np.int64]  # (B,)
    targets: NDArray[Any] | None  # (B,) int64 or (B, C) float32
    index: NDArray[np.int64]  # type: ignore[assignment]  # (B,) numbers in the store; shadows tuple.index
    weights: NDArray[np.float32] | None = None  # (B,) how much each document counts


class _Plan(NamedTuple):
    """One epoch: documents (n,), and where each batch begins and ends in them (batches, 2)."""

    epoch: int
    order: NDArray[np.int64]
    spans: NDArray[np.int64]


@dataclass(eq=False, repr=False)
class LabelBatches(ResumableBatches[Batch]):
    """Iterating gives one epoch of `Batch(ids, lengths, targets, index)`; `set_epoch` reshuffles.

    `targets` (and `weights`) have one row per document of the *store*: (N,) integers (classes), (N, C) floats (soft or
    multi-label), or None. Raises UsageError when it has not, or for impossible settings.
    """

    store: IdStore
    targets: NDArray[Any] | None = None
    _: KW_ONLY
    weights: NDArray[np.float32] | None = None  # (N,) how much each document counts; None: all the same
    batch_size: int = 32  # documents, at most (one more where one would be left alone)
    token_budget: int | None = None  # ids with padding per batch, at most; a longer document comes alone
    shuffle: bool = False
    alike: bool = (
        True  # shuffled batches of documents of similar length; False: drawn at random, with more padding
    )
    seed: int = 0
    documents: NDArray[np.int64] | None = None  # document numbers to use; None: all
    pad_id: int = PAD
    # tokens; a longer document keeps a quarter of this many from its head, the rest from its tail
    max_tokens: int | None = None
    backwards: bool = False  # each document reversed after its xxbos

    def __post_init__(self) -> None:
        for name in ("batch_size", "token_budget", "max_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, got {value}.")
        self.targets = _check_targets(self.targets, len(self.store))
        self._documents = check_documents(self.documents, self.store)
        self._plan: _Plan | None = None

    def __len__(self) -> int:
        return len(self._epoch_plan().spans)

    def batch(self, k: int) -> Batch:
        """Batch `k` of this epoch: ids (B, T), lengths (B,), targets (B,) or (B, C) or None, index (B,)."""
        plan = self._epoch_plan()
        index = plan.order[slice(*plan.spans[k])]  # (B,)
        full = self.store.lengths[index]  # (B,)
        lengths = self._kept(full)
        within = np.arange(max(1, self._padded(int(lengths.max()))))  # (T,)
        row, column = np.nonzero(within < lengths[:, None])  # (tokens,) each: the places that are not padding
        position = column
        if self.max_tokens is not None:
            # Head and tail beat either alone: Sun et al. 2019, "How to Fine-Tune BERT", section 5.3.1.
            skipped = np.where(column < self.max_tokens // 4, 0, (full - lengths)[row])
            position = column + skipped
        ids = np.full((len(index), len(within)), self.pad_id, np.int64)  # (B, T)
        ids[row, column] = self.store.gather(index[row], position, backwards=self.backwards)
        targets = None if self.targets is None else self.targets[index]
        if targets is not None and targets.ndim == 2:
            targets = targets.astype(np.float32, copy=False)
        weights = None if self.weights is None else self.weights[index]
        return Batch(ids, lengths, targets, index, weights)

    def settings(self) -> dict[str, int | bool | str | None]:
        """What a saved position depends on."""
        names = ("batch_size", "token_budget", "shuffle", "alike", "seed", "max_tokens", "backwards")
        counts = {"documents": len(self._documents), "tokens": int(self.store.lengths[self._documents].sum())}
        return {name: getattr(self, name) for name in names} | counts

    def _kept(self, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        return lengths if self.max_tokens is None else np.minimum(lengths, self.max_tokens)

    def _epoch_plan(self) -> _Plan:
        if self._plan is None or self._plan.epoch != self.epoch:
            self._plan = self._shuffled() if self.shuffle else self._sorted()
        return self._plan

    def _sorted(self) -> _Plan:
        order = self._longest_first(self._documents)
        return _Plan(self.epoch, order, self._split(order))

    def _shuffled(self) -> _Plan:
        rng = np.random.default_rng([self.seed, self.epoch])
        drawn = rng.permutation(self._documents)
        batches = -(-len(drawn) // self.batch_size)
        pool = POOL_BATCHES if batches > POOL_BATCHES else max(batches // LEAST_POOLS, 1)
        pool = pool if self.alike else 1
        pools = [
            self._longest_first(some)
            for some in _evenly(drawn, self.batch_size * pool, at_least=self._fewest())
        ]
        starts = np.cumsum([0, *map(len, pools)])
        order = np.concatenate([drawn[:0], *pools])
        parts = [self._split(pool) + start for pool, start in zip(pools, starts, strict=False)]
        spans = rng.permutation(np.concatenate([_NO_SPANS, *parts]))
        if len(spans):
            longest = int(self.store.lengths[order[spans[:, 0]]].argmax())  # a batch begins with its longest
            spans[[0, longest]] = spans[[longest, 0]]
        return _Plan(self.epoch, order, spans)

    def _longest_first(self, documents: NDArray[np.int64]) -> NDArray[np.int64]:
        return documents[np.argsort(-self._kept(self.store.lengths[documents]), kind="stable")]

    def _split(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """Spans (batches, 2) that split `order` (n,), longest first, into batches."""
        if self.token_budget is None:
            ends = np.cumsum([0, *map(len, _evenly(order, self.batch_size, at_least=self._fewest()))])
        else:
            ends = self._split_by_budget(self._kept(self.store.lengths[order]))
        return np.stack([ends[:-1], ends[1:]], axis=1).astype(np.int64)

    def _padded(self, longest: int) -> int:
        """T of a batch whose longest document has so many tokens."""
        return -(-longest // GRAIN) * GRAIN if self.shuffle else longest

    def _fewest(self) -> int:
        return min(2, self.batch_size) if self.shuffle else 1

    def _split_by_budget(self, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Ends of batches that hold at most `token_budget` padded ids; in training at least two documents."""
        fewest, ends = self._fewest(), [0]
        while ends[-1] < len(lengths):
            fit = (self.token_budget or 0) // max(1, self._padded(int(lengths[ends[-1]])))
            ends.append(min(ends[-1] + min(max(fit, fewest), self.batch_size), len(lengths)))
        if len(ends) > 2 and ends[-1] - ends[-2] < fewest:
            del ends[-2]  # the last batch joins the one before it
        return np.asarray(ends, np.int64)


_NO_SPANS = np.zeros((0, 2), np.int64)


def _evenly(documents: NDArray[np.int64], at_most: int, *, at_least: int = 1) -> list[NDArray[np.int64]]:
    """Split `documents` (n,) into the fewest equal parts of `at_most`; `at_least` takes precedence."""
    parts = min(-(-len(documents) // at_most), max(1, len(documents) // at_least))
    return np.array_split(documents, parts) if parts else []


def _check_targets(targets: Any, documents: int) -> NDArray[Any] | None:
    """Targets as (N,) int64, or (N, C) floats as they are: a million vectors may be mapped from a file.

    Raises UsageError for anything else.
    """
    if targets is None:
        return None
    array = np.asarray(targets)
    wanted = f"targets must be (N,) integers or (N, C) floats for the N = {documents} documents of the store"
    if array.ndim not in (1, 2) or len(array) != documents:
        raise UsageError(f"{wanted}, got an array of shape {array.shape}.")
    if array.ndim == 1 and not np.issubdtype(array.dtype, np.integer):
        raise UsageError(f"{wanted}, got 1-D {array.dtype}.")
    if array.ndim == 2 and np.issubdtype(array.dtype, np.floating):
        return array
    return array.astype(np.int64 if array.ndim == 1 else np.float32, copy=False)

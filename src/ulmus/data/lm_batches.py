"""Documents -> B parallel streams of tokens, split into windows of T steps, for training a language model.

The documents, in a new random order each epoch, are concatenated to one long text w_0 .. w_{n-1}. Stream b is the
stretch of S = (n - 1) // B tokens from b * S on, and batch k + 1 continues batch k row by row, so the model
carries its state. Inputs are w_i, targets w_{i+1}: every token but w_0 and a tail of less than B tokens is
predicted exactly once per epoch. T varies from batch to batch (random bptt, Merity et al. 2017, section 5).
Costs 16 bytes a document and below 1 ms a batch (64 x 70); the long text is never built, windows are gathered
from the memory-mapped store. Knows no strings and no model.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulmus.data.resume import ResumableBatches
from ulmus.data.store import IdStore, check_documents
from ulmus.errors import DataError, UsageError

__all__ = ["LMBatch", "LMBatches"]

HALF_BPTT = 0.05  # share of windows with half the length; Merity et al. 2017, section 5
BPTT_STD = 5.0  # steps; the same section
SHORTEST = 5  # steps; as in the authors' code


class LMBatch(NamedTuple):
    """Inputs `x` (B, T) int64 and targets `y` (B, T) int64, where y[:, t] = x[:, t + 1]."""

    x: NDArray[np.int64]
    y: NDArray[np.int64]


class _Plan(NamedTuple):
    """One epoch: document order (n,), their places in the long text (n + 1,), window cuts (batches + 1,)."""

    epoch: int
    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    cuts: NDArray[np.int64]


@dataclass(eq=False, repr=False)
class LMBatches(ResumableBatches[LMBatch]):
    """Iterating gives one epoch of `LMBatch(x, y)`; `set_epoch` reshuffles the documents.

    Raises UsageError for impossible settings, DataError when there are fewer than `batch_size + 1` tokens.
    """

    store: IdStore
    _: KW_ONLY
    batch_size: int = 64  # B, parallel streams
    bptt: int = 70  # steps, mean of T; the loop scales the learning rate by T / bptt
    seed: int = 0
    random_bptt: bool = True  # False: every window has `bptt` steps (but for the last)
    backwards: bool = False  # each document reversed after its xxbos
    shuffle: bool = True  # False: documents in their order, as for measuring perplexity
    documents: NDArray[np.int64] | None = None  # document numbers to use; None: all

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.bptt < 1:
            raise UsageError(f"batch_size and bptt must be >= 1, got {self.batch_size} and {self.bptt}.")
        self._documents = check_documents(self.documents, self.store)
        self.tokens = int(self.store.lengths[self._documents].sum())
        self.stream_tokens = (self.tokens - 1) // self.batch_size  # S
        if self.stream_tokens < 1:
            raise DataError(
                f"{self.tokens} tokens are too few for {self.batch_size} parallel streams: at least "
                f"{self.batch_size + 1} are needed. Give more text, or a smaller batch_size."
            )
        self._plan: _Plan | None = None

    def __len__(self) -> int:
        return len(self._epoch_plan().cuts) - 1

    def batch(self, k: int) -> LMBatch:
        """Window `k` of every stream: x and y (B, T) int64."""
        plan = self._epoch_plan()
        streams = np.arange(self.batch_size)[:, None] * self.stream_tokens  # (B, 1)
        at = streams + np.arange(plan.cuts[k], plan.cuts[k + 1] + 1)  # (B, T + 1) places in the long text
        nth = np.searchsorted(plan.starts, at, side="right") - 1  # (B, T + 1) the last that begins by then
        window = self.store.gather(plan.order[nth], at - plan.starts[nth], backwards=self.backwards)
        window = window.astype(np.int64)  # (B, T + 1)
        return LMBatch(np.ascontiguousarray(window[:, :-1]), np.ascontiguousarray(window[:, 1:]))

    def settings(self) -> dict[str, int | bool | str | None]:
        """What a saved position depends on."""
        names = ("batch_size", "bptt", "seed", "random_bptt", "backwards", "shuffle", "tokens")
        return {name: getattr(self, name) for name in names} | {"documents": len(self._documents)}

    def _epoch_plan(self) -> _Plan:
        if self._plan is None or self._plan.epoch != self.epoch:
            rng = np.random.default_rng([self.seed, self.epoch])
            order = rng.permutation(self._documents) if self.shuffle else self._documents
            starts = np.zeros(len(order) + 1, np.int64)
            np.cumsum(self.store.lengths[order], out=starts[1:])
            self._plan = _Plan(self.epoch, order, starts, self._window_cuts(rng))
        return self._plan

    def _window_cuts(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Where the windows begin and end in a stream: 0 = cut_0 < cut_1 < ... = S."""
        if not self.random_bptt:
            return np.append(np.arange(0, self.stream_tokens, self.bptt), self.stream_tokens)
        shortest = min(SHORTEST, self.bptt)
        draws = self.stream_tokens // shortest + 1  # enough, even if each were the shortest
        base = np.where(rng.random(draws) < HALF_BPTT, self.bptt / 2, float(self.bptt))
        lengths = np.maximum(rng.normal(base, BPTT_STD).astype(np.int64), shortest)
        cuts = np.append(0, np.cumsum(lengths))
        return np.append(cuts[cuts < self.stream_tokens], self.stream_tokens)

"""Batches of tagged sentences of similar length: padded ids, and the words with their places, features and tags.

Which sentences form a batch is decided as for documents (`label_batches`). Costs well below 1 ms a batch. Knows no
strings and no model. Axes: N sentences, B of a batch, T ids, W words, F features of a word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulmus.data.label_batches import LabelBatches
from ulmus.data.resume import ResumableBatches
from ulmus.data.store import IdStore
from ulmus.special_tokens import PAD

__all__ = ["TagBatch", "TagBatches", "WordStore"]


class TagBatch(NamedTuple):
    """Sentences padded on the right; places beyond a sentence's words are 0."""

    ids: NDArray[np.int64]  # (B, T)
    lengths: NDArray[np.int64]  # (B,) ids
    words: NDArray[np.int64]  # (B,) words
    first: NDArray[np.int64]  # (B, W) position of the first id of each word
    last: NDArray[np.int64]  # (B, W) and of the last
    features: NDArray[np.int64]  # (B, W, F) numbers of the word's own features
    tags: NDArray[np.int64] | None  # (B, W)
    index: NDArray[np.int64]  # type: ignore[assignment]  # (B,) numbers in the store; shadows tuple.index


class WordStore:
    """N sentences: their ids, and of each word the places of its ids, its features and its tag.

    Attributes: `store` (N documents of ids), `offsets` (N + 1,), `places` (words, 2), `features` (words, F), `tags`
    (words,) or None.
    """

    def __init__(
        self,
        ids: Sequence[Any],
        places: Sequence[NDArray[np.int32]],
        features: NDArray[np.int32],
        tags: NDArray[np.int64] | None = None,
    ) -> None:
        self.offsets = np.cumsum([0, *map(len, places)])
        self.places = np.concatenate([np.zeros((0, 2), np.int32), *places])
        self.features, self.tags = features, tags
        self.store = IdStore.from_arrays([np.asarray(one, np.int32) for one in ids])
        digest = hashlib.sha256()
        for array in (self.store.ids, self.store.offsets, self.offsets, self.places, features):
            digest.update(np.ascontiguousarray(array).tobytes())
        self.store.key = digest.hexdigest()

    def __len__(self) -> int:
        return len(self.store)


@dataclass(eq=False, repr=False)
class TagBatches(ResumableBatches[TagBatch]):
    """Iterating gives one epoch of `TagBatch`; `set_epoch` reshuffles."""

    sentences: WordStore
    _: KW_ONLY
    batch_size: int = 32  # sentences, at most
    token_budget: int | None = None  # ids with padding per batch, at most; a longer sentence comes alone
    shuffle: bool = False
    seed: int = 0
    documents: NDArray[np.int64] | None = None  # sentence numbers to use; None: all
    pad_id: int = PAD

    def __post_init__(self) -> None:
        self._chosen = LabelBatches(
            self.sentences.store,
            batch_size=self.batch_size,
            token_budget=self.token_budget,
            shuffle=self.shuffle,
            seed=self.seed,
            documents=self.documents,
            pad_id=self.pad_id,
        )

    @property
    def store(self) -> IdStore:
        """The ids of all sentences."""
        return self.sentences.store

    @property
    def targets(self) -> NDArray[np.int64] | None:
        """The tags (words,) of all words."""
        return self.sentences.tags

    def __len__(self) -> int:
        self._chosen.set_epoch(self.epoch)
        return len(self._chosen)

    def batch(self, k: int) -> TagBatch:
        """Batch `k` of this epoch: ids (B, T), and for the words (B, W) of each sentence what `TagBatch` says."""
        self._chosen.set_epoch(self.epoch)
        chosen, own = self._chosen.batch(k), self.sentences
        start = own.offsets[chosen.index]  # (B,)
        words = own.offsets[chosen.index + 1] - start  # (B,)
        within = np.arange(max(1, int(words.max())))  # (W,)
        real = within < words[:, None]  # (B, W)
        at = np.where(real, start[:, None] + within, 0)
        places = np.where(real[..., None], own.places[at], 0).astype(np.int64)
        features = np.where(real[..., None], own.features[at], 0).astype(np.int64)
        tags = None if own.tags is None else np.where(real, own.tags[at], 0)
        first, last = places[..., 0], places[..., 1]
        return TagBatch(chosen.ids, chosen.lengths, words, first, last, features, tags, chosen.index)

    def settings(self) -> dict[str, int | bool | str | None]:
        """What a saved position depends on."""
        return self._chosen.settings()

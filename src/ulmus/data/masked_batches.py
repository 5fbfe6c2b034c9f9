"""Parts of documents with tokens to predict: some masked, for an encoder, or each next one, for a decoder.

Ids come marked: 2 * id, plus 1 for a token that continues the word of the one before. Which tokens are masked is a pure
function of seed, epoch and batch: another draw in each epoch, the same when a run resumes or a loss is measured again.
Masks as `DataCollatorForLanguageModeling` of `transformers` does (Devlin et al. 2019, section 3.1). Costs well below
1 ms a batch. Knows no strings and no model. Axes: B parts, T tokens, M tokens to predict.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulmus.data.label_batches import LabelBatches
from ulmus.data.resume import ResumableBatches
from ulmus.data.store import IdStore

__all__ = ["MaskedBatch", "MaskedBatches", "Masking"]

HIDDEN, RANDOM = 0.8, 0.1  # of the tokens to predict: replaced by the mask, and by any token; the rest stays
FEWEST_TOKENS = 8  # of a part, for the largest number of parts of a batch

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]


class MaskedBatch(NamedTuple):
    """Padded parts of documents, where tokens are to be predicted, and which."""

    ids: Ids  # (B, T), some of them replaced
    lengths: Ids  # (B,)
    predicted: Mask  # (B, T) places whose output predicts a target
    targets: Ids  # (M,) in the order of those places


@dataclass(frozen=True)
class Masking:
    """Which tokens are masked, and by what."""

    mask: int  # id of the mask token
    vocabulary: int  # number of ids that may replace a token
    special: tuple[int, ...] = ()  # ids that are never masked
    share: float = 0.15  # of the tokens
    whole_words: bool = True  # all tokens of a word or none

    def choose(self, ids: Ids, lengths: Ids, continues: Mask, rng: np.random.Generator) -> Mask:
        """Tokens (B, T) to predict; one at least if there is any that is not special."""
        text = np.arange(ids.shape[1]) < lengths[:, None]
        text &= ~np.isin(ids, self.special)
        begins = ~continues | ~text if self.whole_words else np.ones_like(text)
        begins[:, 0] = True
        word = begins.ravel().cumsum().reshape(ids.shape) - 1
        chosen: Mask = text & (rng.random(word.size)[word] < self.share)
        places = np.flatnonzero(text)
        if len(places) and not chosen.any():
            chosen |= text & (word == word.flat[rng.choice(places)])
        return chosen

    def hide(self, ids: Ids, chosen: Mask, rng: np.random.Generator) -> Ids:
        """The ids (B, T) with most of the `chosen` ones replaced."""
        drawn = rng.random(ids.shape)
        others = rng.integers(self.vocabulary, size=ids.shape)
        hidden = np.where(chosen & (drawn < HIDDEN), self.mask, ids)
        return np.where(chosen & (drawn >= HIDDEN) & (drawn < HIDDEN + RANDOM), others, hidden)


@dataclass(eq=False, repr=False)
class MaskedBatches(ResumableBatches[MaskedBatch]):
    """Iterating gives one epoch of `MaskedBatch`; without `masking` each token predicts the next.

    Raises UsageError for impossible settings.
    """

    store: IdStore  # of marked ids
    masking: Masking | None
    _: KW_ONLY
    token_budget: int = 2_048  # ids with padding per batch, at most; a longer part comes alone
    shuffle: bool = False
    seed: int = 0
    documents: NDArray[np.int64] | None = None  # numbers of parts in the store; None: all

    def __post_init__(self) -> None:
        self._parts = LabelBatches(
            self.store,
            batch_size=max(2, self.token_budget // FEWEST_TOKENS),
            token_budget=self.token_budget,
            shuffle=self.shuffle,
            seed=self.seed,
            documents=self.documents,
            pad_id=0,
        )

    def __len__(self) -> int:
        self._parts.set_epoch(self.epoch)
        return len(self._parts)

    def batch(self, k: int) -> MaskedBatch:
        """Batch `k` of this epoch."""
        self._parts.set_epoch(self.epoch)
        marked, lengths = self._parts.batch(k)[:2]
        ids, continues = marked >> 1, (marked & 1).astype(bool)
        if self.masking is None:
            return _next_tokens(ids, lengths)
        rng = np.random.default_rng([self.seed, self.epoch, k])
        chosen = self.masking.choose(ids, lengths, continues, rng)
        return MaskedBatch(self.masking.hide(ids, chosen, rng), lengths, chosen, ids[chosen])

    def settings(self) -> dict[str, Any]:
        """What a saved position depends on."""
        return self._parts.settings() | {"masking": repr(self.masking)}


def _next_tokens(ids: Ids, lengths: Ids) -> MaskedBatch:
    """Each token of ids (B, T) but the last of a part predicts the one after it."""
    predicted = np.arange(ids.shape[1]) < lengths[:, None] - 1
    following = np.roll(ids, -1, axis=1)
    return MaskedBatch(ids, lengths, predicted, following[predicted])

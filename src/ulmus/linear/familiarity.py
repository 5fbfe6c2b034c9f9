"""How familiar the words of texts are to word counts: words without an entry, and how rare the others are.

Of a text that the words were counted in, everything would be known: there each word counts as if this text had not
been counted (it is left out by lowering the number of texts with the word by one). So the texts of a training can be
compared with new ones. Knows no label. Axes: N texts, F n-grams.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ulmus.linear.features import CountFeatures
from ulmus.linear.ngrams import START

__all__ = ["Familiarity", "familiarity"]

Floats = NDArray[np.float64]


class Familiarity(NamedTuple):
    """Of each of N texts, all (N,)."""

    words: Floats  # how many there are (characters, where the writing has no spaces)
    unknown: Floats  # the share of them, 0..1, that has no entry; 0 without words
    rarity: Floats  # bits, mean of the known ones: -log2 of the share of counted texts that have the word


def familiarity(features: CountFeatures, texts: Sequence[str], *, counted: int = 0) -> Familiarity:
    """The familiarity of texts; `counted` is how many the words were counted in, if these texts are among them."""
    block = features.blocks[0]
    idf = features.idf[: len(block)].astype(np.float64)
    used = (block.lengths() == 1) & (np.array(block.names, dtype=object) != START) & (idf > 0)
    # the smooth idf is 1 - log((1 + df) / (1 + n)) for a word in df of n texts
    share = np.where(used, np.exp(1 - idf), 1.0)
    if counted:
        texts_with = np.rint(share * (1 + counted) - 1)
        used &= texts_with > features.fewest(counted)
        share = np.maximum(texts_with, 1) / (1 + counted)
    known = block.transform(texts) @ csr_matrix(np.stack([used, np.where(used, -np.log2(share), 0)], axis=1))
    known = np.asarray(known.todense(), np.float64)
    words = np.array(
        [sum(symbol not in (START, " ") for symbol in block.split(text)) for text in texts], np.float64
    )
    return Familiarity(
        words,
        np.clip(1 - known[:, 0] / np.maximum(words, 1), 0, 1) * (words > 0),
        known[:, 1] / np.maximum(known[:, 0], 1),
    )

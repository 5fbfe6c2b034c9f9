"""What each token of a text adds to the scores of the word counts: exact, because the scores are linear in the TF-IDF.

Knows no class and no decision. Legend: F n-grams, K outputs, U tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ulmus.linear.index import NgramIndex

__all__ = ["shares"]

Floats = NDArray[np.float64]


def shares(
    blocks: Sequence[NgramIndex],
    text: str,
    starts: NDArray[np.int64],
    *,
    row: Floats,
    weights: NDArray[np.float32],
) -> Floats:
    """What each token adds to the scores, (U, K), at least one row: without a token it has all there is.

    row (F,): the TF-IDF of the text; weights (F, K). A token owns the characters from its start, one of `starts` (U,)
    in ascending order, to the next one's; the first also what is before it. Each place where an n-gram stands has an
    equal part of its TF-IDF, spread over the words that it covers (`NgramIndex.located`).
    """
    parts, first = [], 0
    for block in blocks:
        columns, characters, portions = block.located(text)
        parts.append((columns + first, characters, portions))
        first += len(block)
    columns, characters, portions = map(np.concatenate, zip(*parts, strict=True))
    times = np.bincount(columns, portions, minlength=len(row))  # how often each n-gram stands in the text
    amounts = portions / times[columns] * row[columns]
    own = np.clip(np.searchsorted(starts, characters, side="right") - 1, 0, None)
    added = np.zeros((max(len(starts), 1), weights.shape[1]))
    np.add.at(added, own, amounts[:, None] * weights[columns])
    return added

"""A word -> numbers of its features: the word itself, its beginnings and endings, its shape.

How: each feature is hashed (CRC-32, the same on every machine) into a row of a table, so unknown words share the
features of those they look like. No vocabulary is stored. Costs: 20 microseconds for a new word. Knows no weights.
Source: Ratnaparkhi 1996, section 2 (affixes); Collins 2002 (shapes); Weinberger et al. 2009 (hashing).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEATURES", "word_features"]

AFFIXES = (1, 2, 3, 4)  # characters
FEATURES = 4 + 2 * len(AFFIXES)  # numbers of a word
_RUNS = re.compile(r"(.)\1+", re.DOTALL)


def word_features(words: Sequence[str], buckets: int) -> NDArray[np.int32]:
    """The numbers (W, FEATURES) of the features of each word: 1 to `buckets` - 1, or 0 for one it does not have."""
    return np.array([_features(word, buckets) for word in words], np.int32).reshape(-1, FEATURES)


@lru_cache(1 << 16)
def _features(word: str, buckets: int) -> tuple[int, ...]:
    low, shape = word.lower(), "".join(map(_kind, word[:40]))
    given = [low, word, shape, _RUNS.sub(r"\1", shape)]
    for n in AFFIXES:  # an affix is shorter than its word
        given += [low[:n], low[-n:]] if len(low) > n else ["", ""]
    return tuple(_bucket(number, text, buckets) for number, text in enumerate(given))


def _kind(sign: str) -> str:
    """X for an upper-case letter, x for a lower-case one, d for a digit, o for another letter, else the sign itself."""
    if sign.isupper():
        return "X"
    if sign.islower():
        return "x"
    return "d" if sign.isdigit() else "o" if sign.isalpha() else sign


def _bucket(number: int, text: str, buckets: int) -> int:
    if not text:
        return 0
    return 1 + zlib.crc32(f"{number} {text}".encode("utf-8", "surrogatepass")) % (buckets - 1)

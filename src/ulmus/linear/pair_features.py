"""Pairs of texts -> what the word-count model sees: the n-grams of each text, those they share, how much they overlap.

How: both texts are counted with one index (`features.py`). The columns of a pair are the TF-IDF of its first text, that
of its second one, the geometric mean of both (the n-grams they share), and a few numbers between 0 and 1 that say how
much is shared, with their products two by two: a linear model needs those to weigh one by another. The numbers are the
cosines of TF-IDF, of LSA and of character trigrams, the share of each text's n-grams and words (by idf) that the other
has too, and the ratio and the sum of their lengths.
Costs: twice a text, and 50 microseconds for the trigrams. The LSA of the index is needed for prediction: it has few
directions. Knows no labels, no classifier, no files. Legend: N pairs, F n-grams, P overlaps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags, hstack, vstack

from ulmus.fields import split_pair
from ulmus.linear.features import CountConfig, Counted, CountFeatures

__all__ = ["PairFeatures"]

Floats = NDArray[np.float32]
Item = TypeVar("Item")
LSA = 32  # directions: they are stored with the model
OF_TEXTS = ("trigram cosine", "character ratio")  # computed from the texts themselves
OF_COUNTS = (
    "cosine",
    "LSA cosine",
    "shared of first",
    "shared of second",
    "words of first",
    "words of second",
    "length ratio",
    "length",
)
OVERLAPS = (*OF_TEXTS, *OF_COUNTS)
LONG = 60  # words of both texts from which the length counts as 1
TINY = 1e-6


class PairFeatures:
    """`CountFeatures` for texts that are joined pairs; the same methods. `single` is the index of single texts."""

    def __init__(self, config: CountConfig | None = None, single: CountFeatures | None = None) -> None:
        config = config or CountConfig()
        self.config = replace(config, lsa=LSA) if config.lsa == "auto" else config
        self.single = single or CountFeatures(self.config)

    @property
    def basis(self) -> Floats:
        """Nothing linear is added to the columns: (columns, 0)."""
        return np.zeros((self.columns, 0), np.float32)

    @property
    def columns(self) -> int:
        """Number of columns of `weighed`: 3 F, and P overlaps with their products."""
        return 3 * self.single.size + len(_products(OVERLAPS))

    def names(self) -> list[str]:
        """What each column is."""
        words, found = self.single.names(), []
        for mark in ("1:", "2:", "both:"):
            found += [f"{mark} {word}" for word in words]
        return found + [f"overlap: {' x '.join(pair)}" for pair in _products(OVERLAPS)]

    def column_idf(self) -> Floats:
        """The idf of the n-grams of each column, 1 for overlaps."""
        idf = self.single.idf
        return np.concatenate([idf, idf, idf, np.ones(self.columns - 3 * len(idf), np.float32)])

    def kept_columns(self) -> NDArray[np.bool_]:
        """The columns (F,) that a model file needs: those of n-grams no longer than the longest one with a weight."""
        kept = self.single.kept_columns()
        return np.concatenate([kept, kept, kept, np.ones(self.columns - 3 * len(kept), bool)])

    def index(self, texts: Sequence[str]) -> csr_matrix:
        """Choose the n-grams; what is counted in each pair. Raises DataError."""
        pairs = [split_pair(text) for text in texts]
        counted = self.single.index([*(a for a, _ in pairs), *(b for _, b in pairs)])
        return _side_by_side(counted, pairs)

    def count(self, texts: Sequence[str]) -> csr_matrix:
        """The same of any pairs: counts of the first text, of the second, and the overlaps of the texts themselves."""
        pairs = [split_pair(text) for text in texts]
        return _side_by_side(self.single.count([*(a for a, _ in pairs), *(b for _, b in pairs)]), pairs)

    def views(self, raw: csr_matrix, *, more_texts: bool) -> list[PairFeatures]:
        """As `CountFeatures.views`."""
        first, second, _ = self._parts(raw)
        both = vstack([first, second], format="csr")
        return [PairFeatures(self.config, view) for view in self.single.views(both, more_texts=more_texts)]

    def weighed(self, raw: csr_matrix) -> csr_matrix:
        """Counts of N pairs -> their columns (N, 3 F + ...) float32."""
        first, second, of_texts = self._parts(raw)
        a, b = self.single.weighed(first), self.single.weighed(second)
        overlaps = np.concatenate([of_texts.toarray(), self._overlaps(first, second, a, b)], axis=1)
        dense = np.stack([np.prod(overlaps[:, list(k)], axis=1) for k in _products(range(len(OVERLAPS)))], 1)
        parts = [a, b, a.multiply(b).sqrt(), csr_matrix(dense.astype(np.float32))]
        return hstack(parts, format="csr", dtype=np.float32)

    def transform(self, texts: Sequence[str]) -> csr_matrix:
        """The columns (N, ...) of joined pairs."""
        return self.weighed(self.count(texts))

    def prepared(self, raw: csr_matrix) -> Counted:
        """The same of counted pairs, for fitting."""
        return Counted(self.weighed(raw), np.zeros((raw.shape[0], 0), np.float32))

    def _parts(self, raw: csr_matrix) -> tuple[csr_matrix, csr_matrix, csr_matrix]:
        """The counts (N, F) of both texts, and the overlaps of the texts themselves."""
        size = self.single.size
        return raw[:, :size], raw[:, size : 2 * size], raw[:, 2 * size :]

    def _overlaps(self, first: csr_matrix, second: csr_matrix, a: csr_matrix, b: csr_matrix) -> Floats:
        """The overlaps (N, 8) of counts (N, F) and of TF-IDF `a` and `b` (N, F)."""
        idf = self.single.idf
        words = np.concatenate([block.lengths() == 1 for block in self.single.blocks])
        shares = [share for weight in (idf, idf * words) for share in _shared(first, second, weight)]
        long, other = (_row_sums(counts @ diags(words.astype(np.float32))) for counts in (first, second))
        found = [
            _row_sums(a.multiply(b)),
            _cosine(np.asarray(a @ self.single.basis), np.asarray(b @ self.single.basis)),
            *shares,
            np.minimum(long, other) / np.maximum(np.maximum(long, other), 1),
            np.minimum(long + other, LONG) / LONG,
        ]
        return np.stack(found, axis=1).astype(np.float32)


def _products(items: Sequence[Item]) -> list[tuple[Item, ...]]:
    """Each item alone, then the pairs of items, each with itself too."""
    alone: list[tuple[Item, ...]] = [(item,) for item in items]
    return alone + [(one, items[j]) for i, one in enumerate(items) for j in range(i, len(items))]


def _side_by_side(counted: csr_matrix, pairs: Sequence[tuple[str, str]]) -> csr_matrix:
    """Counts (2 N, F) of all first and then all second texts -> one row a pair, with OF_TEXTS at its end."""
    n = len(pairs)
    own = np.array([_of_texts(a, b) for a, b in pairs], np.float32).reshape(n, len(OF_TEXTS))
    return hstack([counted[:n], counted[n:], csr_matrix(own)], format="csr", dtype=np.float32)


def _of_texts(a: str, b: str) -> tuple[float, float]:
    """The cosine of the character trigrams of two texts, and the ratio of their lengths."""
    one, other = _trigrams(a), _trigrams(b)
    dot = sum(n * other[gram] for gram, n in one.items() if gram in other)
    size = sum(n * n for n in one.values()) * sum(n * n for n in other.values())
    longest = max(len(a), len(b))
    return dot / size**0.5 if size else 0.0, min(len(a), len(b)) / longest if longest else 1.0


def _trigrams(text: str) -> Counter[str]:
    spaced = f" {' '.join(text.lower().split())} "
    return Counter(spaced[i : i + 3] for i in range(len(spaced) - 2))


def _shared(first: csr_matrix, second: csr_matrix, weight: Floats) -> tuple[Floats, Floats]:
    """The share (N,) of the n-grams of each text, by `weight` (F,), that the other text has too."""
    a, b, of = first > 0, second > 0, diags(weight)
    both = _row_sums(a.multiply(b) @ of)
    return both / (_row_sums(a @ of) + TINY), both / (_row_sums(b @ of) + TINY)


def _cosine(a: Floats, b: Floats) -> Floats:
    sizes = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(axis=1) / np.maximum(sizes, TINY))


def _row_sums(x: csr_matrix) -> Floats:
    return np.asarray(x.sum(axis=1), np.float32).ravel()

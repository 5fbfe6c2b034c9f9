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

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack, vstack

from ulmus.fields import split_pair
from ulmus.linear.features import CountConfig, Counted, CountFeatures
from ulmus.linear.ngrams import as_csr, as_rows
from ulmus.linear.rows import OVERLAPS, pair_columns, products
from ulmus.linear.scorer import of_texts

__all__ = ["PairFeatures"]

Floats = NDArray[np.float32]
LSA = 32  # directions: they are stored with the model


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
        return 3 * self.single.size + len(products(OVERLAPS))

    def names(self) -> list[str]:
        """What each column is."""
        words, found = self.single.names(), []
        for mark in ("1:", "2:", "both:"):
            found += [f"{mark} {word}" for word in words]
        return found + [f"overlap: {' x '.join(pair)}" for pair in products(OVERLAPS)]

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
        first, second, own = self._parts(raw)
        single = self.single
        words = np.concatenate([block.lengths() == 1 for block in single.blocks])
        counts = as_rows(first), as_rows(second)
        found = pair_columns(*counts, own.toarray(), idf=single.idf, words=words, basis=single.basis)
        return as_csr(found)

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


def _side_by_side(counted: csr_matrix, pairs: Sequence[tuple[str, str]]) -> csr_matrix:
    """Counts (2 N, F) of all first and then all second texts -> one row a pair, what their texts tell at its end."""
    n = len(pairs)
    own = np.array([of_texts(a, b) for a, b in pairs], np.float32).reshape(n, 2)
    return hstack([counted[:n], counted[n:], csr_matrix(own)], format="csr", dtype=np.float32)

"""A sparse matrix (N, F) in numpy alone, and what the word-count model computes with it: TF-IDF, and columns of pairs.

scipy does the same, but costs a third of a second to import and a hundred megabytes to install: a program that only
predicts needs neither. Fitting uses both: the formulas are here. Legend: N documents, F n-grams, K outputs, P overlaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["OVERLAPS", "Rows", "pair_columns", "products", "tf_idf"]

Floats = NDArray[np.float32]
SATURATION = 0.5  # BM25's k: 0 asks only whether an n-gram is there, a large one counts every time alike
OVERLAPS = (
    # computed from the texts themselves
    "trigram cosine",
    "character ratio",
    # computed from their counts
    "cosine",
    "LSA cosine",
    "shared of first",
    "shared of second",
    "words of first",
    "words of second",
    "length ratio",
    "length",
)
LONG = 60  # words of both texts from which the length counts as 1
TINY = 1e-6


class Rows(NamedTuple):
    """A sparse matrix (N, F): the entries of row i are those from `ends[i]` to `ends[i + 1]`, columns ascending."""

    values: Floats  # (entries,)
    columns: NDArray[Any]  # (entries,) integers
    ends: NDArray[Any]  # (N + 1,) integers
    width: int  # F

    def row(self) -> NDArray[np.int64]:
        """The row of each entry (entries,)."""
        return np.repeat(np.arange(len(self.ends) - 1), np.diff(self.ends))

    def sums(self, weight: NDArray[Any] | None = None) -> NDArray[np.float64]:
        """The sum of each row (N,), its columns weighted by `weight` (F,)."""
        values = self.values if weight is None else self.values * weight[self.columns]
        return np.bincount(self.row(), weights=values, minlength=len(self.ends) - 1).astype(np.float64)

    def times(self, dense: NDArray[Any]) -> NDArray[np.float64]:
        """The product (N, K) with a dense matrix (F, K)."""
        row, picked = self.row(), dense[self.columns]  # (entries, K)
        found = np.empty((len(self.ends) - 1, dense.shape[1]))
        for k in range(dense.shape[1]):
            found[:, k] = np.bincount(row, weights=self.values * picked[:, k], minlength=len(found))
        return found

    def with_values(self, values: NDArray[Any]) -> Rows:
        """Other values (entries,) in the same places."""
        return self._replace(values=np.asarray(values, np.float32))

    def shared(self, other: Rows) -> tuple[Rows, Floats, Floats]:
        """The places (N, F) where both have an entry, with ones in them; the values there of each (entries,)."""
        own, theirs = (r.row() * self.width + r.columns for r in (self, other))
        cells, a, b = np.intersect1d(own, theirs, assume_unique=True, return_indices=True)
        row, columns = np.divmod(cells, self.width)
        ends = np.searchsorted(row, np.arange(len(self.ends)))
        return (
            Rows(np.ones(len(cells), np.float32), columns, ends, self.width),
            self.values[a],
            other.values[b],
        )

    def without_zeros(self) -> Rows:
        """The same without entries that are 0."""
        kept = self.values != 0
        ends = np.concatenate([[0], np.cumsum(kept)])[self.ends]
        return Rows(self.values[kept], self.columns[kept], ends, self.width)


def tf_idf(counts: Rows, idf: Floats) -> Rows:
    """Counts (N, F) -> TF-IDF (N, F), each row of length 1, or 0 where no n-gram has a weight; `idf` is (F,)."""
    raw = counts.values
    saturated = raw * np.float32(1 + SATURATION) / (raw + np.float32(SATURATION))
    x = counts.with_values(saturated * idf[counts.columns]).without_zeros()
    length = np.sqrt(x.with_values(x.values**2).sums())
    return x.with_values(x.values / np.repeat(np.maximum(length, 1e-12), np.diff(x.ends)).astype(np.float32))


def pair_columns(
    first: Rows, second: Rows, of_texts: Floats, *, idf: Floats, words: NDArray[np.bool_], basis: Floats
) -> Rows:
    """Counts (N, F) of both texts of N pairs, and what of `OVERLAPS` their texts tell (N, 2) -> (N, 3 F + ...).

    idf (F,); words (F,): which n-grams are single words; basis (F, K): LSA directions.
    """
    a, b = tf_idf(first, idf), tf_idf(second, idf)
    places, of_a, of_b = a.shared(b)
    overlaps = np.concatenate(
        [of_texts, _of_counts(first, second, places.with_values(of_a * of_b), idf=idf, words=words)], axis=1
    )
    overlaps[:, OVERLAPS.index("LSA cosine")] = _cosine(a.times(basis), b.times(basis))
    dense = np.stack([np.prod(overlaps[:, list(k)], axis=1) for k in products(range(len(OVERLAPS)))], 1)
    n, width = len(dense), 3 * a.width + dense.shape[1]
    parts = [(a, 0), (b, a.width), (places.with_values(np.sqrt(of_a * of_b)), 2 * a.width)]
    row = np.concatenate([*(part.row() for part, _ in parts), np.repeat(np.arange(n), dense.shape[1])])
    columns = np.concatenate(
        [*(part.columns + first for part, first in parts), np.tile(np.arange(3 * a.width, width), n)]
    )
    values = np.concatenate([*(part.values for part, _ in parts), dense.ravel().astype(np.float32)])
    order = np.argsort(row, kind="stable")
    ends = np.searchsorted(row[order], np.arange(n + 1))
    return Rows(values[order], columns[order], ends, width)


def products(items: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Each item alone, then the pairs of items, each with itself too."""
    return [(item,) for item in items] + list(combinations_with_replacement(items, 2))


def _of_counts(
    first: Rows, second: Rows, both: Rows, *, idf: Floats, words: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The `OVERLAPS` (N, 8) that counts (N, F) tell, LSA left out; `both` are the products of TF-IDF."""
    places = first.without_zeros().shared(second.without_zeros())[0]
    shares = []
    for weight in (idf, idf * words):
        common = places.sums(weight)
        for one in (first, second):
            seen = one.with_values(one.values > 0)
            shares.append(common / (seen.sums(weight) + TINY))
    long, other = first.sums(words.astype(np.float32)), second.sums(words.astype(np.float32))
    found = [
        both.sums(),
        np.zeros_like(long),
        *shares,
        np.minimum(long, other) / np.maximum(np.maximum(long, other), 1),
        np.minimum(long + other, LONG) / LONG,
    ]
    return np.stack(found, axis=1)


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    sizes = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(axis=1) / np.maximum(sizes, TINY))

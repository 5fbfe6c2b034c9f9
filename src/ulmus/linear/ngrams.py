"""Texts -> a sparse matrix of n-gram counts (N, F), by arrays instead of strings.

How: texts become one array of symbol numbers (words, or characters) with a 0 between documents. An n-gram is
the pair (number of its first n-1 symbols, last symbol), so a level of the index is one sorted int64 array and
looking up is `searchsorted`. An n-gram is never in more documents than its beginning, so rare ones are dropped
level by level (the apriori rule) and an n-gram that is kept always has its beginning kept.
Three units: "word" (words joined by a space), "char" (characters over the whole text, for writing without
spaces) and "subword" (characters inside one word, a space marks its ends). Anchored words have a START before the
first: how a text begins may tell more than what stands in it (questions: "^ how many").
Costs: 70,000 film reviews (17M words), 1-2-grams: 20 s to fit, 15 s to count, 4 bytes a symbol in memory.
Knows no labels, no weights, no files. Legend: N documents, F n-grams, T symbols of all texts in a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from ulmus.errors import BundleError, DataError
from ulmus.linear.index import (
    START,
    Ints,
    NgramIndex,
    Unit,
    documents,
    extend,
    look_up,
    runs,
)  # fmt: skip
from ulmus.linear.rows import Rows

__all__ = ["START", "Ngrams", "Unit", "as_csr", "as_rows"]

BATCH_SYMBOLS = 4_000_000  # symbols handled at once: bounds the memory of sorting


class Ngrams(NgramIndex):
    """The n-grams of a collection: `fit` chooses them, `transform` counts them.

    `names` are the F n-grams in the order of the columns; `high` is the longest n-gram in symbols; `anchored` words
    begin with START.
    """

    def __init__(self, unit: Unit, *, high: int, anchored: bool = False) -> None:
        super().__init__(unit, anchored=anchored)
        self.high = high
        self.names: list[str] = []

    def fit(self, texts: Iterable[str], *, min_df: int, max_features: int) -> Ngrams:
        """Keep n-grams that stand in at least `min_df` documents, at most `max_features` (the most common).

        Raises DataError when nothing is left, e.g. because all texts are empty.
        """
        growing = _Growing()
        stream, starts = self._read(texts, lambda symbols: map(growing.__getitem__, symbols))
        found = list(growing)
        freq = [_document_frequency(stream, starts, len(found) + 1)]
        keep = freq[0] >= min_df
        keep[0] = False
        stream = _renumber(keep)[stream]
        freq[0], words = freq[0][keep], [found[i - 1] for i in np.flatnonzero(keep)]
        base = len(words) + 1
        space = words.index(" ") + 1 if self.unit == "subword" and " " in words else -1
        levels: list[Ints] = []
        ids = stream.astype(np.int64)
        for n in range(2, self.high + 1):
            keys = extend(ids, stream, n, base=base, space=space)
            table, df = _frequent_keys(keys, starts, min_df)
            if not len(table):
                break
            levels.append(table)
            freq.append(df)
            ids = look_up(table, keys)
        if words in ([], [START]):
            raise DataError(
                "No word of the texts can be counted: expected texts with words, got only empty or too few texts. "
                "Check the text column."
            )
        self._select(words, levels, freq, base=base, max_features=max_features)
        return self

    def _select(
        self, words: list[str], levels: list[Ints], freq: list[Ints], *, base: int, max_features: int
    ) -> None:
        """Cut to the most common n-grams and renumber symbols, so that features lie level by level."""
        sizes = [len(f) for f in freq]
        order = np.argsort(-np.concatenate(freq), kind="stable")[:max_features]  # ties: shorter n-grams first
        chosen = np.zeros(sum(sizes), bool)
        chosen[order] = True
        keeps = np.split(chosen, np.cumsum(sizes)[:-1])
        symbol = _renumber(np.concatenate([[False], keeps[0]]))
        self.symbols = {w: i + 1 for i, w in enumerate(w for w, k in zip(words, keeps[0], strict=True) if k)}
        self.levels, before = [], symbol
        for table, keep in zip(levels, keeps[1:], strict=True):
            if not keep.any():
                break
            head, last = np.divmod(table[keep], base)
            self.levels.append(before[head] * (len(self.symbols) + 1) + symbol[last])
            before = _renumber(np.concatenate([[False], keep]))
        self.names = self._spell()

    def transform(self, texts: Iterable[str]) -> csr_matrix:
        """Counts (N, F) float32, one row a text; n-grams that are not in the index are left out."""
        rows, batch, size = [], list[str](), 0
        for text in texts:
            batch.append(text)
            size += len(text)
            if size >= BATCH_SYMBOLS:
                rows.append(self._count(batch))
                batch, size = [], 0
        if batch or not rows:
            rows.append(self._count(batch))
        return rows[0] if len(rows) == 1 else vstack(rows, format="csr")

    def _count(self, texts: Sequence[str]) -> csr_matrix:
        return as_csr(self.rows(texts))

    def _spell(self) -> list[str]:
        names = level = list(self.symbols)
        between = " " if self.unit == "word" else ""
        for table in self.levels:
            head, last = np.divmod(table, len(self.symbols) + 1)
            level = [f"{level[h - 1]}{between}{names[s - 1]}" for h, s in zip(head, last, strict=True)]
            names = names + level
        return names

    @classmethod
    def from_names(cls, unit: Unit, names: Sequence[str]) -> Ngrams:
        """The index whose `names` these are, out of a model file. Raises BundleError when they are no index."""
        parts = [name.split(" ") if unit == "word" else list(name) for name in names]
        anchored = unit == "word" and START in names
        self = cls(unit, high=max((len(p) for p in parts), default=1), anchored=anchored)
        self.symbols = {p[0]: i + 1 for i, p in enumerate(parts) if len(p) == 1}
        base = len(self.symbols) + 1
        before: dict[tuple[str, ...], int] = {(s,): i for s, i in self.symbols.items()}
        for n in range(2, self.high + 1):
            level = [tuple(p) for p in parts if len(p) == n]
            try:
                keys = np.array([before[p[:-1]] * base + self.symbols[p[-1]] for p in level], np.int64)
            except KeyError as error:
                raise BundleError(
                    f"The n-grams of the word counts are damaged: {error} is missing."
                ) from None
            self.levels.append(keys)
            before = {p: i + 1 for i, p in enumerate(level)}
        self.names = self._spell()
        if self.names != list(names) or any(np.any(np.diff(keys) <= 0) for keys in self.levels):
            raise BundleError(
                "The n-grams of the word counts are damaged: not in the order they are written in."
            )
        return self


def as_csr(rows: Rows) -> csr_matrix:
    """The same matrix (N, F) as scipy has it."""
    shape = (len(rows.ends) - 1, rows.width)
    return csr_matrix((rows.values, rows.columns.astype(np.int32), rows.ends.astype(np.int32)), shape=shape)


def as_rows(matrix: csr_matrix) -> Rows:
    """The inverse of `as_csr`, (N, F)."""
    return Rows(matrix.data, matrix.indices, matrix.indptr, matrix.shape[1])


class _Growing(dict[str, int]):
    """Gives each new symbol the next number, from 1."""

    def __missing__(self, symbol: str) -> int:
        self[symbol] = number = len(self) + 1
        return number


def _renumber(keep: NDArray[np.bool_]) -> Ints:
    """Old number -> new number from 1 for those kept, 0 for the others."""
    return np.where(keep, np.cumsum(keep), 0)


def _blocks(starts: Ints) -> Iterable[tuple[int, int]]:
    """Ranges of documents of about BATCH_SYMBOLS symbols."""
    first = 0
    while first < len(starts) - 1:
        end = int(np.searchsorted(starts, starts[first] + BATCH_SYMBOLS))
        end = max(min(end, len(starts) - 1), first + 1)
        yield first, end
        first = end


def _document_frequency(stream: Ints, starts: Ints, size: int) -> Ints:
    """Number of documents (size,) that each symbol stands in."""
    df = np.zeros(size, np.int64)
    for first, end in _blocks(starts):
        part = stream[starts[first] : starts[end]].astype(np.int64)
        doc = documents(starts[first : end + 1] - starts[first], len(part))
        df += np.bincount(runs(doc * size + part)[0] % size, minlength=size)
    return df


def _frequent_keys(keys: Ints, starts: Ints, min_df: int) -> tuple[Ints, Ints]:
    """The sorted keys that stand in at least `min_df` documents, and in how many."""
    table, df = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for first, end in _blocks(starts):
        part = keys[starts[first] : starts[end]]
        doc = documents(starts[first : end + 1] - starts[first], len(part))
        at = np.flatnonzero(part)
        cells, _ = runs(part[at] * (end - first) + doc[at])  # each key once a document
        new, counts = runs(cells // (end - first))
        table, df = runs(np.concatenate([table, new]), np.concatenate([df, counts]))
    keep = df >= min_df
    return table[keep], df[keep]

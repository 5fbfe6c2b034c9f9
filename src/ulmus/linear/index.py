"""The n-grams of a collection as arrays, and how often each stands in a text; numpy alone.

How: texts become one array of symbol numbers (words, or characters) with a 0 between documents. An n-gram is
the pair (number of its first n-1 symbols, last symbol), so a level of the index is one sorted int64 array and
looking up is `searchsorted`. `ngrams.py` chooses the n-grams.
Three units: "word" (words joined by a space), "char" (characters over the whole text, for writing without
spaces) and "subword" (characters inside one word, a space marks its ends). Anchored words have a START before the
first: how a text begins may tell more than what stands in it (questions: "^ how many").
Knows no labels, no weights, no files. Legend: N documents, F n-grams, T symbols of all texts in a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ulmus.linear.rows import Rows

__all__ = ["BLANK", "START", "WORD", "Ints", "NgramIndex", "Unit", "documents", "extend", "look_up", "runs"]

Unit = Literal["word", "char", "subword"]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

WORD = re.compile(r"\w+(?:['’]\w+)*|[!?]")
START = "^"  # what no word is
BLANK = re.compile(r"[\s\x00-\x1f\ud800-\udfff]+")  # with lone surrogates: they cannot be written as UTF-8
_END = np.zeros(1, np.int32)
_NO_PLACES = np.zeros(0, np.int64)


class NgramIndex:
    """Numbers of n-grams: those of symbols first, then level by level.

    symbols: symbol -> 1..S. levels: of level n (from 2) the sorted keys, (number of the beginning) * (S + 1) + symbol.
    `anchored` words begin with START.
    """

    def __init__(
        self,
        unit: Unit,
        *,
        anchored: bool = False,
        symbols: dict[str, int] | None = None,
        levels: Sequence[Ints] = (),
    ) -> None:
        self.unit: Unit = unit
        self.anchored = anchored
        self.symbols = symbols or {}
        self.levels = list(levels)

    def __len__(self) -> int:
        return len(self.symbols) + sum(len(level) for level in self.levels)

    def lengths(self) -> Ints:
        """Symbols of each n-gram (F,)."""
        sizes = [len(self.symbols), *map(len, self.levels)]
        return np.repeat(np.arange(1, len(sizes) + 1), sizes)

    def rows(self, texts: Sequence[str]) -> Rows:
        """How often each n-gram stands in each text, (N, F); n-grams that are not in the index are left out."""
        stream, starts = self._read(texts, lambda symbols: map(self.symbols.get, symbols, repeat(0)))
        doc = documents(starts, len(stream))
        width, pairs = max(len(self), 1), []
        for _, columns in self.placed(stream):
            at = np.flatnonzero(columns >= 0)
            pairs.append(doc[at] * width + columns[at])
        cells, counts = runs(np.concatenate(pairs))
        row, column = np.divmod(cells, width)
        ends = np.searchsorted(row, np.arange(len(texts) + 1))
        return Rows(counts.astype(np.float32), column, ends, width)

    def placed(self, stream: Ints) -> Iterator[tuple[int, Ints]]:
        """For each n, from 1: the column (T,) of the n-gram that starts at each of T symbols, -1 where none does."""
        ids, first = stream.astype(np.int64), 0
        space = self.symbols.get(" ", -1) if self.unit == "subword" else -1
        for n in range(1, len(self.levels) + 2):
            if n > 1:
                ids = look_up(
                    self.levels[n - 2], extend(ids, stream, n, base=len(self.symbols) + 1, space=space)
                )
            yield n, np.where(ids > 0, first + ids - 1, -1)
            first += len(self.symbols) if n == 1 else len(self.levels[n - 2])

    def located(self, text: str) -> tuple[Ints, Ints, Floats]:
        """Where the n-grams of a text stand: columns (M,), characters of the text (M,), portions (M,).

        Each n-gram at each place is spread evenly over the words (or characters) that it covers; the portions of one
        at one place sum to 1. START covers nothing, and white space only where an n-gram has nothing else.
        """
        symbols, places = self.split(text), self._places(text)
        stream, _ = self._read([text], lambda found: map(self.symbols.get, found, repeat(0)))
        solid = np.array([symbol not in (" ", START) for symbol in symbols], np.float64)
        columns, characters, portions = [_NO_PLACES], [_NO_PLACES], [np.zeros(0)]
        for n, found in self.placed(stream[:-1]):
            at = np.flatnonzero(found >= 0)
            covered = at[:, None] + np.arange(n)  # (n-grams, n)
            share = solid[covered]
            share[share.sum(axis=1) == 0] = 1
            share /= share.sum(axis=1, keepdims=True)
            columns.append(np.repeat(found[at], n))
            characters.append(places[covered].ravel())
            portions.append(share.ravel())
        return np.concatenate(columns), np.concatenate(characters), np.concatenate(portions)

    def _places(self, text: str) -> Ints:
        """The character (T,) of the text at which each symbol of `split` begins."""
        low = text.lower()
        origin = np.arange(len(text) + 1)
        if len(low) != len(text):  # a capital may become two characters
            origin = np.repeat(np.arange(len(text) + 1), [*(len(c.lower()) for c in text), 1])
        if self.unit == "char":
            kept = np.ones(len(low), bool)
            for blank in BLANK.finditer(low):
                inside = blank.start() > 0 and blank.end() < len(low)
                kept[blank.start() + inside : blank.end()] = False
            return np.asarray(origin[:-1][kept], np.int64)
        words = list(WORD.finditer(low))
        if self.unit == "word":
            at = [0] * self.anchored + [word.start() for word in words]
        else:  # a space belongs to the word after it, the last one to the word before
            at = [i for word in words for i in (word.start(), *range(*word.span()))]
            at.append(words[-1].end() - 1 if words else 0)
            at = at if words else [0, 0]
        return np.asarray(origin[at], np.int64) if len(text) else np.zeros(len(at), np.int64)

    def _read(
        self, texts: Iterable[str], number: Callable[[Sequence[str]], Iterable[int]]
    ) -> tuple[Ints, Ints]:
        """Texts -> symbol numbers (T,) int32 with a 0 after each document; starts of documents (N + 1,)."""
        parts, lengths = [], []
        for text in texts:
            part = np.array(list(number(self.split(text))), np.int32)
            parts.append(part)
            parts.append(_END)
            lengths.append(len(part) + 1)
        starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
        return (np.concatenate(parts) if parts else np.zeros(0, np.int32)), starts

    def split(self, text: str) -> Sequence[str]:
        """The symbols of a text, as the index counts them: lower-cased words, or characters."""
        text = text.lower()
        if self.unit == "char":
            return BLANK.sub(" ", text).strip()
        words: list[str] = WORD.findall(text)
        if self.anchored:
            words.insert(0, START)
        return words if self.unit == "word" else f" {' '.join(words)} "


def documents(starts: Ints, size: int) -> Ints:
    """The document of each of `size` symbols (T,), from the starts of documents (N + 1,)."""
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts))[:size]


def extend(ids: Ints, stream: Ints, n: int, *, base: int, space: int) -> Ints:
    """Keys (T,) of the n-grams that start at each position, 0 where none does; `ids` are of (n-1)-grams.

    `space` is the symbol that n-grams may begin or end with but not run across, or -1.
    """
    last = np.zeros(len(ids), np.int64)
    last[: max(len(ids) - n + 1, 0)] = stream[n - 1 :]
    good = (ids > 0) & (last > 0)
    if space > 0 and n > 2:
        good[: max(len(ids) - n + 2, 0)] &= stream[n - 2 :] != space
    return np.where(good, ids * base + last, 0)


def look_up(table: Ints, keys: Ints) -> Ints:
    """Number from 1 of each key in the sorted table, 0 where it is not there."""
    at = np.searchsorted(table, keys)
    at[at == len(table)] = 0
    return np.where(table[at] == keys, at + 1, 0) if len(table) else np.zeros(len(keys), np.int64)


def runs(values: Ints, weights: Ints | None = None) -> tuple[Ints, Ints]:
    """The distinct values in order and how often each comes, or the sum of its weights.

    Sorting is ten times faster here than the hash table in np.unique.
    """
    if weights is None:
        values = np.sort(values)
    else:
        order = np.argsort(values, kind="stable")
        values, weights = values[order], weights[order]
    first = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])[: len(values)])
    if weights is None:
        return values[first], np.diff(np.concatenate([first, [len(values)]]))
    return values[first], np.add.reduceat(weights, first) if len(first) else weights

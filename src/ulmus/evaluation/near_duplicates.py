"""Which texts are nearly the same: equal but for a few characters, in any language.

How: a text is the set of its shingles, all runs of five characters, whatever their script; texts are near-duplicates if
at least 80 % of the shingles of both together are shared (Jaccard similarity). Candidates come from MinHash with one
permutation (Li, Owen & Zhang 2012): each shingle is hashed once and falls into one of 128 bins, the least hash of each
bin is kept, and texts that agree in all six bins of one of 21 bands are compared (banding: Leskovec, Rajaraman & Ullman
2020, section 3.4). Every candidate pair is then compared exactly, so that no pair is found by chance. Texts of fewer
than 50 shingles must be equal but for case and white space: in a short text a few characters say something else.
Costs: 5 s for 50,000 film reviews (67 million characters). Knows no label and no file. Axis: N texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHINGLE", "SIMILAR", "near_duplicates", "near_to", "nearest", "similarity"]

Numbers = NDArray[np.int64]
Hashes = NDArray[np.uint64]
SHINGLE = 5  # characters
SIMILAR = 0.8  # Jaccard similarity of near-duplicates, at least
SHORT = 50  # shingles; texts with fewer must be equal but for case and white space
LONGEST = 100_000  # characters of a text that are looked at
BINS, BANDS, ROWS = 128, 21, 6  # a pair at the threshold is missed once in a hundred times
KEPT = 200  # texts whose shingles are kept for the next pair
BLOCK = 2_000_000  # characters that are hashed at once
_EMPTY = np.uint64(2**64 - 1)
_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def near_duplicates(texts: Sequence[str]) -> Numbers:
    """A number (N,) for each text: that of the first one that it is nearly the same as, directly or through others."""
    plain = [_plain(text) for text in texts]
    numbers: dict[str, int] = {}
    same = np.array([numbers.setdefault(text, i) for i, text in enumerate(plain)], np.int64)
    long = np.array([i for i in numbers.values() if len(plain[i]) >= SHORT + SHINGLE - 1], np.int64)
    parent = np.arange(len(texts))
    kept: dict[int, Hashes] = {}
    for i, j in _candidates([plain[i] for i in long]):
        a, b = _root(parent, long[i]), _root(parent, long[j])
        if a != b and _alike(plain, int(long[i]), int(long[j]), kept):
            parent[max(a, b)] = min(a, b)
    return np.array([_root(parent, i) for i in same], np.int64)


def near_to(texts: Sequence[str], known: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each of N `texts`, (N,), is nearly the same as one of the `known` ones, or equal to it."""
    return nearest(texts, known) >= 0


def nearest(texts: Sequence[str], known: Sequence[str]) -> Numbers:
    """The number (N,) of the first of the `known` texts that each of N `texts` is nearly the same as; -1 for none."""
    numbers = near_duplicates([*known, *texts])[len(known) :]
    return np.where(numbers < len(known), numbers, -1)


def similarity(a: str, b: str) -> float:
    """Jaccard similarity, 0..1, of the shingles of two texts; 1 for two texts without any."""
    first, second = (np.unique(_shingles([_plain(text)])[0]) for text in (a, b))
    return _jaccard(first, second)


def _plain(text: str) -> str:
    """The characters that are compared: without case, with single spaces."""
    return " ".join(text[:LONGEST].casefold().split())


def _root(parent: Numbers, i: int) -> int:
    """The first text of the cluster of text i; shortens the way to it."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return int(i)


def _alike(plain: Sequence[str], i: int, j: int, kept: dict[int, Hashes]) -> bool:
    """Whether two texts are near-duplicates, by all their shingles; those of the last texts are `kept`."""
    if len(kept) > KEPT:
        kept.clear()
    for k in (i, j):
        if k not in kept:
            kept[k] = np.unique(_shingles([plain[k]])[0])
    return _jaccard(kept[i], kept[j]) >= SIMILAR


def _jaccard(a: Hashes, b: Hashes) -> float:
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared) if len(a) or len(b) else 1.0


def _candidates(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs of texts, all of them long enough, that agree in a band and are estimated to be similar enough.

    Of many texts with the same band each is paired with the one before it, and with the first.
    """
    sketches = _sketches(texts)
    pairs = [_of_band(_mixed(sketches[:, k : k + ROWS])) for k in range(0, BANDS * ROWS, ROWS)]
    every = np.unique(np.concatenate(pairs), axis=0) if texts else np.zeros((0, 2), np.int64)
    for start in range(0, len(every), 10_000):
        some = every[start : start + 10_000]
        agree = (sketches[some[:, 0]] == sketches[some[:, 1]]).mean(axis=1)
        yield from (tuple(pair) for pair in some[agree >= SIMILAR - 0.2].tolist())


def _of_band(keys: Hashes) -> Numbers:
    """Pairs (K, 2) of texts with the same key: each with the one before it, and with the first."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    again = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
    first = np.searchsorted(ordered, ordered[again])
    before = np.stack([order[again - 1], order[again]], axis=1)
    return np.concatenate([before, np.stack([order[first], order[again]], axis=1)])


def _sketches(texts: Sequence[str]) -> Hashes:
    """(N, BINS): the least hash of each text in each bin. A bin without one takes that of the next bin that has one."""
    least = np.full((len(texts), BINS), _EMPTY)
    for first, last in _blocks(texts):
        hashes, owner = _shingles(texts[first:last])
        cells = owner * BINS + (hashes >> np.uint64(57)).astype(np.int64)
        np.minimum.at(least[first:last].reshape(-1), cells, hashes)
    return _densified(least)


def _densified(least: Hashes) -> Hashes:
    """Sketches whose empty bins are filled from the right, in a circle (Shrivastava & Li 2014)."""
    there = least != _EMPTY
    columns = np.arange(2 * BINS)
    filled = np.where(np.tile(there, 2), columns, 2 * BINS)
    nearest = np.minimum.accumulate(filled[:, ::-1], axis=1)[:, ::-1][:, :BINS]  # bin that is taken
    distance = (nearest - columns[:BINS]).astype(np.uint64)
    values = np.take_along_axis(least, nearest % BINS, axis=1)
    return values + distance * _ODD[0]  # borrowed hashes agree only with those borrowed from as far


def _blocks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Ranges of texts with about BLOCK characters each."""
    ends = np.cumsum([len(text) for text in texts])
    numbers = np.unique(ends // BLOCK, return_index=True)[1].tolist() if len(ends) else []
    yield from pairwise([*numbers, len(texts)] if numbers else [])


def _shingles(texts: Sequence[str]) -> tuple[Hashes, Numbers]:
    """Hashes (K,) of all runs of five characters inside each text, and the number (K,) of the text of each."""
    joined = "".join(texts).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(joined, np.uint32).astype(np.uint64)
    lengths = np.array([len(text) for text in texts], np.int64)
    counts = np.maximum(lengths - SHINGLE + 1, 0)
    most = len(codes) - SHINGLE + 1
    if most < 1:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    hashes = codes[:most].copy()
    for k in range(1, SHINGLE):
        hashes *= _ODD[0]
        hashes += codes[k : k + most]
    owner = np.repeat(np.arange(len(texts)), counts)
    starts = np.cumsum(lengths) - lengths
    places = np.arange(len(owner)) + np.repeat(starts - (np.cumsum(counts) - counts), counts)
    return _spread(hashes[places]), owner


def _spread(hashes: Hashes) -> Hashes:
    """Hashes whose bits all depend on all bits (the finaliser of SplitMix64: Steele, Lea & Flood 2014)."""
    hashes ^= hashes >> np.uint64(30)
    hashes *= _ODD[1]
    hashes ^= hashes >> np.uint64(27)
    hashes *= _ODD[2]
    hashes ^= hashes >> np.uint64(31)
    return hashes


def _mixed(rows: Hashes) -> Hashes:
    """One hash (N,) of each row (N, K)."""
    key = np.zeros(len(rows), np.uint64)
    for column in rows.T:
        key = _spread((key + column) * _ODD[0])
    return key

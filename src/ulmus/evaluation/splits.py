"""Which documents to train on and which to measure on: held-out sets and folds.

Knows numbers only: targets, lengths, and texts as keys of what is equal. Axes: N documents, C classes.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["held_out", "hold_back", "repeats", "share_seen", "sketch", "spread_folds"]

MOST_HELD = 2_000  # documents
SKETCHED = 256  # texts that are remembered by their hashes
FEWEST_LABELS = 200  # with fewer, what could be held back would measure nothing
HELD_BACK = 500  # documents, at most, that measure the perplexity when no others are given


def hold_back(lengths: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Document numbers to train on and to measure on: 1 in 50, at most 500; none of fewer than 10.

    None either when those drawn have no two tokens, of `lengths` (N,), to measure anything on.
    """
    documents = len(lengths)
    held = min(documents // 50, HELD_BACK) or int(documents >= 10)
    order = np.random.default_rng(seed).permutation(documents)
    if lengths[order[:held]].sum() < 2:
        held = 0
    return np.sort(order[held:]), np.sort(order[:held])


def held_out(
    target: NDArray[np.int64], seed: int, texts: Sequence[str] = ()
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Document numbers to train on and to hold out: a fifth, at most 2,000; none of fewer than 200.

    `target` holds class numbers (N,) or zeros and ones (N, C). Single labels are held out class by class; the only
    example of a class is never held out. Documents whose `texts` are the same stay together.
    """
    n = len(target)
    everything = np.arange(n)
    if n < FEWEST_LABELS:
        return everything, everything[:0]
    share = min(0.2, MOST_HELD / n)
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    held = np.zeros(n, bool)
    if target.ndim == 2:
        held[order[: int(share * n)]] = True
    else:
        for k in range(int(target.max()) + 1):
            mine = order[target[order] == k]
            held[mine[: round(share * len(mine))]] = True
    numbers: dict[str, int] = {}
    same = np.array(
        [numbers.setdefault(text.strip(), i) for i, text in enumerate(texts)] if texts else everything
    )
    held = held[same] & ~_only_there(target, held[same])
    held = ~np.isin(same, same[~held])
    return everything[~held], everything[held]


def repeats(texts: Sequence[str], known: Sequence[str]) -> NDArray[np.bool_]:
    """Which of N `texts` (N,) are among the `known` ones too: whoever learnt those has seen their answers."""
    seen = {text.strip() for text in known}
    return np.array([text.strip() in seen for text in texts], bool)


def sketch(texts: Iterable[str]) -> list[int]:
    """The smallest 256 hashes (48 bits) of different texts: a fair sample of them, for `share_seen` to recognise.

    They are what a model file keeps of its training texts. Source: Broder 1997, bottom-k sketches.
    """
    return heapq.nsmallest(SKETCHED, {_hash(text) for text in texts})


def share_seen(texts: Sequence[str], known: Sequence[int]) -> float | None:
    """About which share of `texts`, 0..1, is among those that the `known` sketch was made of; None without a sketch.

    Exact where the sketch is of at most 256 texts; else the estimate of those texts that would be in the sample.
    """
    if not known:
        return None
    limit, members = known[-1] if len(known) == SKETCHED else math.inf, set(known)
    sampled = [number for number in map(_hash, texts) if number <= limit]
    return sum(number in members for number in sampled) / max(len(sampled), 1)


def _hash(text: str) -> int:
    data = text.strip().encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=6).digest(), "big")


def _only_there(target: NDArray[np.int64], held: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a document (N,) has a label that no document outside `held` (N,) has."""
    if target.ndim == 2:
        missing = target[~held].sum(axis=0) == 0
        return np.asarray(target[:, missing].any(axis=1))
    return ~np.isin(target, target[~held])


def spread_folds(
    target: NDArray[np.int64], *, folds: int, seed: int, same: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Fold number (N,) of each document, at random; every class is spread evenly over the folds.

    Documents with equal numbers in `same` (N,) stay together.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(target))
    if target.ndim == 2:  # by the rarest label of the document, so that rare labels are spread too
        rarity = np.argsort(np.argsort(-target.sum(axis=0), kind="stable"))  # common 0 .. rare C - 1
        key = (target * (rarity + 1)).max(axis=1, initial=0)
    else:
        key = target
    order = order[np.argsort(key[order], kind="stable")]
    fold_of = np.empty(len(target), np.int64)
    fold_of[order] = np.arange(len(target)) % min(folds, len(target))
    if same is not None:
        _, first, number = np.unique(same, return_index=True, return_inverse=True)
        fold_of = fold_of[first[number]]
    return fold_of

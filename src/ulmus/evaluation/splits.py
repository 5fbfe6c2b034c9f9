"""Splits of documents into training and held-out sets and into folds.

Works on targets, lengths and `Together`: which documents stay on one side, and which are newer than others. Texts serve
only to recognise duplicates. Axes: N documents, C classes.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmus.evaluation.objectives import objective_of

__all__ = [
    "FEWEST_LABELS",
    "Together",
    "held_out",
    "held_out_for_perplexity",
    "in_sketch",
    "repeats",
    "same_texts",
    "share_seen",
    "sketch",
    "spread_folds",
]

MOST_HELD = 2_000  # documents, at most, in the held-out set of a classifier
SKETCHED = 256  # hashes in a sketch
FEWEST_LABELS = 200  # documents; with fewer, a held-out set would be too small for useful scores
MOST_FOR_PERPLEXITY = 500  # documents, at most, in the held-out set of a language model


def held_out_for_perplexity(lengths: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Document numbers of the training and the held-out set: 1 in 50, at most 500; none of fewer than 10.

    None either if the documents drawn have fewer than two tokens together, by their `lengths` (N,).
    """
    documents = len(lengths)
    held = min(documents // 50, MOST_FOR_PERPLEXITY) or int(documents >= 10)
    order = np.random.default_rng(seed).permutation(documents)
    if lengths[order[:held]].sum() < 2:
        held = 0
    return np.sort(order[held:]), np.sort(order[:held])


@dataclass(frozen=True)
class Together:
    """What every split must respect: documents with the same number stay on one side, and the newest are held out.

    same: (N,). whole: the numbers are those of groups that the user named, which are drawn whole, at random.
    times: (N,), in any unit; None: the held-out set is drawn at random.
    """

    same: NDArray[np.int64]
    times: NDArray[np.float64] | None = None
    whole: bool = False

    @classmethod
    def nothing(cls, documents: int) -> Together:
        """No document belongs to another."""
        return cls(np.arange(documents))

    def rows(self, documents: NDArray[np.int64]) -> Together:
        """The same for some of the documents, (K,)."""
        times = None if self.times is None else self.times[documents]
        return Together(self.same[documents], times, self.whole)


def held_out(
    target: NDArray[Any], seed: int, together: Together | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Document numbers of the training and the held-out set: a fifth, at most 2,000; none of fewer than 200.

    `target` holds class numbers (N,), zeros and ones (N, C), or numbers (N, 1). Single-label sets are stratified by
    class, numbers by their range; groups are drawn whole; with times the newest documents are held out, those of one
    time together. The only example of a class is never held out, nor is a document if one that belongs to it is not.
    """
    n = len(target)
    everything = np.arange(n)
    if n < FEWEST_LABELS:
        return everything, everything[:0]
    together = together or Together.nothing(n)
    share, same = min(0.2, MOST_HELD / n), together.same
    rng, objective = np.random.default_rng(seed), objective_of(target)
    if together.times is not None:
        held = _newest(together.times, share * n)
    elif together.whole:
        held = _whole_groups(same, share * n, rng)
    else:
        strata = np.zeros(n, np.int64) if objective.multi_label else objective.strata(target)
        held = _as_first(_spread(strata, share, rng), same)
    held &= ~objective.only_there(target, held)
    held = ~np.isin(same, same[~held])
    return everything[~held], everything[held]


def _newest(times: NDArray[np.float64], wanted: float) -> NDArray[np.bool_]:
    """Whether each document, (N,), is one of the newest: `wanted` at most, or all those of the last time."""
    moments, counts = np.unique(times, return_counts=True)
    newer = counts[::-1].cumsum()[::-1]  # documents of each time or a later one
    fits = moments[newer <= wanted]
    return np.asarray(times >= (fits[0] if len(fits) else moments[-1]))


def _spread(strata: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A share of the documents of each stratum (N,), at random: whether each, (N,), is drawn."""
    order = rng.permutation(len(strata))
    drawn = np.zeros(len(strata), bool)
    for k in range(int(strata.max()) + 1):
        mine = order[strata[order] == k]
        drawn[mine[: round(share * len(mine))]] = True
    return drawn


def _whole_groups(groups: NDArray[np.int64], wanted: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Whether each document, (N,), is in one of the groups drawn at random: `wanted` documents at most.

    If every group is larger, one that is as small as any is drawn, but never the only group.
    """
    numbers, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    chosen, room = np.zeros(len(numbers), bool), wanted
    for k in rng.permutation(len(numbers)):
        if sizes[k] <= room:
            chosen[k], room = True, room - sizes[k]
    if not chosen.any() and len(numbers) > 1:
        chosen[sizes.argmin()] = True
    return np.asarray(chosen[inverse])


def same_texts(texts: Sequence[str]) -> NDArray[np.int64]:
    """A number (N,) for each text: that of the first one that is equal but for white space at both ends."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(text.strip(), i) for i, text in enumerate(texts)], np.int64)


def repeats(texts: Sequence[str], known: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each of N `texts`, (N,), is also among the `known` ones: a model trained on those has seen its label."""
    seen = {text.strip() for text in known}
    return np.array([text.strip() in seen for text in texts], bool)


def sketch(texts: Iterable[str]) -> list[int]:
    """The 256 smallest hashes (48 bits) of distinct texts: an unbiased sample of them, for `share_seen`.

    A model file stores the sketch of its training texts. Source: Broder 1997, bottom-k sketches.
    """
    return heapq.nsmallest(SKETCHED, {_hash(text) for text in texts})


def share_seen(texts: Sequence[str], known: Sequence[int]) -> float | None:
    """Estimated fraction of `texts`, 0..1, that are among the texts of the `known` sketch; None without a sketch.

    Exact for a sketch of at most 256 texts; otherwise estimated from those `texts` that fall into the sample.
    """
    if not known:
        return None
    limit, members = known[-1] if len(known) == SKETCHED else math.inf, set(known)
    sampled = [number for number in map(_hash, texts) if number <= limit]
    return sum(number in members for number in sampled) / max(len(sampled), 1)


def in_sketch(texts: Sequence[str], known: Sequence[int]) -> NDArray[np.bool_]:
    """Whether each of N `texts`, (N,), is in the `known` sketch; a training text need not be."""
    members = set(known)
    return np.array([_hash(text) in members for text in texts], bool)


def _hash(text: str) -> int:
    data = text.strip().encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=6).digest(), "big")


def spread_folds(
    target: NDArray[Any], *, folds: int, seed: int, together: Together | None = None
) -> NDArray[np.int64]:
    """Fold number (N,) of each document, at random; every class, or range of numbers, is spread evenly.

    Documents that belong together stay in one fold. With times the folds are spans of time instead, about equally long
    in documents (blocked cross-validation: Bergmeir & Benitez 2012).
    """
    if together is not None and together.times is not None:
        fold_of = _spans(together.times, folds)
        if fold_of.any():
            return _as_first(fold_of, together.same)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(target))
    key = objective_of(target).strata(target)
    order = order[np.argsort(key[order], kind="stable")]
    fold_of = np.empty(len(target), np.int64)
    fold_of[order] = np.arange(len(target)) % min(folds, len(target))
    return fold_of if together is None else _as_first(fold_of, together.same)


def _spans(times: NDArray[np.float64], folds: int) -> NDArray[np.int64]:
    """Fold numbers (N,) in the order of the times, about equally many documents each; those of one time in one fold."""
    _, number, counts = np.unique(times, return_inverse=True, return_counts=True)
    before = counts.cumsum() - counts
    return np.asarray((before * folds // len(times))[number])


def _as_first(values: NDArray[Any], same: NDArray[np.int64]) -> NDArray[Any]:
    """Values (N,) where documents with the same number have that of the first of them."""
    _, first, number = np.unique(same, return_index=True, return_inverse=True)
    return np.asarray(values[first[number]])

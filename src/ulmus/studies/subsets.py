"""Which labels each training of a study sees: nested subsets, and the documents they are measured on.

Knows no text and no model. Axes: N labelled documents, K of them in a part.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulmus.errors import DataError, UsageError
from ulmus.evaluation.objectives import objective_of
from ulmus.evaluation.splits import Together, held_out, spread_folds

__all__ = ["Part", "checked_sizes", "nested", "parts"]

Numbers = NDArray[np.int64]
FOLDS = 5  # with too few labels for a held-out set
SMALLEST = 20  # labels of the smallest size, unless there would be fewer than three sizes
FEWEST_SIZES, MOST_SIZES = 3, 6


class Part(NamedTuple):
    """Document numbers: what may be trained on, and what is measured on, each (K,)."""

    train: Numbers
    held: Numbers


def parts(target: NDArray[np.generic], together: Together, seed: int) -> list[Part]:
    """The one held-out set of the study and the rest; with fewer than 200 labels the folds of a cross-validation.

    `target` of N documents as of an objective: (N,) or (N, C). What belongs together is in one of the two.
    """
    train, held = held_out(target, seed, together)
    if len(held):
        return [Part(train, held)]
    fold_of = spread_folds(target, folds=FOLDS, seed=seed, together=together)
    return [Part(np.flatnonzero(fold_of != k), np.flatnonzero(fold_of == k)) for k in np.unique(fold_of)]


def nested(target: NDArray[np.generic], seed: int) -> Numbers:
    """An order (N,) of all documents, at random, in which every beginning is stratified: each is a subset of the next.

    The first documents are of two kinds, if there are two, so that there is something to learn from any of them.
    """
    rng = np.random.default_rng(seed)
    strata = objective_of(target).strata(target)
    place = np.empty(len(strata))
    for k in np.unique(strata):
        mine = rng.permutation(np.flatnonzero(strata == k))
        place[mine] = (np.arange(len(mine)) + rng.random()) / len(mine)
    order = np.argsort(place, kind="stable")
    other = np.flatnonzero(strata[order] != strata[order[0]])[:1]
    return np.concatenate([order[:1], order[other], np.delete(order[1:], other - 1)])


def _usual_sizes(most: int) -> tuple[int, ...]:
    """All labels there are to train on, half of them, a quarter ... down to about twenty, in growing order."""
    found = [most]
    while len(found) < FEWEST_SIZES or (len(found) < MOST_SIZES and found[-1] // 2 >= SMALLEST):
        found.append(found[-1] // 2)
    return tuple(sorted(set(found)))


def checked_sizes(given: tuple[int, ...], most: int) -> tuple[int, ...]:
    """The sizes of a study in growing order: the given ones, or the usual ones.

    Raises UsageError for fewer than three, or more labels than there are to train on; DataError for too few labels.
    """
    sizes = tuple(sorted(set(given))) or _usual_sizes(most)
    if sizes[0] < 2 and not given:
        raise DataError(
            f"a learning curve needs ten labels or more, got {most} to train on. Label more texts first."
        )
    if len(sizes) < FEWEST_SIZES:
        raise UsageError(f"sizes: a curve needs {FEWEST_SIZES} different sizes or more, got {len(sizes)}.")
    if sizes[0] < 2 or sizes[-1] > most:
        raise UsageError(
            f"sizes: expected numbers from 2 to {most:,} (a fifth of the labels is measured on), got "
            f"{', '.join(map(str, sizes))}."
        )
    return sizes

"""How accuracy depends on something else that is known of each document: its length, its group, its time.

Each slice is a share of right documents with its 95 % confidence interval (Wilson 1927).
Knows no model. Axes: N documents, K of a slice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulmus.evaluation.per_class import wilson

__all__ = ["Slice", "by_group", "by_length", "by_order"]

Numbers = NDArray[np.int64]


class Slice(NamedTuple):
    """Some of the documents: how many they are, and the share of them that is right, 0..1, with its interval."""

    name: str
    documents: int
    accuracy: float
    low: float
    high: float


def by_length(lengths: Numbers, right: NDArray[np.bool_], *, parts: int = 5) -> list[Slice]:
    """By length (N,) in words or so, about equally many documents a slice; equal lengths are not divided."""

    def named(documents: Numbers) -> str:
        low, high = int(lengths[documents].min()), int(lengths[documents].max())
        return f"{low:,}" if low == high else f"{low:,} to {high:,}"

    return by_order(lengths, right, named, parts=parts)


def by_order(
    values: NDArray[Any], right: NDArray[np.bool_], named: Callable[[Numbers], str], *, parts: int = 8
) -> list[Slice]:
    """By the order of values (N,), about equally many documents a slice; `named` names one by its documents (K,)."""
    _, number, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = counts.cumsum() - counts / 2
    part_of = (middle * parts // max(len(values), 1)).astype(np.int64)[number]
    found = [np.flatnonzero(part_of == part) for part in np.unique(part_of)]
    return [_slice(named(documents), right[documents]) for documents in found]


def by_group(groups: Sequence[Any], right: NDArray[np.bool_], *, most: int = 20) -> list[Slice]:
    """By group (N,): the `most` frequent ones, then all others together; a missing group is "(none)"."""
    names = ["(none)" if group is None else str(group) for group in groups]
    frequent = [name for name, _ in Counter(names).most_common(most)]
    column = np.array(names, dtype=object)
    found = [_slice(name, right[column == name]) for name in frequent]
    rest = ~np.isin(column, np.array(frequent, dtype=object))
    others = len(set(names)) - len(frequent)
    return [*found, _slice(f"{others:,} others", right[rest])] if others else found


def _slice(name: str, right: NDArray[np.bool_]) -> Slice:
    share = float(right.mean())
    return Slice(name, len(right), share, *wilson(share, len(right)))

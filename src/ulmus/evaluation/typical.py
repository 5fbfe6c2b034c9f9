"""Typical and odd texts of each class: those nearest to the middle of their class, and those farthest from it.

The middle is the mean of the other documents of the class, less that of all documents: what is common to all classes
makes no document typical of one. Knows no text. Axes: N documents, F features, C classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Portrait", "portraits"]


class Portrait(NamedTuple):
    """A class by its documents: numbers of the most typical ones, and of the oddest, the oddest first."""

    label: int
    typical: tuple[int, ...]
    odd: tuple[int, ...]


def portraits(x: Any, target: NDArray[np.int64], *, classes: int, top: int = 2) -> list[Portrait]:
    """The portraits of the classes with at least two documents each, in the order of their numbers.

    `x` (N, F) is dense or sparse, its rows of length 1 (or 0); `target` (N,). A document is never both.
    """
    made = []
    overall = np.asarray(x.mean(axis=0)).ravel()
    common = np.asarray(x @ overall).ravel()
    for k in range(classes):
        own = np.flatnonzero(target == k)
        if len(own) < 2:
            continue
        rows = x[own]
        total = np.asarray(rows.sum(axis=0)).ravel()
        itself = np.asarray(
            rows.multiply(rows).sum(axis=1) if hasattr(rows, "multiply") else (rows**2).sum(axis=1)
        )
        near = (np.asarray(rows @ total).ravel() - itself.ravel()) / (len(own) - 1) - common[own]
        order = own[np.argsort(-near, kind="stable")]
        half = min(top, len(own) // 2)
        made.append(Portrait(k, tuple(map(int, order[:half])), tuple(map(int, order[::-1][:half]))))
    return made

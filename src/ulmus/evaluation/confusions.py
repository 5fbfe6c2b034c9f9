"""Which class is taken for which: the most frequent errors of a confusion matrix. Axis: C classes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Confused", "most_confused"]


class Confused(NamedTuple):
    """Documents of one class that were predicted as another."""

    true: int  # number of the class
    predicted: int
    documents: int


def most_confused(counts: NDArray[np.int64], most: int) -> list[Confused]:
    """The `most` frequent errors of a matrix (C, C) of true and predicted classes, the most frequent first."""
    wrong = np.array(counts)
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [Confused(int(i), int(j), int(wrong[i, j])) for i, j in pairs if wrong[i, j]]

"""Labels -> numbers, and documents -> folds, for classifiers that are not tensors.

One label a document becomes class numbers (N,); several (tuples, lists, sets; may be empty) become zeros and ones
(N, C). Knows no texts and no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Label", "encode_labels"]

Label = str | Iterable[str]


def encode_labels(labels: Sequence[Label]) -> tuple[list[str], bool, NDArray[np.int64]]:
    """Labels -> (class names in order, multi-label?, class numbers (N,) or zeros and ones (N, C)).

    One label that is a tuple, list, set or array makes all of them multi-label; anything else is named by `str`.
    """
    if not any(isinstance(label, tuple | list | set | frozenset | np.ndarray) for label in labels):
        names = [str(label) for label in labels]
        classes = sorted(set(names))
        number = {c: i for i, c in enumerate(classes)}
        return classes, False, np.array([number[name] for name in names], np.int64)
    rows = [(label,) if isinstance(label, str) else tuple(map(str, label)) for label in labels]
    classes = sorted({c for row in rows for c in row})
    number = {c: i for i, c in enumerate(classes)}
    target = np.zeros((len(rows), len(classes)), np.int64)
    for i, row in enumerate(rows):
        target[i, [number[c] for c in row]] = 1
    return classes, True, target

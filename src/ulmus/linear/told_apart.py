"""Two sets of texts -> how well word counts tell them apart: whether a test set is of the kind of the training set.

How: a word-count classifier is trained to say which of the two sets a text is from, and judged by cross-validation.
The area under its ROC curve (AUC) is the chance that it finds the right one of two texts, 0.5 if the sets are alike.
Source: Lopez-Paz & Oquab 2017, classifier two-sample tests. Costs: seconds; at most 2,000 texts of each set are looked
at. Knows no label of theirs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from ulmus.errors import DataError
from ulmus.evaluation.near_duplicates import near_duplicates
from ulmus.evaluation.splits import Together
from ulmus.linear.learner import CountLearner
from ulmus.linear.selection import Choice

__all__ = ["CLEARLY", "Apart", "told_apart"]

MOST, FEWEST = 2_000, 50  # texts of each set
CLEARLY = 0.55  # the interval of an AUC that is worth a warning lies above


class Apart(NamedTuple):
    """An AUC, 0..1, with its 95 % confidence interval."""

    auc: float
    low: float
    high: float


def told_apart(
    first: Sequence[str], second: Sequence[str], *, seed: int = 0, pairs: bool = False
) -> Apart | None:
    """How well the two sets are told apart; None with fewer than 50 texts in one of them, or no words.

    Near-duplicates stay in one fold. With `pairs` each text is a joined pair.
    """
    if min(len(first), len(second)) < FEWEST:
        return None
    rng = np.random.default_rng(seed)
    drawn = [[some[i] for i in rng.permutation(len(some))[:MOST]] for some in (first, second)]
    texts, target = [*drawn[0], *drawn[1]], np.repeat([0, 1], [len(some) for some in drawn])
    try:
        learner = CountLearner(texts, together=Together(near_duplicates(texts)), pairs=pairs)
    except DataError:
        return None
    proba = learner.out_of_fold(target, Choice(), np.arange(len(texts)), classes=2, seed=seed)[:, 1]
    return _auc(proba[target == 0], proba[target == 1])


def _auc(low: np.ndarray, high: np.ndarray) -> Apart:
    """The AUC of scores (N,) that should be low and of those (M,) that should be high.

    Its standard error is that of Hanley & McNeil 1982.
    """
    n, m = len(low), len(high)
    ranks = rankdata(np.concatenate([low, high]))[n:]
    auc = float((ranks.sum() - m * (m + 1) / 2) / (n * m))
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    error = math.sqrt(max(auc * (1 - auc) + (m - 1) * (q1 - auc**2) + (n - 1) * (q2 - auc**2), 0.0) / (n * m))
    return Apart(auc, max(auc - 1.96 * error, 0.0), min(auc + 1.96 * error, 1.0))

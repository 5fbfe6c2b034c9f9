"""Labels for more texts, by the topics of the few that have one (self-training: Scudder 1965; Yarowsky 1995).

The teacher is a logistic regression on LSA rows scaled to length 1: a hundred numbers a document, which few labels
suffice to weigh, and long texts say no more than short ones. The more confident half of each class that it predicts
joins the labelled documents, each with its confidence as weight, and all of them together at most three times the
labels' (and each at most half of its confidence). The student sees n-grams: it learns words that no labelled text has,
from texts that the topics label without them, as in co-training (Blum & Mitchell 1998). It is better than its teacher,
so in a second round it labels the same texts, and a student of those is kept.
With one label a document only. Costs: seconds a round. Axes: N labelled documents, M others, K topics.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulmus.evaluation.objectives import SINGLE_LABEL, objective_of
from ulmus.linear.logistic import ClassWeight, fit_logistic

__all__ = ["ROUNDS", "Joined", "by_topics", "joining", "topics"]

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]
ROUNDS = 2  # students: the first learns from topics, each other one from the one before
TEACHER = 30.0  # C of its regression
EACH, ALL = (
    0.5,
    3.0,
)  # at most so much of its confidence a document weighs; all of them, in labelled documents


class Joined(NamedTuple):
    """J of the M documents, the class numbers that a teacher gave them, and what they weigh, each (J,)."""

    documents: Numbers
    target: Numbers
    weight: Floats


def topics(lsa: NDArray[np.float32]) -> Floats:
    """LSA rows (N, K), each scaled to length 1 (or 0)."""
    z = lsa.astype(np.float64)
    return np.asarray(z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12))


def by_topics(
    labelled: NDArray[np.float32],
    target: Numbers,
    more: NDArray[np.float32],
    *,
    weight: Floats,
    class_weight: ClassWeight = None,
) -> Floats:
    """Probabilities (M, C) of other documents, from their LSA (M, K) and that of the labelled ones (N, K).

    `target`: class numbers (N,), each class with an example. `weight` (N,): how much each labelled document counts.
    """
    coef, bias = fit_logistic(topics(labelled), target, weight, C=TEACHER, class_weight=class_weight)
    return objective_of(target).probabilities(topics(more) @ coef.T + bias)


def joining(proba: Floats, labelled: float) -> Joined:
    """Which documents join, from their probabilities (M, C); `labelled`: what the labelled ones weigh together."""
    decided, sure = SINGLE_LABEL.decide(proba), SINGLE_LABEL.confidence(proba)
    joins = np.zeros(len(proba), bool)
    for k in np.unique(decided):
        mine = np.flatnonzero(decided == k)
        joins[mine[np.argsort(-sure[mine], kind="stable")[: (len(mine) + 1) // 2]]] = True
    documents = np.flatnonzero(joins)
    share = min(EACH, ALL * labelled / max(len(documents), 1))
    return Joined(documents, decided[documents], sure[documents] * share)

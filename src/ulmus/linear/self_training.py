"""Labels for more texts, by the topics of the few that have one (self-training: Scudder 1965; Yarowsky 1995).

The teacher is a logistic regression on LSA rows scaled to length 1: a hundred numbers a document, which few labels
suffice to weigh, and long texts say no more than short ones. The more confident half of each class that it predicts
joins the labelled documents, each with its confidence as weight, and all of them together at most three times the
labels' (and each at most half of its confidence). The student sees n-grams: it learns words that no labelled text has,
from texts that the topics label without them, as in co-training (Blum & Mitchell 1998).
With one label a document only. Costs: a second. Axes: N labelled documents, M others, K topics.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulmus.evaluation.objectives import objective_of
from ulmus.linear.logistic import ClassWeight, fit_logistic

__all__ = ["Joined", "joining", "topics"]

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]
TEACHER = 30.0  # C of its regression
EACH, ALL = (
    0.5,
    3.0,
)  # at most so much of its confidence a document weighs; all of them, in labelled documents


class Joined(NamedTuple):
    """J of the M documents, the class numbers that the teacher gave them, and what they weigh, each (J,)."""

    documents: Numbers
    target: Numbers
    weight: Floats


def topics(lsa: NDArray[np.float32]) -> Floats:
    """LSA rows (N, K), each scaled to length 1 (or 0)."""
    z = lsa.astype(np.float64)
    return np.asarray(z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12))


def joining(
    labelled: NDArray[np.float32],
    target: Numbers,
    more: NDArray[np.float32],
    *,
    weight: Floats,
    class_weight: ClassWeight = None,
) -> Joined:
    """Which of the `more` documents join, from their LSA (M, K) and that of the labelled ones (N, K).

    `target`: class numbers (N,), each class with an example. `weight` (N,): how much each labelled document counts.
    """
    objective = objective_of(target)
    coef, bias = fit_logistic(topics(labelled), target, weight, C=TEACHER, class_weight=class_weight)
    known = np.any(more != 0, axis=1)  # of an empty text topics say nothing
    proba = objective.probabilities(topics(more) @ coef.T + bias)
    decided, sure = objective.decide(proba), objective.confidence(proba)
    joins = np.zeros(len(more), bool)
    for k in np.unique(decided[known]):
        mine = np.flatnonzero((decided == k) & known)
        joins[mine[np.argsort(-sure[mine], kind="stable")[: (len(mine) + 1) // 2]]] = True
    documents = np.flatnonzero(joins)
    share = min(EACH, ALL * float(weight.sum()) / max(len(documents), 1))
    return Joined(documents, decided[documents], sure[documents] * share)

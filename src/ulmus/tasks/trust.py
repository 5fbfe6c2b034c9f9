"""How much to trust language model and word counts where there are too few labels to hold any back: cross-validation.

Word counts are fitted anew without each fifth of the labels, which is cheap. For the language model, whose training is
not, a linear classifier stands in on what its encoder makes of the texts before it has seen a label. It is right less
often than the trained network, but it knows on which texts the encoder is at home.
Costs seconds. Knows no text. Axes: N labelled documents, F features, C classes.
"""

from __future__ import annotations

import numpy as np

from ulmus.models.logistic import fit_logistic, out_of_fold, probabilities
from ulmus.tasks.combination import Combination, fit_weight
from ulmus.tasks.counting import Counts
from ulmus.tasks.labels import Labels

__all__ = ["cross_validated"]

PRIOR = 2.0  # nats that half and half is worth; 20, as for few held-back documents, cost reviews three points
PENALTY = 0.01  # C of the stand-in: with thousands of features and a hundred labels it must be held tight


def cross_validated(counts: Counts, features: np.ndarray, labels: Labels, *, seed: int) -> Combination:
    """The mix that suits out-of-fold probabilities of both; `features` (N, F) are the encoder's."""
    p_lm, p_counts = _stand_in(features, labels, seed), counts.out_of_fold(labels, seed)
    return fit_weight(p_lm, p_counts, labels.target, prior_strength=PRIOR)


def _stand_in(features: np.ndarray, labels: Labels, seed: int) -> np.ndarray:
    """Out-of-fold probabilities (N, C) of a linear classifier on standardised features."""
    spread = features.std(axis=0)
    x = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    target, multi = labels.target, labels.multi_label

    def learn(train: np.ndarray, held: np.ndarray) -> np.ndarray:
        known = target[train]
        if multi:
            known = known[:, known.any(axis=0)]
        coef, bias = fit_logistic(x[train], known, np.ones(len(train)), C=PENALTY)
        return probabilities(x[held] @ coef.T + bias, multi=multi)

    return out_of_fold(target, len(labels.classes), learn, seed=seed)

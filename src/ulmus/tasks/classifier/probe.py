"""A linear probe of an encoder that has seen no label yet, and how much to trust it beside word counts.

A logistic regression on what the encoder makes of the texts (a linear probe: Alain & Bengio 2016, *Understanding
intermediate layers using linear classifier probes*). It is right less often than the trained network will be, but it
costs seconds, so that it can be cross-validated: what it gets right without a label tells on which texts the encoder
is at home. It stands in for the network where there are too few labels to hold any back, and it helps the word counts
to label the texts that teach the network. Knows no text. Axes: N labelled documents, M any, F features, C classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ulmus.corpus.labels import Labels
from ulmus.evaluation.combination import Combination, fit_weight
from ulmus.linear.logistic import fit_logistic, out_of_fold

__all__ = ["Probe"]

PRIOR = 2.0  # nats that half and half is worth; 20, as for few held-back documents, cost reviews three points
FARTHEST = 6.0  # standard deviations of a feature from its mean that are believed
PENALTY = 0.01  # C of the regression: with thousands of features and a hundred labels it must be held tight


class Probe:
    """The regression, fitted to the `features` (N, F) of documents with `labels`.

    out_of_fold: (N, C) probabilities of each of them by a regression that was not shown its label.
    """

    def __init__(self, features: np.ndarray, labels: Labels, *, seed: int) -> None:
        spread = features.std(axis=0, dtype=np.float64)
        self._mean, self._scale = features.mean(axis=0), np.where(spread > 0, spread, 1)
        x = self._scaled(features)
        # fewer documents than features lie in a plane of N axes; the regression is the same there, and quicker
        self._axes = np.linalg.qr(x.T)[0] if len(x) < x.shape[1] else None
        self.objective, self.classes = labels.objective, len(labels.classes)
        x, target = self._turned(x), labels.target
        self.out_of_fold = out_of_fold(
            target,
            self.classes,
            lambda train, held: self._learn(x[train], target[train])(x[held]),
            seed=seed,
        )
        self._known = np.flatnonzero(labels.counts())
        self._answer = self._learn(x, target)

    def proba(self, features: np.ndarray) -> np.ndarray:
        """Probabilities (M, C) of any documents from their features (M, F); 0 for a class that no document had."""
        proba = np.zeros((len(features), self.classes))
        proba[:, self._known] = self._answer(self._turned(self._scaled(features)))
        return proba

    def beside(self, p_counts: np.ndarray, target: np.ndarray) -> Combination:
        """The mix that suits the out-of-fold probabilities of the probe and those (N, C) of word counts."""
        return fit_weight(self.out_of_fold, p_counts, target, prior_strength=PRIOR)

    def _scaled(self, features: np.ndarray) -> np.ndarray:
        """(M, F) in standard deviations; a feature that hardly varied says no more than the others where it does."""
        return np.asarray(((features - self._mean) / self._scale).clip(-FARTHEST, FARTHEST))

    def _turned(self, x: np.ndarray) -> np.ndarray:
        return x if self._axes is None else x @ self._axes

    def _learn(self, x: np.ndarray, target: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """A regression: features to the probabilities of those classes that are in `target`."""
        known = target[:, target.any(axis=0)] if self.objective.multi_label else target
        coef, bias = fit_logistic(x, known, np.ones(len(x)), C=PENALTY)
        return lambda features: self.objective.probabilities(features @ coef.T + bias)

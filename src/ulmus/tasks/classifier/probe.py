"""A linear probe of an encoder that has not been trained on labels yet, and its relative weight beside word counts.

A logistic regression on the encoder's features (a linear probe: Alain & Bengio 2016, *Understanding intermediate layers
using linear classifier probes*). It is less accurate than the trained network will be, but it takes seconds and can
therefore be cross-validated: its out-of-fold predictions show how useful the encoder is for these texts. It stands in
for the network if there are too few labels for a held-out set, and it helps the word counts to label the texts that
teach the network. Knows no text. Axes: N labelled documents, M any, F features, C classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ulmus.corpus.numbers import Targets
from ulmus.evaluation.combination import Combination, fit_weight
from ulmus.evaluation.splits import spread_folds
from ulmus.linear.logistic import out_of_fold
from ulmus.linear.regression import fit_linear

__all__ = ["Probe"]

PRIOR = 2.0  # strength in nats of the prior for equal weights; 20, as for held-out sets, cost reviews three points
MAX_DEVIATION = 6.0  # standard deviations from the mean at which a feature is clipped
PENALTY = 0.01  # C of the regression: thousands of features and a hundred labels need strong regularisation


class Probe:
    """The regression, fitted to the `features` (N, F) of documents with `labels`.

    out_of_fold: (N, C) probabilities for each of them by a regression that was fitted without it.
    """

    def __init__(
        self, features: np.ndarray, labels: Targets, *, seed: int, groups: np.ndarray | None = None
    ) -> None:
        spread = features.std(axis=0, dtype=np.float64)
        self._mean, self._scale = features.mean(axis=0), np.where(spread > 0, spread, 1)
        x = self._scaled(features)
        # fewer documents than features span a subspace of N dimensions; the regression is the same there, and faster
        self._axes = np.linalg.qr(x.T)[0] if len(x) < x.shape[1] else None
        self.objective, self.classes = labels.objective, len(labels.classes)
        x, target = self._turned(x), labels.target
        self.out_of_fold = out_of_fold(
            target,
            self.classes,
            lambda train, held: self._learn(x[train], target[train])(x[held]),
            fold_of=spread_folds(target, folds=5, seed=seed, same=groups),
        )
        self._known = np.flatnonzero(labels.counts())
        self._answer = self._learn(x, target)

    def proba(self, features: np.ndarray) -> np.ndarray:
        """Probabilities (M, C) from the features (M, F) of any documents; 0 for a class without training documents."""
        proba = np.zeros((len(features), self.classes))
        proba[:, self._known] = self._answer(self._turned(self._scaled(features)))
        return proba

    def mix_with(self, p_counts: np.ndarray, target: np.ndarray) -> Combination:
        """The best mix of the probe's out-of-fold probabilities with those of word counts, `p_counts` (N, C)."""
        return fit_weight(self.out_of_fold, p_counts, target, prior_strength=PRIOR)

    def _scaled(self, features: np.ndarray) -> np.ndarray:
        """Features (M, F) in standard deviations, clipped: outliers of a nearly constant feature must not dominate."""
        return np.asarray(((features - self._mean) / self._scale).clip(-MAX_DEVIATION, MAX_DEVIATION))

    def _turned(self, x: np.ndarray) -> np.ndarray:
        """Features (M, F) in the subspace that the training documents span: (M, N), or unchanged if N >= F."""
        return x if self._axes is None else x @ self._axes

    def _learn(self, x: np.ndarray, target: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """A fitted regression: features -> probabilities of those classes that occur in `target`."""
        known = np.flatnonzero(self.objective.counts(target, self.classes))
        coef, bias = fit_linear(x, self.objective.among(target, known), np.ones(len(x)), C=PENALTY)
        return lambda features: self.objective.probabilities(features @ coef.T + bias)

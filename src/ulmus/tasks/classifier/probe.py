"""A linear probe of an encoder that has not been trained on labels yet, and its relative weight beside word counts.

A logistic regression on the encoder's features (a linear probe: Alain & Bengio 2016, *Understanding intermediate layers
using linear classifier probes*). It is less accurate than the trained network will be, but it takes seconds and can
therefore be cross-validated: its out-of-fold predictions show how useful the encoder is for these texts. It stands in
for the network if there are too few labels for a held-out set, and it helps the word counts to label the texts that
teach the network. Knows no text. Axes: N labelled documents, M any, F features, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ulmus.corpus.numbers import Targets
from ulmus.evaluation.combination import Combination, fit_weight
from ulmus.evaluation.splits import Together, spread_folds
from ulmus.linear.logistic import out_of_fold
from ulmus.linear.regression import fit_linear
from ulmus.models.heads import MAX_DEVIATION, LinearHead

__all__ = ["PENALTIES", "PENALTY", "Probe"]

PRIOR = 2.0  # strength in nats of the prior for equal weights; 20, as for held-out sets, cost reviews three points
# C of the regression: thousands of features and a hundred labels need strong regularisation
PENALTY = 0.01
UNLIKELY = -10.0  # logit of a class without training documents
FLOOR = 1e-6  # distance of probabilities from 0 and 1
PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # to choose from by cross-validation


class Probe:
    """The regression, fitted to the `features` (N, F) of documents with `labels`.

    Of several `penalties` (C, the inverse) the one with the lowest out-of-fold log loss is taken.
    `weights` (N,) say how much each document counts, `class_weight` (C,) each class; None: all the same.
    out_of_fold: (N, C) probabilities for each of them by a regression that was fitted without it.
    """

    def __init__(
        self,
        features: np.ndarray,
        labels: Targets,
        *,
        seed: int,
        penalties: Sequence[float] = (PENALTY,),
        together: Together | None = None,
        weights: np.ndarray | None = None,
        class_weight: np.ndarray | None = None,
    ) -> None:
        spread = features.std(axis=0, dtype=np.float64)
        self._mean, self._scale = features.mean(axis=0), np.where(spread > 0, spread, 1)
        x = self._scaled(features)
        # fewer documents than features span a subspace of N dimensions; the regression is the same there, and faster
        self._axes = np.linalg.qr(x.T)[0] if len(x) < x.shape[1] else None
        self.objective, self.classes = labels.objective, len(labels.classes)
        x, target = self._turned(x), labels.target
        weights, self._class_weight = np.ones(len(x)) if weights is None else weights, class_weight
        fold_of = spread_folds(target, folds=5, seed=seed, together=together)

        def cross_validated(penalty: float) -> np.ndarray:
            def learn(train: np.ndarray, held: np.ndarray) -> np.ndarray:
                return self._proba(x[held], self._fit(x[train], target[train], weights[train], penalty))

            return out_of_fold(target, self.classes, learn, fold_of=fold_of)

        trials = [(penalty, cross_validated(penalty)) for penalty in penalties]
        losses = [self._loss(proba, target) for _, proba in trials]
        penalty, self.out_of_fold = trials[int(np.argmin(losses))]
        self._known = np.flatnonzero(labels.counts())
        self._regression = self._fit(x, target, weights, penalty)

    def proba(self, features: np.ndarray) -> np.ndarray:
        """Probabilities (M, C) from the features (M, F) of any documents; 0 for a class without training documents."""
        proba = np.zeros((len(features), self.classes))
        proba[:, self._known] = self._proba(self._turned(self._scaled(features)), self._regression)
        return proba

    def mix_with(self, p_counts: np.ndarray, target: np.ndarray) -> Combination:
        """The best mix of the probe's out-of-fold probabilities with those of word counts, `p_counts` (N, C)."""
        return fit_weight(self.out_of_fold, p_counts, target, prior_strength=PRIOR)

    @torch.no_grad()
    def load_into(self, head: LinearHead) -> None:
        """Make the head predict as the regression does; a class without training documents becomes very unlikely."""
        coef, bias = self._regression
        coef = coef if self._axes is None else coef @ self._axes.T  # (K, F)
        if len(coef) < len(self._known):  # two classes that share one score
            coef, bias = np.stack([np.zeros_like(coef[0]), coef[0]]), np.array([0.0, bias[0]])
        weight, shift = np.zeros((self.classes, coef.shape[1])), np.full(self.classes, UNLIKELY)
        weight[self._known], shift[self._known] = coef, bias
        for own, array in (
            (head.mean, self._mean), (head.scale, self._scale), (head.linear.weight, weight), (head.linear.bias, shift),
        ):  # fmt: skip
            own.copy_(torch.from_numpy(array))

    def _scaled(self, features: np.ndarray) -> np.ndarray:
        """Features (M, F) in standard deviations, clipped: outliers of a nearly constant feature must not dominate."""
        return np.asarray(((features - self._mean) / self._scale).clip(-MAX_DEVIATION, MAX_DEVIATION))

    def _turned(self, x: np.ndarray) -> np.ndarray:
        """Features (M, F) in the subspace that the training documents span: (M, N), or unchanged if N >= F."""
        return x if self._axes is None else x @ self._axes

    def _fit(
        self, x: np.ndarray, target: np.ndarray, weights: np.ndarray, penalty: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (K, F) and bias (K,) of a regression on those classes that occur in `target`."""
        known = np.flatnonzero(self.objective.counts(target, self.classes))
        of_known = None if self._class_weight is None else self._class_weight[known]
        among = self.objective.among(target, known)
        return fit_linear(x, among, weights, C=penalty, class_weight=of_known)

    def _proba(self, x: np.ndarray, regression: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Probabilities of the regression's classes from scaled features (M, F)."""
        coef, bias = regression
        return self.objective.probabilities(x @ coef.T + bias)

    def _loss(self, proba: np.ndarray, target: np.ndarray) -> float:
        """Log loss of probabilities (N, C)."""
        return self.objective.loss(self.objective.scores(proba, FLOOR), target)

"""Logistic regression on any features, and out-of-fold probabilities of any classifier. Knows no texts.

One label a document is one question of C classes; several are C independent yes/no questions.
Axes: N documents, D features, C classes, K outputs (C, or 1 for two classes of which one is true).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.special import expit, softmax

from ulmus.evaluation.splits import spread_folds

__all__ = ["fit_logistic", "out_of_fold", "probabilities"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


def fit_logistic(
    x: csr_matrix | NDArray[Any], target: Numbers, weight: Floats, *, C: float, balanced: bool = False
) -> tuple[Floats, Floats]:
    """Coefficients (K, D) and bias (K,) for class numbers (N,) or zeros and ones (N, C); `C` is 1 / penalty."""
    answers = target.T if target.ndim == 2 else target[None]
    parts = [_fit(x, y, weight, C=C, balanced=balanced) for y in answers]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _fit(
    x: csr_matrix | NDArray[Any], y: Numbers, weight: Floats, *, C: float, balanced: bool
) -> tuple[Floats, Floats]:
    """One question; one with a single answer only gets its log odds."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if y.min() == y.max():
        odds = np.log((y.sum() + 0.5) / (len(y) - y.sum() + 0.5))
        return np.zeros((1, x.shape[1])), np.array([odds])
    model = LogisticRegression(C=C, max_iter=300, class_weight="balanced" if balanced else None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 300 steps are enough for its probabilities
        model.fit(x, y, sample_weight=weight)
    return model.coef_, model.intercept_


def probabilities(scores: Floats, *, multi: bool) -> Floats:
    """Scores (N, K) -> probabilities (N, C): rows sum to 1, or are independent when multi-label."""
    if multi:
        return np.asarray(expit(scores))
    if scores.shape[1] == 1:
        return np.asarray(np.column_stack([expit(-scores[:, 0]), expit(scores[:, 0])]))
    return np.asarray(softmax(scores, axis=1))


def out_of_fold(
    target: Numbers,
    classes: int,
    learn: Callable[[Numbers, Numbers], Floats],
    *,
    folds: int = 5,
    seed: int = 0,
) -> Floats:
    """Probabilities (N, C) of each document by a model that was not shown its label, for fitting combinations.

    `target` holds class numbers (N,) or zeros and ones (N, C); `learn(train, held)` gives the probabilities of the
    documents `held` by a model of the documents `train`, for the classes that those have. A class whose every example
    lies in one fold gets 1 / (examples seen + 1) there.
    """
    multi = target.ndim == 2
    proba = np.zeros((len(target), classes))
    fold_of = spread_folds(target, folds=folds, seed=seed)
    for fold in range(int(fold_of.max()) + 1):
        train, held = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        seen = target[train].any(axis=0) if multi else np.bincount(target[train], minlength=classes) > 0
        rest = 1.0 / (len(train) + 1)
        part = np.full((len(held), classes), rest)
        if seen.sum() > (not multi):
            part[:, seen] = learn(train, held)
        elif not multi:
            part[:, seen] = 1.0
        if not multi:
            part[:, seen] *= 1.0 - rest * (~seen).sum()
        proba[held] = part
    return proba

"""Logistic regression on any features, and out-of-fold probabilities of any classifier. Knows no texts.

One label a document is one question of C classes; several are C independent yes/no questions.
Axes: N documents, D features, C classes, K outputs (C, or 1 for two classes of which one is true).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ulmus.evaluation.objectives import objective_of

__all__ = ["STEPS", "ClassWeight", "fit_logistic", "out_of_fold"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
STEPS = 300  # of the solver: enough for probabilities
ClassWeight = (
    Floats | Literal["balanced"] | None
)  # the weight of each class (C,), or all classes weigh the same


def fit_logistic(
    x: csr_matrix | NDArray[Any],
    target: Numbers,
    weight: Floats,
    *,
    C: float,
    class_weight: ClassWeight = None,
    steps: int = STEPS,
) -> tuple[Floats, Floats]:
    """Coefficients (K, D) and bias (K,) for class numbers (N,) or zeros and ones (N, C); `C` is 1 / penalty.

    The weight of a class is that of its documents; where a document may have several, that of its yes. At most
    `steps` steps of the solver.
    """
    questions = (
        [(y, _of_yes(class_weight, k)) for k, y in enumerate(target.T)]
        if target.ndim == 2
        else [(target, class_weight)]
    )
    parts = [_fit(x, y, weight, C=C, class_weight=mine, steps=steps) for y, mine in questions]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _of_yes(class_weight: ClassWeight, k: int) -> ClassWeight:
    return np.array([1.0, class_weight[k]]) if isinstance(class_weight, np.ndarray) else class_weight


def _fit(
    x: csr_matrix | NDArray[Any],
    y: Numbers,
    weight: Floats,
    *,
    C: float,
    class_weight: ClassWeight,
    steps: int,
) -> tuple[Floats, Floats]:
    """One question; one with a single answer only gets its log odds."""
    from sklearn.linear_model import LogisticRegression

    if y.min() == y.max():
        odds = np.log((y.sum() + 0.5) / (len(y) - y.sum() + 0.5))
        return np.zeros((1, x.shape[1])), np.array([odds])
    if isinstance(class_weight, np.ndarray):
        weight, class_weight = weight * class_weight[y], None
    model = LogisticRegression(C=C, max_iter=steps, class_weight=class_weight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # e.g. not converged: its probabilities are near enough
        model.fit(x, y, sample_weight=weight)
    return model.coef_, model.intercept_


def out_of_fold(
    target: Numbers, classes: int, learn: Callable[[Numbers, Numbers], Floats], *, fold_of: Numbers
) -> Floats:
    """Probabilities (N, C) of each document by a model that was not shown its label, for fitting combinations.

    `target` holds class numbers (N,) or zeros and ones (N, C); `learn(train, held)` gives the probabilities of the
    documents `held` by a model of the documents `train`, for the classes that those have. A class whose every example
    lies in one fold gets 1 / (examples seen + 1) there. `fold_of` (N,): fold numbers from 0 (`spread_folds`).
    """
    objective = objective_of(target)
    exclusive = not (objective.multi_label or objective.numeric)
    proba = np.zeros((len(target), classes))
    for fold in np.unique(fold_of):
        train, held = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        seen = objective.counts(target[train], classes) > 0
        rest = 1.0 / (len(train) + 1)
        part = np.full((len(held), classes), rest)
        if seen.sum() >= objective.fewest_classes:
            part[:, seen] = learn(train, held)
        elif exclusive:
            part[:, seen] = 1.0
        if exclusive:
            part[:, seen] *= 1.0 - rest * (~seen).sum()
        proba[held] = part
    return proba

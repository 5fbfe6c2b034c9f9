"""The regression on frozen features that several benchmarks share: scikit-learn's, its penalty by cross-validation.

Knows neither the library nor any other: arrays in, predictions out. Axes: N documents, F features, C classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)  # C, for features whose squared norm is 1 on average
FOLDS = 3
CLIPPED = 6.0  # standard deviations from the mean at most
LEAST = 1e-3  # probability of a class that a fold has not seen


def classifier(x: np.ndarray, labels: list[Any], seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """Logistic regression on features (N, F); returns features (M, F) -> predicted labels (M,).

    C, and whether features are standardised, are those of the lowest out-of-fold log loss.
    """
    y = np.asarray(labels)
    losses: dict[tuple[bool, float], float] = {}
    with warnings.catch_warnings():  # classes with fewer labels than folds; regressions stopped early
        warnings.simplefilter("ignore")
        for standardised in (False, True):
            z = _scaling(x, standardised=standardised)(x)
            for penalty, loss in _path(_subspace(z)(z), y, seed).items():
                losses[standardised, penalty] = loss
        standardised, penalty = min(losses, key=lambda pair: losses[pair])
        scaling = _scaling(x, standardised=standardised)
        subspace = _subspace(scaling(x))
        model = _logistic(penalty).fit(subspace(scaling(x)), y)
    return lambda new: model.predict(subspace(scaling(new)))


def regressor(x: np.ndarray, values: list[float]) -> Callable[[np.ndarray], np.ndarray]:
    """Ridge regression on features (N, F), its penalty by leave-one-out; features (M, F) -> values (M,)."""
    from sklearn.linear_model import RidgeCV

    scaling = _scaling(x, standardised=False)
    model = RidgeCV(np.logspace(-3, 3, 13)).fit(scaling(x), values)
    return lambda new: model.predict(scaling(new))


def _path(x: np.ndarray, y: np.ndarray, seed: int) -> dict[float, float]:
    """Out-of-fold log loss by penalty, from the strongest on and as long as it falls."""
    from sklearn.model_selection import StratifiedKFold

    classes, target = np.unique(y, return_inverse=True)
    parts = list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, target))
    models = [_logistic(PENALTIES[0]) for _ in parts]
    losses: dict[float, float] = {}
    for penalty in PENALTIES:
        proba = np.full((len(x), len(classes)), LEAST)
        for model, (train, held) in zip(models, parts, strict=True):
            model.set_params(C=penalty).fit(x[train], target[train])
            proba[np.ix_(held, model.classes_)] = model.predict_proba(x[held]).clip(LEAST)
        losses[penalty] = -float(np.log(proba[np.arange(len(x)), target]).mean())
        if losses[penalty] > min(losses.values()):
            break
    return losses


def _logistic(penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=penalty, max_iter=100, tol=1e-3, warm_start=True)


def _scaling(x: np.ndarray, *, standardised: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Centred features (M, F) with a squared norm of 1 on average, each standardised and clipped or not."""
    mean, width = x.mean(0), x.shape[1]
    if standardised:
        spread = np.where(x.std(0) > 0, x.std(0), 1)
        return lambda new: ((new - mean) / spread).clip(-CLIPPED, CLIPPED) / np.float32(np.sqrt(width))
    norm = np.float32(max(float(np.sqrt(((x - mean) ** 2).sum(1).mean())), 1e-9))
    return lambda new: (new - mean) / norm


def _subspace(x: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Features (M, F) in the N dimensions that N < F documents span, where the regression is the same and faster."""
    if len(x) >= x.shape[1]:
        return lambda new: new
    axes = np.linalg.qr(x.T)[0]
    return lambda new: new @ axes

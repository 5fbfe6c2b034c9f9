"""The linear model of an objective: logistic regression for classes, ridge regression for numbers. Knows no texts.

Axes: N documents, D features, C classes, K outputs.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ulmus.evaluation.objectives import objective_of
from ulmus.linear.logistic import STEPS, ClassWeight, Floats, fit_logistic

__all__ = ["fit_linear", "penalties"]

OF_CLASSES = (10.0, 30.0, 100.0)  # C, the inverse of a penalty
OF_NUMBERS = (0.1, 0.3, 1.0, 3.0, 10.0)


def fit_linear(
    x: csr_matrix | NDArray[Any],
    target: NDArray[Any],
    weight: Floats,
    *,
    C: float,
    class_weight: ClassWeight = None,
    steps: int = STEPS,
) -> tuple[Floats, Floats]:
    """Coefficients (K, D) and bias (K,) for targets of any objective; `C` is 1 / penalty, `weight` (N,)."""
    if objective_of(target).numeric:
        return _fit_ridge(x, target, weight, C=C, steps=steps)
    return fit_logistic(x, target, weight, C=C, class_weight=class_weight, steps=steps)


def penalties(target: NDArray[Any]) -> tuple[float, ...]:
    """The values of C worth a comparison for these targets, (N,) or (N, C)."""
    return OF_NUMBERS if objective_of(target).numeric else OF_CLASSES


def _fit_ridge(
    x: csr_matrix | NDArray[Any], target: NDArray[Any], weight: Floats, *, C: float, steps: int
) -> tuple[Floats, Floats]:
    """The same for numbers (N, K), by the squared error."""
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=1 / C, max_iter=steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged, or nearly singular: near enough
        model.fit(x, target, sample_weight=weight)
    return np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)

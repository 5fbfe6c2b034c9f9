"""Combines the probabilities of the language model and the word counts, each with a relative weight.

How: each part's probabilities are first sharpened or flattened by one exponent fitted to held-out documents
(temperature scaling, Guo et al. 2017), then mixed as a weighted geometric mean: log p = a log p_lm +
b log p_counts, normalised. Both steps are convex. A penalty worth the evidence of a few documents pulls the exponents
towards 1 and the weight towards its prior: ten documents hardly change them, a thousand decide. a or b can be exactly
0: a part that adds nothing is left out.
Regression mixes predictions in standard deviations, by squared errors, in the same way.
Costs: milliseconds. Knows no text and no model: probabilities (N, C) in and out. N documents, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ulmus.config import check_range
from ulmus.errors import DataError
from ulmus.evaluation.objectives import SINGLE_LABEL, Objective, objective_of

__all__ = ["Combination", "calibrated_loss", "counts_alone", "fit_weight", "safe"]

Floats = NDArray[np.float64]
NEGLIGIBLE = 0.02  # a part with a smaller relative weight is left out and need not be computed
LARGEST = 400.0  # upper limit of the exponents that `fit_weight` returns
FLOOR = 1e-6  # distance that probabilities keep from 0 and 1: one unbounded loss must not decide a weight


@dataclass(frozen=True)
class Combination:
    """log p = exponent_lm * log p_lm + exponent_counts * log p_counts, normalised over the classes.

    For multi-label targets the same is done with each label's log odds, for regression with the predictions. `weight`
    is the language model's relative weight, 0 (word counts only) .. 1 (language model only): its part of the spread of
    the classes' combined scores. Raises ConfigError for a number out of range.
    """

    weight: float = 0.5
    exponent_lm: float = 0.5
    exponent_counts: float = 0.5
    objective: Objective = SINGLE_LABEL  # whose probabilities are combined

    def __post_init__(self) -> None:
        check_range(self, "weight", 0, 1)
        check_range(self, "exponent_lm exponent_counts", 0, LARGEST)

    def stored(self) -> dict[str, Any]:
        """Plain numbers for a manifest; `restore` reads them."""
        numbers = {name: getattr(self, name) for name in ("weight", "exponent_lm", "exponent_counts")}
        return numbers | {"multi_label": self.objective.multi_label}

    @classmethod
    def restore(cls, entries: Mapping[str, Any], objective: Objective) -> Combination:
        """The inverse of `stored`. Raises KeyError, TypeError, ValueError: other entries, or another objective."""
        if entries["multi_label"] is not objective.multi_label:
            raise ValueError("parts that disagree on multi-label")
        weight, lm, counts = (float(entries[name]) for name in ("weight", "exponent_lm", "exponent_counts"))
        return cls(weight, lm, counts, objective)

    def combine(self, p_lm: ArrayLike, p_counts: ArrayLike) -> Floats:
        """Combined probabilities (N, C) float64 of two parts (N, C); rows sum to 1 unless multi-label.

        Raises DataError when the shapes of the parts differ.
        """
        lm, counts = _scores(p_lm, p_counts, self.objective)
        mixed = self.exponent_lm * lm + self.exponent_counts * counts
        return self.objective.probabilities(mixed)


def counts_alone(combination: Combination) -> Combination:
    """The combination without its language model: the word counts' probabilities unchanged."""
    return Combination(0.0, 0.0, 1.0, combination.objective)


def safe(combination: Combination, p_lm: ArrayLike, p_counts: ArrayLike, y: ArrayLike) -> Combination:
    """The combination, or word counts alone if it decides worse than they do on documents with targets `y`.

    The probabilities (N, C) are as for `fit_weight`: a mix with a lower loss can still be wrong more often.
    """
    objective, target = combination.objective, np.asarray(y)
    mixed, counts = (
        float(objective.right(target, objective.decide(np.asarray(proba))).mean())
        for proba in (combination.combine(p_lm, p_counts), p_counts)
    )
    return counts_alone(combination) if mixed < counts else combination


def calibrated_loss(proba: ArrayLike, y: ArrayLike, *, prior_strength: float) -> float:
    """Mean log loss, in nats a document, of probabilities (N, C) after temperature scaling."""
    target = np.asarray(y)
    objective = objective_of(target)
    scores = objective.scores(np.asarray(proba, np.float64), FLOOR)
    exponent = _sharpness(scores, target, objective, prior_strength)
    return objective.loss(exponent * scores, target) / max(len(target), 1)


def fit_weight(
    p_lm: ArrayLike,
    p_counts: ArrayLike,
    y: ArrayLike,
    *,
    prior: float = 0.5,
    prior_strength: float = 20.0,
) -> Combination:
    """The combination with the lowest log loss on held-out documents, regularised towards `prior`.

    `p_lm` and `p_counts` (N, C) must come from models that did not see these documents' labels (held out or out
    of fold). `y` holds class numbers (N,), or zeros and ones (N, C) if multi-label. `prior` is the language model's
    weight without any evidence, `prior_strength` the penalty, in nats of log loss, for moving one weight by 1.
    Raises DataError when the shapes differ or `prior` is not in 0..1.
    """
    target = np.asarray(y)
    objective = objective_of(target)
    if not 0.0 <= prior <= 1.0:
        raise DataError(f"The prior weight of the language model must be between 0 and 1, got {prior}.")
    lm, counts = _scores(p_lm, p_counts, objective)
    if len(target) != len(lm) or (target.ndim == 2 and target.shape != lm.shape):
        raise DataError(
            f"Expected one target for each of {len(lm)} documents, got targets of shape {target.shape}."
        )
    if len(target) == 0:
        return Combination(prior, prior, 1.0 - prior, objective)
    s_lm, s_counts = (_sharpness(part, target, objective, prior_strength) for part in (lm, counts))
    a, b = _minimum(
        lambda v: objective.loss(v[0] * s_lm * lm + v[1] * s_counts * counts, target),
        start=np.array([prior, 1.0 - prior]),
        strength=prior_strength,
    ) * [s_lm, s_counts]
    spread_lm, spread_counts = a * objective.spread(lm), b * objective.spread(counts)
    if spread_lm + spread_counts <= 0:  # neither part is informative: predict a uniform distribution
        return Combination(prior, 0.0, 0.0, objective)
    weight = spread_lm / (spread_lm + spread_counts)
    if weight < NEGLIGIBLE:
        return Combination(0.0, 0.0, s_counts, objective)
    if weight > 1 - NEGLIGIBLE:
        return Combination(1.0, s_lm, 0.0, objective)
    return Combination(float(weight), float(a), float(b), objective)


def _sharpness(scores: Floats, target: NDArray[np.generic], objective: Objective, strength: float) -> float:
    """The exponent that calibrates one part's probabilities, from its scores (N, C); prior 1, never negative."""
    (value,) = _minimum(lambda v: objective.loss(v[0] * scores, target), start=np.ones(1), strength=strength)
    return float(value)


def _minimum(loss: Callable[[Floats], float], *, start: Floats, strength: float) -> Floats:
    """Non-negative weights (n,) with the lowest loss + strength * squared distance from `start` (n,); convex."""
    from scipy.optimize import minimize  # prediction needs no scipy

    result = minimize(
        lambda v: loss(v) + strength * float(((v - start) ** 2).sum()),
        start,
        method="L-BFGS-B",
        bounds=[(0.0, 20.0)] * len(start),
    )
    best: Floats = result.x
    return best


def _scores(p_lm: ArrayLike, p_counts: ArrayLike, objective: Objective) -> tuple[Floats, Floats]:
    """Probabilities (N, C) of both parts -> their scores (N, C). Raises DataError when the shapes differ."""
    parts = [np.asarray(p, np.float64) for p in (p_lm, p_counts)]
    if parts[0].shape != parts[1].shape or parts[0].ndim != 2:
        raise DataError(
            f"Both parts must give probabilities (N, C) for the same documents and classes, got "
            f"{parts[0].shape} and {parts[1].shape}."
        )
    return objective.scores(parts[0], FLOOR), objective.scores(parts[1], FLOOR)

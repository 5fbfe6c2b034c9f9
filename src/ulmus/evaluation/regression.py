"""Regression: the objective whose targets are numbers.

Models work in standard deviations from the mean of the training numbers; `Regression` holds both, and the smallest and
largest of them, to which predictions are clipped. "Probabilities" and scores (N, 1) are predictions in standard
deviations; only `decide` and `report` return to the user's units.
Costs: milliseconds. Knows no text, no model, no tensor. Axis: N documents.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmus.evaluation import metrics
from ulmus.evaluation.metrics import Interval
from ulmus.evaluation.objective import FLOOR, HALF, Floats, Objective, Target

__all__ = ["REGRESSION", "Regression"]

STRATA = 10  # ranges of values, with as many documents each, over which splits are even


@dataclass(frozen=True)
class Regression:
    """A number per document. Raises ValueError for a spread that is not above 0."""

    mean: float = 0.0  # of the training numbers
    sd: float = 1.0  # their standard deviation
    low: float = -math.inf  # the smallest of them
    high: float = math.inf  # the largest
    cost: str = "squared-error"
    name: str = "regression"
    multi_label: bool = False
    numeric: bool = True
    fewest_classes: int = 1
    measure: str = "Pearson correlation"

    def __post_init__(self) -> None:
        if not (0 < self.sd < math.inf and math.isfinite(self.mean) and self.low <= self.high):
            raise ValueError(f"impossible scale of numbers: {self}")

    @classmethod
    def of(cls, values: Floats, cost: str = "squared-error") -> Regression:
        """The objective of training numbers (N,), which must not all be equal."""
        return cls(float(values.mean()), float(values.std()), float(values.min()), float(values.max()), cost)

    @classmethod
    def restore(cls, numbers: Mapping[str, Any]) -> Regression:
        """The inverse of `stored`. Raises KeyError, TypeError, ValueError: missing or impossible entries."""
        if not isinstance(numbers, Mapping):
            raise TypeError(f"expected the scale of numbers, got {numbers!r}")
        low, high = float(numbers.get("low", -math.inf)), float(numbers.get("high", math.inf))
        return cls(float(numbers["mean"]), float(numbers["standard_deviation"]), low, high)

    def standardised(self, values: Floats) -> Floats:
        """Numbers (N,) -> targets (N, 1) in standard deviations from the mean."""
        return np.asarray((values[:, None] - self.mean) / self.sd)

    def in_units(self, target: Target) -> Floats:
        """Targets or predictions (N, 1) -> numbers (N,) in the user's units."""
        return np.asarray(target[:, 0] * self.sd + self.mean, np.float64)

    # -- targets -------------------------------------------------------------------------------------------------

    def target(self, members: list[list[int]], classes: int) -> NDArray[np.int64]:  # noqa: ARG002
        """Numbers have no classes to be members of."""
        raise TypeError("numbers have no classes")

    def hot(self, target: Target, classes: int) -> NDArray[np.float32]:  # noqa: ARG002
        """The target (N, 1) as float32."""
        return target.astype(np.float32)

    def counts(self, target: Target, classes: int) -> NDArray[np.int64]:  # noqa: ARG002
        """All documents have the one output."""
        return np.array([len(target)])

    def balanced(self, target: Target, classes: int) -> Floats:  # noqa: ARG002
        """All documents weigh the same."""
        return np.ones(classes)

    def among(self, target: Target, known: NDArray[np.int64]) -> Target:  # noqa: ARG002
        """The target as it is."""
        return target

    def outputs(self, classes: int) -> int:
        """One output."""
        return classes

    def strata(self, target: Target) -> NDArray[np.int64]:
        """Which tenth of the values each document is in, (N,)."""
        inner = np.quantile(target[:, 0], np.arange(1, STRATA) / STRATA) if len(target) else np.zeros(0)
        return np.searchsorted(inner, target[:, 0], side="right")

    def only_there(self, target: Target, held: NDArray[np.bool_]) -> NDArray[np.bool_]:  # noqa: ARG002
        """No number is the only one of its kind."""
        return np.zeros(len(target), bool)

    # -- predictions -----------------------------------------------------------------------------------------------

    def probabilities(self, scores: Floats) -> Floats:
        """Predictions are scores as they are, not clipped: (N, 1)."""
        return np.asarray(scores)

    def scores(self, proba: Floats, floor: float = FLOOR) -> Floats:  # noqa: ARG002
        """Scores are predictions as they are: (N, 1)."""
        return np.asarray(proba)

    def evidence(self, scores: Floats) -> Floats:
        """The distance of predictions (N, 1) from the mean, in the user's units."""
        return np.asarray(scores * self.sd)

    def loss(self, scores: Floats, target: Target) -> float:
        """Half the squared errors: the log loss of a normal distribution of width 1, but for a constant."""
        return float(((scores - target) ** 2).sum() / 2)

    def spread(self, scores: Floats) -> float:
        """The standard deviation of the predictions."""
        return float(scores.std())

    def confidence(self, proba: Floats) -> Floats:
        """The distance from the mean, which is what a model says of a text of which it knows nothing."""
        return np.asarray(np.abs(proba[:, 0]))

    def doubt(self, proba: Floats) -> Floats:
        """A number does not say how sure it is: 0 for each (N,)."""
        return np.zeros(len(proba))

    def likeliest(self, proba: Floats) -> NDArray[np.int64]:
        """There are no classes: 0 for each (N,)."""
        return np.zeros(len(proba), np.int64)

    def soft_labels(self, proba: Floats, power: float) -> NDArray[np.float32]:  # noqa: ARG002
        """Predictions as they are, (N, 1) float32."""
        return proba.astype(np.float32)

    # -- decisions -----------------------------------------------------------------------------------------------

    def decide(self, proba: Floats, threshold: float = HALF) -> Floats:  # noqa: ARG002
        """Predictions (N, 1) -> numbers (N,) in the user's units, clipped to the range of the training numbers."""
        return np.clip(self.in_units(proba), self.low, self.high)

    def best_threshold(self, target: Target, proba: Floats) -> float:  # noqa: ARG002
        """Nothing is decided by a threshold."""
        return HALF

    def right(self, target: Target, decided: Target) -> Floats:
        """Minus the squared error of each number (N,)."""
        return np.asarray(-((self.in_units(target) - decided) ** 2))

    def gain(self, target: Target, decided: Target, baseline: Target, *, seed: int) -> Interval:
        """The difference of the correlations with the target."""
        return metrics.bootstrap_of_correlations(self.in_units(target), decided, baseline, seed=seed)

    def named(self, decided: Target, classes: Sequence[Any]) -> list[Any]:  # noqa: ARG002
        """Numbers as they are."""
        return [float(number) for number in decided]

    def report(self, target: Target, proba: Floats, threshold: float = HALF) -> dict[str, float]:  # noqa: ARG002
        """`metrics.number_scores` in the user's units."""
        return metrics.number_scores(self.in_units(target), self.decide(proba))

    def stored(self) -> dict[str, Any]:
        """The scale, for a manifest; `restore` reads it."""
        scale = {
            "mean": self.mean,
            "standard_deviation": self.sd,
            "low": self.low,
            "high": self.high,
        }
        return {
            "multi_label": False,
            "numbers": {key: value for key, value in scale.items() if math.isfinite(value)},
        }


REGRESSION: Objective = Regression()

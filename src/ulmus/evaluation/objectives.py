"""The objective of a classifier: exactly one class per document, or any number of labels.

One value, `SINGLE_LABEL` or `MULTI_LABEL`, defines everything that depends on it: the activation, the decision, the
loss and the metrics. No other code distinguishes the two cases.
Targets are class numbers (N,) or, if multi-label, zeros and ones (N, C).
Costs: milliseconds. Knows no text, no model, no tensor. Axes: N documents, C classes, K outputs of a linear model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, softmax

from ulmus.evaluation import metrics

__all__ = ["MULTI_LABEL", "SINGLE_LABEL", "Objective", "objective_of"]

Floats = NDArray[np.float64]
Target = NDArray[Any]
HALF = 0.5
THRESHOLDS = np.arange(0.05, 0.96, 0.01)
CAUTION = 50  # documents: weight of the default threshold, a half, in `best_threshold`
ROUNDS = 20  # iterations that fit the class weights of soft labels
FLOOR = 1e-12


class Objective(Protocol):
    """The interface of single-label and multi-label classification; both are stateless values."""

    @property
    def name(self) -> str:
        """`single-label` or `multi-label`."""

    @property
    def multi_label(self) -> bool:
        """Whether a document may have any number of labels."""

    @property
    def fewest_classes(self) -> int:
        """The smallest number of classes with which there is something to decide."""

    # -- targets -------------------------------------------------------------------------------------------------

    def target(self, members: list[list[int]], classes: int) -> NDArray[np.int64]:
        """Class numbers of each of N documents -> targets (N,) or (N, C) int64."""

    def hot(self, target: Target, classes: int) -> NDArray[np.float32]:
        """Targets -> (N, C): 1 for the classes of a document, else 0."""

    def counts(self, target: Target, classes: int) -> NDArray[np.int64]:
        """Number of documents of each class, (C,)."""

    def balanced(self, target: Target, classes: int) -> Floats:
        """Class weights (C,) that give all classes the same total weight, as scikit-learn's "balanced"."""

    # -- probabilities -------------------------------------------------------------------------------------------

    def probabilities(self, scores: Floats) -> Floats:
        """Scores (N, K) -> probabilities (N, C); K is 1 if two classes share one score."""

    def scores(self, proba: Floats) -> Floats:
        """Probabilities (N, C) strictly between 0 and 1 -> scores (N, C): logarithms, or log odds."""

    def loss(self, scores: Floats, target: Target) -> float:
        """Log loss of scores (N, C) in nats, summed over the documents (and labels)."""

    def spread(self, scores: Floats) -> float:
        """Mean spread of the scores (N, C): how strongly they separate the classes (multi-label: yes from no)."""

    def confidence(self, proba: Floats) -> Floats:
        """Confidence (N,) of probabilities (N, C), for ranking documents: only the order is meaningful."""

    def likeliest(self, proba: Floats) -> NDArray[np.int64]:
        """The most probable class (N,); always 0 if multi-label."""

    def soft_labels(self, proba: Floats, power: float) -> NDArray[np.float32]:
        """Probabilities (N, C) raised to `power` and normalised over the classes (multi-label: over yes and no).

        Class weights keep each class as frequent as before; without them the most frequent class would absorb the
        others, because uncertain documents lean towards it (iterative proportional fitting: Deming & Stephan 1940).
        """

    # -- decisions -----------------------------------------------------------------------------------------------

    def decide(self, proba: Floats, threshold: float = HALF) -> NDArray[np.int64]:
        """The most probable class (N,); multi-label: zeros and ones (N, C), 1 from a probability of `threshold` on."""

    def best_threshold(self, target: Target, proba: Floats) -> float:
        """The threshold, 0..1, with the highest micro F1; single-label: 0.5.

        If labels are rare, calibrated probabilities are mostly below a half, and the best F1 requires labels that are
        more likely wrong than right (Lipton et al. 2014). One number for all labels, closer to a half the fewer
        documents there are.
        """

    def right(self, target: Target, decided: Target) -> Floats:
        """Score of each document, (N,): 0 or 1; multi-label: the F1 of its labels, 1 if none are expected or given."""

    def report(self, target: Target, proba: Floats, threshold: float = HALF) -> dict[str, float]:
        """`metrics.decision_scores`, and log_loss and calibration_error."""


@dataclass(frozen=True)
class _SingleLabel:
    """Each document has exactly one class."""

    name: str = "single-label"
    multi_label: bool = False
    fewest_classes: int = 2

    def target(self, members: list[list[int]], classes: int) -> NDArray[np.int64]:  # noqa: ARG002
        return np.array([number for (number,) in members], np.int64)

    def hot(self, target: Target, classes: int) -> NDArray[np.float32]:
        return np.asarray(np.eye(classes, dtype=np.float32)[target])

    def counts(self, target: Target, classes: int) -> NDArray[np.int64]:
        return np.bincount(target, minlength=classes)

    def balanced(self, target: Target, classes: int) -> Floats:
        return np.asarray(len(target) / (classes * np.maximum(self.counts(target, classes), 1)))

    def probabilities(self, scores: Floats) -> Floats:
        if scores.shape[1] == 1:
            return np.asarray(np.column_stack([expit(-scores[:, 0]), expit(scores[:, 0])]))
        return np.asarray(softmax(scores, axis=1))

    def scores(self, proba: Floats) -> Floats:
        return np.asarray(np.log(proba))

    def loss(self, scores: Floats, target: Target) -> float:
        logp = log_softmax(scores, axis=1)
        return float(-logp[np.arange(len(target)), target.astype(np.int64)].sum())

    def spread(self, scores: Floats) -> float:
        return float(scores.std(axis=1).mean())

    def confidence(self, proba: Floats) -> Floats:
        return np.asarray(proba.max(axis=1))

    def likeliest(self, proba: Floats) -> NDArray[np.int64]:
        return np.asarray(proba.argmax(axis=1))

    def soft_labels(self, proba: Floats, power: float) -> NDArray[np.float32]:
        sharp, weight = _sharpened(proba, power), np.ones(proba.shape[1])
        frequent = _between(proba.mean(axis=0))
        for _ in range(ROUNDS):
            found = _between((weight * sharp / (sharp @ weight)[:, None]).mean(axis=0))
            weight *= frequent / found
        return np.asarray(weight * sharp / (sharp @ weight)[:, None], np.float32)

    def decide(self, proba: Floats, threshold: float = HALF) -> NDArray[np.int64]:  # noqa: ARG002
        return np.asarray(proba.argmax(axis=1))

    def best_threshold(self, target: Target, proba: Floats) -> float:  # noqa: ARG002
        return HALF

    def right(self, target: Target, decided: Target) -> Floats:
        return np.asarray(target == decided, np.float64)

    def report(self, target: Target, proba: Floats, threshold: float = HALF) -> dict[str, float]:
        return metrics.decision_scores(target, self.decide(proba, threshold)) | {
            "log_loss": metrics.log_loss(target, proba),
            "calibration_error": metrics.calibration_error(target, proba),
        }


@dataclass(frozen=True)
class _MultiLabel:
    """Each label is a separate yes/no decision; a document may have none."""

    name: str = "multi-label"
    multi_label: bool = True
    fewest_classes: int = 1

    def target(self, members: list[list[int]], classes: int) -> NDArray[np.int64]:
        target = np.zeros((len(members), classes), np.int64)
        for i, numbers in enumerate(members):
            target[i, numbers] = 1
        return target

    def hot(self, target: Target, classes: int) -> NDArray[np.float32]:  # noqa: ARG002
        return target.astype(np.float32)

    def counts(self, target: Target, classes: int) -> NDArray[np.int64]:  # noqa: ARG002
        return np.asarray(target.sum(axis=0))

    def balanced(self, target: Target, classes: int) -> Floats:
        counts = np.maximum(self.counts(target, classes), 1)
        return np.asarray((len(target) - counts) / counts)

    def probabilities(self, scores: Floats) -> Floats:
        with np.errstate(over="ignore"):  # exp(1,000) is inf, and 1 / inf is 0, as intended
            return np.asarray(1 / (1 + np.exp(-scores)))

    def scores(self, proba: Floats) -> Floats:
        return np.asarray(np.log(proba) - np.log1p(-proba))

    def loss(self, scores: Floats, target: Target) -> float:
        return float((np.logaddexp(0.0, scores) - target.astype(np.float64) * scores).sum())

    def spread(self, scores: Floats) -> float:
        return float(np.abs(scores).mean())

    def confidence(self, proba: Floats) -> Floats:
        return np.asarray(np.abs(proba - HALF).mean(axis=1))

    def likeliest(self, proba: Floats) -> NDArray[np.int64]:
        return np.zeros(len(proba), np.int64)

    def soft_labels(self, proba: Floats, power: float) -> NDArray[np.float32]:
        sharp, rest = _sharpened(proba, power), _sharpened(1 - proba, power)
        frequent, weight = _between(proba.mean(axis=0)), np.ones(proba.shape[1])
        for _ in range(ROUNDS):
            found = _between((weight * sharp / (weight * sharp + rest)).mean(axis=0))
            weight *= frequent / found * ((1 - found) / (1 - frequent))
        return np.asarray(weight * sharp / (weight * sharp + rest), np.float32)

    def decide(self, proba: Floats, threshold: float = HALF) -> NDArray[np.int64]:
        return (proba >= threshold).astype(np.int64)

    def best_threshold(self, target: Target, proba: Floats) -> float:
        if not target.any():
            return HALF
        true, every = target.astype(bool), target.sum()
        given = np.array([(proba >= t).sum() for t in THRESHOLDS])
        right = np.array([(proba[true] >= t).sum() for t in THRESHOLDS])
        f1 = 2 * right / (given + every)
        near = np.flatnonzero(f1 >= f1.max() - 1e-9)
        best, n = THRESHOLDS[near[np.abs(THRESHOLDS[near] - HALF).argmin()]], len(target)
        return float((n * best + CAUTION * HALF) / (n + CAUTION))

    def right(self, target: Target, decided: Target) -> Floats:
        both, either = (decided & target).sum(axis=1), decided.sum(axis=1) + target.sum(axis=1)
        return np.where(either == 0, 1.0, 2 * both / np.maximum(either, 1))

    def report(self, target: Target, proba: Floats, threshold: float = HALF) -> dict[str, float]:
        return metrics.decision_scores(target, self.decide(proba, threshold)) | {
            "log_loss": metrics.log_loss(target, proba),
            "calibration_error": metrics.calibration_error(target, proba),
        }


SINGLE_LABEL: Objective = _SingleLabel()
MULTI_LABEL: Objective = _MultiLabel()


def objective_of(target: Target) -> Objective:
    """The objective of targets: single-label for class numbers (N,), multi-label for zeros and ones (N, C)."""
    return MULTI_LABEL if target.ndim == 2 else SINGLE_LABEL


def _between(share: Floats) -> Floats:
    """Fractions clipped to lie strictly between 0 and 1, any shape."""
    return np.asarray(np.clip(share, FLOOR, 1 - FLOOR))


def _sharpened(proba: Floats, power: float) -> Floats:
    """Probabilities, none of them 0, raised to a power; any shape."""
    return np.asarray(np.maximum(proba, FLOOR) ** power)

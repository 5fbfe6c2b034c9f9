"""The objective of a model: exactly one class per document, any number of labels, or a number (regression).

One value, `SINGLE_LABEL`, `MULTI_LABEL` or a `Regression`, defines everything that depends on it: the activation, the
decision, the loss and the metrics. No other code distinguishes the cases.
Targets are class numbers (N,) int, zeros and ones (N, C) int if multi-label, and for regression (`regression.py`)
standardised numbers (N, 1) float, whose "probabilities" (N, 1) are predictions in the same units.
Costs: milliseconds. Knows no text, no model, no tensor. Axes: N documents, C classes, K outputs of a linear model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ulmus.evaluation import metrics
from ulmus.evaluation.metrics import Interval, paired_bootstrap
from ulmus.evaluation.objective import FLOOR, HALF, Floats, Objective, Target
from ulmus.evaluation.regression import REGRESSION, Regression

__all__ = ["MULTI_LABEL", "REGRESSION", "SINGLE_LABEL", "Objective", "Regression", "objective_of", "restored"]

THRESHOLDS = np.arange(0.05, 0.96, 0.01)
CAUTION = 50  # documents: weight of the default threshold, a half, in `best_threshold`
ROUNDS = 20  # iterations that fit the class weights of soft labels


class _Classes:
    """What both kinds of classification share."""

    numeric: ClassVar[bool] = False
    multi_label: bool

    def gain(self, target: Target, decided: Target, baseline: Target, *, seed: int) -> Interval:
        return paired_bootstrap(self.right(target, decided), self.right(target, baseline), seed=seed)

    def report(self, target: Target, proba: Floats, threshold: float = HALF) -> dict[str, float]:
        return metrics.decision_scores(target, self.decide(proba, threshold)) | {
            "log_loss": metrics.log_loss(target, proba),
            "calibration_error": metrics.calibration_error(target, proba),
        }

    def stored(self) -> dict[str, Any]:
        return {"multi_label": self.multi_label}

    def right(self, target: Target, decided: Target) -> Floats:
        raise NotImplementedError

    def decide(self, proba: Floats, threshold: float = HALF) -> NDArray[np.int64]:
        raise NotImplementedError


@dataclass(frozen=True)
class _SingleLabel(_Classes):
    """Each document has exactly one class."""

    name: str = "single-label"
    multi_label: bool = False
    fewest_classes: int = 2
    cost: str = "cross-entropy"
    measure: str = "accuracy"

    def target(self, members: list[list[int]], classes: int) -> NDArray[np.int64]:  # noqa: ARG002
        return np.array([number for (number,) in members], np.int64)

    def hot(self, target: Target, classes: int) -> NDArray[np.float32]:
        return np.asarray(np.eye(classes, dtype=np.float32)[target])

    def counts(self, target: Target, classes: int) -> NDArray[np.int64]:
        return np.bincount(target, minlength=classes)

    def balanced(self, target: Target, classes: int) -> Floats:
        return np.asarray(len(target) / (classes * np.maximum(self.counts(target, classes), 1)))

    def among(self, target: Target, known: NDArray[np.int64]) -> Target:
        return np.searchsorted(known, target)

    def outputs(self, classes: int) -> int:
        return 1 if classes == 2 else classes

    def strata(self, target: Target) -> NDArray[np.int64]:
        return np.asarray(target)

    def only_there(self, target: Target, held: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return ~np.isin(target, target[~held])

    def probabilities(self, scores: Floats) -> Floats:
        if scores.shape[1] == 1:
            return np.asarray(np.column_stack([_sigmoid(-scores[:, 0]), _sigmoid(scores[:, 0])]))
        return np.exp(_log_softmax(scores))

    def scores(self, proba: Floats, floor: float = FLOOR) -> Floats:
        return np.asarray(np.log(np.clip(proba, floor, 1 - floor)))

    def evidence(self, scores: Floats) -> Floats:
        n = scores.shape[1]
        return np.asarray((scores - scores.mean(axis=1, keepdims=True)) * (n / max(n - 1, 1)))

    def loss(self, scores: Floats, target: Target) -> float:
        logp = _log_softmax(scores)
        return float(-logp[np.arange(len(target)), target.astype(np.int64)].sum())

    def spread(self, scores: Floats) -> float:
        return float(scores.std(axis=1).mean())

    def confidence(self, proba: Floats) -> Floats:
        return np.asarray(proba.max(axis=1))

    def doubt(self, proba: Floats) -> Floats:
        ordered = np.sort(proba, axis=1)
        return np.asarray(1 - ordered[:, -1] + ordered[:, -2])

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

    def named(self, decided: Target, classes: Sequence[Any]) -> list[Any]:
        return [classes[k] for k in decided]


@dataclass(frozen=True)
class _MultiLabel(_Classes):
    """Each label is a separate yes/no decision; a document may have none."""

    name: str = "multi-label"
    multi_label: bool = True
    fewest_classes: int = 1
    cost: str = "binary-cross-entropy"
    measure: str = "F1"

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

    def among(self, target: Target, known: NDArray[np.int64]) -> Target:
        return np.asarray(target[:, known])

    def outputs(self, classes: int) -> int:
        return classes

    def strata(self, target: Target) -> NDArray[np.int64]:
        # the rarest label of a document, so that rare labels are spread evenly too
        rarity = np.argsort(np.argsort(-target.sum(axis=0), kind="stable"))  # common 0 .. rare C - 1
        return np.asarray((target * (rarity + 1)).max(axis=1, initial=0))

    def only_there(self, target: Target, held: NDArray[np.bool_]) -> NDArray[np.bool_]:
        missing = target[~held].sum(axis=0) == 0
        return np.asarray(target[:, missing].any(axis=1))

    def probabilities(self, scores: Floats) -> Floats:
        return _sigmoid(scores)

    def scores(self, proba: Floats, floor: float = FLOOR) -> Floats:
        kept = np.clip(proba, floor, 1 - floor)
        return np.asarray(np.log(kept) - np.log1p(-kept))

    def evidence(self, scores: Floats) -> Floats:
        return np.asarray(scores)

    def loss(self, scores: Floats, target: Target) -> float:
        return float((np.logaddexp(0.0, scores) - target.astype(np.float64) * scores).sum())

    def spread(self, scores: Floats) -> float:
        return float(np.abs(scores).mean())

    def confidence(self, proba: Floats) -> Floats:
        return np.asarray(np.abs(proba - HALF).mean(axis=1))

    def doubt(self, proba: Floats) -> Floats:
        return np.asarray(1 - 2 * np.abs(proba - HALF).min(axis=1))

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

    def named(self, decided: Target, classes: Sequence[Any]) -> list[Any]:
        return [tuple(classes[int(k)] for k in np.flatnonzero(row)) for row in decided]


SINGLE_LABEL: Objective = _SingleLabel()
MULTI_LABEL: Objective = _MultiLabel()


def objective_of(target: Target) -> Objective:
    """The objective of targets: class numbers (N,), zeros and ones (N, C) if multi-label, floats for regression."""
    if np.issubdtype(target.dtype, np.floating):
        return REGRESSION
    return MULTI_LABEL if target.ndim == 2 else SINGLE_LABEL


def restored(entries: Mapping[str, Any]) -> Objective:
    """The objective of a manifest. Raises KeyError, TypeError, ValueError: missing or impossible entries."""
    if "numbers" not in entries:
        return MULTI_LABEL if entries["multi_label"] else SINGLE_LABEL
    return Regression.restore(entries["numbers"])


def _sigmoid(scores: Floats) -> Floats:
    """1 / (1 + e^-scores), any shape."""
    with np.errstate(over="ignore"):  # exp(1,000) is inf, and 1 / inf is 0, as intended
        return np.asarray(1 / (1 + np.exp(-scores)))


def _log_softmax(scores: Floats) -> Floats:
    """Scores (N, C) -> logarithms of probabilities (N, C)."""
    shifted = scores - scores.max(axis=1, keepdims=True, initial=-np.inf)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _between(share: Floats) -> Floats:
    """Fractions clipped to lie strictly between 0 and 1, any shape."""
    return np.asarray(np.clip(share, FLOOR, 1 - FLOOR))


def _sharpened(proba: Floats, power: float) -> Floats:
    """Probabilities, none of them 0, raised to a power; any shape."""
    return np.asarray(np.maximum(proba, FLOOR) ** power)

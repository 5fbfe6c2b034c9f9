"""The interface that single-label and multi-label classification and regression keep: see `objectives.py`.

Axes: N documents, C classes, K outputs of a linear model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ulmus.evaluation.metrics import Interval

__all__ = ["FLOOR", "HALF", "Floats", "Objective", "Target"]

Floats = NDArray[np.float64]
Target = NDArray[Any]
HALF = 0.5
FLOOR = 1e-12


class Objective(Protocol):
    """The interface of single-label and multi-label classification and of regression: frozen values."""

    @property
    def name(self) -> str:
        """`single-label`, `multi-label` or `regression`."""

    @property
    def multi_label(self) -> bool:
        """Whether a document may have any number of labels."""

    @property
    def numeric(self) -> bool:
        """Whether predictions are numbers, not classes."""

    @property
    def cost(self) -> str:
        """The loss that a network minimises: `cross-entropy`, `binary-cross-entropy`, `squared-error` or `huber`."""

    @property
    def measure(self) -> str:
        """The score whose difference `gain` measures, for messages."""

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

    def among(self, target: Target, known: NDArray[np.int64]) -> Target:
        """Targets (N,) or (N, C) in terms of the `known` classes (K,) alone, which include those of every document."""

    def outputs(self, classes: int) -> int:
        """K, the number of outputs of a linear model of so many classes."""

    def strata(self, target: Target) -> NDArray[np.int64]:
        """A number (N,) for each document; a good split spreads documents with the same number evenly."""

    def only_there(self, target: Target, held: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether each document, (N,), has a label that no document outside `held` (N,) has."""

    # -- probabilities -------------------------------------------------------------------------------------------

    def probabilities(self, scores: Floats) -> Floats:
        """Scores (N, K) -> probabilities (N, C); K is 1 if two classes share one score."""

    def scores(self, proba: Floats, floor: float = FLOOR) -> Floats:
        """Probabilities (N, C), clipped to `floor`..1 - `floor`, -> scores (N, C): logarithms, or log odds."""

    def evidence(self, scores: Floats) -> Floats:
        """Scores (N, C) -> evidence for each class (N, C), linear in them, whatever is added to all scores of a row.

        Single-label: the score of a class less the mean of the others, which is the log odds if there are two;
        multi-label: the log odds as they are; numbers: the distance from the mean, in the user's units.
        """

    def loss(self, scores: Floats, target: Target) -> float:
        """Log loss of scores (N, C) in nats, summed over the documents (and labels)."""

    def spread(self, scores: Floats) -> float:
        """Mean spread of the scores (N, C): how strongly they separate the classes (multi-label: yes from no)."""

    def confidence(self, proba: Floats) -> Floats:
        """Confidence (N,) of probabilities (N, C), for ranking documents: only the order is meaningful."""

    def doubt(self, proba: Floats) -> Floats:
        """How undecided a model is (N,), from its probabilities (N, C): 0 sure .. 1 undecided between two decisions.

        Single-label: how close the two most probable classes are; multi-label: how close to 1/2 the least sure label
        is; numbers say nothing of it: 0.
        """

    def likeliest(self, proba: Floats) -> NDArray[np.int64]:
        """The most probable class (N,); always 0 if multi-label."""

    def soft_labels(self, proba: Floats, power: float) -> NDArray[np.float32]:
        """Probabilities (N, C) raised to `power` and normalised over the classes (multi-label: over yes and no).

        Class weights keep each class as frequent as before; without them the most frequent class would absorb the
        others, because uncertain documents lean towards it (iterative proportional fitting: Deming & Stephan 1940).
        """

    # -- decisions -----------------------------------------------------------------------------------------------

    def decide(self, proba: Floats, threshold: float = HALF) -> NDArray[Any]:
        """The most probable class (N,); multi-label: zeros and ones (N, C), 1 from a probability of `threshold` on.

        Regression: numbers (N,) in the user's units, clipped to the range of the training numbers.
        """

    def best_threshold(self, target: Target, proba: Floats) -> float:
        """The threshold, 0..1, with the highest micro F1; single-label: 0.5.

        If labels are rare, calibrated probabilities are mostly below a half, and the best F1 requires labels that are
        more likely wrong than right (Lipton et al. 2014). One number for all labels, closer to a half the fewer
        documents there are.
        """

    def right(self, target: Target, decided: Target) -> Floats:
        """Score of each document, (N,): 0 or 1; multi-label: the F1 of its labels, 1 if none are expected or given."""

    def gain(self, target: Target, decided: Target, baseline: Target, *, seed: int) -> Interval:
        """How much better the decisions are than those of a `baseline`, with a bootstrap confidence interval."""

    def named(self, decided: Target, classes: Sequence[Any]) -> list[Any]:
        """Decisions in the user's terms: class names, tuples of them if multi-label, numbers for regression."""

    def report(self, target: Target, proba: Floats, threshold: float = HALF) -> dict[str, float]:
        """`metrics.decision_scores`, log_loss and calibration_error; for regression `metrics.number_scores`."""

    def stored(self) -> dict[str, Any]:
        """The entries of a manifest that say which objective it is; `objectives.restored` reads them."""

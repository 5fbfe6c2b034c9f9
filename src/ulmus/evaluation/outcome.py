"""Targets and probabilities of labelled documents -> those parts of a report that need no model.

Knows no text. Axes: N documents, C classes, U unknown classes, K chosen documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmus.evaluation.calibration import Reliability, reliability
from ulmus.evaluation.metrics import Interval, correct, paired_bootstrap
from ulmus.evaluation.objectives import objective_of
from ulmus.evaluation.per_class import wilson

__all__ = ["Outcome"]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a model predicted for labelled documents.

    `target` is (N,) or (N, C + U), the last U classes being unknown to the model; `parts` are probabilities (N, C) by
    name, the predicting part first; `names` are those of the C + U classes.
    """

    target: NDArray[np.int64]
    parts: Mapping[str, NDArray[np.float64]]
    thresholds: Mapping[str, float]
    names: Sequence[Any]

    @property
    def main(self) -> str:
        """The part that predicts."""
        return next(iter(self.parts))

    @property
    def proba(self) -> NDArray[np.float64]:
        """Its probabilities (N, C)."""
        return self.parts[self.main]

    def decided(self, part: str) -> NDArray[np.int64]:
        """The decisions of a part, shaped as the target: (N,) or (N, C + U)."""
        proba = self.parts[part]
        decided = objective_of(self.target).decide(proba, self.thresholds[part])
        if self.target.ndim == 2:
            decided = np.pad(decided, ((0, 0), (0, self.target.shape[1] - proba.shape[1])))
        return np.asarray(decided)

    def right(self, part: str) -> NDArray[np.bool_]:
        """Whether each document (N,) is predicted right by a part; multi-label: whether all its labels are."""
        return correct(self.target, self.decided(part))

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """Whether the label of each document (N,) is unknown to the model, or one of its labels is."""
        classes = self.proba.shape[1]
        if self.target.ndim == 2:
            return np.asarray(self.target[:, classes:].any(axis=1))
        return np.asarray(self.target >= classes)

    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the accuracy."""
        right = self.right(self.main)
        return wilson(float(right.mean()), len(right))

    def gain(self) -> Interval | None:
        """The accuracy gained over the word counts, with its bootstrap interval; None where these predict alone."""
        if "counts" not in self.parts or self.main == "counts":
            return None
        return paired_bootstrap(self.right(self.main), self.right("counts"))

    def reliability(self) -> Reliability | None:
        """Confidence and accuracy; None where a document has a label that the model does not know."""
        return None if self.unknown.any() else reliability(self.target, self.proba, bins=10)

    def confidence(self) -> NDArray[np.float64]:
        """The probability (N,) of what was predicted; multi-label: of the whole set of labels."""
        if self.target.ndim == 1:
            return np.asarray(self.proba.max(axis=1))
        decided = self.decided(self.main)[:, : self.proba.shape[1]]
        return np.asarray(np.where(decided > 0, self.proba, 1 - self.proba).prod(axis=1))

    def worst(self, most: int) -> NDArray[np.int64]:
        """Numbers (K,) of the wrong documents, those first that the model was surest of; `most` of them."""
        wrong = np.flatnonzero(~self.right(self.main))
        return wrong[np.argsort(-self.confidence()[wrong], kind="stable")][:most]

    def confused(self, true: int, predicted: int, most: int) -> NDArray[np.int64]:
        """Numbers (K,) of documents of one class predicted as another, the surest first; single-label only."""
        chosen = np.flatnonzero((self.target == true) & (self.decided(self.main) == predicted))
        return chosen[np.argsort(-self.confidence()[chosen], kind="stable")][:most]

    def named(self, row: NDArray[np.int64] | np.int64) -> str:
        """The class of a number, or the classes of a row of zeros and ones (C + U,), as text."""
        if np.ndim(row) == 0:
            return str(self.names[int(row)])
        return ", ".join(str(self.names[int(k)]) for k in np.flatnonzero(row)) or "no label"

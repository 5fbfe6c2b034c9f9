"""A fitted classifier as explanations ask it: see `serve/explaining.py`. Axes: N documents, C classes, U tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ulmus.evaluation.combination import Combination
from ulmus.evaluation.objectives import Objective
from ulmus.serve.explaining import WHOLE
from ulmus.tasks.classifier.fitted import FittedClassifier
from ulmus.tasks.classifier.inference import Inference

__all__ = ["Asked"]


@dataclass(frozen=True)
class Asked:
    """A model and its networks, prepared for inference."""

    model: FittedClassifier
    inference: Sequence[Inference]

    @property
    def classes(self) -> tuple[Any, ...]:
        """Class names (C,)."""
        return self.model.classes

    @property
    def objective(self) -> Objective:
        """Single-label, multi-label or regression."""
        return self.model.objective

    @property
    def pairs(self) -> bool:
        """Whether texts are joined pairs."""
        return self.model.pairs

    @property
    def combination(self) -> Combination:
        """How the parts are mixed; network alone: with its own probabilities."""
        return (
            self.model.combination if self.model.mixed else Combination(1.0, 1.0, 0.0, self.model.objective)
        )

    def outputs_of(self, texts: list[str], parts: Sequence[str]) -> dict[str, np.ndarray]:
        """Outputs (N, C) of each of the parts."""
        own = {name: self.model.parts[0] if name == WHOLE else name for name in parts}
        found = self.model.probabilities(texts, list(own.values()), self.inference)
        return {name: found[part] for name, part in own.items()}

    def labels_of(self, outputs: np.ndarray) -> list[Any]:
        """The decision for each row of outputs (N, C)."""
        return self.model.labels_of(outputs)

    def shares(self, text: str, starts: np.ndarray) -> np.ndarray:
        """What each token adds to the word counts' scores, (U, C); `starts` (U,) in characters."""
        added, _ = self.model.counts.model_.shares(text, starts)
        return added

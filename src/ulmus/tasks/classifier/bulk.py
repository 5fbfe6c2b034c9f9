"""Batches of texts -> labels and outputs, by a model that is loaded where it is first used.

What a process or a machine needs to predict is a `Predictor`: the path of a model and its settings, which are sent,
not the weights. Axes: N documents, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ulmus.tasks.classifier.base import TextEstimator
from ulmus.tasks.classifier.regressor import load_estimator

__all__ = ["Facts", "Predictor"]


class Facts(NamedTuple):
    """What a writer must know of a model: its classes (none of numbers), and whether a text can have several."""

    classes: list[str]
    several: bool

    @property
    def numeric(self) -> bool:
        """Whether it predicts numbers."""
        return not self.classes


@dataclass(frozen=True)
class Predictor:
    """A function from documents to predictions; raises what `load_estimator` raises, at the first call."""

    path: Path
    device: str = "auto"
    precision: str = "auto"

    @cached_property
    def model(self) -> TextEstimator:
        """The classifier or regressor."""
        return load_estimator(self.path, device=self.device, precision=self.precision)

    def facts(self) -> Facts:
        """The classes of the model."""
        fitted = self.model.fitted_
        classes = [] if fitted.objective.numeric else [str(name) for name in fitted.classes]
        return Facts(classes, fitted.objective.multi_label)

    def __call__(self, documents: list[Any]) -> tuple[list[Any], np.ndarray]:
        """The labels (or numbers) of N documents, and their outputs (N, C)."""
        outputs = self.model.outputs(documents)
        return self.model.labels_of(outputs), outputs

    def __getstate__(self) -> dict[str, Any]:
        """The path and the settings: whoever gets a copy loads the model itself."""
        return {key: value for key, value in self.__dict__.items() if key != "model"}

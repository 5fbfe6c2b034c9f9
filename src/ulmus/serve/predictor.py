"""What a server asks of a model, whichever way it was loaded: an exported file, or an ordinary one through torch.

Knows no file and no HTTP. Axes: N texts, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmus.config import json_value
from ulmus.evaluation.explanation import Explanation
from ulmus.evaluation.objectives import Objective
from ulmus.serve.runtime import Runtime

__all__ = ["Predictor"]

DIGITS = 6  # of probabilities


@dataclass(frozen=True)
class Predictor:
    """A model as functions of texts (str) or, if `pairs`, of tuples of two; classes are (C,)."""

    classes: tuple[Any, ...]
    objective: Objective
    pairs: bool
    outputs: Callable[[list[Any]], NDArray[np.float64]]  # N texts -> (N, C)
    labels_of: Callable[[NDArray[np.float64]], list[Any]]  # (N, C) -> N labels or numbers
    explain: Callable[[list[Any]], list[Explanation]]

    @classmethod
    def of(cls, model: Runtime) -> Predictor:
        """Of an exported model."""
        return cls(model.classes, model.objective, model.pairs, model.outputs, model.labels_of, model.explain)

    @property
    def task(self) -> str:
        """`single-label`, `multi-label` or `regression`."""
        return self.objective.name

    @property
    def names(self) -> list[str]:
        """The classes as text; none of numbers."""
        return [] if self.objective.numeric else [str(name) for name in self.classes]

    def rows(self, texts: Sequence[Any]) -> list[tuple[Any, list[float]]]:
        """The label of each text with the probability of each class; a number has none."""
        outputs = self.outputs(list(texts))
        shown = np.zeros((len(outputs), 0)) if self.objective.numeric else outputs
        return list(zip(self.labels_of(outputs), shown.tolist(), strict=True))

    def answer(self, label: Any, probabilities: Sequence[float]) -> dict[str, Any]:
        """A row as JSON values."""
        if self.objective.numeric:
            return {"prediction": round(float(label), DIGITS)}
        by_class = {name: round(value, DIGITS) for name, value in zip(self.names, probabilities, strict=True)}
        return {"label": json_value(label), "probabilities": by_class}

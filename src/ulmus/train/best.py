"""The best evaluation of a stage: its value, its weights, and the number of evaluations since.

Keeping the weights costs one more copy of the model, on its device and in each checkpoint.
Knows no loop: it receives values and says when to stop.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from ulmus.train.checkpoint import load_model, model_tensors

__all__ = ["Best"]


class Best:
    """Remembers the best value and, with `keep`, the weights that reached it."""

    def __init__(
        self, *, keep: bool = False, patience: int | None = None, higher_is_better: bool = False
    ) -> None:
        self.keep, self.patience, self.higher_is_better = keep, patience, higher_is_better
        self.value: float | None = None
        self.since = 0  # evaluations in a row that were no better
        self.weights: dict[str, Tensor] = {}

    def update(self, value: float, model: Any) -> bool:
        """Record one evaluation; True when it is the best so far. NaN is never better."""
        better = self.value is None or (value > self.value if self.higher_is_better else value < self.value)
        if not better or math.isnan(value):
            self.since += 1
            return False
        self.value, self.since = value, 0
        if self.keep:
            self.weights = {name: t.detach().clone() for name, t in model_tensors(model).items()}
        return True

    @property
    def stop(self) -> bool:
        """True when `patience` evaluations in a row were no better."""
        return self.patience is not None and self.since >= self.patience

    def restore(self, model: Any) -> bool:
        """Give the model its best weights; False when none were kept."""
        if self.weights:
            load_model(model, self.weights)
        return bool(self.weights)

"""The position of a run: the numbers that the loop updates, callbacks read and a checkpoint stores.

Losses are summed as tensors on the device and read on request only. Knows no model and no file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ulmus.train.protocol import Stage, Step

__all__ = ["RunState"]

SMOOTH = 0.98  # decay of the displayed loss per batch
SAVED = (
    "epoch", "step", "total_steps", "count", "total_count", "pct", "lr", "beta1", "elapsed_s", "epoch_done",
    "decay_from",
)  # fmt: skip


@dataclass
class RunState:
    """The position of the run. Numbers refer to the current stage or epoch."""

    stage: Stage
    stage_index: int
    stages: int
    epoch: int = 0  # epochs finished in this stage
    step: int = 0  # batches done in this epoch
    steps: int = 0  # number of batches of this epoch
    total_steps: int = 0  # batches done in this stage
    count: int = 0  # tokens or documents in this epoch
    total_count: int = 0  # tokens or documents in this stage
    pct: float = 0.0  # progress of the stage, 0 to 1
    lr: float = 0.0  # of the top layer group
    beta1: float = 0.0
    elapsed_s: float = 0.0  # seconds spent in this stage, including evaluations and interrupted runs
    epoch_done: bool = False  # all batches of the epoch are done, its evaluation is not
    decay_from: int | None = None  # batches done in this stage when its decay began
    nll_sum: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))  # of this epoch
    smooth: Tensor = field(default_factory=lambda: torch.zeros(()))

    def add(self, step: Step) -> None:
        """Add one step; nothing is read from the device."""
        nll = step.nll.detach()
        self.nll_sum.add_(nll, alpha=step.count)
        self.smooth.lerp_(nll.to(self.smooth.dtype), 1 - SMOOTH)
        self.count += step.count
        self.total_count += step.count
        self.step += 1
        self.total_steps += 1

    def start_epoch(self) -> None:
        """Reset the numbers of the epoch."""
        self.step, self.count, self.epoch_done = 0, 0, False
        self.nll_sum.zero_()

    def loss(self) -> float:
        """nll in nats over the last ~50 batches of the stage (waits for the device)."""
        return float(self.smooth) / (1 - SMOOTH ** max(self.total_steps, 1))

    def epoch_loss(self) -> float:
        """nll in nats of this epoch so far, weighted by count (waits for the device).

        If the time was up before its first batch: that of the last batches of the previous epoch.
        """
        return float(self.nll_sum) / self.count if self.count else self.loss()

    def to_dict(self) -> dict[str, Any]:
        """The position as plain JSON for a checkpoint; floats are exact."""
        kept = {name: getattr(self, name) for name in SAVED}
        return kept | {"nll_sum": float(self.nll_sum), "smooth": float(self.smooth)}

    def load_dict(self, saved: dict[str, Any]) -> None:
        """Restore the position that `to_dict` saved."""
        for name in SAVED:
            setattr(self, name, saved[name])
        self.nll_sum.fill_(saved["nll_sum"])
        self.smooth.fill_(saved["smooth"])

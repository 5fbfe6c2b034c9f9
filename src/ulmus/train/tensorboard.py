"""A training run as curves in TensorBoard: event files in a folder, one more for each stage that was run.

    <stage>/loss, lr, beta1     every few seconds, by optimizer step of the whole run
    <stage>/<column>            after each epoch: train_loss, and the scores on the validation set

Needs the extra `tensorboard`. Knows no model, no text.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ulmus.errors import MissingExtra
from ulmus.storage import storage_error
from ulmus.train.callbacks import Callback
from ulmus.train.state import RunState

__all__ = ["TensorBoard"]

_NOT_CURVES = {"epoch", "steps", "seen", "lr", "n", "seconds"}  # columns of the history


class TensorBoard(Callback):
    """Writes event files into `folder`. Raises MissingExtra; StorageError when the folder cannot be written."""

    def __init__(self, folder: str | Path, *, every_s: float = 5.0) -> None:
        try:
            import tensorboard  # noqa: F401
        except ImportError as error:
            raise MissingExtra.of("tensorboard", "tensorboard", "writing for TensorBoard") from error
        self.folder, self.every_s = Path(folder), every_s
        self._writer: Any = None
        self._written_s = 0.0
        self._before = 0  # steps of the stages that are over

    def stage_started(self, state: RunState) -> None:  # noqa: ARG002
        """Open an event file."""
        from torch.utils.tensorboard import SummaryWriter

        if self._writer is None:
            try:
                self._writer = SummaryWriter(self.folder)
            except OSError as error:
                raise storage_error(self.folder, error) from error

    def step_ended(self, state: RunState) -> None:
        """Write loss and rates every `every_s` seconds."""
        if time.monotonic() - self._written_s >= self.every_s:
            self._written_s = time.monotonic()
            self._write(state, {"loss": state.loss(), "lr": state.lr, "beta1": state.beta1})

    def epoch_ended(self, state: RunState, row: dict[str, Any]) -> None:
        """Write the numbers of the epoch's row of the history; its validation loss is called valid_loss."""
        numbers = {name: value for name, value in row.items() if isinstance(value, int | float)}
        curves = {"valid_loss" if name == "loss" else name: value for name, value in numbers.items()}
        self._write(state, {name: value for name, value in curves.items() if name not in _NOT_CURVES})

    def stage_ended(self, state: RunState) -> None:
        """The next stage goes on to the right of this one."""
        self._before += state.total_steps

    def run_ended(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, state: RunState, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{state.stage.name}/{name}", value, self._before + state.total_steps)

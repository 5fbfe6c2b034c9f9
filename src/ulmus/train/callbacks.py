"""Callbacks, which observe a training run: progress on stderr and a JSON-lines log.

A callback receives the `RunState` after each step and a row (dict) after each epoch; it does not change training.
`RunState.loss()` waits for the device, so callbacks call it every few seconds, not at each step.
Under torchrun only the first process has callbacks. Knows no model, no text.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from ulmus.storage import storage_error
from ulmus.terminal import Live, in_notebook
from ulmus.train.state import RunState

__all__ = ["Callback", "Curve", "JsonLog", "Progress", "RunState", "clock"]


class Callback:
    """Observes a run; override the methods you need."""

    def stage_started(self, state: RunState) -> None:
        """Before the first step of a stage, also of one that is resumed."""

    def step_ended(self, state: RunState) -> None:
        """After each step."""

    def epoch_ended(self, state: RunState, row: dict[str, Any]) -> None:
        """After each epoch and its evaluation; `row` is the epoch's row of the history."""

    def measure(self, outputs: Any, targets: Any) -> dict[str, float]:  # noqa: ARG002
        """Additional columns of the row, from the validation outputs (N, C) and targets (N,) or (N, C).

        Overriding this makes the loop collect both: for classifiers, not for language models.
        """
        return {}

    def stage_ended(self, state: RunState) -> None:
        """After the last epoch of a stage; `state.pct` is below 1 if it ended before its steps or minutes did."""

    def run_ended(self) -> None:
        """Once, also after an error or Ctrl-C."""


class Progress(Callback):
    """Loss, rate, speed and time left on stderr: a bar on a terminal, elsewhere a line every `every_s` seconds.

    In a notebook one output of the cell has a line for each epoch and, last, one that is updated. `unit` names what
    `Step.count` counts; for tokens the perplexity is shown too. `title` stands before each stage.
    """

    def __init__(
        self, *, unit: str = "tokens", every_s: float = 15.0, stream: TextIO | None = None, title: str = ""
    ) -> None:
        self._before = f"{title}, " if title else ""
        self.unit, self.every_s, self.stream = unit, every_s, stream
        self._bar: Any = None
        self._notebook: Live | None = None
        self._task: Any = None
        self._shown_s = 0.0
        self._mark = (0.0, 0)  # seconds and count of the stage when last shown

    def stage_started(self, state: RunState) -> None:
        """Open the stage's bar, or report the step at which it resumes."""
        self._mark, self._shown_s = (state.elapsed_s, state.total_count), time.monotonic()
        out = self.stream or sys.stderr
        if self.stream is None and self._notebook is None and in_notebook() is not None:
            self._notebook = Live()
        if self._notebook is None and out.isatty() and self._bar is None:
            self._bar = _bar(out)
            self._bar.start()
        name = f"{self._before}{state.stage.name} {state.stage_index + 1}/{state.stages}"
        if self._bar is not None:
            self._task = self._bar.add_task(name, total=1.0, completed=state.pct, told="")
        elif state.total_steps:
            self._line(f"{name}: resuming at step {state.total_steps:,}")

    def step_ended(self, state: RunState) -> None:
        """Update the bar twice a second on a terminal; elsewhere write a line every `every_s` seconds."""
        in_place = self._bar is not None or self._notebook is not None
        if time.monotonic() - self._shown_s < (0.5 if in_place else self.every_s):
            return
        self._shown_s = time.monotonic()
        told = f"{self._loss(state.loss())}  lr {state.lr:.1e}  {self._speed(state)}"
        if self._bar is not None:
            self._bar.update(self._task, completed=state.pct, told=told)
            return
        left_s = state.elapsed_s * (1 - state.pct) / max(state.pct, 1e-9)
        # with a time budget a stage usually ends before its last epoch
        of = f"/{state.stage.epochs}" if state.stage.minutes is None else ""
        where = f"epoch {state.epoch + 1}{of} step {state.step:,}/{state.steps:,}"
        line = f"{self._before}{state.stage.name} {where} {state.pct:.0%}  {told}  {clock(left_s)} left"
        (self._line if self._notebook is None else self._notebook.show)(line)

    def epoch_ended(self, state: RunState, row: dict[str, Any]) -> None:
        """Write one permanent line per epoch."""
        columns = [f"train {self._loss(row['train_loss'])}"]
        if "loss" in row:
            columns.append(f"valid {self._loss(row['loss'])}")
        known = {"stage", "epoch", "steps", "seen", "train_loss", "loss", "lr", "n", "seconds"}
        columns += [f"{name} {value:.4f}" for name, value in row.items() if name not in known]
        self._mark = (state.elapsed_s, state.total_count)
        name = f"{self._before}{state.stage.name}"
        self._line(f"{name} epoch {row['epoch']}  {'  '.join(columns)}  {clock(row['seconds'])}")

    def stage_ended(self, state: RunState) -> None:
        """Report how much of the stage was done if its time budget ended it."""
        planned = state.steps * state.stage.epochs
        if state.pct >= 1 and state.total_steps < planned:
            steps = f"{state.total_steps:,} of {planned:,} steps ({state.total_steps / planned:.0%})"
            self._line(f"{self._before}{state.stage.name}: time budget used up after {steps}")

    def run_ended(self) -> None:
        """Remove the bar from the terminal, the line that is updated from a notebook."""
        if self._notebook is not None:
            self._notebook.end()
            self._notebook = None
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _loss(self, loss: float) -> str:
        return f"loss {loss:.3f}" + (
            f" (ppl {math.exp(min(loss, 30.0)):,.1f})" if self.unit == "tokens" else ""
        )

    def _speed(self, state: RunState) -> str:
        """Units per second since the last call."""
        seconds, count = self._mark
        self._mark = (state.elapsed_s, state.total_count)
        rate = (state.total_count - count) / max(state.elapsed_s - seconds, 1e-9)
        return f"{rate:,.0f} {self.unit}/s" if rate >= 10 else f"{rate:.1f} {self.unit}/s"

    def _line(self, text: str) -> None:
        if self._notebook is not None:
            self._notebook.keep(text)
            return
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
            return
        out = self.stream or sys.stderr
        out.write(f"{text}\n")
        out.flush()


def _bar(out: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[told]}"), TimeRemainingColumn(elapsed_when_finished=True),
    )  # fmt: skip
    return Bar(*columns, console=Console(file=out), transient=True)


def clock(seconds: float) -> str:
    """125.4 -> 2:05"""
    minutes, rest = divmod(round(min(seconds, 3.6e6)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Curve(Callback):
    """Loss and learning rate along a whole run, thinned as it grows, in `rows`: stage, step of the run, loss, lr."""

    def __init__(self, *, most: int = 400) -> None:
        self.rows: list[dict[str, Any]] = []
        self._most, self._every, self._steps = most, 1, 0

    def step_ended(self, state: RunState) -> None:
        """Keep every step, then every second one, every fourth, ..."""
        self._steps += 1
        if self._steps % self._every:
            return
        row = {"stage": state.stage.name, "step": self._steps, "loss": state.loss(), "lr": state.lr}
        self.rows.append(row)
        if len(self.rows) > self._most:
            self.rows = self.rows[1::2]
            self._every *= 2


class JsonLog(Callback):
    """One JSON object per line and event (stage, step, epoch); a resumed run appends to the same file.

    Raises StorageError when the file cannot be written.
    """

    def __init__(self, path: str | Path, *, every_s: float = 10.0) -> None:
        self.path, self.every_s = Path(path), every_s
        self._written_s = 0.0

    def stage_started(self, state: RunState) -> None:
        """Log the stage and the step at which it starts or resumes."""
        self._write({"event": "stage", "stage": state.stage.name, "step": state.total_steps})

    def step_ended(self, state: RunState) -> None:
        """Log loss and learning rate every `every_s` seconds."""
        if time.monotonic() - self._written_s < self.every_s:
            return
        self._written_s = time.monotonic()
        event = {
            "event": "step",
            "stage": state.stage.name,
            "epoch": state.epoch + 1,
            "step": state.total_steps,
        }
        event |= {"pct": state.pct, "loss": state.loss(), "lr": state.lr, "beta1": state.beta1}
        self._write({**event, "count": state.total_count, "seconds": state.elapsed_s})

    def epoch_ended(self, state: RunState, row: dict[str, Any]) -> None:  # noqa: ARG002
        """Log the epoch's row of the history."""
        self._write({"event": "epoch", **row})

    def _write(self, event: dict[str, Any]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"time": time.time(), **event}) + "\n")
        except OSError as error:
            raise storage_error(self.path, error) from error

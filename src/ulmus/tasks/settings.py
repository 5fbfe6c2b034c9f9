"""How a run computes: seed, device, precision, minutes, work folder, callbacks. One frozen value for every task.

Knows no text and no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulmus.config import check_seed
from ulmus.errors import ConfigError
from ulmus.tasks.progress import tell, watchers
from ulmus.train.callbacks import Callback
from ulmus.train.loop import LoopConfig

__all__ = ["RunSettings", "check_minutes"]


@dataclass(frozen=True)
class RunSettings:
    """What all trainings of one run share; none of it changes what is learnt but `seed` and `precision`."""

    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    minutes: float | None = None  # time budget; None: no limit
    folder: Path | None = None  # of ids and checkpoints
    callbacks: tuple[Callback, ...] = ()
    verbose: bool = False

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_minutes(self.minutes)

    def say(self, text: str) -> None:
        """A line for people, on stderr, unless the run is quiet."""
        if self.verbose:
            tell(text)

    def watching(self, unit: str) -> list[Callback]:
        """The run's callbacks, progress in `unit`s (tokens or documents), and a log in the work folder."""
        return [*self.callbacks, *watchers(self.folder, verbose=self.verbose, unit=unit)]

    def loop(self, **choices: Any) -> LoopConfig:
        """The settings of the training loop; `choices` are those that a task makes (clip, optimizer, ...)."""
        return LoopConfig(seed=self.seed, device=self.device, precision=self.precision, **choices)


def work_folder(folder: str | Path | None) -> Path | None:
    """The folder as a path, made where it is not there yet."""
    if folder is None:
        return None
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder)


def check_minutes(minutes: float | None) -> None:
    """Raise ConfigError for a time budget that is none."""
    if minutes is not None and not minutes > 0:
        raise ConfigError(f"minutes: expected a number above 0, or None for no limit, got {minutes}.")

"""How a run is executed: seed, device, precision, minutes, work folder, callbacks. One frozen value for every task.

Knows no text and no model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulmus.config import check_seed
from ulmus.errors import ConfigError
from ulmus.tasks.progress import default_callbacks, tell
from ulmus.train.callbacks import Callback
from ulmus.train.loop import LoopConfig
from ulmus.train.processes import processes

__all__ = ["RunSettings", "check_minutes"]


@dataclass(frozen=True)
class RunSettings:
    """Settings shared by all trainings of a run.

    Only `seed`, `precision`, `minutes` and `lm_tokens` affect what is learnt.

    Raises ConfigError: a seed or a time budget out of range.
    """

    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    minutes: float | None = None  # time budget; None: no limit
    # tokens that a language model trains on if there is no time budget; of more texts some are drawn
    lm_tokens: float = math.inf
    folder: Path | None = None  # work folder for ids and checkpoints
    callbacks: tuple[Callback, ...] = ()
    verbose: bool = False
    title: str = ""  # of a part of the run, for its progress

    @classmethod
    def of(cls, model: Any) -> RunSettings:
        """The settings of a model that has them as attributes. Raises ConfigError for values out of range."""
        return cls(
            seed=model.seed,
            device=model.device,
            precision=model.precision,
            minutes=model.minutes,
            folder=work_folder(model.work_dir),
            callbacks=tuple(model.callbacks),
            verbose=model.verbose,
        )

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_minutes(self.minutes)

    def say(self, text: str) -> None:
        """Print a line on stderr, unless the run is quiet."""
        if self.verbose and processes().first:
            tell(text)

    def all_callbacks(self, unit: str) -> list[Callback]:
        """The run's own callbacks, progress in `unit`s (tokens or documents), and a log in the work folder."""
        return [*self.callbacks, *self._shown(unit)]

    def _shown(self, unit: str) -> list[Callback]:
        return default_callbacks(self.folder, verbose=self.verbose, unit=unit, title=self.title)

    def loop(self, **choices: Any) -> LoopConfig:
        """The settings of the training loop; `choices` are those that a task adds (clip, optimizer, ...).

        Raises ConfigError: a value out of range.
        """
        return LoopConfig(seed=self.seed, device=self.device, precision=self.precision, **choices)


def work_folder(folder: str | Path | None) -> Path | None:
    """The folder as a path, created if it does not exist."""
    if folder is None:
        return None
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder)


def check_minutes(minutes: float | None) -> None:
    """Raise ConfigError unless the time budget is None or above 0."""
    if minutes is not None and not minutes > 0:
        raise ConfigError(f"minutes: expected a number greater than 0, or None for no limit, got {minutes}.")

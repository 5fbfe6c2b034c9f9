"""How the minutes of a `fit` are shared out. Knows no text, no label and no layer."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

__all__ = ["Budget", "TRAIN"]

LM_SHARE = 0.45  # of a time budget
READ = 5e10  # weights times tokens that one CPU core reads in a second
TRAIN = 3.0  # times as long as reading, for one pass forth and back


@dataclass(frozen=True)
class Spare:
    """Minutes of the classifier's stages; None where there is no budget."""

    teach: float | None = None
    labels: float | None = None
    back: float | None = None


class Budget:
    """A number of minutes that began when this was made; None: no limit."""

    def __init__(self, minutes: float | None) -> None:
        self.minutes = minutes
        self._started = time.perf_counter()

    def spent(self) -> float:
        """Minutes since the start."""
        return (time.perf_counter() - self._started) / 60

    def left(self) -> float | None:
        """Minutes left, at least a few seconds."""
        return None if self.minutes is None else max(self.minutes - self.spent(), 0.05)

    def language_model(self) -> float | None:
        """Minutes for the language model."""
        left = self.left()
        return None if left is None else left * LM_SHARE

    def tokens(self, share: float, weights: int) -> float:
        """Tokens that layers of so many weights read in a share of all minutes; no end without a budget.

        An estimate that is the same in every run, so that a stopped one goes on with what it began.
        """
        return math.inf if self.minutes is None else share * self.minutes * 60 * READ / weights

    def share(self, taught: bool) -> Spare:
        """What is left, shared among the stages (a tenth is kept for measuring)."""
        left = self.left()
        if left is None:
            return Spare()
        return Spare(0.3 * left, 0.08 * left, 0.5 * left) if taught else Spare(None, 0.8 * left, 0.1 * left)

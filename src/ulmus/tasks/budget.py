"""A time budget, and the one table of what shares of it go where. Knows no text, no label and no layer."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

__all__ = ["SHARES", "TRAIN", "Budget", "Shares"]

READ = 5e10  # weights times tokens that one CPU core reads in a second
TRAIN = 3.0  # times as long as reading, for one pass forth and back
LEAST = 0.05  # minutes that a step gets where nothing is left


@dataclass(frozen=True)
class Shares:
    """Shares of a time budget; what is not given away is for measuring."""

    # of what is left when the language model starts
    language_model: float = 0.45
    new_words: float = 0.1  # of the minutes of fine-tuning: the rows of the vocabulary alone
    # of all minutes, as tokens that are read: they decide what is read, so that a stopped run resumes what it began
    first_look: float = 0.1  # features of documents that are read once
    teaching_tokens: float = 0.2
    teaching_again_tokens: float = 0.27
    labels_tokens: float = 0.4  # without teaching
    # of what is left when training begins: with teaching, and without
    teaching: float = 0.3
    taught_labels: float = 0.08
    teaching_again: float = 0.5
    labels: float = 0.8
    all_labels: float = 0.1
    # of the minutes of training on true labels: head, head and top layer, all layers
    unfreezing: tuple[float, float, float] = (0.1, 0.2, 0.7)


SHARES = Shares()


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
        return None if self.minutes is None else max(self.minutes - self.spent(), LEAST)

    def of_left(self, share: float) -> float | None:
        """A share of the minutes that are left."""
        left = self.left()
        return None if left is None else share * left

    def tokens(self, share: float, weights: int) -> float:
        """Tokens that layers of so many weights read in a share of all minutes; no end without a budget.

        An estimate that is the same in every run, so that a stopped one resumes what it began.
        """
        return math.inf if self.minutes is None else share * self.minutes * 60 * READ / weights

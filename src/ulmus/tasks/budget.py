"""A time budget, and the one table of how it is divided. Knows no text, no label and no layer."""

from __future__ import annotations

from dataclasses import dataclass

from ulmus.train.processes import processes

__all__ = ["SHARES", "TRAINING_COST", "Budget", "Shares"]

FORWARD_RATE = 5e10  # weights times tokens per second of a forward pass on one CPU core
TRAINING_COST = 3.0  # forward and backward pass together, in forward passes
DEFAULT_MINUTES = 10.0  # what a run is planned for that is given none; the clock does not limit it then
MIN_MINUTES = 0.05  # what a step gets when no time is left


@dataclass(frozen=True)
class Shares:
    """Shares of a time budget; the rest is for evaluation."""

    # of the time left when the language model starts
    language_model: float = 0.45
    new_words: float = 0.1  # of fine-tuning: the stage that trains the vocabulary's rows alone
    new_head: float = 0.2  # of adapting a transformer: the stage that trains a new head alone
    # of all minutes, as tokens: the choice of documents must not depend on the clock, so that a run can resume
    head_features: float = 0.1  # one forward pass, for the features that the head starts from
    teaching_tokens: float = 0.2
    second_teaching_tokens: float = 0.27
    labels_tokens: float = 0.4  # without teaching
    trial_tokens: float = 0.4  # cross-validation of fine-tuning
    # of the time left when training begins: with teaching, and without
    teaching: float = 0.3
    taught_labels: float = 0.08
    labels_before_teaching: float = 0.3
    trial: float = 0.4  # cross-validation of fine-tuning
    tuning: float = 0.65  # the rest is for learning the held-out labels
    tuning_alone: float = 0.9  # with so many labels that the held-out ones are not missed
    rest: float = 0.8
    second_teaching: float = 0.5
    labels: float = 0.8
    all_labels: float = 0.1
    # of training on true labels: head, head and top layer, all layers
    unfreezing: tuple[float, float, float] = (0.1, 0.2, 0.7)
    tagging: tuple[float, float, float] = (0.25, 0.15, 0.6)  # the head of a tagger is larger


SHARES = Shares()


class Budget:
    """A time budget in minutes that starts when the object is created; None: no limit.

    planned: minutes that the amounts of text are chosen for, if the clock sets no limit.
    by_clock: minutes that the clock allows, if these are not the same: those of a part of a run depend on the parts
    before it, what is derived from `minutes` must not.
    """

    def __init__(
        self, minutes: float | None, *, planned: float = DEFAULT_MINUTES, by_clock: float | None = None
    ) -> None:
        self.minutes, self.planned = minutes, planned if minutes is None else minutes
        self._limit = minutes if by_clock is None else by_clock
        self._started = processes().time_s()

    def spent(self) -> float:
        """Minutes since the start; of several processes, on the clock of the first."""
        return (processes().time_s() - self._started) / 60

    def left(self) -> float | None:
        """Minutes left, at least `MIN_MINUTES`; None: no limit."""
        return None if self._limit is None else max(self._limit - self.spent(), MIN_MINUTES)

    def part(self, nth: int, parts: int, *, whole: bool = False) -> Budget:
        """The budget of the `nth` (from 0) of so many equal parts of a run: an equal share of the minutes left.

        Its `minutes` are an equal share of all minutes too, or all of them if it is to be planned as a `whole` run.
        """
        if self.minutes is None:
            return Budget(None, planned=self.planned if whole else self.planned / parts)
        return Budget(
            self.minutes if whole else self.minutes / parts, by_clock=self.of_left(1 / (parts - nth))
        )

    def of_left(self, share: float) -> float | None:
        """A share of the minutes left; None: no limit."""
        left = self.left()
        return None if left is None else share * left

    def tokens(self, share: float, weights: int) -> float:
        """Tokens that layers with so many weights process on one core in a share of all minutes, of those planned for.

        The estimate is the same in every run, so that a stopped run can resume.
        """
        return share * self.planned * 60 * FORWARD_RATE / max(weights, 1)

    def minutes_for(self, tokens: float, weights: int) -> float:
        """The inverse of `tokens`: minutes in which layers with so many weights process them."""
        return tokens * weights / FORWARD_RATE / 60

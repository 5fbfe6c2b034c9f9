"""Learning rate and momentum as pure functions of progress: `pct` in [0, 1] -> value.

Progress is a fraction of the stage, not a step number, so the same schedule works for a number of epochs and for a
number of minutes. `Schedule` is the frozen, TOML-friendly description that a stage holds; it gives the rate of the top
layer group (`optim.group_scales` derives those of the lower ones). A run whose length is not known in advance uses
`constant` after a warm-up, which counts steps, and ends with `cooldown` from any checkpoint.
Costs nothing. Knows no optimizer, no clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ulmus.errors import ConfigError

__all__ = [
    "Schedule",
    "constant",
    "cooldown",
    "cosine",
    "flat_cosine",
    "one_cycle",
    "one_cycle_beta1",
    "slanted_triangular",
]

_TURNS = {"one_cycle": 0.25, "slanted_triangular": 0.1, "flat_cosine": 0.75, "constant": 1.0}


def cosine(pct: float, start: float, end: float) -> float:
    """Half a cosine wave from `start` at pct 0 to `end` at pct 1."""
    return end + (start - end) * (1 + math.cos(math.pi * pct)) / 2


def constant(pct: float, peak: float) -> float:  # noqa: ARG001
    """`peak` at every `pct`."""
    return peak


def cooldown(pct: float) -> float:
    """Factor on the rate: 1 at pct 0, falling steeply and then slowly to 0 at pct 1 (Hägele et al. 2024)."""
    return 1 - math.sqrt(pct)


def one_cycle(
    pct: float, peak: float, *, turn: float = 0.25, div: float = 25.0, final_div: float = 1e5
) -> float:
    """Cosine from peak/div up to peak at `turn`, then cosine to peak/final_div (Smith 2018, section 5)."""
    if pct < turn:
        return cosine(pct / turn, peak / div, peak)
    return cosine(_after(pct, turn), peak, peak / final_div)


def one_cycle_beta1(pct: float, high: float, low: float, *, turn: float = 0.25) -> float:
    """Momentum opposite to `one_cycle`: `high` at both ends, `low` at its peak (Smith 2018, section 5)."""
    if pct < turn:
        return cosine(pct / turn, high, low)
    return cosine(_after(pct, turn), low, high)


def slanted_triangular(pct: float, peak: float, *, turn: float = 0.1, ratio: float = 32.0) -> float:
    """Linear from peak/ratio up to peak at `turn`, and back down (Howard & Ruder 2018, equation 3)."""
    p = pct / turn if pct < turn else 1 - _after(pct, turn)
    return peak * (1 + p * (ratio - 1)) / ratio


def flat_cosine(pct: float, peak: float, *, turn: float = 0.75, final_div: float = 1e5) -> float:
    """`peak` until `turn`, then cosine down to peak/final_div."""
    return peak if pct < turn else cosine(_after(pct, turn), peak, peak / final_div)


def _after(pct: float, turn: float) -> float:
    """The fraction of the way from `turn` to the end; 1 when `turn` is the end."""
    return (pct - turn) / (1 - turn) if turn < 1 else 1.0


@dataclass(frozen=True)
class Schedule:
    """One stage's learning rate and momentum; call it with progress in [0, 1] (values outside are clamped).

    Raises ConfigError for an invalid field (unknown name, turn outside [0, 1], a rate that is not positive).
    """

    name: str = "one_cycle"  # one_cycle | slanted_triangular | flat_cosine | constant
    peak: float = 1e-2  # highest learning rate of the top layer group
    turn: float | None = (
        None  # fraction of the stage before the rate falls; None = the default of the schedule
    )
    div: float = 25.0  # one_cycle begins at peak / div
    final_div: float = 1e5  # one_cycle and flat_cosine end at peak / final_div
    ratio: float = 32.0  # slanted_triangular begins and ends at peak / ratio
    warmup_steps: int = 0  # optimizer steps of an additional linear warm-up from 0
    # AdamW beta1 at both ends of one_cycle; the other schedules use the mean of high and low
    beta1_high: float = 0.95
    beta1_low: float = 0.85  # AdamW beta1 at the peak of one_cycle

    def __post_init__(self) -> None:
        if self.name not in _TURNS:
            raise ConfigError(f"schedule: expected one of {', '.join(_TURNS)}, got {self.name!r}.")
        if self.turn is not None and not 0 <= self.turn <= 1:
            raise ConfigError(f"schedule: turn must be a fraction of the stage, 0 to 1, got {self.turn}.")
        if self.warmup_steps < 0:
            raise ConfigError(f"schedule: warmup_steps must be at least 0, got {self.warmup_steps}.")
        for field in ("peak", "div", "final_div", "ratio"):
            if not getattr(self, field) > 0:
                raise ConfigError(f"schedule: {field} must be above 0, got {getattr(self, field)}.")
        if not 0 <= self.beta1_low <= self.beta1_high < 1:
            low, high = self.beta1_low, self.beta1_high
            raise ConfigError(f"schedule: expected 0 <= beta1_low <= beta1_high < 1, got {low}, {high}.")

    def __call__(self, pct: float) -> float:
        """The learning rate of the top layer group at progress `pct`."""
        pct, turn = min(max(pct, 0.0), 1.0), self._turn
        if self.name == "one_cycle":
            return one_cycle(pct, self.peak, turn=turn, div=self.div, final_div=self.final_div)
        if self.name == "slanted_triangular":
            return slanted_triangular(pct, self.peak, turn=turn, ratio=self.ratio)
        if self.name == "flat_cosine":
            return flat_cosine(pct, self.peak, turn=turn, final_div=self.final_div)
        return constant(pct, self.peak)

    def warmup(self, step: int) -> float:
        """Warm-up factor, 0 to 1, on the rate of step `step`, counted from 0."""
        return min(1.0, (step + 1) / max(self.warmup_steps, 1))

    def momentum(self, pct: float) -> float:
        """AdamW's beta1 at progress `pct`: opposite to the rate in one_cycle, otherwise constant in the middle."""
        if self.name != "one_cycle":
            return (self.beta1_high + self.beta1_low) / 2
        return one_cycle_beta1(min(max(pct, 0.0), 1.0), self.beta1_high, self.beta1_low, turn=self._turn)

    @property
    def _turn(self) -> float:
        return _TURNS[self.name] if self.turn is None else self.turn

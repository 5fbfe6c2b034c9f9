"""Have texts changed? Summaries of the texts of a training beside those of new texts, and how sure a difference is.

A summary is a mean, a standard deviation and a number of texts: a model file holds nothing else of its texts for this.
Differences of means have the 95 % interval of Welch (1947), differences of shares that of Newcombe (1998, method 10).
A difference is clear if it is three standard errors from 0 (many are looked at: 95 % would raise false alarms) and at
least a fifth of a standard deviation (Cohen 1988: small) or, of shares, two points: with thousands of texts every
difference is certain, and few matter.
Knows no text and no model. Axes: N texts, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulmus.evaluation.metrics import Interval
from ulmus.evaluation.per_class import wilson

__all__ = ["ClassShift", "Drift", "Shift", "Summary", "class_shifts", "shift", "summary"]

LEAST, LEAST_SHARE = 0.2, 0.02  # standard deviations, and a share, from which on a difference matters
Z, SURE = 1.96, 3.0  # standard errors: of an interval, and from which on a difference is sure


class Summary(NamedTuple):
    """Mean and standard deviation of a number that each of n texts has."""

    mean: float
    sd: float
    n: int

    @classmethod
    def restore(cls, stored: Mapping[str, Any]) -> Summary:
        """The inverse of `_asdict`. Raises KeyError, TypeError, ValueError: missing or impossible entries."""
        made = cls(float(stored["mean"]), float(stored["sd"]), int(stored["n"]))
        if not (math.isfinite(made.mean) and made.sd >= 0 and made.n > 0):
            raise ValueError(f"impossible summary: {stored}")
        return made


class Shift(NamedTuple):
    """A summary of the texts of the training and that of new ones."""

    name: str
    before: Summary
    now: Summary
    gap: Interval  # now less before
    clear: bool


class ClassShift(NamedTuple):
    """The share of a class, 0..1, among the predictions for texts of the training's kind and for new ones."""

    label: Any
    before: float
    now: float
    gap: Interval
    clear: bool


@dataclass(frozen=True)
class Drift:
    """How new texts differ from those of the training."""

    texts: int
    shifts: tuple[Shift, ...]
    classes: tuple[ClassShift, ...] = ()  # the largest difference first
    compared: str = ""  # sentence: what the classes are compared with

    @property
    def clear(self) -> tuple[str, ...]:
        """Names of what has clearly changed; a class is named by its label."""
        found = [one.name for one in self.shifts if one.clear]
        return (*found, *(f"share of {one.label}" for one in self.classes if one.clear))

    @property
    def verdict(self) -> str:
        """One sentence."""
        if not self.clear:
            return f"Nothing has clearly changed in {self.texts:,} texts."
        more = f" and {len(self.clear) - 8:,} more" if len(self.clear) > 8 else ""
        return f"Clearly changed in {self.texts:,} texts: {', '.join(self.clear[:8])}{more}."

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "texts": self.texts,
            "shifts": {
                one.name: {"before": one.before._asdict(), "now": one.now._asdict()}
                | asdict(one.gap)
                | {"clear": one.clear}
                for one in self.shifts
            },
            "classes": {
                str(one.label): {"before": one.before, "now": one.now}
                | asdict(one.gap)
                | {"clear": one.clear}
                for one in self.classes
            },
            "compared": self.compared,
            "clear": list(self.clear),
            "verdict": self.verdict,
        }


def summary(values: NDArray[np.float64]) -> Summary:
    """The summary of a number for each of N texts, (N,); N is 1 at least."""
    return Summary(float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0, len(values))


def shift(name: str, before: Summary, now: Summary) -> Shift:
    """The difference of two means, with its interval."""
    difference = now.mean - before.mean
    error = Z * math.sqrt(
        before.sd**2 / before.n + max(now.sd, before.sd if now.n == 1 else 0.0) ** 2 / now.n
    )
    gap = Interval(difference, difference - error, difference + error)
    clear = _sure(gap) and abs(difference) >= LEAST * before.sd
    return Shift(name, before, now, gap, clear)


def class_shifts(
    labels: Sequence[Any], before: NDArray[np.int64], now: NDArray[np.int64], *, texts: tuple[int, int]
) -> tuple[ClassShift, ...]:
    """The difference of the share of each class, with its interval; the largest first.

    `before` and `now` are numbers of texts with each class, (C,), out of so many `texts` before and now, 1 at least.
    """
    made = []
    for label, count, new in zip(labels, before.tolist(), now.tolist(), strict=True):
        first, second = count / texts[0], new / texts[1]
        (low1, high1), (low2, high2) = wilson(first, texts[0]), wilson(second, texts[1])
        gap = Interval(
            second - first,
            second - first - math.hypot(second - low2, high1 - first),
            second - first + math.hypot(high2 - second, first - low1),
        )
        clear = _sure(gap) and abs(gap.difference) >= LEAST_SHARE
        made.append(ClassShift(label, first, second, gap, clear))
    return tuple(sorted(made, key=lambda one: -abs(one.gap.difference)))


def _sure(gap: Interval) -> bool:
    """Whether the difference is three standard errors from 0, on the side of its interval that is nearer to 0."""
    towards = gap.difference - gap.low if gap.difference > 0 else gap.high - gap.difference
    return abs(gap.difference) > SURE / Z * towards

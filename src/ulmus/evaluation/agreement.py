"""Whether a score that was claimed and one that was measured agree, each of which has its own uncertainty.

How: the interval of each score (Wilson 1927 for a share, Fisher 1921 for a correlation) gives that of their difference
(Newcombe 1998, method 10; Zou 2007). The documents of both are taken as different ones. Knows no model.
"""

from __future__ import annotations

import math

from ulmus.evaluation.metrics import Interval
from ulmus.evaluation.per_class import wilson

__all__ = ["difference", "interval"]

Score = tuple[float, int]  # value, documents
Z = 1.96


def difference(claimed: Score, measured: Score, *, correlation: bool = False) -> Interval:
    """By how much the measured score is higher, with its 95 % confidence interval.

    A score is an accuracy, 0..1, or a `correlation`, -1..1, and its number of documents.
    """
    (a, low_a, high_a), (b, low_b, high_b) = (
        (value, *interval(value, n, correlation=correlation)) for value, n in (claimed, measured)
    )
    return Interval(
        b - a, b - a - math.hypot(b - low_b, high_a - a), b - a + math.hypot(high_b - b, a - low_a)
    )


def interval(value: float, n: int, *, correlation: bool = False) -> tuple[float, float]:
    """The 95 % confidence interval of an accuracy or a correlation on n documents."""
    if not correlation:
        return wilson(value, n)
    if n < 4:
        return -1.0, 1.0
    z = math.atanh(min(max(value, -1 + 1e-12), 1 - 1e-12))
    width = Z / math.sqrt(n - 3)
    return math.tanh(z - width), math.tanh(z + width)

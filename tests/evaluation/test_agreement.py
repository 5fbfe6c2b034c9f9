"""Differences of two scores, each with its own uncertainty."""

from __future__ import annotations

import pytest

from ulmus.evaluation.agreement import difference, interval


def test_the_interval_of_a_difference_of_shares_is_newcombes() -> None:
    """The example of Newcombe 1998, table II (a): 56/70 and 48/80, by method 10."""
    gap = difference((48 / 80, 80), (56 / 70, 70))
    assert (gap.difference, gap.low, gap.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_more_documents_give_a_narrower_interval_around_the_difference() -> None:
    """For accuracies and correlations, also at their ends."""
    for correlation in (False, True):
        for claimed, measured in ((0.8, 0.7), (1.0, 0.0), (0.5, 1.0)):
            few, many = (
                difference((claimed, n), (measured, n), correlation=correlation) for n in (50, 5_000)
            )
            for gap in (few, many):
                assert gap.low <= gap.difference <= gap.high
            assert many.high - many.low < few.high - few.low


def test_a_correlation_of_very_few_documents_says_nothing() -> None:
    """Its interval is all there is."""
    assert interval(0.9, 3, correlation=True) == (-1.0, 1.0)
    assert interval(0.5, 28, correlation=True) == pytest.approx((0.1560, 0.7358), abs=1e-3)

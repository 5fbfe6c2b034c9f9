"""Differences between the texts of a training and new ones."""

from __future__ import annotations

import numpy as np
import pytest

from ulmus.evaluation.drift import Drift, Summary, class_shifts, shift, summary


def test_equal_texts_have_not_changed() -> None:
    """Two samples of one kind differ by chance, which the interval covers."""
    rng = np.random.default_rng(0)
    one, other = (summary(rng.normal(3, 1, 500)) for _ in range(2))
    found = shift("length", one, other)
    assert not found.clear
    assert found.gap.low < 0 < found.gap.high


def test_a_difference_must_be_sure_and_matter() -> None:
    """A tiny difference is certain with very many texts, and a large one is not with few; 95 % is not enough."""
    assert not shift("x", Summary(0.0, 1.0, 10**7), Summary(0.01, 1.0, 10**7)).clear
    assert not shift("x", Summary(0.0, 1.0, 3), Summary(1.0, 1.0, 3)).clear
    assert shift("x", Summary(0.0, 1.0, 1000), Summary(1.0, 1.0, 1000)).clear
    assert not shift("x", Summary(0.0, 1.0, 50), Summary(0.5, 1.0, 50)).clear
    assert not any(one.clear for one in class_shifts("ab", np.zeros(2, int), np.zeros(2, int), texts=(9, 9)))


def test_a_single_new_text_is_as_uncertain_as_any_other() -> None:
    """Its standard deviation is that of the training."""
    found = shift("x", Summary(0.0, 1.0, 1000), summary(np.array([1.0])))
    assert found.gap.low == pytest.approx(1 - 1.96, abs=0.01)


def test_the_largest_difference_of_a_class_comes_first() -> None:
    """With the interval of a difference of two shares: section 10 of Newcombe 1998, its example (a)."""
    (found,) = class_shifts(["a"], np.array([48]), np.array([56]), texts=(80, 70))
    assert found.gap.difference == pytest.approx(0.2)
    assert (found.gap.low, found.gap.high) == (
        pytest.approx(0.0524, abs=2e-4),
        pytest.approx(0.3339, abs=2e-4),
    )
    ordered = class_shifts(["a", "b"], np.array([50, 50]), np.array([51, 90]), texts=(100, 100))
    assert [one.label for one in ordered] == ["b", "a"]


def test_the_verdict_names_what_has_changed() -> None:
    """Or says that nothing has."""
    same = shift("x", Summary(0.0, 1.0, 99), Summary(0.0, 1.0, 99))
    assert Drift(99, (same,)).verdict == "Nothing has clearly changed in 99 texts."
    other = shift("unknown words", Summary(0.0, 1.0, 99), Summary(5.0, 1.0, 99))
    found = Drift(99, (same, other))
    assert "unknown words" in found.verdict
    assert found.to_dict()["clear"] == ["unknown words"]


@pytest.mark.parametrize(
    "stored", [{}, {"mean": 1, "sd": -1, "n": 3}, {"mean": float("nan"), "sd": 1, "n": 3}]
)
def test_an_impossible_summary_is_refused(stored: dict[str, float]) -> None:
    """A model file may come from anywhere."""
    with pytest.raises((KeyError, ValueError)):
        Summary.restore(stored)

"""Metrics against hand-made numbers and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmus.errors import DataError
from ulmus.evaluation.metrics import (
    accuracy,
    bits_per_char,
    calibration_error,
    correct,
    log_loss,
    macro_f1,
    micro_f1,
    paired_bootstrap,
    perplexity,
)

BITS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=60)


def test_one_label_that_may_be_absent_is_a_yes_no_question() -> None:
    """A column by itself: F1 is that of yes, 2 right of 10 given is 2 * 2 / (10 + 2)."""
    truth, guess = [[0]] * 8 + [[1]] * 2, [[1]] * 10
    assert micro_f1(truth, guess) == macro_f1(truth, guess) == pytest.approx(1 / 3)


def test_accuracy_counts_documents() -> None:
    """One label: equal class numbers. Several labels: a document is right when all of its labels are."""
    assert accuracy([0, 1, 2, 1], [0, 1, 1, 1]) == 0.75
    assert correct([[1, 0], [1, 1]], [[1, 0], [1, 0]]).tolist() == [True, False]
    assert accuracy(["a", "b"], ["a", "a"]) == 0.5


def test_f1_of_hand_made_decisions() -> None:
    """Macro F1 is the mean of the classes' F1; micro F1 counts all decisions together."""
    target, predicted = [[1, 0], [1, 1], [0, 1], [0, 0]], [[1, 0], [0, 1], [0, 1], [0, 1]]
    assert macro_f1(target, predicted) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert micro_f1(target, predicted) == pytest.approx(6 / 8)
    assert micro_f1([0, 1, 2, 1], [0, 1, 1, 1]) == 0.75


def test_f1_without_any_label_is_zero_and_silent() -> None:
    """Documents without labels, predicted without labels, give 0 and no warning."""
    assert macro_f1([[0, 0]], [[0, 0]]) == 0
    assert micro_f1([[0, 0]], [[0, 0]]) == 0


def test_log_loss_is_the_mean_surprise() -> None:
    """Nats a document; of several labels the sum over the labels; impossible truths stay finite."""
    assert log_loss([0, 1], [[0.5, 0.5], [0.2, 0.8]]) == pytest.approx(-(math.log(0.5) + math.log(0.8)) / 2)
    assert log_loss([[1, 0]], [[0.9, 0.2]]) == pytest.approx(-math.log(0.9) - math.log(0.8))
    assert math.isfinite(log_loss([1], [[1.0, 0.0]]))


def test_perplexity_of_a_uniform_guess_is_the_number_of_choices() -> None:
    """ln V nats a token is perplexity V; too much to express is inf, not an error."""
    assert perplexity(math.log(20_000)) == pytest.approx(20_000)
    assert perplexity(1e6) == math.inf


def test_bits_per_char_compares_tokenizers() -> None:
    """The same text at the same total cost has the same bits per character, however it is cut."""
    assert bits_per_char(8 * math.log(2), 4) == pytest.approx(2.0)
    with pytest.raises(DataError, match="at least 1 character"):
        bits_per_char(1.0, 0)


def test_calibration_error_of_honest_and_boasting_probabilities() -> None:
    """70% sure and right 70% of the time is calibrated; 100% sure and right half the time is 0.5 off."""
    honest = np.tile([0.3, 0.7], (10, 1))
    assert calibration_error([1] * 7 + [0] * 3, honest) == pytest.approx(0, abs=1e-9)
    assert calibration_error([1, 0] * 5, np.tile([0.0, 1.0], (10, 1))) == pytest.approx(0.5)
    assert calibration_error([[1, 0]], [[1.0, 0.0]]) == 0


def test_bootstrap_interval_holds_the_difference() -> None:
    """The interval is around the difference, seeded, and narrower with more documents."""
    rng = np.random.default_rng(0)
    a, b = rng.random(2000) < 0.9, rng.random(2000) < 0.8
    found = paired_bootstrap(a, b, seed=1)
    assert found == paired_bootstrap(a, b, seed=1)
    assert found.low < found.difference < found.high
    assert found.low > 0.05
    assert found.difference == pytest.approx(a.mean() - b.mean())
    few = paired_bootstrap(a[:100], b[:100], seed=1)
    assert few.high - few.low > found.high - found.low


def test_bootstrap_matches_resampling_document_by_document() -> None:
    """Drawing counts of the distinct differences equals drawing documents one by one."""
    rng = np.random.default_rng(0)
    a, b = rng.random(300) < 0.8, rng.random(300) < 0.7
    d = a.astype(float) - b
    means = [d[rng.integers(0, 300, 300)].mean() for _ in range(4000)]
    found = paired_bootstrap(a, b)
    np.testing.assert_allclose([found.low, found.high], np.quantile(means, [0.025, 0.975]), atol=0.01)


def test_bootstrap_takes_real_scores() -> None:
    """Scores with many distinct values, such as log losses, are resampled too."""
    rng = np.random.default_rng(0)
    a = rng.normal(1, 1, 500)
    found = paired_bootstrap(a, a - 0.5, samples=500)
    assert found.difference == pytest.approx(0.5)


@given(pairs=BITS)
def test_equal_answers_differ_by_nothing(pairs: list[tuple[int, int]]) -> None:
    """A classifier compared with itself differs by exactly 0; swapping the two turns the sign."""
    a, b = np.array(pairs).T
    same = paired_bootstrap(a, a, samples=50)
    assert (same.difference, same.low, same.high) == (0, 0, 0)
    assert paired_bootstrap(a, b, samples=50).difference == pytest.approx(
        -paired_bootstrap(b, a, samples=50).difference
    )


@pytest.mark.parametrize("other", [[0, 1, 1], []])
def test_answers_must_be_for_the_same_documents(other: list[int]) -> None:
    """Different lengths, or nothing at all, are a DataError."""
    with pytest.raises(DataError):
        accuracy([0, 1] if other else [], other)


def test_probabilities_must_fit_the_targets() -> None:
    """Probabilities of another shape than the targets are a DataError that shows both shapes."""
    with pytest.raises(DataError, match=r"\(2, 2\).*\(3,\)"):
        log_loss([0, 1, 1], [[0.5, 0.5], [0.5, 0.5]])

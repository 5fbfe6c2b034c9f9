"""The combination of language model and word counts: it finds the better part, keeps calm with few documents."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from ulmus.errors import DataError
from ulmus.evaluation.combination import Combination, calibrated_loss, fit_weight, safe
from ulmus.evaluation.metrics import accuracy, log_loss
from ulmus.evaluation.objectives import MULTI_LABEL


def opinion(y: np.ndarray, classes: int, skill: float, seed: int, *, boast: float = 1.0) -> np.ndarray:
    """Probabilities (N, C) of a part whose scores know the truth by `skill` and are too sure by `boast`."""
    scores = np.random.default_rng(seed).normal(size=(len(y), classes))
    scores[np.arange(len(y)), y] += skill
    return np.asarray(softmax(boast * max(skill, 0.01) * scores, axis=1))  # skill * scores is calibrated


def truth(n: int, classes: int = 3, seed: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, classes, n)


def test_two_different_opinions_are_better_than_one() -> None:
    """Parts that err on different documents beat both parts together."""
    y, judge = truth(800), truth(4000, seed=10)
    mix = fit_weight(opinion(y, 3, 1.5, 0), opinion(y, 3, 1.5, 1), y)
    lm, counts = opinion(judge, 3, 1.5, 2), opinion(judge, 3, 1.5, 3)
    both = mix.combine(lm, counts)
    assert 0.35 < mix.weight < 0.65
    assert accuracy(judge, both.argmax(1)) > accuracy(judge, lm.argmax(1)) + 0.03
    assert log_loss(judge, both) < min(log_loss(judge, lm), log_loss(judge, counts))
    np.testing.assert_allclose(both.sum(axis=1), 1)


@pytest.mark.parametrize("bad_part", ["lm", "counts"])
def test_a_part_that_knows_nothing_gets_no_weight(bad_part: str) -> None:
    """Confident noise is left out: its weight is 0 (counts only) or 1 (language model only)."""
    y, judge = truth(1500), truth(2000, seed=10)
    noise = np.random.default_rng(5).dirichlet(np.ones(3) * 0.3, size=3500)
    good, good_judge = opinion(y, 3, 2, 0), opinion(judge, 3, 2, 1)
    if bad_part == "lm":
        mix = fit_weight(noise[:1500], good, y)
        assert mix.weight == 0
        assert mix.exponent_lm == 0
        both = mix.combine(noise[1500:], good_judge)
    else:
        mix = fit_weight(good, noise[:1500], y)
        assert mix.weight == 1
        assert mix.exponent_counts == 0
        both = mix.combine(good_judge, noise[1500:])
    assert accuracy(judge, both.argmax(1)) > accuracy(judge, good_judge.argmax(1)) - 0.005


def test_a_part_that_is_always_wrong_gets_exactly_none() -> None:
    """Weights never go below 0: a part that is worse than guessing is left out, not turned around."""
    y = truth(500)
    wrong = 1 - opinion(y, 3, 3, 0)
    assert fit_weight(wrong / 2, opinion(y, 3, 1, 1), y).weight == 0.0


def test_a_handful_of_documents_hardly_moves_the_prior() -> None:
    """Six documents on which one part happens to be right leave the weight near the prior."""
    y = truth(6)
    right = np.full((6, 3), 0.05)
    right[np.arange(6), y] = 0.9
    half = right.copy()
    half[:3] = np.roll(half[:3], 1, axis=1)
    assert 0.45 < fit_weight(right, half, y).weight < 0.75
    assert fit_weight(right, half, y, prior=0.2).weight < 0.5
    assert fit_weight(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, int), prior=0.3).weight == 0.3


def test_a_boasting_part_is_flattened_before_it_is_mixed() -> None:
    """Probabilities that are four times too sure get a quarter of the exponent, and their fair weight."""
    y = truth(2000)
    mix = fit_weight(opinion(y, 3, 1.5, 0, boast=4.0), opinion(y, 3, 1.5, 1), y)
    assert mix.exponent_counts / mix.exponent_lm == pytest.approx(4, abs=0.8)
    assert mix.weight == pytest.approx(0.5, abs=0.1)


def test_one_certain_mistake_does_not_decide() -> None:
    """A part that is right a thousand times and once certain of a falsehood keeps its weight."""
    y = truth(1000)
    lm = opinion(y, 3, 2.5, 0)
    lm[0] = 0.0
    lm[0, (y[0] + 1) % 3] = 1.0
    assert fit_weight(lm, opinion(y, 3, 1, 1), y).weight > 0.5


def test_several_labels_mix_their_log_odds() -> None:
    """Multi-label targets (N, C) are mixed label by label; the better part gets more weight."""
    rng = np.random.default_rng(0)
    y = (rng.random((600, 4)) < 0.3).astype(int)
    lm = 1 / (1 + np.exp(-(3 * (2 * y - 1) + 2 * rng.normal(size=y.shape))))
    counts = 1 / (1 + np.exp(-(0.5 * (2 * y - 1) + 2 * rng.normal(size=y.shape))))
    mix = fit_weight(lm, counts, y)
    assert mix.objective is MULTI_LABEL
    assert mix.weight > 0.6
    both = mix.combine(lm, counts)
    assert both.shape == (600, 4)
    assert ((both > 0) & (both < 1)).all()
    assert log_loss(y, both) < log_loss(y, lm)


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 40), classes=st.integers(2, 5), seed=st.integers(0, 1000))
def test_any_opinions_give_a_weight_between_0_and_1(n: int, classes: int, seed: int) -> None:
    """Whatever the parts say, zeros and ones included, the mix is a distribution with a weight in 0..1."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    lm, counts = np.eye(classes)[rng.integers(0, classes, n)], rng.dirichlet(np.ones(classes), n)
    mix = fit_weight(lm, counts, y)
    assert 0 <= mix.weight <= 1
    assert mix.exponent_lm >= 0
    assert mix.exponent_counts >= 0
    np.testing.assert_allclose(mix.combine(lm, counts).sum(axis=1), 1)


def test_plain_numbers_bring_the_combination_back() -> None:
    """`stored` gives plain numbers, `restore` the same combination."""
    y = truth(100)
    mix = fit_weight(opinion(y, 3, 1, 0), opinion(y, 3, 1, 1), y)
    assert Combination.restore(mix.stored(), mix.objective) == mix
    assert all(type(v) in (float, bool) for v in mix.stored().values())


def test_weight_0_is_the_word_counts_alone() -> None:
    """With exponent 0 the language model's probabilities are not looked at."""
    y = truth(20)
    counts = opinion(y, 3, 1, 1)
    np.testing.assert_allclose(
        Combination(0.0, 0.0, 1.0).combine(opinion(y, 3, 1, 0), counts), counts, atol=1e-5
    )


def test_shapes_that_do_not_fit_are_refused() -> None:
    """Parts for other documents or classes, other targets, and a prior beyond 0..1 are DataErrors."""
    y = truth(10)
    part = opinion(y, 3, 1, 0)
    with pytest.raises(DataError, match="same documents"):
        fit_weight(part, part[:5], y)
    with pytest.raises(DataError, match="one target"):
        fit_weight(part, part, y[:4])
    with pytest.raises(DataError, match="between 0 and 1"):
        fit_weight(part, part, y, prior=1.5)


def test_a_mix_that_decides_worse_than_the_counts_is_left_out() -> None:
    """Its loss may be lower all the same; one that decides as well as they do is kept."""
    y = truth(200)
    good, bad = opinion(y, 3, 2.0, 1), opinion(y, 3, 0.1, 2)
    half = Combination(0.9, 0.9, 0.1)
    assert safe(half, bad, good, y).exponent_lm == 0
    assert safe(half, good, bad, y) == half
    assert safe(half, good, good, y) == half


def test_the_calibrated_loss_forgives_boasting() -> None:
    """Probabilities that are too sure lose no more than calibrated ones; poor ones lose more than good ones."""
    y = truth(1000)
    good, sure = opinion(y, 3, 1.0, 1), opinion(y, 3, 1.0, 1, boast=8.0)
    losses = [calibrated_loss(p, y, prior_strength=0.1) for p in (good, sure, opinion(y, 3, 0.2, 1))]
    assert losses[1] == pytest.approx(losses[0], abs=0.02)
    assert log_loss(y, sure) > losses[1] + 0.1
    assert losses[2] > losses[0]

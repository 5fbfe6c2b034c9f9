"""Learning rates and momentum as functions of progress."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmus.errors import ConfigError
from ulmus.train.schedules import Schedule, cooldown, slanted_triangular

NAMES = ("one_cycle", "slanted_triangular", "flat_cosine", "constant")
schedules = st.builds(
    Schedule,
    name=st.sampled_from(NAMES),
    peak=st.floats(1e-6, 10),
    turn=st.none() | st.floats(0.01, 0.99),
    div=st.floats(1, 100),
    ratio=st.floats(1, 100),
)
progress = st.floats(0, 1)


@given(schedules, progress)
def test_a_rate_is_positive_and_never_above_its_peak(schedule: Schedule, pct: float):
    """0 < rate <= peak, whatever the schedule and the progress."""
    assert 0 < schedule(pct) <= schedule.peak * (1 + 1e-9)


@given(schedules, progress, st.floats(0, 1e-6))
def test_rates_and_momentum_have_no_jumps(schedule: Schedule, pct: float, step: float):
    """A little more progress changes rate and beta1 only a little."""
    steepest = math.pi * step / min(0.01, 1) * 1.01
    assert abs(schedule(pct + step) - schedule(pct)) <= schedule.peak * steepest + 1e-12
    assert abs(schedule.momentum(pct + step) - schedule.momentum(pct)) <= steepest + 1e-12


@given(schedules)
def test_the_peak_is_reached_at_the_turn(schedule: Schedule):
    """At its turn every schedule stands at its peak."""
    turn = {"one_cycle": 0.25, "slanted_triangular": 0.1, "flat_cosine": 0.75, "constant": 1.0}[schedule.name]
    turn = turn if schedule.turn is None else schedule.turn
    assert schedule(turn) == pytest.approx(schedule.peak)


@given(schedules, progress)
def test_progress_outside_is_clamped(schedule: Schedule, pct: float):
    """Below 0 counts as 0 and above 1 as 1."""
    assert schedule(-pct) == schedule(0)
    assert schedule(1 + pct) == schedule(1)
    assert schedule.momentum(1 + pct) == schedule.momentum(1)


@given(st.integers(20, 500), progress)
def test_slanted_triangular_is_the_papers_formula(steps: int, share: float):
    """Equation 3 of Howard & Ruder 2018, step by step (cut at a whole step, as it is there)."""
    cut_frac, ratio, peak = 0.1, 32, 0.01
    t, cut = int(share * steps), math.floor(steps * cut_frac)
    p = t / cut if t < cut else 1 - (t - cut) / (steps - cut)
    expected = peak * (1 + p * (ratio - 1)) / ratio
    assert slanted_triangular(t / steps, peak, turn=cut / steps) == pytest.approx(expected)


def test_one_cycle_starts_low_peaks_and_ends_near_nothing():
    """peak/25 -> peak at a quarter -> peak/100,000."""
    schedule = Schedule("one_cycle", 1.0)
    assert [schedule(0), schedule(0.25), schedule(1)] == pytest.approx([1 / 25, 1, 1e-5])


def test_momentum_mirrors_one_cycle():
    """beta1 is high where the rate is low, low where it peaks, and stays in the middle for other schedules."""
    cycle = Schedule("one_cycle", beta1_high=0.95, beta1_low=0.85)
    assert [cycle.momentum(pct) for pct in (0, 0.25, 1)] == pytest.approx([0.95, 0.85, 0.95])
    assert replace(cycle, name="constant").momentum(0.25) == pytest.approx(0.9)


def test_flat_cosine_is_flat_and_then_falls():
    """The peak until three quarters, then down."""
    schedule = Schedule("flat_cosine", 1.0)
    assert schedule(0) == schedule(0.5) == schedule(0.74) == 1
    assert 1 > schedule(0.8) > schedule(0.9) > schedule(1) > 0


@given(st.integers(1, 10_000), st.integers(0, 10_000))
def test_the_warm_up_rises_evenly_to_the_whole_rate(steps: int, step: int):
    """By the same amount each step, to 1 in the last of its steps, and stays there."""
    share = Schedule(warmup_steps=steps).warmup
    assert share(step) == pytest.approx(min((step + 1) / steps, 1))
    assert share(steps - 1) == share(steps + step) == 1


def test_without_a_warm_up_the_first_step_has_the_whole_rate():
    """The default."""
    assert Schedule().warmup(0) == 1


@given(progress, progress)
def test_a_cooldown_falls_from_all_of_the_rate_to_nothing(one: float, other: float):
    """1 at the beginning, a half after a quarter, 0 at the end, and never up."""
    assert [cooldown(0), cooldown(0.25), cooldown(1)] == [1, 0.5, 0]
    assert cooldown(max(one, other)) <= cooldown(min(one, other))


def test_a_turn_at_the_border_is_allowed():
    """A schedule may rise all the way (turn 1) or fall all the way (turn 0)."""
    for name in NAMES:
        assert Schedule(name, 1.0, turn=1.0)(1) > 0
        assert Schedule(name, 1.0, turn=0.0)(0) == pytest.approx(1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "cyclic"}, "one_cycle, slanted_triangular"),
        ({"peak": 0.0}, "peak must be above 0"),
        ({"peak": math.nan}, "peak must be above 0"),
        ({"turn": 1.5}, "0 to 1, got 1.5"),
        ({"ratio": -1.0}, "ratio must be above 0"),
        ({"warmup_steps": -1}, "warmup_steps must be at least 0"),
        ({"beta1_low": 0.99}, "beta1_low <= beta1_high"),
    ],
)
def test_invalid_fields_are_refused(wrong: dict, message: str):
    """An invalid field is a ConfigError that says what was expected."""
    with pytest.raises(ConfigError, match=message):
        Schedule(**wrong)

"""The power law of learning curves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmus.errors import DataError
from ulmus.evaluation.power_law import PowerLaw, fit_power_law, fit_replicates

SIZES = np.array([25, 50, 100, 200, 400, 800])


@given(
    floor=st.floats(0, 0.3), scale=st.floats(0.3, 2), rate=st.floats(0.15, 1.2), more=st.sampled_from([2, 4])
)
def test_it_recovers_a_known_law(floor: float, scale: float, rate: float, more: int) -> None:
    """Exact errors of a law give that law back, also beyond the sizes that were measured."""
    law = PowerLaw(floor, scale, rate)
    found = fit_power_law(SIZES, law.error(SIZES), np.full(6, 1e-8))
    n = np.array([*SIZES, more * 800])
    assert found.error(n) == pytest.approx(law.error(n), rel=1e-2, abs=2e-3)


def test_replicates_of_noisy_errors_cover_the_truth() -> None:
    """In about 19 of 20 worlds the true error at twice the labels lies between the outer replicates."""
    law, rng, covered = PowerLaw(0.1, 1.0, 0.45), np.random.default_rng(0), 0
    deviations = 0.12 / np.sqrt(SIZES)
    for world in range(100):
        errors = law.error(SIZES) + rng.standard_normal(6) * deviations
        again = np.maximum(errors + rng.standard_normal((200, 6)) * deviations, 0)
        found = [one.error(1600) for one in fit_replicates(SIZES, again, deviations**2, seed=world)]
        low, high = np.quantile(found, [0.025, 0.975])
        covered += bool(low <= law.error(1600) <= high)
    assert covered >= 88


def test_errors_that_do_not_fall_have_no_slope() -> None:
    """Errors that grow with the labels are fitted by a constant: none of the three numbers is negative."""
    found = fit_power_law([10, 20, 40], [0.2, 0.25, 0.3], [1e-4] * 3)
    assert (found.scale, found.floor) == (0, pytest.approx(0.25))


def test_two_sizes_are_too_few() -> None:
    """A law has three numbers; two sizes are an error that says so."""
    with pytest.raises(DataError, match="3 different sizes"):
        fit_power_law([10, 20, 20], [0.3, 0.2, 0.2], [1e-4] * 3)

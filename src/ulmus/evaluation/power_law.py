"""The power law of learning curves, error(n) = floor + scale * n^-rate, fitted to errors measured with n labels.

How: for each rate of a grid the best floor and scale (none below 0) have a closed form, so the least squares need no
start and find the best rate there is. With a few noisy sizes almost any rate fits, so the logarithm of the rate has a
normal prior around 1/2, the rate of a mean of n values, which weighs as much as one measurement; replicates draw the
centre of the prior too, so that where the errors say nothing of the rate, the replicates spread as far as the prior.
Sources: Cortes et al. 1994; Figueroa et al. 2012; Viering & Loog 2021.
Costs: milliseconds. Knows no text and no model. Axes: R replicates, K sizes, G rates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ulmus.errors import DataError

__all__ = ["PowerLaw", "fit_power_law", "fit_replicates"]

Floats = NDArray[np.float64]
RATES = np.geomspace(0.05, 3.0, 120)  # (G,)
PRIOR, SPREAD = math.log(0.5), 0.6  # mean and standard deviation of the logarithm of the rate
FEWEST = 3  # sizes


@dataclass(frozen=True)
class PowerLaw:
    """error(n) = floor + scale * n^-rate, as fractions of 1; none of the three is negative."""

    floor: float  # what no number of labels gets below
    scale: float
    rate: float

    def error(self, n: ArrayLike) -> Floats:
        """The errors with n labels, any shape."""
        return np.asarray(self.floor + self.scale * np.asarray(n, np.float64) ** -self.rate)


def fit_power_law(sizes: ArrayLike, errors: ArrayLike, variances: ArrayLike) -> PowerLaw:
    """The law of errors (K,) measured with `sizes` (K,) labels; `variances` (K,) are those of the errors.

    Raises DataError for fewer than three different sizes, from which no rate follows.
    """
    return fit_replicates(sizes, np.asarray(errors, np.float64)[None], variances)[0]


def fit_replicates(
    sizes: ArrayLike, errors: Floats, variances: ArrayLike, *, seed: int | None = None
) -> list[PowerLaw]:
    """The laws of R replicates of the errors, (R, K). With a `seed` each has a centre of the prior of its own.

    Raises DataError for fewer than three different sizes.
    """
    n = np.asarray(sizes, np.float64)
    if len(np.unique(n)) < FEWEST:
        raise DataError(f"a power law needs errors at {FEWEST} different sizes or more, got {len(n)}.")
    weights = 1 / np.maximum(np.asarray(variances, np.float64), 1e-10)
    x = (n / n.max()) ** -RATES[:, None]  # (G, K)
    floor, scale = _best(x, errors, weights)  # each (R, G)
    left = errors[:, None, :] - floor[..., None] - scale[..., None] * x  # (R, G, K)
    centre = np.full(len(errors), PRIOR)
    if seed is not None:
        centre += SPREAD * np.random.default_rng(seed).standard_normal(len(errors))
    cost = left**2 @ weights + ((np.log(RATES) - centre[:, None]) / SPREAD) ** 2
    rows = np.arange(len(errors))
    best = cost.argmin(axis=1)
    in_labels = scale[rows, best] * n.max() ** RATES[best]
    return [
        PowerLaw(float(a), float(b), float(c))
        for a, b, c in zip(floor[rows, best], in_labels, RATES[best], strict=True)
    ]


def _best(x: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Floors and scales, each (R, G), of the weighted least squares of y (R, K) on x (G, K); none is negative."""
    total = weights.sum()
    mean_x, mean_y = x @ weights / total, y @ weights / total  # (G,), (R,)
    both = (y * weights) @ x.T  # (R, G)
    squares = x**2 @ weights  # (G,)
    scale = (both - total * mean_y[:, None] * mean_x) / np.maximum(squares - total * mean_x**2, 1e-12)
    scale = np.maximum(scale, 0)
    floor = mean_y[:, None] - scale * mean_x
    below = floor < 0
    return np.where(below, 0, floor), np.where(below, np.maximum(both / squares, 0), scale)

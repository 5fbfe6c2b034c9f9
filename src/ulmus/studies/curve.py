"""Scores of trainings with more and more labels -> a curve, what it says of still more, and a plot.

How: a power law is fitted to the mean errors; each size weighs as much as its noise allows. Two sources of it are told
apart: *which labels were drawn* has a variance of v / n, with v from how much the seeds differ (all seeds draw from the
same pool, whose labels are themselves one draw), and *which documents are measured on* has the variance of the
differences between sizes on the same documents. Replicates of the curve draw the documents (or groups of them) anew,
with replacement, and the noise of the draws from a normal distribution, as few seeds are too few to resample; intervals
are quantiles of what the laws of all replicates say (Efron & Tibshirani 1993).
Knows no text and no model. Axes: S seeds, K sizes, M documents, R replicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulmus.errors import UsageError
from ulmus.evaluation.power_law import PowerLaw, fit_power_law, fit_replicates
from ulmus.storage import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Estimate", "LearningCurve", "curve_of"]

Floats = NDArray[np.float64]
REPLICATES = 500
LEVEL = 0.95  # of the intervals


class Estimate(NamedTuple):
    """A number in points (per cent of 1) and its 95% interval."""

    points: float
    low: float
    high: float


@dataclass(frozen=True)
class LearningCurve:
    """What was measured and the law fitted to it: `gain(200)` is what 200 more labels are expected to bring."""

    sizes: tuple[int, ...]  # K numbers of labels trained on, growing
    scores: tuple[tuple[float, ...], ...]  # K scores of each of S seeds, 1 at best
    labels: int  # all there are; gains are counted from here
    held_out: int  # documents measured on
    measure: str  # accuracy, F1 or R2
    law: PowerLaw
    replicates: tuple[PowerLaw, ...] = field(repr=False)

    def at(self, labels: int) -> Estimate:
        """The expected score with so many labels. Raises UsageError for none."""
        self._check(labels)
        return _estimate(
            100 * (1 - self.law.error(labels)), [100 * (1 - one.error(labels)) for one in self.replicates]
        )

    def gain(self, more: int) -> Estimate:
        """What so many more labels, beside all there are, are expected to bring. Raises UsageError for none."""
        self._check(more)
        before, after = self.labels, self.labels + more

        def won(law: PowerLaw) -> float:
            return 100 * float(law.error(before) - law.error(after))

        return _estimate(won(self.law), [won(one) for one in self.replicates])

    def sentence(self, more: int) -> str:
        """The gain in words."""
        points, low, high = self.gain(more)
        return (
            f"{more:,} more labels: {points:+.1f} points of {self.measure} "
            f"({LEVEL:.0%} confidence interval {low:+.1f} to {high:+.1f})"
        )

    def steps(self) -> tuple[int, ...]:
        """Numbers of further labels worth a look: half as many as there are, as many, three times as many."""
        return tuple(max(1, round(self.labels * share)) for share in (0.5, 1, 3))

    def report(self) -> dict[str, Any]:
        """Everything for JSON; scores are fractions of 1, gains points."""
        law = {"floor": self.law.floor, "scale": self.law.scale, "rate": self.law.rate}
        return {
            "labels": self.labels,
            "held_out": self.held_out,
            "measure": self.measure,
            "sizes": list(self.sizes),
            "scores": [list(row) for row in self.scores],
            "law": law,
            "gains": [{"more": more, **self.gain(more)._asdict()} for more in self.steps()],
        }

    def figure(self) -> Figure:
        """Scores, the law and its interval, to four times the labels."""
        from matplotlib.figure import Figure  # heavy: imported only when a plot is requested

        n = np.geomspace(self.sizes[0], 4 * self.labels, 60)
        laws = 100 * (1 - np.array([one.error(n) for one in self.replicates]))
        low, high = np.quantile(laws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        axes.fill_between(n, low, high, alpha=0.2, label=f"{LEVEL:.0%} interval")
        axes.plot(n, 100 * (1 - self.law.error(n)), label="power law")
        axes.plot(self.sizes, 100 * np.array(self.scores).T, ".", color="black")
        axes.axvline(self.labels, linestyle=":", color="gray", label=f"{self.labels:,} labels")
        axes.set(xscale="log", xlabel="labels", ylabel=f"{self.measure}, %")
        axes.legend()
        return figure

    def plot(self, path: str | Path) -> Path:
        """Write `figure` as PNG. Raises StorageError."""
        with whole_file(path) as file:
            self.figure().savefig(file, format="png", dpi=120)
        return Path(path)

    def _check(self, labels: int) -> None:
        if labels < 1:
            raise UsageError(f"labels: expected a number of at least 1, got {labels}.")


def curve_of(
    values: Floats,
    *,
    sizes: Sequence[int],
    pool: int,
    labels: int,
    groups: NDArray[np.int64],
    measure: str,
    seed: int = 0,
) -> LearningCurve:
    """The curve of the scores (S, K, M) of each document in each training.

    `pool`: how many labels the subsets were drawn from. `groups` (M,): documents of one number are drawn together.
    """
    scores, by_document = values.mean(axis=2), values.mean(axis=0)  # (S, K), (K, M)
    drawn = _variance_of_draws(scores, np.asarray(sizes, np.float64), pool)
    apart = (by_document - by_document.mean(axis=0)).var(axis=1) / values.shape[2]
    variances, rng = drawn + apart, np.random.default_rng(seed)
    number = np.unique(groups, return_inverse=True)[1]
    kinds = int(number.max()) + 1
    weights = rng.multinomial(kinds, np.full(kinds, 1 / kinds), size=REPLICATES)[:, number]  # (R, M)
    errors = 1 - weights @ by_document.T / weights.sum(axis=1, keepdims=True)  # (R, K)
    errors += rng.standard_normal(errors.shape) * np.sqrt(drawn)
    law = fit_power_law(sizes, 1 - scores.mean(axis=0), variances)
    replicates = fit_replicates(sizes, np.maximum(errors, 0), variances, seed=seed)
    return LearningCurve(
        tuple(sizes),
        tuple(map(tuple, scores.tolist())),
        labels,
        values.shape[2],
        measure,
        law,
        tuple(replicates),
    )


def _variance_of_draws(scores: Floats, sizes: Floats, pool: int) -> Floats:
    """The variance (K,) of the mean scores that is due to which labels were drawn, from the scores (S, K) of the seeds.

    Subsets of size n of one pool differ by v (1/n - 1/pool); the pool itself is one draw, of variance v / pool.
    """
    seeds, within = len(scores), np.maximum(1 / sizes - 1 / pool, 0)
    v = scores.var(axis=0, ddof=1).sum() / max(within.sum(), 1e-12)
    return np.asarray(v / pool + v * within / seeds)


def _estimate(value: Any, replicates: list[Any]) -> Estimate:
    low, high = np.quantile(np.array(replicates, np.float64), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    point = float(value)
    return Estimate(point, min(point, float(low)), max(point, float(high)))

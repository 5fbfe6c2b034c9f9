"""Metrics of predictions: accuracy, F1, log loss, perplexity, calibration error, correlations, paired bootstrap.

All functions take and return numpy arrays and floats, and raise DataError for shapes that differ or no documents.
N documents, C classes; probabilities are (N, C), targets are class numbers (N,) or, if multi-label, zeros and ones
(N, C).
Costs: milliseconds; scikit-learn is imported by the F1 functions only. Knows no model, no text, no tensor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ulmus.errors import DataError
from ulmus.evaluation.calibration import reliability

__all__ = [
    "Interval",
    "accuracy",
    "bits_per_char",
    "bootstrap_of_correlations",
    "calibration_error",
    "correct",
    "decision_scores",
    "log_loss",
    "macro_f1",
    "micro_f1",
    "number_scores",
    "paired_bootstrap",
    "pearson",
    "perplexity",
]

Floats = NDArray[np.float64]
BLOCK = 200  # resamples computed at once


@dataclass(frozen=True)
class Interval:
    """A difference of accuracies or correlations (as a fraction of 1) and its confidence interval."""

    difference: float
    low: float
    high: float


def correct(target: ArrayLike, predicted: ArrayLike) -> NDArray[np.bool_]:
    """Whether each document (N,) is right; if multi-label: whether all of its labels are."""
    t, p = _pair(target, predicted)
    right: NDArray[np.bool_] = np.asarray(t == p)
    return np.asarray(right.all(axis=1)) if right.ndim == 2 else right


def accuracy(target: ArrayLike, predicted: ArrayLike) -> float:
    """Fraction of documents that are right (multi-label: whose labels are exactly right), 0..1."""
    return float(correct(target, predicted).mean())


def macro_f1(target: ArrayLike, predicted: ArrayLike) -> float:
    """Mean of the classes' F1, 0..1; a class that is neither true nor predicted is left out.

    Multi-label: every column is a class, and one that is neither true nor predicted counts as 0.
    """
    from sklearn.metrics import f1_score

    t, p = _pair(target, predicted)
    return float(f1_score(t, p, average=_average(t, "macro"), zero_division=0))


def micro_f1(target: ArrayLike, predicted: ArrayLike) -> float:
    """F1 of all decisions together, 0..1; single-label: the accuracy."""
    from sklearn.metrics import f1_score

    t, p = _pair(target, predicted)
    return float(f1_score(t, p, average=_average(t, "micro"), zero_division=0))


def _average(target: NDArray[Any], several: str) -> str:
    """The averaging method: a single column is a binary question, whose F1 is that of the positive class."""
    return "binary" if target.ndim == 2 and target.shape[1] == 1 else several


def decision_scores(target: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """accuracy (multi-label: of the whole label set), macro_f1, micro_f1 (multi-label only)."""
    scores = {"accuracy": accuracy(target, predicted), "macro_f1": macro_f1(target, predicted)}
    return scores | ({"micro_f1": micro_f1(target, predicted)} if np.ndim(target) == 2 else {})


def log_loss(target: ArrayLike, proba: ArrayLike, *, floor: float = 1e-12) -> float:
    """Mean negative log probability of the targets, in nats per document.

    Single-label: `target` (N,) class numbers. Multi-label: `target` (N, C) zeros and ones, summed over the C decisions.
    """
    t, p = np.asarray(target), np.clip(np.asarray(proba, np.float64), floor, 1.0)
    _check_rows(t, p)
    if t.ndim == 2:
        q = np.clip(1.0 - np.asarray(proba, np.float64), floor, 1.0)
        return float(-(t * np.log(p) + (1 - t) * np.log(q)).sum(axis=1).mean())
    return float(-np.log(p[np.arange(len(t)), t.astype(np.int64)]).mean())


def perplexity(nll: float) -> float:
    """exp of the mean negative log-likelihood in nats per token; inf if that overflows."""
    return math.exp(nll) if nll < 700 else math.inf


def bits_per_char(nll_sum: float, characters: int) -> float:
    """Bits per character of a text whose tokens have a total nll of `nll_sum` nats: comparable between tokenizers.

    Raises DataError for a text without characters.
    """
    if characters <= 0:
        raise DataError(f"Bits per character: expected a text of at least 1 character, got {characters}.")
    return nll_sum / math.log(2) / characters


def calibration_error(target: ArrayLike, proba: ArrayLike, *, bins: int = 15) -> float:
    """Expected calibration error, 0..1 (Guo et al. 2017, section 2): the gap between confidence and accuracy.

    Single-label: the confidence of the predicted class. Multi-label: each of the N * C decisions counts separately.
    """
    t, p = np.asarray(target), np.asarray(proba, np.float64)
    _check_rows(t, p)
    return reliability(t, p, bins=bins).error


def paired_bootstrap(
    correct_a: ArrayLike, correct_b: ArrayLike, *, seed: int = 0, samples: int = 10_000, level: float = 0.95
) -> Interval:
    """The difference between a and b on the same documents, with its bootstrap confidence interval at `level`.

    `correct_a` and `correct_b` (N,) are scores of the documents, e.g. right or wrong. Only the differences matter,
    so a resample is a multinomial draw over their few distinct values: thousands take milliseconds.
    Source: Efron & Tibshirani 1993, percentile interval.
    """
    a, b = _pair(correct_a, correct_b)
    values, counts = np.unique(a.astype(np.float64) - b.astype(np.float64), return_counts=True)
    n = int(counts.sum())
    rng = np.random.default_rng(seed)
    if len(values) <= 100:
        means = rng.multinomial(n, counts / n, size=samples) @ values / n
    else:
        d = a.astype(np.float64) - b.astype(np.float64)
        means = np.array([d[rng.integers(0, n, n)].mean() for _ in range(samples)])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values @ counts / n), float(low), float(high))


def pearson(target: ArrayLike, predicted: ArrayLike) -> float:
    """The correlation of two columns of numbers (N,), -1..1; 0 if one of them is constant, which tells nothing."""
    t, p = _pair(target, predicted)
    return float(_correlations(t, p, np.ones((1, len(t))))[0])


def number_scores(target: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """pearson, spearman (of the ranks; 0 if one is constant), r2 (NaN for constant targets), mae, rmse (in units)."""
    from scipy.stats import rankdata

    t, p = (np.asarray(one, np.float64) for one in _pair(target, predicted))
    errors = p - t
    around = float(((t - t.mean()) ** 2).sum())
    return {
        "pearson": pearson(t, p),
        "spearman": pearson(rankdata(t), rankdata(p)),
        "r2": 1.0 - float((errors**2).sum()) / around if around > 0 else math.nan,
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt((errors**2).mean())),
    }


def bootstrap_of_correlations(
    target: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    *,
    seed: int = 0,
    samples: int = 2_000,
    level: float = 0.95,
) -> Interval:
    """How much better a than b correlates with the target, all (N,), with its bootstrap confidence interval.

    Documents are drawn with replacement, the same for both. Source: Efron & Tibshirani 1993, percentile interval.
    """
    t, first = _pair(target, a)
    _, second = _pair(target, b)
    n, rng = len(t), np.random.default_rng(seed)
    found = []
    for _ in range(0, samples, BLOCK):
        weights = rng.multinomial(n, np.full(n, 1 / n), size=BLOCK).astype(np.float64)  # (BLOCK, N)
        found.append(_correlations(t, first, weights) - _correlations(t, second, weights))
    low, high = np.quantile(np.concatenate(found), [(1 - level) / 2, (1 + level) / 2])
    return Interval(pearson(t, first) - pearson(t, second), float(low), float(high))


def _correlations(t: NDArray[Any], p: NDArray[Any], weights: Floats) -> Floats:
    """Pearson's correlation of (N,) and (N,) with each row of weights (S, N): (S,); 0 where a variance is 0."""
    x, y = np.asarray(t, np.float64) - t.mean(), np.asarray(p, np.float64) - p.mean()
    n = weights.sum(axis=1)
    mean_x, mean_y = weights @ x / n, weights @ y / n
    both = weights @ (x * y) / n - mean_x * mean_y
    spread = (weights @ x**2 / n - mean_x**2) * (weights @ y**2 / n - mean_y**2)
    floor = (1e-12 * np.abs(x).max() * np.abs(y).max()) ** 2
    return np.where(spread > floor, both / np.sqrt(np.maximum(spread, 1e-300)), 0.0)


def _pair(one: ArrayLike, other: ArrayLike) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    a, b = np.asarray(one), np.asarray(other)
    if a.shape != b.shape:
        raise DataError(f"Expected two arrays for the same documents, got shapes {a.shape} and {b.shape}.")
    if a.size == 0:
        raise DataError("Nothing to evaluate: expected at least one document, got none.")
    return a, b


def _check_rows(target: NDArray[np.generic], proba: Floats) -> None:
    if proba.ndim != 2 or len(target) != len(proba) or (target.ndim == 2 and target.shape != proba.shape):
        raise DataError(
            f"Expected probabilities (N, C) and targets (N,) or (N, C), got {proba.shape} and {target.shape}."
        )
    if len(target) == 0:
        raise DataError("Nothing to evaluate: expected at least one document, got none.")

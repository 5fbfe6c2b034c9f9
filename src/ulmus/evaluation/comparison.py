"""What came out, side by side: language model, word counts, their combination, and whether the difference is real.

All numbers are of documents that no part had been trained on when they were taken. Knows no model.
Axes: N documents, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ulmus.evaluation import metrics

__all__ = ["best_threshold", "compare", "decision_scores", "predicted", "scores"]

HALF = 0.5
THRESHOLDS = np.arange(0.05, 0.96, 0.01)
CAUTION = 50  # documents that speak for a half


def predicted(proba: np.ndarray, multi_label: bool, threshold: float = HALF) -> np.ndarray:
    """The likeliest class (N,), or zeros and ones (N, C) of every label with at least the threshold's probability."""
    return (proba >= threshold).astype(np.int64) if multi_label else proba.argmax(axis=1)


def best_threshold(target: np.ndarray, proba: np.ndarray) -> float:
    """The probability from which on to give a label, for the highest micro F1; 0.5 unless multi-label.

    Where labels are rare, right probabilities are mostly below a half, and the best F1 needs labels that are
    likelier wrong than right (Lipton et al. 2014). One number for all labels, and nearer to a half the fewer
    documents there are.
    """
    if target.ndim != 2 or not target.any():
        return HALF
    true, every = target.astype(bool), target.sum()
    given = np.array([(proba >= t).sum() for t in THRESHOLDS])
    right = np.array([(proba[true] >= t).sum() for t in THRESHOLDS])
    f1 = 2 * right / (given + every)
    near = np.flatnonzero(f1 >= f1.max() - 1e-9)
    best, n = THRESHOLDS[near[np.abs(THRESHOLDS[near] - HALF).argmin()]], len(target)
    return float((n * best + CAUTION * HALF) / (n + CAUTION))


def decision_scores(target: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    """accuracy (multi-label: of the whole set), macro_f1, micro_f1 (multi-label); `guess` is what `predicted` gives."""
    found = {"accuracy": metrics.accuracy(target, guess), "macro_f1": metrics.macro_f1(target, guess)}
    return found | ({"micro_f1": metrics.micro_f1(target, guess)} if target.ndim == 2 else {})


def scores(target: np.ndarray, proba: np.ndarray, threshold: float = HALF) -> dict[str, float]:
    """`decision_scores` of what the probabilities say, log loss, calibration error."""
    return decision_scores(target, predicted(proba, target.ndim == 2, threshold)) | {
        "log_loss": metrics.log_loss(target, proba),
        "calibration_error": metrics.calibration_error(target, proba),
    }


def _right(target: np.ndarray, proba: np.ndarray, threshold: float) -> np.ndarray:
    """How right each document is: 0 or 1, or the F1 of its labels (1 where there are none and none is given)."""
    y = predicted(proba, target.ndim == 2, threshold)
    if target.ndim == 1:
        return np.asarray(y == target)
    both, either = (y & target).sum(axis=1), y.sum(axis=1) + target.sum(axis=1)
    return np.where(either == 0, 1.0, 2 * both / np.maximum(either, 1))


def compare(
    target: np.ndarray, parts: dict[str, np.ndarray], thresholds: dict[str, float], seed: int = 0
) -> dict[str, Any]:
    """Scores of each part, and the paired bootstrap of the combination against word counts, with a verdict.

    `thresholds` of the parts, as `best_threshold` finds them; several labels a document are compared by its F1.
    """
    report: dict[str, Any] = {"n": len(target)} | {
        name: scores(target, proba, thresholds[name]) for name, proba in parts.items()
    }
    best = "combined" if "combined" in parts else "lm"
    each = {name: _right(target, parts[name], thresholds[name]) for name in (best, "counts")}
    gain = metrics.paired_bootstrap(each[best], each["counts"], seed=seed)
    report["gain"] = {
        "over": "counts",
        "of": best,
        "difference": gain.difference,
        "low": gain.low,
        "high": gain.high,
    }
    report["verdict"] = _verdict(best, gain.difference, gain.low, gain.high, len(target))
    return report


def _verdict(best: str, difference: float, low: float, high: float, n: int) -> str:
    name = "The combination" if best == "combined" else "The language model"
    told = f"{100 * difference:+.1f} points (95% interval {100 * low:+.1f} to {100 * high:+.1f}, {n:,} documents)"
    if low > 0:
        return f"{name} is better than counting words: {told}."
    if high < 0:
        return f"Counting words is better: {name.lower()} differs by {told}."
    return f"Counting words is as good, as far as these documents can tell: {name.lower()} differs by {told}."

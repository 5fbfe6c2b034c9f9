"""What came out, side by side: language model, word counts, their combination, and whether the difference is real.

All numbers are of documents that no part had been trained on when they were taken. Knows no model.
Axes: N documents, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ulmus.tasks.labels import Labels
from ulmus.train import metrics

__all__ = ["compare", "predicted", "scores"]


def predicted(proba: np.ndarray, multi_label: bool) -> np.ndarray:
    """The likeliest class (N,), or zeros and ones (N, C) of every label with probability of at least a half."""
    return (proba >= 0.5).astype(np.int64) if multi_label else proba.argmax(axis=1)


def scores(labels: Labels, proba: np.ndarray) -> dict[str, float]:
    """accuracy (multi-label: of the whole set), macro_f1, micro_f1 (multi-label), log loss, calibration error."""
    y = predicted(proba, labels.multi_label)
    found = {"accuracy": metrics.accuracy(labels.target, y), "macro_f1": metrics.macro_f1(labels.target, y)}
    if labels.multi_label:
        found["micro_f1"] = metrics.micro_f1(labels.target, y)
    found["log_loss"] = metrics.log_loss(labels.target, proba)
    found["calibration_error"] = metrics.calibration_error(labels.target, proba)
    return found


def _right(labels: Labels, proba: np.ndarray) -> np.ndarray:
    """How right each document is: 0 or 1, or the share of labels decided rightly."""
    y = predicted(proba, labels.multi_label)
    right = y == labels.target
    return np.asarray(right.mean(axis=1) if labels.multi_label else right)


def compare(labels: Labels, parts: dict[str, np.ndarray], seed: int = 0) -> dict[str, Any]:
    """Scores of each part, and the paired bootstrap of the combination against word counts, with a verdict."""
    report: dict[str, Any] = {"n": len(labels)} | {
        name: scores(labels, proba) for name, proba in parts.items()
    }
    best = "combined" if "combined" in parts else "lm"
    gain = metrics.paired_bootstrap(_right(labels, parts[best]), _right(labels, parts["counts"]), seed=seed)
    report["gain"] = {
        "over": "counts",
        "of": best,
        "difference": gain.difference,
        "low": gain.low,
        "high": gain.high,
    }
    report["verdict"] = _verdict(best, gain.difference, gain.low, gain.high, len(labels))
    return report


def _verdict(best: str, difference: float, low: float, high: float, n: int) -> str:
    name = "The combination" if best == "combined" else "The language model"
    told = f"{100 * difference:+.1f} points (95% interval {100 * low:+.1f} to {100 * high:+.1f}, {n:,} documents)"
    if low > 0:
        return f"{name} is better than counting words: {told}."
    if high < 0:
        return f"Counting words is better: {name.lower()} differs by {told}."
    return f"Counting words is as good, as far as these documents can tell: {name.lower()} differs by {told}."

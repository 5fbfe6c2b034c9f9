"""Compares language model, word counts and their combination, and tests whether the difference is significant.

All numbers are of held-out documents. Knows no model.
Axes: N documents, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ulmus.evaluation.metrics import paired_bootstrap
from ulmus.evaluation.objectives import objective_of

__all__ = ["compare"]


def compare(
    target: np.ndarray, parts: dict[str, np.ndarray], thresholds: dict[str, float], seed: int = 0
) -> dict[str, Any]:
    """Scores of each part, and the paired bootstrap of the combination against word counts, with a verdict.

    `target` is (N,) or (N, C), `parts` are probabilities (N, C) by name, `thresholds` theirs by `best_threshold`.
    Multi-label predictions are compared by each document's F1. Raises DataError when there is no document.
    """
    objective = objective_of(target)
    report: dict[str, Any] = {"n": len(target)} | {
        name: objective.report(target, proba, thresholds[name]) for name, proba in parts.items()
    }
    best = "combined" if "combined" in parts else "lm"
    each = {
        name: objective.right(target, objective.decide(parts[name], thresholds[name]))
        for name in (best, "counts")
    }
    gain = paired_bootstrap(each[best], each["counts"], seed=seed)
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
    interval = f"95% confidence interval {100 * low:+.1f} to {100 * high:+.1f}, {n:,} documents"
    gain = f"{100 * difference:+.1f} points ({interval})"
    if low > 0:
        return f"{name} is better than word counts: {gain}."
    if high < 0:
        return f"{name} is worse than word counts: {gain}."
    return f"No significant difference between {name[0].lower()}{name[1:]} and word counts: {gain}."

"""What came out, side by side: language model, word counts, their combination, and whether the difference is real.

All numbers are of documents that no part had been trained on when they were taken. Knows no model.
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

    `thresholds` of the parts, as `best_threshold` finds them; several labels a document are compared by its F1.
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

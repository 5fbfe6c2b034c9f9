"""Compares language model, word counts and their combination, and tests whether the difference is significant.

All numbers are of held-out documents. Knows no model.
Axes: N documents, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ulmus.evaluation.metrics import Interval
from ulmus.evaluation.objectives import Objective, objective_of

__all__ = ["compare"]


def compare(
    target: np.ndarray,
    parts: dict[str, np.ndarray],
    thresholds: dict[str, float],
    seed: int = 0,
    *,
    objective: Objective | None = None,
) -> dict[str, Any]:
    """Scores of each part, and the paired bootstrap of the combination against word counts, with a verdict.

    `target` is (N,) or (N, C), `parts` are probabilities (N, C) by name, `thresholds` theirs by `best_threshold`.
    Multi-label predictions are compared by each document's F1, numbers by their correlation with the target.
    `objective` is that of the model (None: of the target). Raises DataError when there is no document.
    """
    objective = objective or objective_of(target)
    report: dict[str, Any] = {"n": len(target)} | {
        name: objective.report(target, proba, thresholds[name]) for name, proba in parts.items()
    }
    best = "combined" if "combined" in parts else "lm"
    decided, baseline = (objective.decide(parts[name], thresholds[name]) for name in (best, "counts"))
    gain = objective.gain(target, decided, baseline, seed=seed)
    report["gain"] = {
        "over": "counts",
        "of": best,
        "difference": gain.difference,
        "low": gain.low,
        "high": gain.high,
    }
    report["verdict"] = _verdict(best, gain, len(target), objective)
    return report


def _verdict(best: str, gain: Interval, n: int, objective: Objective) -> str:
    name = "The combination" if best == "combined" else "The language model"
    interval = f"95% confidence interval {100 * gain.low:+.1f} to {100 * gain.high:+.1f}, {n:,} documents"
    what = f" of {objective.measure}" if objective.numeric else ""
    difference = f"{100 * gain.difference:+.1f} points{what} ({interval})"
    if gain.low > 0:
        return f"{name} is better than word counts: {difference}."
    if gain.high < 0:
        return f"{name} is worse than word counts: {difference}."
    return f"No significant difference between {name[0].lower()}{name[1:]} and word counts: {difference}."

"""How to mix language model and word counts, and how good each part and the mix are, on documents kept for measuring.

Knows no network and no strings. Axes: N documents to measure on, C classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ulmus.evaluation.combination import Combination, counts_alone, fit_weight
from ulmus.evaluation.comparison import compare
from ulmus.evaluation.per_class import cautions, caveats, majority
from ulmus.tasks.classifier.fitted import PARTS
from ulmus.tasks.classifier.material import Material

__all__ = ["Measured", "measure", "not_measured"]

NOT_MEASURED = "Too few labels for a held-out set; no scores. Give --valid (valid=) to measure."


class Measured(NamedTuple):
    """How to mix the parts, the decision threshold of each, and their scores."""

    combination: Combination
    thresholds: dict[str, float]
    report: dict[str, Any]


def measure(p_lm: np.ndarray, p_counts: np.ndarray, m: Material, *, mix: bool, seed: int) -> Measured:
    """The mix and the report, from the probabilities (N, C) of both parts for the documents `m.measured`.

    If the mix scores below the word counts, or only as well while the network alone scores below them, the model
    predicts with the word counts alone. `seed` is that of the bootstrap.
    """
    target, objective = m.truth.target, m.labels.objective
    combination = fit_weight(p_lm, p_counts, target)
    parts = {"lm": p_lm, "counts": p_counts}
    if mix:
        parts["combined"] = combination.combine(p_lm, p_counts)
    thresholds = dict.fromkeys(PARTS, 0.5)
    thresholds |= {name: objective.best_threshold(target, p) for name, p in parts.items()}
    report = compare(target, parts, thresholds, seed, objective=objective)
    alone = {name: _mean(m, parts[name], thresholds[name]) for name in ("lm", "counts")}
    gain = report["gain"]["difference"]
    if mix and (gain < 0 or (gain == 0 and alone["lm"] < alone["counts"])):
        combination, thresholds["combined"] = counts_alone(combination), thresholds["counts"]
        report |= {"mixed": report["combined"], "combined": report["counts"]}
        report["verdict"] += " The model predicts with word counts alone."
    report |= caveats(report["verdict"], target, m.truth.classes, m.repeated)
    report |= {"verdict": " ".join([report["verdict"], *m.remarks]), "split": m.split}
    if not objective.numeric:
        accuracy = report["combined" if mix else "lm"]["accuracy"]
        report["majority"] = majority(target, m.truth.classes)
        report["warnings"] = cautions(target, m.truth.classes, accuracy)
    return Measured(combination, thresholds, report | {"weight": combination.weight if mix else 1.0})


def _mean(m: Material, proba: np.ndarray, threshold: float) -> float:
    """Mean score of the decisions by probabilities (N, C) of the documents measured on."""
    objective = m.labels.objective
    return float(objective.right(m.truth.target, objective.decide(proba, threshold)).mean())


def not_measured(combination: Combination, m: Material, *, mix: bool) -> Measured:
    """The given mix and a report without scores, if there is no document to measure on."""
    verdict = " ".join([NOT_MEASURED, *m.remarks])
    report = {"verdict": verdict, "weight": combination.weight if mix else 1.0, "split": m.split}
    return Measured(combination, dict.fromkeys(PARTS, 0.5), report)

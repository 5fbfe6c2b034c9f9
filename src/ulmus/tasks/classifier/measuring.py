"""How to mix language model and word counts, and how good each part and the mix are, on documents not learnt from.

Knows no network and no strings. Axes: N documents to measure on, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ulmus.evaluation.combination import Combination, counts_alone, fit_weight, safe
from ulmus.evaluation.comparison import compare
from ulmus.evaluation.per_class import cautions, caveats, majority
from ulmus.tasks.classifier.fitted import PARTS
from ulmus.tasks.classifier.material import Material
from ulmus.tasks.classifier.probe import PRIOR

__all__ = ["Evidence", "Measured", "averaged", "judged", "measure"]

FAR = 0.1  # points of accuracy, as a fraction, by which a network is far worse than the word counts
NOT_MEASURED = "Too few labels for a held-out set; no scores. Give --valid (valid=) to measure."


class Evidence(NamedTuple):
    """What network and word counts say about documents whose labels neither learnt from (K of the N)."""

    documents: np.ndarray  # (K,) their numbers
    p_lm: np.ndarray  # (K, C)
    p_counts: np.ndarray  # (K, C)
    target: np.ndarray  # of the K documents
    prior: float = 0.5  # relative weight of the network without any evidence

    def mix(self) -> Combination:
        """The best mix of the two on few documents, or the word counts alone if that decides worse than they do."""
        mix = fit_weight(self.p_lm, self.p_counts, self.target, prior=self.prior, prior_strength=PRIOR)
        return safe(mix, self.p_lm, self.p_counts, self.target)


class Measured(NamedTuple):
    """How to mix the parts, the decision threshold of each, their scores, and the evidence for all of it."""

    combination: Combination
    thresholds: dict[str, float]
    report: dict[str, Any]
    evidence: Evidence | None = None


def averaged(each: Sequence[Evidence | None]) -> Evidence | None:
    """The evidence on the average of several networks, on the documents that all were measured on; None without any.

    The word counts are those beside the first network.
    """
    known = [one for one in each if one is not None]
    if not known or len(known) < len(each):
        return None
    documents = known[0].documents
    for one in known[1:]:
        documents = np.intersect1d(documents, one.documents)
    rows = [np.searchsorted(one.documents, documents) for one in known]
    first, mine = known[0], rows[0]
    p_lm = np.mean([one.p_lm[row] for one, row in zip(known, rows, strict=True)], axis=0)
    prior = min(one.prior for one in known)
    return Evidence(documents, p_lm, first.p_counts[mine], first.target[mine], prior)


def judged(evidence: Evidence | None, m: Material, *, mix: bool, seed: int) -> Measured:
    """The mix and the report: of the documents to measure on if there are any, else without scores."""
    if evidence is None:
        found = _not_measured(Combination(objective=m.labels.objective), m, mix=mix)
    elif len(m.measured):
        found = measure(evidence.p_lm, evidence.p_counts, m, mix=mix, seed=seed)
    else:
        found = _not_measured(evidence.mix(), m, mix=mix)
    return found._replace(evidence=evidence)


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
    if mix and _harmful(report["gain"], behind=alone["counts"] - alone["lm"], numeric=objective.numeric):
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


def _harmful(gain: dict[str, Any], *, behind: float, numeric: bool) -> bool:
    """Whether the word counts predict alone, given what the mix gains over them, and how far the network is `behind`.

    They do where the mix loses; and where the network is worse and the mix gains nothing, or, if the network is far
    worse, nothing that is certain: its weight is then chance.
    """
    if gain["difference"] <= 0:
        return bool(gain["difference"] < 0 or behind > 0)
    return not numeric and behind > FAR and gain["low"] < 0


def _mean(m: Material, proba: np.ndarray, threshold: float) -> float:
    """Mean score of the decisions by probabilities (N, C) of the documents measured on."""
    objective = m.labels.objective
    return float(objective.right(m.truth.target, objective.decide(proba, threshold)).mean())


def _not_measured(combination: Combination, m: Material, *, mix: bool) -> Measured:
    """The given mix and a report without scores, if there is no document to measure on."""
    verdict = " ".join([NOT_MEASURED, *m.remarks])
    report = {"verdict": verdict, "weight": combination.weight if mix else 1.0, "split": m.split}
    return Measured(combination, dict.fromkeys(PARTS, 0.5), report)

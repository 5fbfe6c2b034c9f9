"""How to mix language model and word counts, and how good each part and the mix are, on documents not learnt from.

Knows no network and no strings. Axes: N documents to measure on, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ulmus.evaluation.combination import Combination, counts_alone, fit_weight, safe
from ulmus.evaluation.comparison import compare
from ulmus.evaluation.objectives import Objective
from ulmus.evaluation.per_class import cautions, caveats, majority
from ulmus.tasks.classifier.fitted import PARTS
from ulmus.tasks.classifier.material import Material
from ulmus.tasks.classifier.probe import PRIOR

__all__ = ["Evidence", "Measured", "averaged", "judged", "measure"]

FAR = 0.1  # points of accuracy, as a fraction, by which a network is far worse than the word counts
WIDE = "These are the held-out texts, and labelled ones that neither part had learnt from yet."
NOT_MEASURED = "Too few labels for a held-out set; no scores. Give --valid (valid=) to measure."


class Evidence(NamedTuple):
    """What network and word counts say about documents whose labels neither learnt from (K of the N)."""

    documents: np.ndarray  # (K,) their numbers, in ascending order
    p_lm: np.ndarray  # (K, C)
    p_counts: np.ndarray  # (K, C)
    target: np.ndarray  # of the K documents
    prior: float = 0.5  # relative weight of the network without any evidence

    def mix(self) -> Combination:
        """The best mix of the two on few documents, or the word counts alone if that decides worse than they do."""
        mix = fit_weight(self.p_lm, self.p_counts, self.target, prior=self.prior, prior_strength=PRIOR)
        return safe(mix, self.p_lm, self.p_counts, self.target)

    def and_if_credible(self, others: Evidence, objective: Objective) -> Evidence:
        """With that of `others`, unless the network looks much better on these.

        A network that word counts taught has not learnt the labels of these others, but its teacher has, and unlabelled
        texts that are like them pass their labels on: then they say nothing. By more than one standard error.
        """
        own, more = self.ahead(objective), others.ahead(objective)
        error = np.sqrt(own.var() / max(len(own), 1) + more.var() / max(len(more), 1))
        return self if more.mean() - own.mean() > error else self.and_of(others)

    def ahead(self, objective: Objective) -> np.ndarray:
        """By how much the network's decision on each document scores above that of the word counts, (K,)."""
        lm, counts = (objective.right(self.target, objective.decide(p)) for p in (self.p_lm, self.p_counts))
        return np.asarray(lm - counts)

    def rows(self, index: np.ndarray) -> Evidence:
        """That of some of the K documents: numbers or a mask (K,)."""
        p_lm, p_counts, target = (array[index] for array in (self.p_lm, self.p_counts, self.target))
        return Evidence(self.documents[index], p_lm, p_counts, target, self.prior)

    def and_of(self, others: Evidence) -> Evidence:
        """With that of other documents."""
        joined = Evidence(
            np.concatenate([self.documents, others.documents]),
            np.concatenate([self.p_lm, others.p_lm]),
            np.concatenate([self.p_counts, others.p_counts]),
            np.concatenate([self.target, others.target]),
            self.prior,
        )
        return joined.rows(np.argsort(joined.documents, kind="stable"))


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
    shared = [one.rows(np.searchsorted(one.documents, documents)) for one in known]
    p_lm, prior = np.mean([one.p_lm for one in shared], axis=0), min(one.prior for one in shared)
    return shared[0]._replace(p_lm=p_lm, prior=prior)


def judged(evidence: Evidence | None, m: Material, *, mix: bool, seed: int) -> Measured:
    """The mix and the report: of the documents to measure on if there are any, else without scores."""
    if evidence is None:
        found = _not_measured(Combination(objective=m.labels.objective), m, mix=mix)
    elif len(m.measured):
        found = measure(evidence, m, mix=mix, seed=seed)
    else:
        found = _not_measured(evidence.mix(), m, mix=mix)
    return found._replace(evidence=evidence)


def measure(evidence: Evidence, m: Material, *, mix: bool, seed: int) -> Measured:
    """The mix, from all evidence, and the report, from that on the documents `m.measured`.

    If the mix scores below the word counts, or only as well while the network alone scores below them, the model
    predicts with the word counts alone. Whether it does is shown by all evidence, too: two hundred documents are sure
    of no difference below three points. `seed` is that of the bootstrap.
    """
    objective, every = m.labels.objective, evidence.target
    combination = fit_weight(evidence.p_lm, evidence.p_counts, every)
    parts = {"lm": evidence.p_lm, "counts": evidence.p_counts}
    if mix:
        parts["combined"] = combination.combine(evidence.p_lm, evidence.p_counts)
    thresholds = dict.fromkeys(PARTS, 0.5)
    thresholds |= {name: objective.best_threshold(every, p) for name, p in parts.items()}
    held = np.isin(evidence.documents, m.measured)
    target = every[held]
    report = compare(
        target, {name: p[held] for name, p in parts.items()}, thresholds, seed, objective=objective
    )
    if not held.all():
        wide = compare(every, parts, thresholds, seed, objective=objective)
        report |= {"gain": wide["gain"], "verdict": f"{wide['verdict']} {WIDE}"}
    alone = {
        name: float(objective.right(every, objective.decide(parts[name], thresholds[name])).mean())
        for name in ("lm", "counts")
    }
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


def _not_measured(combination: Combination, m: Material, *, mix: bool) -> Measured:
    """The given mix and a report without scores, if there is no document to measure on."""
    verdict = " ".join([NOT_MEASURED, *m.remarks])
    report = {"verdict": verdict, "weight": combination.weight if mix else 1.0, "split": m.split}
    return Measured(combination, dict.fromkeys(PARTS, 0.5), report)

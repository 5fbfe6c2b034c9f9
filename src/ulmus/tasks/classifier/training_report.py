"""What a model was trained on -> the report on its training: see `evaluation/report.py`.

The scores, mistakes and curves are those of the held-out documents, as the parts predicted them before they learnt
their labels. Of every training label word counts say, out of fold, whether it is probably wrong.
Axes: N labelled documents, K held-out ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ulmus.errors import DataError, UsageError
from ulmus.evaluation.near_duplicates import nearest
from ulmus.evaluation.outcome import Outcome
from ulmus.evaluation.per_class import evaluation_report
from ulmus.evaluation.report import Doubts, Report, Twins
from ulmus.tasks.classifier import reporting
from ulmus.tasks.classifier.asked import Asked
from ulmus.tasks.classifier.fitted import FittedClassifier
from ulmus.tasks.classifier.label_doubts import out_of_fold
from ulmus.tasks.classifier.material import Material
from ulmus.tasks.classifier.reporting import Assessed

__all__ = ["training_report"]

SOURCE = (
    "The probabilities are those of word counts, each from a fit that was not shown the label (five folds)."
)


def training_report(asked: Asked, m: Material) -> Report:
    """The report on the training on this material. Raises UsageError: it is not what the model was trained on."""
    model = asked.model
    known = model.card.get("data")
    if isinstance(known, dict) and known.get("labelled") not in (None, m.fingerprints["labelled"]):
        raise UsageError(
            "these are not the texts and labels that the model was trained on (another SHA-256). Give those of `fit`."
        )
    verdict = str(model.report.get("verdict", ""))
    made = Report(
        title="Training",
        facts=reporting.facts(model),
        scores=_scores(model),
        measured=verdict,
        notes=tuple(model.report.get("warnings", ())),
        history=model.history,
        twins=_twins(m),
    )
    if model.objective.numeric:
        return made
    given = held_out(model, m)
    if given is not None:
        found = reporting.of_classes(asked, given)
        made = replace(made, **found | {"gain": None}, scores=given.scores, slices=reporting.slices(given))
    if not m.labels.objective.multi_label:
        shown = reporting.pictured(model, m.texts, m.labels.target, m.labels.classes)
        made = replace(made, portraits=shown)
    return replace(made, doubts=_doubts(m))


def held_out(model: FittedClassifier, m: Material) -> Assessed | None:
    """The held-out documents (K) and what was predicted for them; None without any, or where it is not known."""
    if model.evidence is None or not len(m.measured):
        return None
    shown = model.evidence.rows(np.isin(model.evidence.documents, m.measured))
    parts = {"lm": shown.p_lm, "counts": shown.p_counts}
    if model.mixed:
        parts = {"combined": model.combination.combine(shown.p_lm, shown.p_counts), **parts}
    every = m.everything
    outcome = Outcome(shown.target, parts, model.thresholds, model.classes)
    scores = evaluation_report(shown.target, parts, model.thresholds, model.classes)
    return Assessed([every[i] for i in shown.documents], outcome, scores)


def _scores(model: FittedClassifier) -> dict[str, Any]:
    """The scores that the model's own report has, in the form of `evaluate`."""
    report = model.report
    parts = {part: report[part] for part in model.parts if isinstance(report.get(part), dict)}
    if "n" not in report or not parts:
        return {}
    return {**parts[model.parts[0]], "n": report["n"], "parts": parts, "majority": report.get("majority")}


def _twins(m: Material) -> Twins | None:
    """The documents to measure on that are nearly the same as a training text; None without any to measure on."""
    if not len(m.measured):
        return None
    every, numeric = m.everything, m.labels.objective.numeric
    texts, train = [every[i] for i in m.measured], [m.texts[i] for i in m.train]
    labels, known = ([] if numeric else _named(m, t) for t in (m.truth.target, m.labels.target[m.train]))
    near = nearest(texts, train)
    if numeric:
        return reporting.twins(texts, [""] * len(texts), near, train, known=None)
    return reporting.twins(texts, labels, near, train, known=known)


def _named(m: Material, target: np.ndarray) -> list[str]:
    """The labels (K,) as text."""
    names = m.labels.objective.named(target, m.labels.classes)
    return [
        ", ".join(map(str, name)) or "no label" if isinstance(name, tuple) else str(name) for name in names
    ]


def _doubts(m: Material) -> Doubts | None:
    """The training labels that are probably wrong; None where nothing can be said."""
    try:
        proba = out_of_fold(
            m.texts, m.labels.target, classes=len(m.labels.classes), together=m.together, pairs=m.pairs
        )
    except DataError:
        return None
    return reporting.doubts(m.texts, m.labels.target, proba, m.labels.classes, source=SOURCE)

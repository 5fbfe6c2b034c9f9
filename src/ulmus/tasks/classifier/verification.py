"""Does a model do what its file claims? The scores in its report, measured again.

What can be verified depends on the data and on what became of the model after it was measured:

    same       the documents that it was measured on, and a part that was not trained afterwards: equal scores
    learnt     the same documents, whose labels the part has learnt since: it must not be worse than claimed, beyond
               chance; that it is better proves nothing
    trained    the same documents, not learnt, but the part was trained again since: equal but for chance
    other      documents of another file: equal but for chance, if they are of the same kind

Which documents they were is told by the SHA-256 in the model file; a held-out set is recovered from the training data,
by the same seed. Costs: the predictions. Knows no file of texts. Axis: N documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ulmus.corpus.columns import as_list
from ulmus.corpus.labels import Labels
from ulmus.corpus.numbers import Numbers, Targets
from ulmus.corpus.pairs import as_documents
from ulmus.errors import DataError, UsageError
from ulmus.evaluation.agreement import difference
from ulmus.evaluation.metrics import Interval
from ulmus.evaluation.objectives import Regression
from ulmus.evaluation.splits import in_sketch
from ulmus.fields import split_pair
from ulmus.tasks.classifier.fitted import FittedClassifier
from ulmus.tasks.classifier.material import Beside, Material, fingerprint
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.classifier.regressor import TextRegressor

__all__ = ["Check", "Verification", "verify"]

TOLERANCE = 0.002  # of a score: rounding may change the decision on a document in 500, or on one
KINDS = {
    "same": "The documents are those that the model was measured on (the same SHA-256), and it has not been trained "
    "since: the scores must be equal.",
    "learnt": "The documents are the held-out ones of the training data (the same SHA-256), but the model has learnt "
    "their labels after it was measured: measured scores are too good. They show that it is not worse than claimed, "
    "not that it is as good on new documents.",
    "trained": "The documents are those that the model was measured on (the same SHA-256), but it was trained again "
    "afterwards, without their labels: the scores must be equal but for chance.",
    "other": "The documents are not those that the model was measured on (another SHA-256): the scores must be equal "
    "but for chance, if the documents are of the same kind.",
}


@dataclass(frozen=True)
class Check:
    """One part of the model: a score that its file claims, and the same measured now."""

    part: str
    measure: str  # accuracy, or pearson
    claimed: float
    measured: float
    gap: Interval  # measured - claimed, with its 95 % confidence interval
    kind: str  # a key of KINDS
    agrees: bool


@dataclass(frozen=True)
class Verification:
    """The outcome: whether the model does what it claims, and why one can say so."""

    agrees: bool
    claimed_on: int  # documents
    measured_on: int
    left_out: int  # documents that the model was trained on
    checks: tuple[Check, ...]  # the part that predicts first
    scores: dict[str, dict[str, float]]  # of each part, all that were measured

    @property
    def explanation(self) -> str:
        """What was compared, and what that is worth."""
        said = [KINDS[self.checks[0].kind]]
        if self.left_out:
            said.append(f"{self.left_out:,} texts that the model was trained on are left out.")
        return " ".join(said)


def verify(
    model: TextClassifier | TextRegressor,
    texts: Any,
    labels: Any,
    *,
    unknown: Sequence[Any] = (),
    groups: Any = None,
    times: Any = None,
) -> Verification:
    """Measure the scores in a model's report again, on the data that it was trained or measured on, or on others.

    `unknown` lists labels that are no classes of the model. `groups` or `times` (N,) are those of the training, if the
    held-out set was chosen by them. Raises UsageError, DataError: unusable texts or labels, a report without scores, or
    a held-out set that cannot be recovered.
    """
    fitted = model.fitted_
    report, measure = fitted.report, _measure(fitted)
    claimed = [part for part in fitted.parts if measure in _table(report.get(part))]
    if not isinstance(report.get("n"), int) or not claimed:
        raise DataError(
            "the model file claims no scores: there was no held-out set. Measure it with `ulmus evaluate`."
        )
    given = as_documents(texts, pairs=fitted.pairs).texts
    chosen, same = _chosen(fitted, given, labels, tuple(unknown), Beside(None, groups, times))
    if not len(chosen):
        raise DataError("the model was trained on all of these texts; nothing can be verified with them.")
    some = [split_pair(given[i]) if fitted.pairs else given[i] for i in chosen]
    rows = as_list(labels, "labels")
    truth = [rows[i] for i in chosen]
    if isinstance(model, TextClassifier):
        scores = model.evaluate(some, truth, unknown=unknown)["parts"]
    else:
        scores = model.evaluate(some, truth)["parts"]
    checks = tuple(_check(fitted, part, scores[part], len(chosen), same=same) for part in claimed)
    return Verification(
        agrees=checks[0].agrees and all(check.agrees for check in checks if check.kind == "same"),
        claimed_on=report["n"],
        measured_on=len(chosen),
        left_out=0 if same else len(given) - len(chosen),
        checks=checks,
        scores=scores,
    )


def _chosen(
    fitted: FittedClassifier, texts: list[str], labels: Any, unknown: tuple[Any, ...], beside: Beside
) -> tuple[np.ndarray, bool]:
    """Numbers (K,) of the documents to measure on, and whether the model was measured on just these."""
    digests = _table(fitted.card.get("data"))
    given = fingerprint(texts, _targets(fitted, labels, unknown, len(texts)))
    if given == digests.get("measured"):
        return np.arange(len(texts)), True
    if given == digests.get("labelled"):
        return _held_out(fitted, texts, labels, beside), True
    return np.flatnonzero(~in_sketch(texts, fitted.sketch)), False


def _targets(fitted: FittedClassifier, labels: Any, unknown: tuple[Any, ...], texts: int) -> Targets:
    """The labels in the model's terms. Raises UsageError, DataError."""
    objective = fitted.objective
    known: Targets
    if isinstance(objective, Regression):
        known = Numbers(np.zeros((0, 1)), objective).like(labels)
    else:
        known = Labels.of(labels, (*fitted.classes, *unknown), objective.multi_label)
    if len(known) != texts:
        raise UsageError(f"each text needs a label: got {texts} texts and {len(known)} labels.")
    return known


def _held_out(fitted: FittedClassifier, texts: list[str], labels: Any, beside: Beside) -> np.ndarray:
    """Numbers (K,) of the training documents that were held out. Raises UsageError if they cannot be recovered."""
    by = _table(fitted.report.get("split")).get("by")
    if by == "given":
        raise UsageError(
            "these are the training texts, but the model was measured on texts of their own (valid=, --valid). Verify "
            "it with those, or with new ones."
        )
    if by == "groups" and beside.groups is None:
        raise UsageError("the held-out set was chosen by groups: name their column (groups=, --group COL).")
    if by == "time" and beside.times is None:
        raise UsageError("the held-out set was chosen by time: name its column (times=, --time COL).")
    read = Numbers.of if fitted.objective.numeric else Labels.of
    material = Material.of(texts, labels, beside=beside, seed=fitted.card["seed"], read=read)
    if material.fingerprints.get("measured") != fitted.card["data"]["measured"]:
        raise UsageError(
            "these are the training texts, but their held-out set cannot be recovered: it was chosen by other groups "
            "or times, or by another version of Ulmus. Verify the model with new texts."
        )
    return material.held_out


def _check(
    fitted: FittedClassifier, part: str, scores: dict[str, float], documents: int, *, same: bool
) -> Check:
    """One part: its claimed and its measured score, and whether they agree."""
    numeric, report, measure = fitted.objective.numeric, fitted.report, _measure(fitted)
    claimed, measured = float(report[part][measure]), float(scores[measure])
    gap = difference((claimed, report["n"]), (measured, documents), correlation=numeric)
    kind = _kind(report, part) if same else "other"
    if kind == "same":
        agrees = abs(gap.difference) <= max(TOLERANCE, 1 / documents) + 1e-9
    elif kind == "learnt":
        agrees = gap.high >= 0
    else:
        agrees = gap.low <= 0 <= gap.high
    return Check(part, measure, claimed, measured, gap, kind, agrees)


def _kind(report: dict[str, Any], part: str) -> str:
    """What became of a part after it was measured."""
    refit = _table(report.get("refit"))
    if not any(refit.get(one, True) for one in (("lm", "counts") if part == "combined" else (part,))):
        return "same"
    return "trained" if _table(report.get("split")).get("by") == "given" else "learnt"


def _measure(fitted: FittedClassifier) -> str:
    """The score that is compared."""
    return "pearson" if fitted.objective.numeric else "accuracy"


def _table(item: Any) -> dict[str, Any]:
    """An entry of a model file, if it is a dict."""
    return item if isinstance(item, dict) else {}

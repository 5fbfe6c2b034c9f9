"""Targets and probabilities -> the report of `evaluate`: scores of each part and class, and the confusion matrix.

Targets are class numbers (N,) or, if multi-label, zeros and ones (N, C + U); the last U classes are unknown to the
model, whose predictions for them are always wrong. scikit-learn does the counting.
Costs: milliseconds. Knows no text and no model. Axes: N documents, C classes of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ulmus.errors import DataError
from ulmus.evaluation.metrics import decision_scores
from ulmus.evaluation.objectives import objective_of

__all__ = [
    "by_class",
    "cautions",
    "caveats",
    "confusion",
    "evaluation_report",
    "majority",
    "unmeasured",
    "wilson",
]

IMBALANCED = 0.8  # share of a class from which on an accuracy is misleading
FEW = 100  # documents; with fewer, a score is given its confidence interval
NAMED = 8  # classes, at most, that a sentence names


def evaluation_report(
    target: np.ndarray,
    parts: Mapping[str, np.ndarray],
    thresholds: Mapping[str, float],
    names: Sequence[Any],
) -> dict[str, Any]:
    """Scores of the first part, n, `parts` (scores of each), and of the first part classes, confusion, unmeasured.

    Also `majority` and `warnings`: see the functions of these names.

    `parts` holds probabilities (N, C) by name, `names` the C + U classes. Log loss and calibration error are left out
    if there are unknown classes. Raises DataError for fewer names than classes and for no documents.
    """
    main = next(iter(parts))
    unknown = len(names) - parts[main].shape[1]
    if unknown < 0:
        raise DataError(f"Expected a name for each of {parts[main].shape[1]} classes, got {len(names)}.")
    objective = objective_of(target)
    decided = {name: objective.decide(proba, thresholds[name]) for name, proba in parts.items()}
    if objective.multi_label and unknown:
        decided = {name: np.pad(y, ((0, 0), (0, unknown))) for name, y in decided.items()}
    each = {
        name: decision_scores(target, decided[name])
        if unknown
        else objective.report(target, proba, thresholds[name])
        for name, proba in parts.items()
    }
    return {
        **each[main],
        "n": len(target),
        "parts": each,
        "classes": by_class(target, decided[main], names),
        "confusion": {"classes": list(names), "counts": confusion(target, decided[main], len(names))},
        "unmeasured": unmeasured(target, names),
        "majority": majority(target, names),
        "warnings": cautions(target, names, each[main]["accuracy"]),
    }


def by_class(target: np.ndarray, guess: np.ndarray, names: Sequence[Any]) -> dict[Any, dict[str, float]]:
    """precision, recall and f1 (0..1), support and predicted (numbers of documents) of each class.

    `target` and `guess` are (N,) or (N, C). Undefined values are NaN: the precision of a class that is never
    predicted, the recall of one without documents, the F1 of one with neither.
    """
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, support = precision_recall_fscore_support(
        target, guess, labels=np.arange(len(names)), zero_division=np.nan
    )
    given = guess.sum(axis=0) if guess.ndim == 2 else np.bincount(guess, minlength=len(names))
    return {
        name: {
            "precision": float(precision[k]),
            "recall": float(recall[k]),
            "f1": float(f1[k]),
            "support": int(support[k]),
            "predicted": int(given[k]),
        }
        for k, name in enumerate(names)
    }


def confusion(target: np.ndarray, guess: np.ndarray, classes: int) -> np.ndarray:
    """Number of documents of class i predicted as j, (C, C); multi-label: [[tn, fp], [fn, tp]] per class, (C, 2, 2)."""
    from sklearn.metrics import confusion_matrix, multilabel_confusion_matrix

    every = np.arange(classes)
    count = multilabel_confusion_matrix if target.ndim == 2 else confusion_matrix
    return np.asarray(count(target, guess, labels=every))


def unmeasured(target: np.ndarray, names: Sequence[Any]) -> list[Any]:
    """The classes without documents, for which there are no scores; `target` is (N,) or (N, C)."""
    support = objective_of(target).counts(target, len(names))
    return [name for name, n in zip(names, support, strict=True) if n == 0]


def majority(target: np.ndarray, names: Sequence[Any]) -> dict[str, Any] | None:
    """The most frequent class, and accuracy and macro F1 of always answering it; None unless targets are (N,)."""
    if target.ndim != 1:
        return None
    counts = np.bincount(target, minlength=len(names))
    most = int(counts.argmax())
    always = np.full(len(target), most)
    return {"class": names[most], **decision_scores(target, always)}


def cautions(target: np.ndarray, names: Sequence[Any], accuracy: float) -> list[str]:
    """What to beware of in an accuracy, 0..1: nearly all documents are of one class, or there are few of them."""
    said, most, n = [], majority(target, names), len(target)
    if most is not None and most["accuracy"] >= IMBALANCED:
        said.append(
            f"{100 * most['accuracy']:.1f} % of the documents are {most['class']!r}, and always answering that would "
            "be as accurate: compare macro F1."
        )
    if n < FEW:
        low, high = wilson(accuracy, n)
        said.append(
            f"only {n} documents were measured on: an accuracy of {100 * accuracy:.1f} % means {100 * low:.0f} to "
            f"{100 * high:.0f} % (95% confidence interval)."
        )
    return said


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share, 0..1, of n independent documents (Wilson 1927)."""
    z = 1.96
    middle, width = share + z * z / (2 * n), z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return float((middle - width) / (1 + z * z / n)), float((middle + width) / (1 + z * z / n))


def caveats(verdict: str, target: np.ndarray, names: Sequence[Any], repeated: int) -> dict[str, Any]:
    """The verdict with its caveats, and as keys: `unmeasured` classes, `repeated` documents (left out).

    `target` (N,) or (N, C) is that of the evaluated documents, `repeated` the number of those left out because they are
    in the training set.
    """
    missing = unmeasured(target, names)
    if missing:
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        named = ", ".join(repr(name) for name in missing[:NAMED]) + more
        verdict += f" There are no scores for {named}: no held-out document has that label."
    if repeated:
        verdict += f" {repeated:,} evaluation documents were left out because they are in the training set."
    return {"verdict": verdict, "unmeasured": missing, "repeated": repeated}

"""Labels that are probably wrong: confident learning, on probabilities by models that were not shown the label.

How (Northcutt, Jiang & Chuang 2021, section 3): a document is confidently of class j if its probability of j is at
least the mean that documents labelled j have. Counting labels against confident classes gives the joint distribution of
given and true labels, and so how many labels of i are truly j. As many documents of i are named, those whose
probability of j exceeds that of i most ("prune by noise rate"), but none whose own label is the most probable one; they
are ordered by their margin. Multi-label: each class is a question of its own, with the answers yes and no.
Costs: milliseconds for 100,000 documents. Knows no text and no model. Axes: N documents, C classes, K named documents.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["LabelErrors", "confident_joint", "label_errors", "margins", "thresholds"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


class LabelErrors(NamedTuple):
    """The documents whose labels are probably wrong, the most suspicious first."""

    documents: Numbers  # (K,) their numbers
    suggested: (
        Numbers  # (K,) class that each probably belongs to; multi-label: the class whose answer is doubtful
    )
    margin: Floats  # (K,) probability of the given label less that of the best other one, -1..1
    share: float  # of all labels, 0..1, that are estimated to be wrong


def thresholds(target: Numbers, proba: Floats) -> Floats:
    """The mean probability (C,) of each class for the documents that are labelled with it; infinite without any.

    `target` is (N,), `proba` (N, C).
    """
    classes = proba.shape[1]
    counts = np.bincount(target, minlength=classes)
    sums = np.bincount(target, proba[np.arange(len(target)), target], minlength=classes)
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.inf))


def confident_joint(target: Numbers, proba: Floats) -> Floats:
    """Estimated numbers of documents (C, C): labelled i, truly j. The rows sum to the documents of each label.

    `target` is (N,), `proba` (N, C). A document that is confidently of no class counts nowhere; of several classes that
    it is confidently of, the most probable one counts.
    """
    classes = proba.shape[1]
    confident = np.where(proba >= thresholds(target, proba) - 1e-9, proba, -1.0)
    sure = confident.max(axis=1) >= 0
    counts = np.zeros((classes, classes))
    np.add.at(counts, (target[sure], confident[sure].argmax(axis=1)), 1.0)
    given = np.bincount(target, minlength=classes)
    empty = counts.sum(axis=1) == 0
    counts[empty, empty] = (
        1.0  # no document of the label is confidently anything: nothing is known against it
    )
    return np.asarray(counts / counts.sum(axis=1, keepdims=True) * given[:, None])


def margins(target: Numbers, proba: Floats) -> Floats:
    """How far each label is the most probable one, (N,) from -1 to 1: its probability less the best other class's.

    `target` is (N,), `proba` (N, C).
    """
    rows = np.arange(len(target))
    others = np.array(proba, np.float64)
    others[rows, target] = -1.0
    return np.asarray(proba[rows, target] - others.max(axis=1))


def label_errors(target: NDArray[np.int64], proba: Floats) -> LabelErrors:
    """The likely errors among labels (N,), or (N, C) zeros and ones, given probabilities (N, C).

    The probabilities must be of models that were not shown the label: out of fold, or of other documents.
    """
    if target.ndim == 2:
        return _of_each_class(target, proba)
    joint = confident_joint(target, proba)
    share = 1.0 - float(np.trace(joint)) / max(len(target), 1)
    guess = proba.argmax(axis=1)
    named = np.zeros(len(target), bool)
    for i, j in zip(*np.nonzero(np.rint(joint)), strict=True):
        if i != j:
            of_label = np.flatnonzero((target == i) & (guess != i))
            gain = proba[of_label, j] - proba[of_label, i]
            worst = np.argsort(-gain, kind="stable")[: round(joint[i, j])]
            named[of_label[worst[gain[worst] > 0]]] = True
    margin = margins(target, proba)
    documents = np.flatnonzero(named)
    documents = documents[np.argsort(margin[documents], kind="stable")]
    return LabelErrors(documents, guess[documents], margin[documents], share)


def _of_each_class(target: NDArray[np.int64], proba: Floats) -> LabelErrors:
    """Of several labels a document: each class is a question; a document is named once, for its worst answer."""
    found = [label_errors(target[:, k], np.stack([1 - p, p], axis=1)) for k, p in enumerate(proba.T)]
    documents = np.concatenate([one.documents for one in found])
    margin = np.concatenate([one.margin for one in found])
    classes = np.repeat(np.arange(len(found)), [len(one.documents) for one in found])
    order = np.argsort(margin, kind="stable")
    _, first = np.unique(documents[order], return_index=True)
    order = order[np.sort(first)]
    share = float(np.mean([one.share for one in found]))
    return LabelErrors(documents[order], classes[order], margin[order], share)

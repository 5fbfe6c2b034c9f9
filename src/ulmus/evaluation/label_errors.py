"""Labels that are probably wrong: confident learning, on probabilities by models that were not shown the label.

How (Northcutt, Jiang & Chuang 2021, section 3): a document is confidently of class j if its probability of j is at
least the mean that documents labelled j have. Counting labels against confident classes gives the joint distribution
of given and true labels, and so how many labels of a class are wrong. As many documents of the class are named: those
whose probability of it is least ("prune by class"), but none for which it is the most probable class. They are ordered
by that probability. Multi-label: each class is a question of its own, with the answers yes and no.
Costs: milliseconds for 100,000 documents. Knows no text and no model. Axes: N documents, C classes, K named documents.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["LabelErrors", "confident_joint", "label_errors", "thresholds"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


class LabelErrors(NamedTuple):
    """The documents whose labels are probably wrong, the most suspicious first."""

    documents: Numbers  # (K,) their numbers
    suggested: (
        Numbers  # (K,) class that each probably belongs to; multi-label: the class whose answer is doubtful
    )
    confidence: Floats  # (K,) probability of the given label, 0..1
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
    sure = proba[np.arange(len(target)), target]
    for i, wrong in enumerate(np.rint(joint.sum(axis=1) - joint.diagonal()).astype(np.int64)):
        of_label = np.flatnonzero((target == i) & (guess != i))
        named[of_label[np.argsort(sure[of_label], kind="stable")[:wrong]]] = True
    documents = np.flatnonzero(named)
    documents = documents[np.argsort(sure[documents], kind="stable")]
    return LabelErrors(documents, guess[documents], sure[documents], share)


def _of_each_class(target: NDArray[np.int64], proba: Floats) -> LabelErrors:
    """Of several labels a document: each class is a question; a document is named once, for its worst answer."""
    found = [label_errors(target[:, k], np.stack([1 - p, p], axis=1)) for k, p in enumerate(proba.T)]
    documents = np.concatenate([one.documents for one in found])
    sure = np.concatenate([one.confidence for one in found])
    classes = np.repeat(np.arange(len(found)), [len(one.documents) for one in found])
    order = np.argsort(sure, kind="stable")
    _, first = np.unique(documents[order], return_index=True)
    order = order[np.sort(first)]
    share = float(np.mean([one.share for one in found]))
    return LabelErrors(documents[order], classes[order], sure[order], share)

"""The word-count side of a classifier: `CountFeatures` of all texts, fitted anew for any labels.

What takes long (counting all texts, their LSA) is done once. Class numbers go in as codes that sort alike, so columns
of probabilities stand in the order of the classes whatever their type. Knows no torch. Axes: N documents, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from ulmus.corpus.labels import Labels
from ulmus.linear.features import CountFeatures
from ulmus.linear.word_counts import WordCounts

__all__ = ["Counts", "load_counts", "named_arrays", "proba_of_texts"]


class Counts:
    """Counted texts: labelled ones (N), and unlabelled ones that only help to weigh and to relate words."""

    def __init__(self, texts: Sequence[str], unlabeled: Sequence[str], class_weight: Any) -> None:
        self.class_weight = class_weight
        self.features = CountFeatures().fit(texts, unlabeled=unlabeled)
        self.labelled = self.features.prepare(texts)

    def fit(self, labels: Labels, documents: np.ndarray) -> WordCounts:
        """The word-count classifier of the chosen labelled documents."""
        model = WordCounts(class_weight=self.class_weight)
        names = labels.rows(documents).names()
        return model.fit_prepared(self.features, self.labelled.rows(documents), names)

    def proba(self, model: WordCounts, labels: Labels, x: csr_matrix) -> np.ndarray:
        """Probabilities (N, C) in the order of the classes; one that `model` never saw gets 0."""
        proba = np.zeros((x.shape[0], len(labels.classes)))
        proba[:, [int(name) for name in model.classes_]] = model.proba_of(x)
        return proba

    def out_of_fold(self, labels: Labels, documents: np.ndarray, seed: int) -> np.ndarray:
        """`proba` of each of the chosen labelled documents by a model that was not shown its label."""
        model = WordCounts(class_weight=self.class_weight)
        shown = labels.rows(documents)
        proba = np.zeros((len(shown), len(labels.classes)))
        proba[:, np.flatnonzero(shown.counts())] = model.out_of_fold_proba(
            self.labelled.rows(documents), shown.names(), seed=seed, features=self.features
        )
        return proba

    def of_labelled(self, model: WordCounts, labels: Labels, documents: np.ndarray) -> np.ndarray:
        """`proba` of labelled documents."""
        return self.proba(model, labels, self.labelled.x[documents])


def named_arrays(model: WordCounts, prefix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays and description of a word-count classifier, for a model file."""
    arrays, meta = model.to_arrays()
    return {prefix + name: array for name, array in arrays.items()}, meta


def proba_of_texts(model: WordCounts, classes: int, texts: list[str]) -> np.ndarray:
    """Probabilities (N, C) of texts, in the order of C classes; one that `model` never saw gets 0."""
    proba = np.zeros((len(texts), classes))
    proba[:, [int(name) for name in model.classes_]] = model.predict_proba(texts)
    return proba


def load_counts(tensors: Mapping[str, Any], meta: Mapping[str, Any], prefix: str) -> WordCounts:
    """The inverse of `named_arrays`."""
    return WordCounts.from_arrays(
        {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}, meta
    )

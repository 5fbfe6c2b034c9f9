"""The word-count side of a classifier: `CountFeatures` of all texts, fitted anew for any labels.

What takes long (counting all texts, their LSA) is done once. Knows no torch. Axes: N documents, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ulmus.corpus.labels import Labels
from ulmus.linear.count_model import CountModel, CountSettings, out_of_fold_proba
from ulmus.linear.features import CountFeatures

__all__ = ["Counts", "load_counts", "named_arrays"]


class Counts:
    """Counted texts: labelled ones (N), and unlabelled ones that only help to weigh and to relate words."""

    def __init__(
        self, texts: Sequence[str], unlabeled: Sequence[str], class_weight: Any, weights: Any = None
    ) -> None:
        self.weights = weights  # (N,) how much each labelled text counts; None: all the same
        self.settings = CountSettings(class_weight=class_weight)
        self.features = CountFeatures().fit(texts, unlabeled=unlabeled)
        self.labelled = self.features.prepare(texts)

    def fit(self, labels: Labels, documents: np.ndarray) -> CountModel:
        """The word-count classifier of the chosen labelled documents."""
        counted, target = self.labelled.rows(documents), labels.target[documents]
        classes = len(labels.classes)
        weights = None if self.weights is None else self.weights[documents]
        return CountModel.fit(
            self.features, counted, target, classes=classes, settings=self.settings, sample_weight=weights
        )

    def out_of_fold(self, labels: Labels, documents: np.ndarray, seed: int) -> np.ndarray:
        """Probabilities (N, C) of each of the chosen documents by a model that was not shown its label."""
        return out_of_fold_proba(
            self.features,
            self.labelled.rows(documents),
            labels.target[documents],
            classes=len(labels.classes),
            settings=self.settings,
            seed=seed,
        )


def named_arrays(model: CountModel, prefix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays and description of a word-count classifier, for a model file."""
    arrays, meta = model.to_arrays()
    return {prefix + name: array for name, array in arrays.items()}, meta


def load_counts(
    tensors: Mapping[str, Any], meta: Mapping[str, Any], prefix: str, *, classes: int
) -> CountModel:
    """The inverse of `named_arrays`."""
    arrays = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
    return CountModel.from_arrays(arrays, meta, classes=classes)

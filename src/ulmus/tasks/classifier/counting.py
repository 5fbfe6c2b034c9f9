"""The word-count side of a classifier: texts counted once, fitted anew for any of the labels.

Settings are chosen on the labels that are not held out, and then kept. Knows no torch.
Axes: N labelled documents, M unlabelled, K chosen, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ulmus.corpus.numbers import Targets
from ulmus.evaluation.splits import Together
from ulmus.linear.count_model import CountModel, CountSettings
from ulmus.linear.learner import CountLearner
from ulmus.linear.selection import Choice

__all__ = ["Counts", "load_counts", "named_arrays"]


class Counts:
    """Counted texts: labelled ones (N), and unlabelled ones (M) that help to weigh and to relate words."""

    def __init__(
        self,
        texts: Sequence[str],
        unlabeled: Sequence[str],
        *,
        class_weight: Any = None,
        weights: Any = None,
        together: Together | None = None,
        pairs: bool = False,
    ) -> None:
        self._weights = weights  # (N,) how much each labelled text counts; None: all the same
        settings = CountSettings(class_weight=class_weight)
        self._learner = CountLearner(texts, unlabeled, settings=settings, together=together, pairs=pairs)

    def choose(self, labels: Targets, documents: np.ndarray) -> Choice:
        """The settings that suit the chosen labelled `documents` (K,)."""
        return self._learner.choose(
            labels.target, documents, classes=len(labels.classes), weight=self._weights
        )

    def fit(self, labels: Targets, documents: np.ndarray, choice: Choice) -> CountModel:
        """The word-count classifier of the chosen labelled `documents` (K,)."""
        return self._learner.fit(
            labels.target, choice, documents, classes=len(labels.classes), weight=self._weights
        )

    def out_of_fold(self, labels: Targets, documents: np.ndarray, choice: Choice, seed: int) -> np.ndarray:
        """Probabilities (K, C) of each of the chosen `documents` (K,) by a model that was not shown its label."""
        return self._learner.out_of_fold(
            labels.target, choice, documents, classes=len(labels.classes), seed=seed
        )

    def of_labelled(self, model: CountModel, documents: np.ndarray) -> np.ndarray:
        """Probabilities (K, C) of labelled `documents` (K,)."""
        return self._learner.proba(model, documents)

    def of_unlabeled(self, model: CountModel) -> np.ndarray:
        """Probabilities (M, C) of the unlabelled documents."""
        return self._learner.proba_of_more(model)


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

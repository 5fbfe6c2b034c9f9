"""Texts and labels -> a word-count classifier: the baseline of every language model, and its partner in the mix.

`WordCounts` checks the user's data and knows the names of the classes; `linear/count_model.py` does the computing.
A scikit-learn estimator that never loads torch.
Costs: seconds to a minute to fit, thousands of documents a second to predict.
Axes: N documents, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np

from ulmus.corpus.columns import as_weights
from ulmus.corpus.labels import Labels
from ulmus.corpus.pairs import as_documents
from ulmus.errors import DataError, UsageError
from ulmus.linear.count_model import CountModel, CountSettings
from ulmus.linear.features import CountConfig
from ulmus.linear.learner import CountLearner
from ulmus.linear.logistic import ClassWeight
from ulmus.tasks.estimator import Estimator, not_fitted, sklearn_names

__all__ = ["WordCounts", "named_weights"]


class WordCounts(Estimator):
    """The word-count classifier: `WordCounts().fit(texts, labels, unlabeled=more).predict_proba(new)`.

    config: what is counted. C: inverse strength of the penalty; auto lets cross-validation choose. class_weight:
    "balanced" gives every class the same total weight; a dict gives the weight of each class, 1 for those not in it.
    After fitting: classes_ (C,), class_names_ (the same, a tuple of what was given), multi_label_, model_.
    """

    def __init__(
        self,
        *,
        config: CountConfig | None = None,
        C: float | Literal["auto"] = "auto",
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
    ) -> None:
        self.config, self.C, self.class_weight = config, C, class_weight

    @classmethod
    def of(cls, model: CountModel, classes: tuple[Any, ...]) -> WordCounts:
        """A fitted classifier from its model and the class names (C,), in the order of the class numbers."""
        self = cls()
        self.model_, self.class_names_, self.multi_label_ = model, classes, model.objective.multi_label
        return self

    @sklearn_names
    def fit(self, texts: Any, labels: Any, *, unlabeled: Any = None, sample_weight: Any = None) -> WordCounts:
        """Learn from labelled texts; `unlabeled` ones improve the weights of n-grams (idf) and relate them (LSA),
        and, if there are few labels, serve as training texts too (self-training).

        Texts are lists, pandas or polars columns, numpy or Arrow arrays of str, or pairs of texts: a list of (a, b), or
        a table of two columns. Labels are one value each, or a list of values each (multi-label; may be empty).
        sample_weight: (N,) weight of each text, 0 or more.
        Raises UsageError, DataError: unusable texts, labels or settings.
        """
        given, pairs = as_documents(texts)
        more = as_documents([] if unlabeled is None else unlabeled, "unlabeled", pairs=pairs).texts
        known = Labels.of(labels)
        _check_lengths(given, known)
        if not given:
            raise DataError("expected labelled texts, got none.")
        settings = CountSettings(
            C=self._penalty(), class_weight=named_weights(self.class_weight, known.classes)
        )
        weight = None if sample_weight is None else as_weights(sample_weight, len(given))
        learner, classes = (
            CountLearner(given, more, config=self.config, settings=settings, pairs=pairs),
            len(known.classes),
        )
        choice = learner.choose(known.target, classes=classes, weight=weight)
        self.model_ = learner.fit(known.target, choice, classes=classes, weight=weight)
        self.class_names_, self.multi_label_ = known.classes, known.multi_label
        return self

    def _penalty(self) -> float | None:
        if self.C == "auto":
            return None
        if isinstance(self.C, bool) or not isinstance(self.C, int | float) or not 0 < self.C < np.inf:
            raise UsageError(f"C: expected 'auto' or a number greater than 0, got {self.C!r}.")
        return float(self.C)

    @property
    def classes_(self) -> np.ndarray:
        """The classes (C,) in the order of the columns of `predict_proba`, as scikit-learn wants them."""
        self._check_fitted()
        return np.array(self.class_names_)

    @sklearn_names
    def predict_proba(self, texts: Any) -> np.ndarray:
        """Probabilities (N, C) float64; rows sum to 1, or are independent when multi-label.

        Raises UsageError: unusable texts, or not fitted.
        """
        self._check_fitted()
        return self.model_.proba_of(as_documents(texts, pairs=self.model_.pairs).texts)

    @sklearn_names
    def predict(self, texts: Any) -> np.ndarray | list[tuple[Any, ...]]:
        """The most likely class of each text (N,); multi-label: a tuple of the classes with probability >= 0.5 each."""
        proba = self.predict_proba(texts)
        decided = self.model_.objective.decide(proba)
        if self.multi_label_:
            return [tuple(self.class_names_[k] for k in np.flatnonzero(row)) for row in decided]
        return np.asarray(self.classes_[decided])

    @sklearn_names
    def score(self, texts: Any, labels: Any) -> float:
        """Accuracy: the fraction of texts predicted correctly (multi-label: with exactly the right set of labels).

        Raises UsageError, DataError: unusable texts or labels.
        """
        proba, known = self.predict_proba(texts), Labels.of(labels, self.class_names_, self.multi_label_)
        _check_lengths(proba, known)
        if not len(known):
            raise DataError("expected labelled texts to score on, got none.")
        return self.model_.objective.report(known.target, proba)["accuracy"]

    def explain(self, text: Any, *, top: int = 10) -> dict[Any, list[tuple[str, float]]]:
        """For each class the `top` n-grams of the text by their contribution to its score (may be negative).

        Raises UsageError: `text` is not one str, or the model is not fitted.
        """
        self._check_fitted()
        if not isinstance(text, str) and not self.model_.pairs:
            raise UsageError(f"text: expected one str, got {type(text).__name__}.")
        x = self.model_.features.transform(as_documents([text], pairs=self.model_.pairs).texts)
        added, names = self.model_.contributions(x), self.model_.features.names()
        order = np.argsort(-np.abs(added), axis=0)[:top]
        return {
            c: [(names[x.indices[i]], float(added[i, k])) for i in order[:, k]]
            for k, c in enumerate(self.class_names_)
        }

    def strongest(self, label: Any, *, top: int = 20) -> list[tuple[str, float]]:
        """The n-grams with the largest weights times idf for a class; "^" is the beginning of a text.

        At most `top`, and only those with positive weights. Raises UsageError: an unknown class, or not fitted.
        """
        self._check_fitted()
        if label not in self.class_names_:
            raise UsageError(
                f"{label!r} is not a class of this model ({', '.join(map(str, self.class_names_))})."
            )
        k = self.class_names_.index(label)
        weights = self.model_.weights_per_class()[:, k] * self.model_.features.column_idf()
        names = self.model_.features.names()
        return [
            (names[i], float(weights[i])) for i in np.argsort(-weights, kind="stable")[:top] if weights[i] > 0
        ]

    def _state(self) -> str:
        if not hasattr(self, "model_"):
            return "not fitted"
        return (
            f"fitted: {len(self.class_names_):,} classes, {len(self.model_.features.column_idf()):,} n-grams"
        )

    def _check_fitted(self) -> None:
        if not hasattr(self, "model_"):
            raise not_fitted("this WordCounts is not fitted: call fit(texts, labels) first.")


def named_weights(class_weight: Any, classes: tuple[Any, ...]) -> ClassWeight:
    """None, "balanced", or the weights (C,) of a dict in the order of the classes. Raises UsageError: anything else."""
    if class_weight is None or (isinstance(class_weight, str) and class_weight == "balanced"):
        return cast(ClassWeight, class_weight)
    if not isinstance(class_weight, Mapping):
        raise UsageError(
            f"class_weight: expected None, 'balanced' or a dict of weights, got {class_weight!r}."
        )
    for name in class_weight:
        if name not in classes:
            raise UsageError(f"class_weight: {name!r} is not a class ({', '.join(map(str, classes))}).")
    return as_weights([class_weight.get(name, 1.0) for name in classes], len(classes), "class_weight")


def _check_lengths(texts: Any, labels: Labels) -> None:
    if len(texts) != len(labels):
        raise UsageError(f"each text needs a label: got {len(texts)} texts and {len(labels)} labels.")

"""Texts and labels -> a classifier that counts words: what every language model must beat, and then joins.

How: logistic regression on TF-IDF and its LSA (`count_features.py`); balanced classes and document weights if
wished; several labels a document are C independent yes/no questions. What is learnt folds into one weight per
n-gram and class, because LSA is linear: w = w_counts + basis @ w_lsa. Prediction, storing and explaining use the
folded weights only. The settings (C = 10, 100 dimensions) were chosen by measurement.
Costs: seconds to a minute to fit, thousands of documents a second to predict. Plain arrays, no pickle.
Knows no tokenizer, no tensor, no files. Legend: N documents, F n-grams, C classes, K outputs (C, or 1 for two).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from ulmus.errors import BundleError, DataError, UsageError
from ulmus.linear.features import CountConfig, Counted, CountFeatures
from ulmus.linear.logistic import fit_logistic, out_of_fold, probabilities
from ulmus.linear.ngrams import Ngrams
from ulmus.linear.targets import Label, encode_labels

__all__ = ["WordCounts"]

Proba = NDArray[np.float64]
Floats = NDArray[np.float32]


class WordCounts:
    """The word-count classifier: `WordCounts().fit(texts, labels, unlabeled=more).predict_proba(new)`.

    labels: one string a text, or a sequence of strings a text (multi-label; may be empty).
    C: inverse strength of the penalty. class_weight: "balanced" makes every class weigh the same.
    After fit: classes_ (C names in order), multi_label_, features_, weights_ (F, K) and bias_ (K,) float32; of two
    classes the one output K is the score of the second.
    """

    def __init__(
        self,
        *,
        config: CountConfig | None = None,
        C: float | Literal["auto"] = "auto",
        class_weight: Literal["balanced"] | None = None,
    ) -> None:
        if class_weight not in (None, "balanced"):
            raise UsageError(f"class_weight must be None or 'balanced', got {class_weight!r}.")
        if C != "auto" and not C > 0:
            raise UsageError(f"C must be 'auto' or greater than 0, got {C!r}.")
        self.config = config or CountConfig()
        self.C = C
        self.class_weight: Literal["balanced"] | None = class_weight

    def fit(
        self,
        texts: Sequence[str],
        labels: Sequence[Label],
        *,
        unlabeled: Sequence[str] = (),
        sample_weight: Sequence[float] | NDArray[np.float64] | None = None,
        features: CountFeatures | None = None,
    ) -> WordCounts:
        """Learn from labelled texts; `unlabeled` ones help to weigh n-grams (idf) and relate them (LSA).

        `features` fitted before are used as they are. Raises DataError: no texts, lengths differ, one class.
        """
        _check(texts, labels)
        features = features or CountFeatures(self.config).fit(texts, unlabeled=unlabeled)
        return self.fit_prepared(features, features.prepare(texts), labels, sample_weight=sample_weight)

    def fit_prepared(
        self,
        features: CountFeatures,
        counted: Counted,
        labels: Sequence[Label],
        *,
        sample_weight: Sequence[float] | NDArray[np.float64] | None = None,
    ) -> WordCounts:
        """Like `fit`, for texts already counted by `features.prepare`: another fit costs seconds."""
        self.classes_, self.multi_label_, target = encode_labels(labels)
        if not self.multi_label_ and len(self.classes_) < 2:
            raise DataError(
                f"Expected labels of at least two classes, got only {self.classes_[0]!r}. "
                "Check the label column."
            )
        weight = np.ones(len(counted)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        self.features_ = features
        self.weights_, self.bias_ = self._fit_target(counted, target, weight)
        return self

    def _fit_target(
        self, counted: Counted, target: NDArray[np.int64], weight: Proba
    ) -> tuple[Floats, Floats]:
        """Folded weights (F, K) and bias (K,) for class numbers (N,) or zeros and ones (N, C)."""
        used = np.flatnonzero(np.bincount(counted.x.indices, minlength=counted.x.shape[1]))
        design = hstack([counted.x[:, used], csr_matrix(counted.lsa)], format="csr")
        coef, bias = fit_logistic(design, target, weight, C=self._c(), balanced=bool(self.class_weight))
        weights = self.features_.basis @ coef[:, len(used) :].T.astype(np.float32)  # (F, L) @ (L, K)
        weights[used] += coef[:, : len(used)].T
        return weights.astype(np.float32), bias.astype(np.float32)

    def _c(self) -> float:
        return 10.0 if self.C == "auto" else float(self.C)

    def predict_proba(self, texts: Sequence[str]) -> Proba:
        """Probabilities (N, C) float64; rows sum to 1, or are independent when multi-label."""
        return self.proba_of(self.features_.transform(texts))

    def proba_of(self, x: csr_matrix) -> Proba:
        """Probabilities (N, C) of texts already counted: `x` (N, F) of `features.transform` or `Counted.x`."""
        scores = np.asarray(x @ self.weights_ + self.bias_, np.float64)  # (N, K)
        return probabilities(scores, multi=self.multi_label_)

    def predict(self, texts: Sequence[str]) -> list[str] | list[tuple[str, ...]]:
        """The likeliest class of each text; multi-label: all classes with probability of at least 0.5."""
        proba = self.predict_proba(texts)
        if self.multi_label_:
            return [tuple(c for c, p in zip(self.classes_, row, strict=True) if p >= 0.5) for row in proba]
        return [self.classes_[i] for i in proba.argmax(axis=1)]

    def out_of_fold_proba(
        self,
        counted: Counted,
        labels: Sequence[Label],
        *,
        folds: int = 5,
        seed: int = 0,
        sample_weight: Sequence[float] | NDArray[np.float64] | None = None,
        features: CountFeatures | None = None,
    ) -> Proba:
        """Probabilities (N, C) of each text by a model that was not shown its label, for fitting combinations.

        `features` (default: those of the fit before) saw the texts but no labels: all folds share them.
        """
        features = features or self.features_
        classes, _, target = encode_labels(labels)
        weight = np.ones(len(counted)) if sample_weight is None else np.asarray(sample_weight, np.float64)

        def learn(train: NDArray[np.int64], held: NDArray[np.int64]) -> Proba:
            model = WordCounts(C=self.C, class_weight=self.class_weight)
            names = [labels[int(i)] for i in train]
            model.fit_prepared(features, counted.rows(train), names, sample_weight=weight[train])
            return model.proba_of(counted.x[held])

        return out_of_fold(target, len(classes), learn, folds=folds, seed=seed)

    def explain(self, text: str, *, top: int = 10) -> dict[str, list[tuple[str, float]]]:
        """For each class the `top` n-grams of the text by what they add to its score (may be negative)."""
        x = self.features_.transform([text])
        names = self.features_.names()
        weights = self._weights_per_class()[x.indices] * x.data[:, None]  # (n-grams of the text, C)
        order = np.argsort(-np.abs(weights), axis=0)[:top]
        return {
            c: [(names[x.indices[i]], float(weights[i, k])) for i in order[:, k]]
            for k, c in enumerate(self.classes_)
        }

    def strongest(self, label: str, *, top: int = 20) -> list[tuple[str, float]]:
        """The n-grams that speak most for a class, with their folded weights times idf."""
        weights = self._weights_per_class()[:, self.classes_.index(label)] * self.features_.idf
        names = self.features_.names()
        return [(names[i], float(weights[i])) for i in np.argsort(-weights)[:top]]

    def _weights_per_class(self) -> Floats:
        two = self.weights_.shape[1] != len(self.classes_)
        return np.concatenate([-self.weights_, self.weights_], axis=1) if two else self.weights_

    def to_arrays(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """What prediction needs: arrays (n-grams as UTF-8 bytes with offsets, idf, weights, bias), a JSON dict."""
        encoded = [name.encode() for name in self.features_.names()]
        arrays: dict[str, NDArray[Any]] = {
            "ngrams": np.frombuffer(b"".join(encoded), np.uint8).copy(),
            "offsets": np.concatenate([[0], np.cumsum([len(e) for e in encoded])]).astype(np.int64),
            "idf": self.features_.idf,
            "weights": np.ascontiguousarray(self.weights_),
            "bias": self.bias_,
        }
        blocks = [{"unit": block.unit, "size": len(block)} for block in self.features_.blocks]
        return arrays, {"classes": self.classes_, "multi_label": self.multi_label_, "blocks": blocks}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> WordCounts:
        """The model back from `to_arrays`: it predicts and explains; to fit again, make a new one.

        Raises BundleError when arrays and dict do not belong together.
        """
        self = cls()
        try:
            names = _decode(arrays["ngrams"], arrays["offsets"])
            self.classes_, self.multi_label_ = [str(c) for c in meta["classes"]], bool(meta["multi_label"])
            self.features_ = CountFeatures()
            start = 0
            for block in meta["blocks"]:
                end = start + int(block["size"])
                self.features_.blocks.append(Ngrams.from_names(block["unit"], names[start:end]))
                start = end
            self.features_.idf = np.asarray(arrays["idf"], np.float32)
            self.weights_ = np.asarray(arrays["weights"], np.float32)
            self.bias_ = np.asarray(arrays["bias"], np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"The word counts of the model file are damaged: {error!r}.") from error
        outputs = 1 if len(self.classes_) == 2 and not self.multi_label_ else len(self.classes_)
        shapes = (self.features_.idf.shape, self.weights_.shape, self.bias_.shape)
        if shapes != ((len(names),), (len(names), outputs), (outputs,)) or start != len(names):
            raise BundleError(
                f"The word counts of the model file are damaged: {len(names)} n-grams, arrays {shapes}."
            )
        return self


def _decode(ngrams: NDArray[Any], offsets: NDArray[Any]) -> list[str]:
    data, ends = np.asarray(ngrams, np.uint8).tobytes(), [int(o) for o in offsets]
    if not ends or ends[0] != 0 or ends[-1] != len(data) or any(a >= b for a, b in pairwise(ends)):
        raise ValueError("the n-grams' offsets do not fit their bytes")
    return [data[a:b].decode() for a, b in pairwise(ends)]


def _check(texts: Sequence[str], labels: Sequence[Label]) -> None:
    if len(texts) != len(labels):
        raise DataError(f"Each text needs a label: got {len(texts)} texts and {len(labels)} labels.")
    if not len(texts):
        raise DataError("Expected labelled texts, got none.")

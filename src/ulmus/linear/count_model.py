"""Counted texts and targets -> class probabilities, or numbers: the word-count model in numbers alone.

How: logistic (for numbers: ridge) regression on TF-IDF and its LSA (`features.py`). What is learnt folds into one
weight per n-gram and output, because LSA is linear: w = w_counts + basis @ w_lsa. Prediction, storing and explaining
use the folded weights only; `learner.py` chooses the settings.
Costs: seconds to fit, thousands of documents a second to predict. Plain arrays, no pickle.
Knows no class names, no tensor, no files. Targets are those of an objective (`evaluation/objectives.py`).
Legend: N documents, F n-grams, C classes, K outputs (one a known class, or 1 for two of which one is true).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from ulmus.errors import BundleError, DataError, UsageError
from ulmus.evaluation.objectives import Objective, objective_of, restored
from ulmus.linear.features import Counted, CountFeatures
from ulmus.linear.logistic import STEPS, ClassWeight
from ulmus.linear.ngrams import Ngrams
from ulmus.linear.pair_features import PairFeatures
from ulmus.linear.regression import fit_linear
from ulmus.linear.scorer import CountScorer
from ulmus.linear.shares import shares

__all__ = ["CountModel", "CountSettings", "known_targets"]

Proba = NDArray[np.float64]
Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]
DEFAULT_C = 10.0


@dataclass(frozen=True)
class CountSettings:
    """How to learn: `C` is 1 / penalty, None lets the labels choose; `class_weight`: "balanced" or of all (C,)."""

    C: float | None = None
    class_weight: ClassWeight = None
    steps: int = STEPS  # of the solver, at most

    def of_known(self, known: Numbers) -> ClassWeight:
        """The weights of some of the classes."""
        return self.class_weight[known] if isinstance(self.class_weight, np.ndarray) else self.class_weight


@dataclass(frozen=True)
class CountModel:
    """A fitted word-count classifier or regressor, of texts or of pairs of texts.

    known: the class numbers in order that had an example; the others get probability 0. classes: C, how many there
    are. weights (F, K), or one row for each column of pairs, and bias (K,) float32; of two single-label classes the
    one output K is the score of the second.
    """

    features: CountFeatures | PairFeatures
    objective: Objective
    classes: int
    known: Numbers
    weights: Floats
    bias: Floats

    @classmethod
    def fit(
        cls,
        features: CountFeatures | PairFeatures,
        counted: Counted,
        target: Numbers,
        *,
        classes: int,
        settings: CountSettings | None = None,
        sample_weight: Proba | None = None,
    ) -> CountModel:
        """Learn from texts counted by `features.prepare`; another fit on the same counts costs seconds.

        Raises DataError where fewer classes have an example than there must be.
        """
        settings, objective = settings or CountSettings(), objective_of(target)
        known, shown = known_targets(target, classes)
        if len(known) < objective.fewest_classes:
            raise DataError(
                f"expected examples of at least {objective.fewest_classes} classes, got {len(known)}."
            )
        weight = np.ones(len(counted)) if sample_weight is None else sample_weight
        used = np.flatnonzero(np.bincount(counted.x.indices, minlength=counted.x.shape[1]))
        design = hstack([counted.x[:, used], csr_matrix(counted.lsa)], format="csr")
        coef, bias = fit_linear(
            design,
            shown,
            weight,
            C=settings.C or DEFAULT_C,
            class_weight=settings.of_known(known),
            steps=settings.steps,
        )
        weights = features.basis @ coef[:, len(used) :].T.astype(np.float32)  # (F, L) @ (L, K)
        weights[used] += coef[:, : len(used)].T
        return cls(features, objective, classes, known, weights.astype(np.float32), bias.astype(np.float32))

    @property
    def pairs(self) -> bool:
        """Whether it takes joined pairs of texts."""
        return isinstance(self.features, PairFeatures)

    def proba(self, x: csr_matrix) -> Proba:
        """Probabilities (N, C) of counted texts: `x` (N, F) of `features.transform` or `Counted.x`."""
        scores = np.asarray(x @ self.weights + self.bias, np.float64)  # (N, K)
        proba = np.zeros((x.shape[0], self.classes))
        proba[:, self.known] = self.objective.probabilities(scores)
        return proba

    def proba_of(self, texts: Sequence[str]) -> Proba:
        """Probabilities (N, C) of texts."""
        return self.proba(self.features.transform(texts))

    def shares(self, text: str, starts: Numbers) -> tuple[Proba, Proba]:
        """What each token of a text adds to the score of each class, (U, C), and the scores without any, (C,).

        Scores are linear in the TF-IDF, whose LSA is in the weights, so the two add up to scores whose
        `Objective.probabilities` are those of `proba_of` (of two classes, the first has the score 0; a class without
        an example has no share). `starts` (U,) are those of the tokens, see `shares.shares`. The length of the TF-IDF
        row is that of this text: without a token the others would weigh more. Raises UsageError for a model of pairs:
        it is not linear in the words.
        """
        if isinstance(self.features, PairFeatures):
            raise UsageError("word counts of pairs are not linear in the words of the texts.")
        row = np.asarray(self.features.transform([text]).todense(), np.float64)[0]
        found = shares(self.features.blocks, text, starts, row=row, weights=self.weights)
        added = self._per_class(found)
        bias = self._per_class(self.bias[None].astype(np.float64))[0]
        return (added, bias) if len(starts) else (added[:0], bias + added[0])

    def _per_class(self, scores: Proba) -> Proba:
        """Scores (M, K) of the outputs -> (M, C) of the classes: 0 for the first of two, or one without an example."""
        scores_of_all = np.zeros((len(scores), self.classes))
        scores_of_all[:, self.known[len(self.known) - scores.shape[1] :]] = scores
        return scores_of_all

    def scorer(self) -> CountScorer:
        """What prediction needs, in numpy alone: the same probabilities but for rounding."""
        model = CountModel.from_arrays(
            *self.to_arrays(), classes=self.classes
        )  # n-grams without a weight left out
        pairs = isinstance(model.features, PairFeatures)
        found = model.features.single if isinstance(model.features, PairFeatures) else model.features
        basis = found.basis if pairs else None
        parts = (model.objective, model.classes, model.known, found.idf, model.weights, model.bias, basis)
        return CountScorer(tuple(found.blocks), *parts)

    def contributions(self, x: csr_matrix) -> Proba:
        """What each n-gram of one counted text (1, F) adds to the score of each class: (n-grams of the text, C)."""
        return np.asarray(self.weights_per_class()[x.indices] * x.data[:, None], np.float64)

    def weights_per_class(self) -> Floats:
        """Weights (F, C) of the n-grams for each class; 0 for a class without an example."""
        two = self.weights.shape[1] != len(self.known)
        weights = np.zeros((len(self.weights), self.classes), np.float32)
        weights[:, self.known] = (
            np.concatenate([-self.weights, self.weights], axis=1) if two else self.weights
        )
        return weights

    def to_arrays(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """What prediction needs: arrays (n-grams as UTF-8 bytes with offsets, idf, weights, bias), a JSON dict.

        N-grams that are longer than any with a weight are left out.
        """
        features = self.features.single if isinstance(self.features, PairFeatures) else self.features
        kept, names = features.kept_columns(), features.names()
        encoded = [names[i].encode() for i in np.flatnonzero(kept)]
        arrays: dict[str, NDArray[Any]] = {
            "ngrams": np.frombuffer(b"".join(encoded), np.uint8).copy(),
            "offsets": np.concatenate([[0], np.cumsum([len(e) for e in encoded])]).astype(np.int64),
            "idf": features.idf[kept],
            "weights": np.ascontiguousarray(self.weights[self.features.kept_columns()]),
            "bias": self.bias,
        }
        if isinstance(self.features, PairFeatures):
            arrays["basis"] = np.ascontiguousarray(features.basis[kept])
        blocks = [
            {"unit": block.unit, "size": int(mine.sum())}
            for block, mine in zip(features.blocks, features.kept(), strict=True)
        ]
        classes = [int(k) for k in self.known]
        return arrays, {"classes": classes, "blocks": blocks} | self.objective.stored()

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], *, classes: int
    ) -> CountModel:
        """The model back from `to_arrays`: it predicts and explains. `classes`: C, how many there are.

        Class numbers may be strings ("000002"), as they were written at first. Raises BundleError when arrays, dict
        and classes do not belong together.
        """
        try:
            known = np.array([int(k) for k in meta["classes"]], np.int64)
            objective = restored(meta)
            names, start = _decode(arrays["ngrams"], arrays["offsets"]), 0
            features = CountFeatures()
            for block in meta["blocks"]:
                end = start + int(block["size"])
                features.blocks.append(Ngrams.from_names(block["unit"], names[start:end]))
                start = end
            features.idf = np.asarray(arrays["idf"], np.float32)
            features.basis = np.asarray(arrays.get("basis", features.basis), np.float32)
            weights, bias = (np.asarray(arrays[name], np.float32) for name in ("weights", "bias"))
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"The word counts of the model file are damaged: {error!r}.") from error
        outputs = objective.outputs(len(known))
        found = PairFeatures(single=features) if "basis" in arrays else features
        columns = found.columns if isinstance(found, PairFeatures) else len(names)
        shapes = (features.idf.shape, weights.shape, bias.shape)
        if (
            shapes != ((len(names),), (columns, outputs), (outputs,))
            or start != len(names)
            or len(features.basis) not in (0, len(names))
        ):
            raise BundleError(
                f"The word counts of the model file are damaged: {len(names)} n-grams, arrays {shapes}."
            )
        if not len(known) or known[0] < 0 or known[-1] >= classes or np.any(np.diff(known) <= 0):
            raise BundleError("The word counts of the model file are damaged: they are of other classes.")
        return cls(found, objective, classes, known, weights, bias)


def known_targets(target: Numbers, classes: int) -> tuple[Numbers, Numbers]:
    """The classes that have an example, and the targets among them alone."""
    objective = objective_of(target)
    known = np.flatnonzero(objective.counts(target, classes))
    return known, objective.among(target, known)


def _decode(ngrams: NDArray[Any], offsets: NDArray[Any]) -> list[str]:
    data, ends = np.asarray(ngrams, np.uint8).tobytes(), [int(o) for o in offsets]
    if not ends or ends[0] != 0 or ends[-1] != len(data) or any(a >= b for a, b in pairwise(ends)):
        raise ValueError("the n-grams' offsets do not fit their bytes")
    return [data[a:b].decode() for a, b in pairwise(ends)]

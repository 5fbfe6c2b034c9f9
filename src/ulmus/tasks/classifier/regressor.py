"""Texts, or pairs of them, and numbers -> a regressor: the same training as of a `TextClassifier`, another objective.

    reg = TextRegressor().fit(texts, numbers, unlabeled=more)
    reg.predict(new); reg.score(new, truth); reg.report_["combined"]["pearson"]; reg.save("model.ulmus")

Network and word counts learn numbers in standard deviations; predictions come in the user's units and stay within the
range of the training numbers. Axis: N documents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ulmus.bundle import read_manifest
from ulmus.corpus.numbers import Numbers
from ulmus.errors import UsageError
from ulmus.evaluation.objectives import Regression
from ulmus.evaluation.outcome import Outcome
from ulmus.tasks.classifier.base import TextEstimator
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.file import KINDS
from ulmus.tasks.classifier.material import Beside
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.classifier.reporting import Assessed
from ulmus.tasks.estimator import sklearn_names

__all__ = ["TextRegressor", "load_estimator"]


class TextRegressor(TextEstimator):
    """A text regressor that learns from unlabelled texts, from word counts (ridge regression) and from numbers.

    The parameters are those of `TextClassifier`, without class_weight; config=ClassifierConfig(regression_loss="huber")
    is for numbers with outliers. After fitting: fitted_, and its parts network_, tokenizer_, counts_, combination_,
    report_, history_.
    """

    NUMERIC: ClassVar[bool] = True

    def __init__(
        self,
        *,
        size: str | None = None,
        tokenizer: str | None = None,
        language_model: Any = None,
        encoder: str | Path | None = None,
        teach: str = "auto",
        combine: str = "auto",
        ensemble: str = "none",
        distil: bool = False,
        minutes: float | None = None,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
        config: ClassifierConfig | None = None,
        work_dir: str | Path | None = None,
        verbose: bool = True,
    ) -> None:
        self.size, self.tokenizer, self.language_model = size, tokenizer, language_model
        self.encoder, self.teach, self.combine = encoder, teach, combine
        self.ensemble, self.distil = ensemble, distil
        self.minutes, self.seed, self.device, self.precision = minutes, seed, device, precision
        self.config, self.work_dir, self.verbose = config, work_dir, verbose
        self.callbacks, self._kept = [], None

    @sklearn_names
    def fit(
        self,
        texts: Any,
        labels: Any,
        unlabeled: Any = None,
        valid: Any = None,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        times: Any = None,
    ) -> TextRegressor:
        """Learn from texts (or pairs) with numbers and, if given, from `unlabeled` ones; see `TextClassifier.fit`.

        Raises UsageError, DataError: unusable texts or numbers. ConfigError: a setting out of range. BundleError: a
        damaged language model file.
        """
        return self._fit(
            texts,
            labels,
            unlabeled=unlabeled,
            valid=valid,
            beside=Beside(sample_weight, groups, times),
        )

    @sklearn_names
    def predict(self, texts: Any, *, part: str | None = None) -> np.ndarray:
        """A number for each text (N,), within the range of the training numbers.

        `part` is "combined" (the default unless combine="none"), "lm" or "counts".
        Raises UsageError: an unknown part, unusable texts, or a regressor that is not fitted.
        """
        return np.asarray(self._fitted().objective.decide(self.outputs(texts, part=part)), np.float64)

    @sklearn_names
    def score(self, texts: Any, labels: Any) -> float:
        """R2, as of all of scikit-learn's regressors: 1 is perfect, 0 no better than the mean of these numbers.

        Raises UsageError, DataError: unusable texts or numbers.
        """
        return float(self.evaluate(texts, labels)["r2"])

    @sklearn_names
    def evaluate(self, texts: Any, labels: Any, *, train: Any = None) -> dict[str, Any]:
        """pearson, spearman, r2, mae, rmse, n of the prediction, and under `parts` of each part alone.

        `seen` estimates the fraction of the texts that were trained on; `train` as in `TextClassifier.evaluate`.
        Raises UsageError, DataError: unusable texts or numbers.
        """
        return self._assessed(texts, labels, (), train).scores

    def _assessed(self, texts: Any, labels: Any, unknown: Sequence[Any], train: Any) -> Assessed:
        if unknown:
            raise UsageError("unknown: numbers have no classes. Leave it out.")
        model, objective = self._fitted(), self._objective()
        known = self._targets(labels)
        outputs, about, near = self._measured(texts, known, train)
        each = {name: objective.report(known.target, part) for name, part in outputs.items()}
        scores = {**each[model.parts[0]], "n": len(known), "parts": each} | about
        outcome = Outcome(known.target, outputs, {}, model.classes)
        return Assessed(self._documents(texts), outcome, scores, near)

    def _read_labels(self) -> Callable[[Any], Numbers]:
        return partial(Numbers.of, cost=self._config().regression_loss)

    def _targets(self, labels: Any) -> Numbers:
        return Numbers(np.zeros((0, 1)), self._objective()).like(labels)

    def _objective(self) -> Regression:
        objective = self._fitted().objective
        if not isinstance(objective, Regression):
            raise TypeError("a regressor was given a fitted classifier")
        return objective

    def __sklearn_tags__(self) -> Any:
        """The tags of a text regressor, for scikit-learn 1.6 and newer."""
        from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type="regressor",
            target_tags=TargetTags(required=True),
            regressor_tags=RegressorTags(),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
        )

    def _state(self) -> str:
        if "fitted_" not in self.__dict__:
            return "not fitted"
        objective = self._objective()
        return (
            f"fitted: numbers from {objective.low:g} to {objective.high:g}, vocabulary of "
            f"{len(self.tokenizer_):,} tokens"
        )


def load_estimator(path: str | Path, **settings: Any) -> TextClassifier | TextRegressor:
    """The classifier or regressor in a `.ulmus` file, as it is; arguments and errors as those of `load`."""
    kind: type[TextClassifier] | type[TextRegressor] = TextClassifier
    if read_manifest(path).get("kind") == KINDS[True]:
        kind = TextRegressor
    return kind.load(path, **settings)

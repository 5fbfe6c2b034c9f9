"""What a text classifier and a text regressor share: fitting, files, the parts of the fitted model.

Knows no class and no number. Axis: N documents.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np

from ulmus.corpus.numbers import Targets
from ulmus.corpus.pairs import as_documents
from ulmus.errors import ConfigError, DataError, UsageError
from ulmus.evaluation.combination import Combination
from ulmus.evaluation.drift import Drift
from ulmus.evaluation.explanation import Explanation
from ulmus.evaluation.report import Report
from ulmus.evaluation.splits import share_seen
from ulmus.models.inference import PRECISIONS
from ulmus.serve.explaining import explained
from ulmus.tasks.classifier import file
from ulmus.tasks.classifier.against import against_training
from ulmus.tasks.classifier.asked import Asked
from ulmus.tasks.classifier.config import ClassifierConfig, transformer_config
from ulmus.tasks.classifier.drift import drift
from ulmus.tasks.classifier.ensemble import AUTO, Ensemble
from ulmus.tasks.classifier.fitted import FittedClassifier
from ulmus.tasks.classifier.fitting import Recipe, fit
from ulmus.tasks.classifier.inference import Inference
from ulmus.tasks.classifier.material import Beside, Material
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.classifier.reporting import Assessed, report
from ulmus.tasks.classifier.training_report import training_report
from ulmus.tasks.estimator import Estimator, not_fitted, sklearn_names
from ulmus.tasks.ids import AnyTokenizer
from ulmus.tasks.language_model.start import check_given
from ulmus.tasks.pretrained import check_encoder
from ulmus.tasks.settings import RunSettings, check_minutes
from ulmus.tasks.word_counts import WordCounts
from ulmus.train.callbacks import Callback, Curve

__all__ = ["TextEstimator"]

MAX_TEACHING_LABELS = 5_000  # with more, word counts teach nothing that the labels do not


class TextEstimator(Estimator):
    """Base class of `TextClassifier` and `TextRegressor`, whose parameters it explains."""

    SETTINGS = ClassifierConfig
    NUMERIC: ClassVar[bool] = False  # whether it predicts numbers

    size: str | None
    tokenizer: str | None
    language_model: Any
    encoder: str | Path | None
    teach: str
    combine: str
    ensemble: str
    distil: bool
    minutes: float | None
    seed: int
    device: str
    precision: str
    config: ClassifierConfig | None
    work_dir: str | Path | None
    verbose: bool
    class_weight: Any = None
    callbacks: list[Callback]
    _kept: tuple[FittedClassifier, tuple[str, str], tuple[Inference, ...]] | None

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
    ) -> TextEstimator:
        """Learn from labelled texts: see the subclasses."""
        raise NotImplementedError

    # -- training ------------------------------------------------------------------------------------------------

    def _fit(self, texts: Any, labels: Any, **given: Any) -> Self:
        """`fit`; `given` are the other arguments of `Material.of`."""
        self._check_settings()
        settings = RunSettings.of(self)
        material = Material.of(texts, labels, **given, seed=self.seed, read=self._read_labels())
        recipe = Recipe(
            self._config(),
            language_model=self.language_model,
            encoder=self.encoder,
            size=self.size,
            tokenizer=self.tokenizer,
            class_weight=self.class_weight,
            teach=self._wants_teaching(material),
            mix=self.combine == "auto",
            ensemble=self.ensemble,
            distil=self._wants_distillation(material),
        )
        self.fitted_ = fit(material, recipe, settings)
        return self

    def _wants_teaching(self, material: Material) -> bool:
        """Whether word counts teach: few labels, and at least twice as many unlabelled texts."""
        labelled, more = len(material.texts), len(material.unlabeled)
        return self.teach == "auto" and more >= max(2 * labelled, 100) and labelled <= MAX_TEACHING_LABELS

    def _wants_distillation(self, material: Material) -> bool:
        """Whether one network learns what several say. Raises DataError: there are no unlabelled texts to say it of."""
        if self.distil and not material.unlabeled:
            raise DataError(
                "distil: the networks of the ensemble teach one by their labels for unlabelled texts, and there are "
                "none. Give unlabeled texts (--unlabeled), or leave distil out."
            )
        return self.distil

    # -- prediction ----------------------------------------------------------------------------------------------

    def outputs(self, texts: Any, *, part: str | None = None) -> np.ndarray:
        """Outputs (N, C) of a part (None: the default): probabilities, or numbers in standard deviations."""
        model = self._fitted()
        part = part or model.parts[0]
        return model.probabilities(self._documents(texts), (part,), self._inference())[part]

    def labels_of(self, outputs: np.ndarray, *, part: str | None = None) -> list[Any]:
        """The class of each row of a part's outputs (N, C); multi-label: a tuple of all classes that reach the part's
        threshold; regression: the number.
        """
        return self._fitted().labels_of(outputs, part=part)

    @sklearn_names
    def explain(self, texts: Any, *, unit: str = "auto") -> list[Explanation]:
        """Which words of each of N texts (or pairs) the prediction rests on: see `Explanation`.

        `unit` is what gets a share: "word", "segment" (whole sentences, with the prediction up to each), or "auto":
        words of texts with up to 150, segments of longer ones. Costs tens of predictions a text.
        Raises UsageError: unusable texts, another unit, or not fitted.
        """
        return explained(self._asked(), self._documents(texts), unit)

    def report(
        self,
        texts: Any,
        labels: Any,
        *,
        unknown: Sequence[Any] = (),
        train: Any = None,
        groups: Any = None,
        times: Any = None,
    ) -> Report:
        """The report on N labelled texts that the model was not trained on: a page to `save`, or for a notebook.

        `unknown` and `train` as for `evaluate`, whose scores are in `scores`. With `groups` (N,) of any kind or `times`
        (N,), dates or numbers, it has the accuracy of each. Costs as much as evaluating, and tens of predictions for
        each of the worst mistakes. Raises UsageError, DataError: unusable texts, labels or times.
        """
        given = self._assessed(texts, labels, unknown, train)
        known = None if train is None else self._documents(train)
        return report(self._asked(), given, beside=Beside(None, groups, times), train=known)

    def training_report(
        self,
        texts: Any,
        labels: Any,
        unlabeled: Any = None,
        valid: Any = None,
        *,
        groups: Any = None,
        times: Any = None,
    ) -> Report:
        """The report on the training of this model, from the arguments that `fit` was given.

        The scores are those of the held-out documents, if the model has been fitted by this object: a file does not
        hold what was predicted for them. Likely label errors are found by word counts that were not shown the label.
        Costs as many seconds as these take to fit five times. Raises UsageError: other texts or labels than the model
        was trained on, or not fitted; DataError.
        """
        given = {"unlabeled": unlabeled, "valid": valid, "beside": Beside(None, groups, times)}
        material = Material.of(
            texts, labels, **given, seed=self._fitted().card.get("seed", self.seed), read=self._read_labels()
        )
        curve = next((one.rows for one in self.callbacks if isinstance(one, Curve)), ())
        return dataclasses.replace(training_report(self._asked(), material), curve=curve)

    def drift(self, texts: Any) -> Drift:
        """How N new texts, without labels, differ from those of the training: see `Drift`.

        Costs the predictions. Raises UsageError, DataError: unusable texts, or a model of an earlier version, whose
        file holds no summary of its training texts.
        """
        return drift(self._asked(), self._documents(texts))

    def _asked(self) -> Asked:
        return Asked(self._fitted(), self._inference())

    def _assessed(self, texts: Any, labels: Any, unknown: Sequence[Any], train: Any) -> Assessed:
        """Outputs and scores for labelled texts, as `evaluate` reports them: see the subclasses."""
        raise NotImplementedError

    def _read_labels(self) -> Callable[[Any], Targets]:
        """How the labels of a training become targets: see the subclasses."""
        raise NotImplementedError

    def _documents(self, texts: Any) -> list[str]:
        """Texts, or pairs of them, as the model was trained on. Raises UsageError: the other kind."""
        return as_documents(texts, pairs=self._fitted().pairs).texts

    def _measured(
        self, texts: Any, labels: Targets, train: Any
    ) -> tuple[dict[str, np.ndarray], dict[str, Any], np.ndarray | None]:
        """Outputs (N, C) of all parts for labelled texts, and what the report says about the texts themselves.

        seen: the estimated fraction of them that were trained on; with the texts `train` also `train` and `warnings`,
        and which of `train` each text is nearly the same as, (N,), -1 for none.

        Raises UsageError, DataError: unusable texts, or another number of labels.
        """
        model, given = self._fitted(), self._documents(texts)
        if len(given) != len(labels):
            raise UsageError(f"each text needs a label: got {len(given)} texts and {len(labels)} labels.")
        if not given:
            raise DataError("expected labelled texts to evaluate on, got none.")
        about: dict[str, Any] = {"seen": share_seen(given, model.sketch), "warnings": []}
        near = None
        if train is not None:
            about["train"], about["warnings"], near = against_training(
                given, self._documents(train), pairs=model.pairs
            )
        return model.probabilities(given, model.parts, self._inference()), about, near

    # -- files ---------------------------------------------------------------------------------------------------

    def describe(self, *, columns: dict[str, Any]) -> Self:
        """Record in the model file which columns the texts and labels came from. Raises UsageError: not fitted."""
        self.fitted_ = dataclasses.replace(self._fitted(), columns=columns)
        return self

    def save(self, path: str | Path) -> None:
        """Write the model to one `.ulmus` file. Raises StorageError, and UsageError: not fitted."""
        file.save(self._fitted(), path)

    def export(
        self, path: str | Path, *, int8: bool = False, check: tuple[Any, Any] | None = None
    ) -> dict[str, Any]:
        """Write a file that predicts without torch (`ulmus.serve.runtime`, or the package ulmus-runtime).

        int8: a quarter of the size, and faster; needs labelled texts, `check=(texts, labels)`, 2,000 at most are used.
        Returns the size, the largest difference of probabilities, and with int8 the scores on the texts.
        Raises UsageError: not fitted, or int8 without texts; DataError: int8 loses more than 0.3 points of accuracy (F1
        if multi-label, R2 of numbers); ConfigError: an architecture that cannot be exported; MissingExtra: no `onnx`;
        StorageError.
        """
        from ulmus.tasks.classifier.export import Labelled, export

        model = self._fitted()
        if int8 is not (check is not None):
            raise UsageError("int8 and check belong together: give both, check=(texts, labels), or neither.")
        given = None
        if check is not None:
            texts, known = self._documents(check[0]), self._targets(check[1])
            if len(texts) != len(known):
                raise UsageError(f"each text needs a label: got {len(texts)} texts and {len(known)} labels.")
            given = Labelled(texts, known)
        return export(model, path, int8=int8, check=given)

    def _targets(self, labels: Any) -> Targets:
        """Labels of other texts as targets: see the subclasses."""
        raise NotImplementedError

    @classmethod
    def load(cls, path: str | Path, *, device: str = "auto", precision: str = "auto") -> Self:
        """The model in a `.ulmus` file, to predict in float32, bf16 or int8; auto: bf16 where that is fast.

        Raises BundleError: a damaged file or one of another kind. ConfigError: an unknown precision.
        """
        if precision not in ("auto", *PRECISIONS):
            raise ConfigError(f"precision: expected one of auto, {', '.join(PRECISIONS)}, got {precision!r}.")
        return cls.of(file.load(path, numeric=cls.NUMERIC), device=device, precision=precision)

    @classmethod
    def of(cls, fitted: FittedClassifier, **settings: Any) -> Self:
        """A model from a fitted value: from a file, or made step by step; `settings` as for `__init__`."""
        create: Any = cls  # the parameters are those of the subclasses
        made = create(config=fitted.config, combine="auto" if fitted.mixed else "none", **settings)
        made.fitted_ = fitted
        return cast(Self, made)

    # -- learned state -----------------------------------------------------------------------------------------------

    fitted_: FittedClassifier

    @property
    def network_(self) -> ClassifierNetwork:
        """Encoder and head."""
        return self._fitted().network

    @property
    def tokenizer_(self) -> AnyTokenizer:
        """The tokenizer."""
        return self._fitted().tokenizer

    @property
    def counts_(self) -> WordCounts:
        """The word counts."""
        return self._fitted().counts

    @property
    def combination_(self) -> Combination:
        """How network and word counts are mixed."""
        return self._fitted().combination

    @property
    def report_(self) -> dict[str, Any]:
        """Scores of all parts on the held-out set, the verdict, minutes of training."""
        return self._fitted().report

    @property
    def history_(self) -> list[dict[str, Any]]:
        """Rows of the training log, one per epoch."""
        return self._fitted().history

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that can predict on their own; the first one is the default."""
        return self._fitted().parts

    def _fitted(self) -> FittedClassifier:
        if "fitted_" not in self.__dict__:
            raise not_fitted(
                f"this {self._noun()} is not fitted: call fit(texts, labels), or {type(self).__name__}.load(path)."
            )
        return self.fitted_

    def _inference(self) -> tuple[Inference, ...]:
        """The fitted networks prepared for inference, kept for the next call."""
        model, how = self._fitted(), (self.device, self.precision)
        if self._kept is None or self._kept[0] is not model or self._kept[1] != how:
            self._kept = (model, how, model.inference(*how))
        return self._kept[2]

    def __getstate__(self) -> dict[str, Any]:
        """The state to copy or pickle: without the packed weights, which are packed again on demand."""
        return self.__dict__ | {"_kept": None}

    # -- helpers -----------------------------------------------------------------------------------------------------

    def _config(self) -> ClassifierConfig:
        default = ClassifierConfig if self.encoder is None else transformer_config
        return self.config or default()

    def _check_settings(self) -> None:
        for name, choices in (("teach", ("auto", "none")), ("combine", ("auto", "none"))):
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name}: expected one of {', '.join(choices)}, got {getattr(self, name)!r}."
                )
        if self.precision == "int8":
            raise ConfigError(
                "precision: int8 is for inference only. Train with auto, then load(path, precision='int8')."
            )
        check_minutes(self.minutes)
        check_given(self.language_model)
        if self.encoder is not None:
            check_encoder(self.encoder)
            if self.language_model is not None:
                raise ConfigError("encoder and language_model: give one of them, not both.")
        Ensemble.of(self.ensemble).check(self.language_model, self.encoder)
        if self.distil and self.ensemble == "none":
            raise ConfigError(
                f"distil: one network learns what several say together; choose an ensemble, as in seeds:{AUTO}."
            )

    def _noun(self) -> str:
        return "regressor" if self.NUMERIC else "classifier"

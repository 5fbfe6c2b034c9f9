"""Texts and a few labels -> a classifier: language model, teaching, gradual unfreezing, combination with word counts.

    clf = TextClassifier().fit(texts, labels, unlabeled=more)
    clf.predict(new); clf.predict_proba(new); clf.report_["verdict"]; clf.save("model.ulmus")

`fitting` has the steps in order, one method each. With a `work_dir` a run that was stopped resumes where it was.
Source: Howard & Ruder 2018, section 3.
Axes: N documents, C classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ulmus.corpus.columns import as_texts
from ulmus.corpus.labels import Labels
from ulmus.errors import ConfigError, DataError, UsageError
from ulmus.evaluation.combination import Combination
from ulmus.evaluation.per_class import evaluation_report
from ulmus.evaluation.splits import share_seen
from ulmus.models.inference import PRECISIONS
from ulmus.tasks.classifier import file
from ulmus.tasks.classifier.config import ClassifierConfig, transformer_config
from ulmus.tasks.classifier.fitted import FittedClassifier
from ulmus.tasks.classifier.fitting import Recipe, fit
from ulmus.tasks.classifier.inference import Inference
from ulmus.tasks.classifier.material import Material
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.estimator import Estimator, not_fitted, sklearn_names
from ulmus.tasks.ids import AnyTokenizer
from ulmus.tasks.language_model.start import check_given
from ulmus.tasks.pretrained import check_encoder
from ulmus.tasks.settings import RunSettings, check_minutes
from ulmus.tasks.word_counts import WordCounts
from ulmus.train.callbacks import Callback

__all__ = ["TextClassifier"]

SHOWN = 5  # classes in the repr
MAX_TEACHING_LABELS = 5_000  # with more, word counts teach nothing that the labels do not


class TextClassifier(Estimator):
    """A text classifier that learns from unlabelled texts, from word counts and from labels.

    language_model: a `LanguageModel`, or its path or name. None chooses the installed one that matches the language of
    the texts and reports which, or trains one on the texts if none matches; "new" always trains one; "none" trains
    none, and the encoder starts from random weights. encoder: instead, the folder of a transformer on this disk, in the
    format of `transformers` (config.json, tokenizer.json, safetensors weights; needs the extra `transformers`), or the
    file of a `TransformerEncoder` that was adapted to texts.
    size, tokenizer: those of a language model to train (default: small, word), or those that an installed one must
    have. teach: "auto" pretrains on soft labels of the word counts for unlabelled texts if there are enough of them,
    "none" does not. combine: "auto" predicts with the mix of network and word counts, "none" with the network alone.
    class_weight: None, "balanced", or a dict of class -> weight (1 for those not in it). minutes: time budget of `fit`.
    work_dir: folder for ids and checkpoints.
    After fitting: fitted_, and its parts classes_ (C,), class_names_ (the same as a tuple of the values given),
    multi_label_, network_, tokenizer_, counts_, combination_, report_, history_, and thresholds_: the lowest
    probability at which each part assigns a label (multi-label).
    """

    SETTINGS = ClassifierConfig

    def __init__(
        self,
        *,
        size: str | None = None,
        tokenizer: str | None = None,
        language_model: Any = None,
        encoder: str | Path | None = None,
        teach: str = "auto",
        combine: str = "auto",
        class_weight: Mapping[Any, float] | str | None = None,
        minutes: float | None = None,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
        config: ClassifierConfig | None = None,
        work_dir: str | Path | None = None,
        verbose: bool = True,
    ) -> None:
        self.size, self.tokenizer, self.language_model = size, tokenizer, language_model
        self.encoder = encoder
        self.teach, self.combine, self.class_weight = teach, combine, class_weight
        self.minutes, self.seed, self.device, self.precision = minutes, seed, device, precision
        self.config, self.work_dir, self.verbose = config, work_dir, verbose
        self.callbacks: list[Callback] = []
        self._kept: tuple[FittedClassifier, tuple[str, str], Inference] | None = None

    # -- training ------------------------------------------------------------------------------------------------

    @sklearn_names
    def fit(
        self, texts: Any, labels: Any, unlabeled: Any = None, valid: Any = None, *, sample_weight: Any = None
    ) -> TextClassifier:
        """Learn from labelled texts and, if given, from `unlabeled` ones.

        Texts are lists, pandas or polars columns, numpy or Arrow arrays of str; labels one value each, or a list of
        values each, or a table with a column of 0 and 1 for each class (multi-label). `valid` is (texts, labels) to
        measure on; without it a fifth of the labels, at most 2,000, is the held-out set, and is learnt at the end; with
        fewer than 200 labels there is no held-out set. A text whose label is missing (None, NaN) counts as unlabelled.
        `sample_weight` (N,) is the weight of each labelled text, 0 or more.
        The model changes only when the whole fit is done; after an interruption it is what it was before.
        Raises UsageError, DataError: unusable texts or labels. ConfigError: a setting out of range. BundleError: a
        damaged language model file.
        """
        self._check_settings()
        settings = RunSettings.of(self)
        material = Material.of(texts, labels, unlabeled, valid, sample_weight=sample_weight, seed=self.seed)
        recipe = Recipe(
            self._config(),
            language_model=self.language_model,
            encoder=self.encoder,
            size=self.size,
            tokenizer=self.tokenizer,
            class_weight=self.class_weight,
            teach=self._wants_teaching(material),
            mix=self.combine == "auto",
        )
        self.fitted_ = fit(material, recipe, settings)
        return self

    def _wants_teaching(self, material: Material) -> bool:
        """Whether word counts teach: few labels, and at least twice as many unlabelled texts."""
        labelled, more = len(material.texts), len(material.unlabeled)
        return self.teach == "auto" and more >= max(2 * labelled, 100) and labelled <= MAX_TEACHING_LABELS

    # -- prediction and evaluation ---------------------------------------------------------------------------------

    @sklearn_names
    def predict_proba(self, texts: Any, *, part: str | None = None) -> np.ndarray:
        """Probabilities (N, C) in the order of `classes_`; rows sum to 1, or are independent when multi-label.

        `part` is "combined" (the default unless combine="none"), "lm" or "counts".
        Raises UsageError: an unknown part, unusable texts, or a classifier that is not fitted.
        """
        model = self._fitted()
        part = part or model.parts[0]
        return model.probabilities(as_texts(texts), (part,), self._inference())[part]

    @sklearn_names
    def predict_log_proba(self, texts: Any) -> np.ndarray:
        """Natural logarithms (N, C) of `predict_proba`."""
        return np.asarray(np.log(np.maximum(self.predict_proba(texts), np.finfo(np.float64).tiny)))

    def labels_of(self, proba: np.ndarray, *, part: str | None = None) -> list[Any]:
        """The class of each row of a part's probabilities (N, C); multi-label: a tuple of all classes that reach the
        part's threshold.
        """
        return self._fitted().labels_of(proba, part=part)

    @sklearn_names
    def predict(self, texts: Any) -> np.ndarray:
        """The class of each text (N,); multi-label: a tuple of classes each, in an array of objects."""
        labels = self.labels_of(self.predict_proba(texts))
        if not self.multi_label_:
            return np.array(labels, dtype=self.classes_.dtype)
        tuples = np.empty(len(labels), object)
        tuples[:] = labels
        return tuples

    @sklearn_names
    def score(self, texts: Any, labels: Any) -> float:
        """Accuracy: the fraction of texts predicted correctly (multi-label: with exactly the right set of labels).

        Raises UsageError, DataError: unusable texts or labels.
        """
        return float(self.evaluate(texts, labels)["accuracy"])

    @sklearn_names
    def evaluate(self, texts: Any, labels: Any, *, unknown: Sequence[Any] = ()) -> dict[str, Any]:
        """accuracy, macro_f1, n (multi-label: micro_f1 too) of the prediction, and under `parts` of each part alone.

        `classes` has precision, recall, f1, support and predicted of each class, `confusion` the counts (C, C) by true
        and predicted class, `unmeasured` the classes without a text. `unknown` lists labels that are not classes of the
        model: texts with one of them count as wrong. `seen` estimates the fraction of the texts that were trained on.
        Raises UsageError, DataError: unusable texts or labels.
        """
        model = self._fitted()
        names = (*model.classes, *unknown)
        given, known = as_texts(texts), Labels.of(labels, names, model.objective.multi_label)
        if len(given) != len(known):
            raise UsageError(f"each text needs a label: got {len(given)} texts and {len(known)} labels.")
        if not given:
            raise DataError("expected labelled texts to evaluate on, got none.")
        proba = model.probabilities(given, model.parts, self._inference())
        return evaluation_report(known.target, proba, model.thresholds, names) | {
            "seen": share_seen(given, model.sketch)
        }

    def describe(self, *, columns: dict[str, Any]) -> TextClassifier:
        """Record in the model file which columns the texts and labels came from. Raises UsageError: not fitted."""
        self.fitted_ = dataclasses.replace(self._fitted(), columns=columns)
        return self

    def save(self, path: str | Path) -> None:
        """Write the classifier to one `.ulmus` file. Raises StorageError, and UsageError: not fitted."""
        file.save(self._fitted(), path)

    @classmethod
    def load(cls, path: str | Path, *, device: str = "auto", precision: str = "auto") -> TextClassifier:
        """The classifier in a `.ulmus` file, to predict in float32, bf16 or int8; auto: bf16 where that is fast.

        Raises BundleError: a damaged file or one of another kind. ConfigError: an unknown precision.
        """
        if precision not in ("auto", *PRECISIONS):
            raise ConfigError(f"precision: expected one of auto, {', '.join(PRECISIONS)}, got {precision!r}.")
        return cls.of(file.load(path), device=device, precision=precision)

    @classmethod
    def of(cls, fitted: FittedClassifier, **settings: Any) -> TextClassifier:
        """A classifier from a fitted value: from a file, or made step by step; `settings` as for `__init__`."""
        classifier = cls(config=fitted.config, combine="auto" if fitted.mixed else "none", **settings)
        classifier.fitted_ = fitted
        return classifier

    # -- learned state -----------------------------------------------------------------------------------------------

    fitted_: FittedClassifier

    @property
    def classes_(self) -> np.ndarray:
        """The classes (C,) in the order of the columns of `predict_proba`, as scikit-learn wants them."""
        return np.array(self.class_names_)

    @property
    def class_names_(self) -> tuple[Any, ...]:
        """The classes (C,) as they were given."""
        return self._fitted().classes

    @property
    def multi_label_(self) -> bool:
        """Whether a text may have any number of labels."""
        return self._fitted().objective.multi_label

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
    def thresholds_(self) -> dict[str, float]:
        """The lowest probability at which each part assigns a label (multi-label)."""
        return self._fitted().thresholds

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
                "this classifier is not fitted: call fit(texts, labels), or TextClassifier.load(path)."
            )
        return self.fitted_

    def _inference(self) -> Inference:
        """The fitted network prepared for inference, kept for the next call."""
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
        if not isinstance(self.class_weight, Mapping) and self.class_weight not in (None, "balanced"):
            raise ConfigError(
                f"class_weight: expected None, 'balanced' or a dict of class -> weight, got {self.class_weight!r}."
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

    def _state(self) -> str:
        if "fitted_" not in self.__dict__:
            return "not fitted"
        names = self.class_names_
        shown = ", ".join(map(str, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
        kind = "multi-label, " if self.multi_label_ else ""
        return (
            f"fitted: {kind}{len(names):,} classes ({shown}), vocabulary of {len(self.tokenizer_):,} tokens"
        )

"""Texts and a few labels -> a classifier: language model, teaching, fine-tuning, combination with word counts.

    clf = TextClassifier().fit(texts, labels, unlabeled=more)
    clf.predict(new); clf.predict_proba(new); clf.report_["verdict"]; clf.save("model.ulmus")

`fitting` has the steps in order, one method each. With a `work_dir` a run that was stopped resumes where it was.
Source: Howard & Ruder 2018, section 3.
Axes: N documents, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ulmus.corpus.labels import Labels
from ulmus.errors import ConfigError
from ulmus.evaluation.outcome import Outcome
from ulmus.evaluation.per_class import evaluation_report
from ulmus.tasks.classifier.base import TextEstimator
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.fitted import FittedClassifier
from ulmus.tasks.classifier.inference import Inference
from ulmus.tasks.classifier.material import Beside
from ulmus.tasks.classifier.reporting import Assessed
from ulmus.tasks.estimator import sklearn_names
from ulmus.train.callbacks import Callback

__all__ = ["TextClassifier"]

SHOWN = 5  # classes in the repr


class TextClassifier(TextEstimator):
    """A text classifier that learns from unlabelled texts, from word counts and from labels.

    language_model: a `LanguageModel`, or its path or name. None chooses the installed one that matches the language of
    the texts and reports which, or trains one on the texts if none matches; "new" always trains one; "none" trains
    none, and the encoder starts from random weights. encoder: instead, the folder of a transformer on this disk, in the
    format of `transformers` (config.json, tokenizer.json, safetensors weights; needs the extra `transformers`), or the
    file of a `TransformerEncoder` that was adapted to texts.
    size, tokenizer: those of a language model to train (default: small, word), or those that an installed one must
    have. teach: "auto" pretrains on soft labels of the word counts for unlabelled texts if there are enough of them,
    "none" does not. combine: "auto" predicts with the mix of network and word counts, "none" with the network alone.
    ensemble: "none" trains one network. Others train several within the same minutes and average their probabilities:
    "seeds:N" N of one language model; "directions" one of a forward and one of a backward language model, "tokenizers"
    of two kinds of tokens, both installed or `language_model=[A, B]`; "auto" three seeds if there are fewer than 200
    labels, fine-tuning is chosen, and time is left. distil: one network learns what these say of the unlabelled texts,
    and is kept in their place.
    class_weight: None, "balanced", or a dict of class -> weight (1 for those not in it). minutes: time budget of `fit`.
    work_dir: folder for ids and checkpoints.
    After fitting: fitted_, and its parts classes_ (C,), class_names_ (the same as a tuple of the values given),
    multi_label_, network_, tokenizer_, counts_, combination_, report_, history_, and thresholds_: the lowest
    probability at which each part assigns a label (multi-label).
    """

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
        self.ensemble, self.distil = ensemble, distil
        self.minutes, self.seed, self.device, self.precision = minutes, seed, device, precision
        self.config, self.work_dir, self.verbose = config, work_dir, verbose
        self.callbacks: list[Callback] = []
        self._kept: tuple[FittedClassifier, tuple[str, str], tuple[Inference, ...]] | None = None

    # -- training ------------------------------------------------------------------------------------------------

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
    ) -> TextClassifier:
        """Learn from labelled texts and, if given, from `unlabeled` ones.

        Texts are lists, pandas or polars columns, numpy or Arrow arrays of str; or pairs of texts: a list of (a, b), or
        a table of two columns, and then the model takes nothing but pairs. Labels are one value each, or a list of
        values each, or a table with a column of 0 and 1 for each class (multi-label). `valid` is (texts, labels) to
        measure on; without it a fifth of the labels, at most 2,000, is the held-out set, and is learnt at the end; with
        fewer than 200 labels there is no held-out set. A text whose label is missing (None, NaN) counts as unlabelled.
        `sample_weight` (N,) is the weight of each labelled text, 0 or more. `groups` (N,) are values of any kind:
        labelled texts with the same one are held out together or not at all, so that the scores are of new groups.
        `times` (N,), instead, are dates or numbers: the newest texts are held out, and folds are spans of time. Without
        either, texts that are nearly the same are held out together.
        The model changes only when the whole fit is done; after an interruption it is what it was before.
        Raises UsageError, DataError: unusable texts or labels. ConfigError: a setting out of range. BundleError: a
        damaged language model file.
        """
        return self._fit(
            texts,
            labels,
            unlabeled=unlabeled,
            valid=valid,
            beside=Beside(sample_weight, groups, times),
        )

    # -- prediction and evaluation ---------------------------------------------------------------------------------

    @sklearn_names
    def predict_proba(self, texts: Any, *, part: str | None = None) -> np.ndarray:
        """Probabilities (N, C) in the order of `classes_`; rows sum to 1, or are independent when multi-label.

        `part` is "combined" (the default unless combine="none"), "lm" or "counts".
        Raises UsageError: an unknown part, unusable texts, or a classifier that is not fitted.
        """
        return self.outputs(texts, part=part)

    @sklearn_names
    def predict_log_proba(self, texts: Any) -> np.ndarray:
        """Natural logarithms (N, C) of `predict_proba`."""
        return np.asarray(np.log(np.maximum(self.predict_proba(texts), np.finfo(np.float64).tiny)))

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
    def evaluate(
        self, texts: Any, labels: Any, *, unknown: Sequence[Any] = (), train: Any = None
    ) -> dict[str, Any]:
        """accuracy, macro_f1, n (multi-label: micro_f1 too) of the prediction, and under `parts` of each part alone.

        `classes` has precision, recall, f1, support and predicted of each class, `confusion` the counts (C, C) by true
        and predicted class, `unmeasured` the classes without a text. `unknown` lists labels that are not classes of the
        model: texts with one of them count as wrong. `seen` estimates the fraction of the texts that were trained on.
        `majority` has the scores of always answering the most frequent class, `warnings` what to beware of. With the
        training texts as `train`, the entry `train` counts texts that are (nearly) the same as one of them, and says
        how well word counts tell the two sets apart.
        Raises UsageError, DataError: unusable texts or labels.
        """
        return self._assessed(texts, labels, unknown, train).scores

    # -- learned state -----------------------------------------------------------------------------------------------

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
    def thresholds_(self) -> dict[str, float]:
        """The lowest probability at which each part assigns a label (multi-label)."""
        return self._fitted().thresholds

    # -- helpers -----------------------------------------------------------------------------------------------------

    def _assessed(self, texts: Any, labels: Any, unknown: Sequence[Any], train: Any) -> Assessed:
        model = self._fitted()
        names = (*model.classes, *unknown)
        known = Labels.of(labels, names, model.objective.multi_label)
        proba, about, near = self._measured(texts, known, train)
        scores = evaluation_report(known.target, proba, model.thresholds, names)
        scores |= about | {"warnings": [*scores["warnings"], *about["warnings"]]}
        outcome = Outcome(known.target, proba, model.thresholds, names)
        return Assessed(self._documents(texts), outcome, scores, near)

    def _read_labels(self) -> Callable[[Any], Labels]:
        return Labels.of

    def _targets(self, labels: Any) -> Labels:
        model = self._fitted()
        return Labels.of(labels, model.classes, model.objective.multi_label)

    def _check_settings(self) -> None:
        if not isinstance(self.class_weight, Mapping) and self.class_weight not in (None, "balanced"):
            raise ConfigError(
                f"class_weight: expected None, 'balanced' or a dict of class -> weight, got {self.class_weight!r}."
            )
        super()._check_settings()

    def _state(self) -> str:
        if "fitted_" not in self.__dict__:
            return "not fitted"
        names = self.class_names_
        shown = ", ".join(map(str, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
        kind = "multi-label, " if self.multi_label_ else ""
        return (
            f"fitted: {kind}{len(names):,} classes ({shown}), vocabulary of {len(self.tokenizer_):,} tokens"
        )

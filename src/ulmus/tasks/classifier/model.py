"""Texts and a few labels -> a classifier: language model, teaching, gradual unfreezing, combination with word counts.

    clf = TextClassifier().fit(texts, labels, unlabeled=more)
    clf.predict(new); clf.predict_proba(new); clf.report_["verdict"]; clf.save("model.ulmus")

`fitting` has the steps in their order, one method each. With a `work_dir` a run that was stopped
goes on where it was. Source: Howard & Ruder 2018, section 3.
Axes: N documents, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ulmus.config import check_seed
from ulmus.corpus.columns import as_texts, others
from ulmus.corpus.labels import Labels
from ulmus.errors import ConfigError, DataError, UsageError
from ulmus.evaluation.comparison import predicted, scores
from ulmus.evaluation.splits import held_out
from ulmus.models.inference import PRECISIONS, Reader
from ulmus.tasks.classifier import file as model_file
from ulmus.tasks.classifier.budget import Budget
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.fitting import PARTS, Fitting
from ulmus.tasks.classifier.inference import probabilities
from ulmus.tasks.classifier.material import Material
from ulmus.tasks.classifier.training import Run
from ulmus.tasks.estimator import Estimator
from ulmus.tasks.ids import cut
from ulmus.tasks.language_model.config import check_minutes, lm_config
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.tasks.language_model.selection import familiar
from ulmus.tasks.language_model.start import check_given, sample_of, starting_model
from ulmus.tasks.progress import told, watchers
from ulmus.train.callbacks import Callback
from ulmus.train.device import resolve_device

__all__ = ["TextClassifier"]

TEACH_MOST = 5_000  # labels; with more the word counts have nothing to teach that the labels do not


class TextClassifier(Estimator):
    """A text classifier that learns from unlabelled texts, from word counts and from labels.

    language_model: a `LanguageModel`, the path or the name of one; None takes the installed one that
    knows the language of the texts and tells which, and trains one on the texts where there is none; "new" trains one
    in any case; "none" trains none: the encoder starts from nothing. size, tokenizer: of a language model that is
    trained (small, word), or that an installed one must have. teach: "auto" lets word
    counts label unlabelled texts for a first training where there are enough of them, "none" does not. combine:
    "auto" predicts with the measured mix of language model and word counts, "none" with the language model alone.
    class_weight: None or "balanced". minutes: time budget of `fit`. work_dir: folder for ids and checkpoints.
    After fitting: classes_ (C,), class_names_ (the same, a tuple of what was given), multi_label_, network_,
    tokenizer_, counts_, combination_, report_, history_, and thresholds_: from which probability on each part gives
    a label, where a text may have several.
    """

    def __init__(
        self,
        *,
        size: str | None = None,
        tokenizer: str | None = None,
        language_model: Any = None,
        teach: str = "auto",
        combine: str = "auto",
        class_weight: str | None = None,
        minutes: float | None = None,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
        config: ClassifierConfig | None = None,
        work_dir: str | Path | None = None,
        verbose: bool = True,
    ) -> None:
        self.size, self.tokenizer, self.language_model = size, tokenizer, language_model
        self.teach, self.combine, self.class_weight = teach, combine, class_weight
        self.minutes, self.seed, self.device, self.precision = minutes, seed, device, precision
        self.config, self.work_dir, self.verbose = config, work_dir, verbose
        self.callbacks: list[Callback] = []
        self._kept_reader: tuple[Any, Reader] | None = None

    # -- training ------------------------------------------------------------------------------------------------

    def fit(self, texts: Any, labels: Any, unlabeled: Any = None, valid: Any = None) -> TextClassifier:
        """Learn from labelled texts and, where there are some, from `unlabeled` ones.

        Texts are lists, pandas or polars columns, numpy or Arrow arrays of str; labels one value each, or a list of
        values each (multi-label). `valid` is (texts, labels) to measure on; without it a fifth of the labels is held
        back for that, at most 2,000, and learnt at the end; with fewer than 200 labels nothing is.
        Raises UsageError or DataError for texts or labels that cannot be used.
        """
        self._check_settings()
        if self.precision == "int8":
            raise ConfigError(
                "precision: int8 is for predicting. Train with auto, then load(path, precision='int8')."
            )
        self._kept_reader = None
        budget = Budget(self.minutes)
        material = self._material(texts, labels, unlabeled, valid)
        fitting = Fitting(
            material,
            self._config(),
            budget,
            self._run_settings(),
            class_weight=self.class_weight,
            teach=self._wants_teaching(material),
            mix=self.combine == "auto",
        )
        fitting.count(self._say)
        language_model = self._language_model(material, budget)
        fitting.begin(language_model)
        fitting.learn()
        combination = fitting.combine()
        self.counts_ = (
            fitting.give_back()
        )  # from here on nothing takes time: the model changes whole or not at all
        self.combination_, self.thresholds_ = combination, fitting.thresholds
        self.class_names_, self.multi_label_ = material.labels.classes, material.labels.multi_label
        self.network_, self.tokenizer_ = fitting.run.network.eval(), fitting.tokenizer
        self.lm_config_, self.history_ = language_model.config, fitting.run.history
        spent = {"language_model": language_model.metrics_, "minutes": round(budget.spent(), 2)}
        self.report_: dict[str, Any] = fitting.report | spent
        return self

    def _material(self, texts: Any, labels: Any, unlabeled: Any, valid: Any) -> Material:
        """Texts and labels checked, and which labels to hold back."""
        given = as_texts(texts)
        more = as_texts([] if unlabeled is None else unlabeled, "unlabeled")
        known = Labels.of(labels)
        if len(given) != len(known):
            raise UsageError(f"each text needs a label: got {len(given)} texts and {len(known)} labels.")
        if len(given) < 2:
            raise DataError("expected at least two labelled texts, got one.")
        if not any(text.strip() for text in given):
            raise DataError("expected texts, got only empty ones. Check the text column.")
        self._say(f"{len(given):,} labelled texts of {len(known.classes)} classes, {len(more):,} unlabelled.")
        if valid is None:
            return Material(given, known, others(more, given), held_out(known.target, self.seed, given)[1])
        judged_texts, judged = (
            as_texts(valid[0], "valid"),
            Labels.of(valid[1], known.classes, known.multi_label),
        )
        if len(judged_texts) != len(judged):
            raise UsageError(f"valid: got {len(judged_texts)} texts and {len(judged)} labels.")
        return Material(given, known, others(more, given, judged_texts), np.arange(0), judged_texts, judged)

    def _language_model(self, material: Material, budget: Budget) -> LanguageModel:
        """The language model whose encoder the classifier takes: given, fine-tuned, trained, or empty."""
        config = self._config()
        settings: dict[str, Any] = {
            "seed": self.seed,
            "device": self.device,
            "precision": self.precision,
            "minutes": budget.language_model(),
            "work_dir": self._folder(),
            "verbose": self.verbose,
        }
        texts, given = [*material.texts, *material.unlabeled], self.language_model
        if given is None and config.language_model is None:
            given = familiar(sample_of(texts), kind=self.tokenizer, size=self.size, say=self._say)
        return starting_model(
            given,
            config.language_model or lm_config(self.size or "small", kind=self.tokenizer or "word"),
            texts,
            tune=config.tune,
            settings=settings,
            say=self._say,
        )

    def _run_settings(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "device": self.device,
            "precision": self.precision,
            "folder": self._folder(),
            "callbacks": [
                *self.callbacks,
                *watchers(self._folder(), verbose=self.verbose, unit="documents"),
            ],
        }

    def _wants_teaching(self, material: Material) -> bool:
        """Few labels and at least twice as many texts without: then counts can teach."""
        labelled, more = len(material.texts), len(material.unlabeled)
        return self.teach == "auto" and more >= max(2 * labelled, 100) and labelled <= TEACH_MOST

    @property
    def classes_(self) -> np.ndarray:
        """The classes (C,) in the order of the columns of `predict_proba`, as scikit-learn wants them."""
        return np.array(self.class_names_)

    # -- use -----------------------------------------------------------------------------------------------------

    def predict_proba(self, texts: Any, *, part: str | None = None) -> np.ndarray:
        """Probabilities (N, C) in the order of `classes_`; rows sum to 1, or are independent when multi-label.

        `part` is "combined" (the default unless combine="none"), "lm" or "counts".
        """
        self._check_fitted()
        part = part or self._main
        if part not in PARTS:
            raise UsageError(f"part: expected one of {', '.join(PARTS)}, got {part!r}.")
        return self._parts(as_texts(texts), (part,))[part]

    def _parts(self, texts: list[str], wanted: Sequence[str]) -> dict[str, np.ndarray]:
        """Probabilities of several parts, each computed once."""
        if not texts:
            return dict.fromkeys(wanted, np.zeros((0, len(self.class_names_))))
        found: dict[str, np.ndarray] = {}
        if set(wanted) & {"combined", "lm"}:
            run = self._predicting()
            found["lm"] = probabilities(run, cut(texts, self.tokenizer_), reader=self._reader(run))
        if set(wanted) & {"combined", "counts"}:
            found["counts"] = self.counts_proba(texts)
        if "combined" in wanted:
            found["combined"] = self.combination_.combine(found["lm"], found["counts"])
        return {name: found[name] for name in wanted}

    def counts_proba(self, texts: list[str]) -> np.ndarray:
        """Probabilities (N, C) of the word counts alone."""
        proba = np.zeros((len(texts), len(self.class_names_)))
        proba[:, [int(name) for name in self.counts_.classes_]] = self.counts_.predict_proba(texts)
        return proba

    def labels_of(self, proba: np.ndarray, *, part: str | None = None) -> list[Any]:
        """The class of each row of a part's probabilities; multi-label: all classes with at least `thresholds_`."""
        chosen = predicted(proba, self.multi_label_, self.thresholds_[part or self._main])
        if self.multi_label_:
            return [tuple(self.class_names_[k] for k in np.flatnonzero(row)) for row in chosen]
        return [self.class_names_[k] for k in chosen]

    def predict(self, texts: Any) -> list[Any]:
        """The class of each text; multi-label: a tuple of classes."""
        return self.labels_of(self.predict_proba(texts))

    def score(self, texts: Any, labels: Any) -> float:
        """Share of texts predicted right (multi-label: with exactly the right set)."""
        return float(self.evaluate(texts, labels)["accuracy"])

    def evaluate(self, texts: Any, labels: Any) -> dict[str, Any]:
        """accuracy, macro_f1, n (multi-label: micro_f1 too) of the prediction, and under `parts` of each part alone."""
        self._check_fitted()
        given, known = as_texts(texts), Labels.of(labels, self.class_names_, self.multi_label_)
        if len(given) != len(known):
            raise UsageError(f"each text needs a label: got {len(given)} texts and {len(known)} labels.")
        if not given:
            raise DataError("expected labelled texts to evaluate on, got none.")
        parts = self._parts(given, self.parts)
        each = {name: scores(known.target, proba, self.thresholds_[name]) for name, proba in parts.items()}
        return {**each[self._main], "n": len(known), "parts": each}

    def save(self, path: str | Path) -> None:
        """Write the classifier to one `.ulmus` file. Raises StorageError."""
        self._check_fitted()
        model_file.save_classifier(self, path)

    @classmethod
    def load(cls, path: str | Path, *, device: str = "auto", precision: str = "auto") -> TextClassifier:
        """The classifier in a `.ulmus` file, to predict in float32, bf16 or int8; auto: bf16 where that is fast.

        Raises BundleError, and ConfigError for another precision.
        """
        if precision not in ("auto", *PRECISIONS):
            raise ConfigError(f"precision: expected one of auto, {', '.join(PRECISIONS)}, got {precision!r}.")
        classifier = cls(device=device, precision=precision)
        model_file.load_classifier(classifier, path)
        return classifier

    def _predicting(self) -> Run:
        backwards = self.lm_config_.backwards
        config, device = self._config(), self.device
        return Run(self.network_, config, device=device, precision=self.precision, backwards=backwards)

    def _reader(self, run: Run) -> Reader | None:
        """The encoder laid out for reading, kept for the next call; None on a GPU."""
        if resolve_device(self.device).type != "cpu":
            return None
        made_of = (self.network_, self.precision)
        if self._kept_reader is None or self._kept_reader[0] != made_of:
            self._kept_reader = (made_of, run.reader())
        return self._kept_reader[1]

    def __getstate__(self) -> dict[str, Any]:
        """What is copied or pickled: not the laid-out encoder, which is made anew."""
        return self.__dict__ | {"_kept_reader": None}

    # -- pieces --------------------------------------------------------------------------------------------------

    @property
    def parts(self) -> tuple[str, ...]:
        """What can be looked at by itself; the first one predicts."""
        return PARTS if self.combine == "auto" else PARTS[1:]

    @property
    def _main(self) -> str:
        return self.parts[0]

    def _config(self) -> ClassifierConfig:
        return self.config or ClassifierConfig()

    def _check_settings(self) -> None:
        for name, choices in (("teach", ("auto", "none")), ("combine", ("auto", "none"))):
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name}: expected one of {', '.join(choices)}, got {getattr(self, name)!r}."
                )
        if self.class_weight not in (None, "balanced"):
            raise ConfigError(f"class_weight: expected None or 'balanced', got {self.class_weight!r}.")
        check_minutes(self.minutes)
        check_seed(self.seed)
        check_given(self.language_model)

    def _folder(self) -> Path | None:
        if self.work_dir is None:
            return None
        Path(self.work_dir).mkdir(parents=True, exist_ok=True)
        return Path(self.work_dir)

    def _say(self, text: str) -> None:
        if self.verbose:
            told(text)

    def _check_fitted(self) -> None:
        if not hasattr(self, "network_"):
            raise UsageError(
                "this classifier knows nothing yet: call fit(texts, labels), or TextClassifier.load(path)."
            )

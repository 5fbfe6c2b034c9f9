"""`LanguageModel`: pretrain (`fit`), fine-tune on other texts, distil, measure, generate, save, load.

    lm = LanguageModel(size="small", minutes=30).fit(texts)
    lm.perplexity(held_out); lm.generate("The film", words=20); lm.save("lm.ulmus")

It holds settings and, once fitted, one frozen `FittedLanguageModel`; the work is done by functions of `fitting`,
`generation` and `file`. With a `work_dir` a run that was stopped resumes. Knows no labels.
Source: Merity et al. 2017 (model, training); Howard & Ruder 2018, sections 3.1 and 3.2 (pretraining, fine-tuning).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ulmus.corpus.columns import readable
from ulmus.tasks.distillation import fitting as distillation
from ulmus.tasks.distillation.config import DistillationConfig
from ulmus.tasks.distillation.teacher import open_teacher
from ulmus.tasks.estimator import not_fitted
from ulmus.tasks.facts import html
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.language_model import file, fitting
from ulmus.tasks.language_model.config import LMConfig, lm_config
from ulmus.tasks.language_model.fitted import FittedLanguageModel
from ulmus.tasks.language_model.generation import Sampling, generate
from ulmus.tasks.language_model.network import LMNetwork
from ulmus.tasks.settings import RunSettings, work_folder
from ulmus.text.tokenizer import Tokenizer
from ulmus.text.vocab import Remap
from ulmus.train.callbacks import Callback
from ulmus.train.lr_find import LRFind, lr_find
from ulmus.train.protocol import Stage

__all__ = ["LanguageModel"]


class LanguageModel:
    """A language model of the user's texts. `fit` or `load` first; learned state ends in `_`.

    config: all settings; without it `size` ("small" or "base"), `tokenizer` (word, unigram, bpe, char), `cell` and
    `backwards` choose them. minutes: time budget of one `fit` or `fine_tune`. work_dir: folder for ids and checkpoints.
    about: entries for the card on the texts (name, language, corpus, licence). start: a model of the same shape that
    provides the initial weights of `fit`. decay_steps: `fit` branches off the run in work_dir: from its checkpoint the
    learning rate decays to 0 over so many steps; the run itself can still resume without a decay.
    After fitting: fitted_, and its parts tokenizer_, network_, metrics_ (perplexity and more on the held-out set),
    history_ (rows), remap_, card_ (training texts and how it was trained). Raises ConfigError: an unknown choice.
    """

    def __init__(
        self,
        config: LMConfig | None = None,
        *,
        tokenizer: str = "word",
        size: str = "small",
        cell: str | None = None,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
        backwards: bool = False,
        minutes: float | None = None,
        work_dir: str | Path | None = None,
        verbose: bool = True,
        about: dict[str, Any] | None = None,
        start: LanguageModel | None = None,
        decay_steps: int | None = None,
    ) -> None:
        self.config = config or lm_config(size, kind=tokenizer, backwards=backwards, cell=cell)
        self.seed, self.device, self.precision = seed, device, precision
        self.minutes, self.work_dir, self.verbose = minutes, work_dir, verbose
        self.about = about or {}
        self.start, self.decay_steps = start, decay_steps
        self.callbacks: list[Callback] = []

    def __repr__(self) -> str:
        c = self.config
        state = "not fitted"
        if "fitted_" in self.__dict__:
            value = self.metrics_.get("perplexity")
            score = f", perplexity {value:.1f}" if isinstance(value, float) else ""
            state = f"fitted: vocabulary of {len(self.tokenizer_):,}{score}"
        return (
            f"<LanguageModel({c.cell}, {c.layers} layers of {c.hidden}, {c.tokenizer.kind} tokens), {state}>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return html(self)

    # -- training ------------------------------------------------------------------------------------------------

    def fit(self, texts: Iterable[str], valid: Iterable[str] | None = None) -> LanguageModel:
        """Train from scratch on `texts`, one document each (any iterable that can be iterated several times).

        Perplexity is measured on `valid`, or on up to 500 held-out documents.
        Raises DataError: no texts; UsageError: unusable texts; UlmusError: the training diverged.
        """
        self.fitted_ = fitting.fit(
            self.config,
            self._texts(texts),
            RunSettings.of(self),
            valid=_valid(valid),
            about=self.about,
            start=None if self.start is None else self.start._fitted(),
            decay_steps=self.decay_steps,
        )
        return self

    def fine_tune(self, texts: Iterable[str], valid: Iterable[str] | None = None) -> LanguageModel:
        """Fine-tune on other texts. A word vocabulary is built from them and filled up with words of the old one.

        The model changes only when all is done; after an interruption it is what it was before.
        Raises UsageError: not fitted, or unusable texts; DataError: no texts; UlmusError: the training diverged.
        """
        start = dataclasses.replace(self._fitted(), config=self.config)
        self.fitted_ = fitting.fine_tune(
            start, self._texts(texts), RunSettings.of(self), valid=_valid(valid), about=self.about
        )
        return self

    def distil(
        self, texts: Iterable[str], *, teacher: str | Path, config: DistillationConfig | None = None
    ) -> LanguageModel:
        """Learn what passages mean from a sentence encoder: the features of the encoder come to predict its vectors.

        `texts` are general texts, one document each; they are cut into passages. `teacher` is the local folder of a
        sentence encoder in the format of `transformers`, or a file that `ulmus tune` made from one. With a work folder
        its vectors are kept. The model changes only when all is done, and remains a language model of the same shape.
        Raises UsageError: not fitted, or unusable texts; BundleError: an unusable folder or file; ConfigError: a
        decoder as teacher; DataError: no texts; MissingExtra: transformers is not installed.
        """
        start = dataclasses.replace(self._fitted(), config=self.config)
        knows = open_teacher(teacher, device=self.device, precision=self.precision)
        self.fitted_ = distillation.distil(
            start, knows, self._texts(texts), RunSettings.of(self), config=config, about=self.about
        )
        return self

    def stages(self, tokens: int, *, tuning: bool = False) -> list[Stage]:
        """The stages for a corpus of so many tokens: one from scratch, two for fine-tuning."""
        return fitting.stages(self.config, tokens, minutes=self.minutes, tuning=tuning)

    def lr_find(self, texts: Iterable[str], *, steps: int = 100) -> LRFind:
        """Range test of the learning rate on `texts`: its curve (`.plot(path)`) and a suggested peak.

        A model that is not fitted is initialised for these texts, as by `fit`; the weights are not changed.
        Source: Smith 2017, section 3.3. Raises DataError: no texts.
        """
        settings, own = (
            RunSettings.of(self),
            RunTexts(readable(texts), work_folder(self.work_dir), name="lm-ids"),
        )
        model = getattr(self, "fitted_", None) or fitting.untrained(self.config, own, settings)
        self.fitted_ = model
        store = own.ids(model.tokenizer)
        batches = fitting.training_batches(self.config, store, np.arange(len(store)), seed=self.seed)
        return lr_find(model.network, batches, steps=steps, config=fitting.loop_config(self.config, settings))

    # -- use -----------------------------------------------------------------------------------------------------

    def perplexity(self, texts: Iterable[str]) -> float:
        """exp of the mean loss per token on `texts`, marker tokens included. Raises DataError."""
        return float(self.evaluate(texts)["perplexity"])

    def evaluate(self, texts: Iterable[str]) -> dict[str, float]:
        """Perplexity per token and bits per character (comparable across tokenizers) on `texts`. Raises DataError."""
        return fitting.measure(self._fitted(), readable(texts), device=self.device)

    def generate(self, prompt: str = "", **how: Any) -> list[str]:
        """The prompt with its continuations, one text per sample.

        `how`: words (40 tokens), temperature (0.75; 0 takes the most likely token), top_k (0: all), top_p (1.0), no_unk
        (True), samples (1), seed. Raises UsageError: a backward model, values out of range, or not fitted.
        """
        sampling = Sampling(**how)
        return generate(self._fitted(), prompt, sampling, device=self.device, precision=self.precision)

    def describe(self, **entries: Any) -> LanguageModel:
        """Add entries to the card, such as samples of generated text. Raises UsageError: not fitted."""
        fitted = self._fitted()
        self.fitted_ = dataclasses.replace(fitted, card=fitted.card | entries)
        return self

    def save(self, path: str | Path, *, weights: str = "float32") -> None:
        """Write the model to one `.ulmus` file; bf16 `weights` halve its size.

        Raises StorageError; ConfigError: an unknown type of weights; UsageError: not fitted.
        """
        file.save(self._fitted(), path, weights=weights)

    @classmethod
    def load(cls, path: str | Path, **settings: Any) -> LanguageModel:
        """The model in a `.ulmus` file, or the installed one of that name; `settings` as for `__init__` (device, ...).

        Raises BundleError: a missing or damaged file, or one of another kind.
        """
        fitted = file.load(path)
        model = cls(fitted.config, **settings)
        model.fitted_ = fitted
        return model

    # -- learned state -----------------------------------------------------------------------------------------------

    fitted_: FittedLanguageModel

    @property
    def tokenizer_(self) -> Tokenizer:
        """The tokenizer."""
        return self._fitted().tokenizer

    @property
    def network_(self) -> LMNetwork:
        """Encoder and decoder."""
        return self._fitted().network

    @property
    def metrics_(self) -> dict[str, Any]:
        """Perplexity and more on the held-out set."""
        return self._fitted().metrics

    @property
    def card_(self) -> dict[str, Any]:
        """Training texts, how it was trained, and more (`card.py`)."""
        return self._fitted().card

    @property
    def history_(self) -> list[dict[str, Any]]:
        """Rows of the training log, one per epoch."""
        return self._fitted().history

    @property
    def remap_(self) -> Remap | None:
        """How the last fine-tuning mapped the rows of the vocabulary; None without one."""
        return self._fitted().remap

    def check_fitted(self) -> None:
        """Raise UsageError if the model is neither trained nor loaded."""
        self._fitted()

    def _fitted(self) -> FittedLanguageModel:
        if "fitted_" not in self.__dict__:
            raise not_fitted(
                "this language model is not fitted: call fit(texts), or LanguageModel.load(path)."
            )
        return self.fitted_

    # -- helpers -----------------------------------------------------------------------------------------------------

    def _texts(self, texts: Iterable[str]) -> RunTexts:
        folder = work_folder(self.work_dir)
        return RunTexts(readable(texts), folder, name="lm-ids", verbose=self.verbose)


def _valid(texts: Iterable[str] | None) -> Iterable[str] | None:
    return None if texts is None else readable(texts, "valid")

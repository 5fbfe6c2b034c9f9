"""`LanguageModel`: pretrain (`fit`), fine-tune on other texts, measure, generate, save, load.

    lm = LanguageModel(size="small", minutes=30).fit(texts)
    lm.perplexity(held_out); lm.generate("The film", words=20); lm.save("lm.ulmus")

It holds settings and, once fitted, one frozen `FittedLanguageModel`; the steps are functions of `fitting`, `generation`
and `file`. With a `work_dir` a run that was stopped resumes. Knows no labels.
Source: Merity et al. 2017 (model, training); Howard & Ruder 2018, sections 3.1 and 3.2 (pretraining, fine-tuning).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ulmus.corpus.columns import readable
from ulmus.tasks.estimator import not_fitted
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

    config: all settings; without it `size` ("small" or "base"), `tokenizer` (word, unigram, bpe, char) and `backwards`
    choose them. minutes: time budget of one `fit` or `fine_tune`, kept. work_dir: folder for ids and checkpoints.
    about: what the card says of the texts (name, language, corpus, licence). start: a model of the same shape whose
    weights `fit` begins with. decay_steps: `fit` resumes from the checkpoint in work_dir for so many steps, in which
    the rate falls to nothing; the run itself can still go on without it.
    After fitting: fitted_, and of it tokenizer_, network_, metrics_ (perplexity and more on the held-out set), history_
    (rows), remap_, card_ (what it was made from and how).
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
            found = self.metrics_.get("perplexity")
            score = f", perplexity {found:.1f}" if isinstance(found, float) else ""
            state = f"fitted: vocabulary of {len(self.tokenizer_):,}{score}"
        return (
            f"<LanguageModel({c.cell}, {c.layers} layers of {c.hidden}, {c.tokenizer.kind} tokens), {state}>"
        )

    # -- training ------------------------------------------------------------------------------------------------

    def fit(self, texts: Iterable[str], valid: Iterable[str] | None = None) -> LanguageModel:
        """Train from nothing on `texts` (anything that can be iterated several times, each a document).

        Perplexity is measured on `valid`, or on up to 500 held-out documents. Raises DataError: no texts.
        """
        self.fitted_ = fitting.fit(
            self.config,
            self._texts(texts),
            self._settings(),
            valid=_valid(valid),
            about=self.about,
            start=None if self.start is None else self.start._fitted(),
            decay_steps=self.decay_steps,
        )
        return self

    def fine_tune(self, texts: Iterable[str], valid: Iterable[str] | None = None) -> LanguageModel:
        """Go on with other texts: a word vocabulary is that of the texts, filled up with the words known before.

        The model changes when all is done: interrupted, it is what it was. Raises UsageError when it is not fitted.
        """
        start = dataclasses.replace(self._fitted(), config=self.config)
        self.fitted_ = fitting.fine_tune(
            start, self._texts(texts), self._settings(), valid=_valid(valid), about=self.about
        )
        return self

    def stages(self, tokens: int, *, tuning: bool = False) -> list[Stage]:
        """The recipe for a corpus of `tokens`: one stage from nothing, two when fine-tuning."""
        return fitting.stages(self.config, tokens, minutes=self.minutes, tuning=tuning)

    def lr_find(self, texts: Iterable[str], *, steps: int = 100) -> LRFind:
        """Range test of the learning rate on `texts`: its curve (`.plot(path)`) and a suggested peak.

        A model that is not fitted begins one for these texts, as `fit` would; the weights stay as they are.
        Source: Smith 2017, section 3.3.
        """
        settings, own = self._settings(), RunTexts(readable(texts), work_folder(self.work_dir), name="lm-ids")
        model = getattr(self, "fitted_", None) or fitting.untrained(self.config, own, settings)
        self.fitted_ = model
        store = own.ids(model.tokenizer)
        batches = fitting.training_batches(self.config, store, np.arange(len(store)), seed=self.seed)
        return lr_find(model.network, batches, steps=steps, config=fitting.loop_config(self.config, settings))

    # -- use -----------------------------------------------------------------------------------------------------

    def perplexity(self, texts: Iterable[str]) -> float:
        """exp of the mean loss a token on `texts`, all tokens of the rules included."""
        return float(self.evaluate(texts)["perplexity"])

    def evaluate(self, texts: Iterable[str]) -> dict[str, float]:
        """perplexity a token and bits a character (which compares across tokenizers), on `texts`."""
        return fitting.measure(self._fitted(), readable(texts), device=self.device)

    def generate(self, prompt: str = "", **how: Any) -> list[str]:
        """Texts that begin with `prompt` and go on.

        `how`: words (40 tokens), temperature (0.75; 0 takes the likeliest), top_k (0: all), top_p (1.0), no_unk (True),
        samples (1), seed. Raises UsageError for a model that reads backwards, or for values out of range.
        """
        sampling = Sampling(**how)
        return generate(self._fitted(), prompt, sampling, device=self.device, precision=self.precision)

    def describe(self, **entries: Any) -> LanguageModel:
        """Add entries to the card, such as samples of what the model writes."""
        fitted = self._fitted()
        self.fitted_ = dataclasses.replace(fitted, card=fitted.card | entries)
        return self

    def save(self, path: str | Path, *, weights: str = "float32") -> None:
        """Write the model to one `.ulmus` file; with bf16 `weights` it has half the size. Raises StorageError."""
        file.save(self._fitted(), path, weights=weights)

    @classmethod
    def load(cls, path: str | Path, **settings: Any) -> LanguageModel:
        """The model in a `.ulmus` file, or the installed one of a name; `settings` as for a new one (device, ...).

        Raises BundleError.
        """
        fitted = file.load(path)
        model = cls(fitted.config, **settings)
        model.fitted_ = fitted
        return model

    # -- what is fitted ------------------------------------------------------------------------------------------

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
        """What it was made from and how."""
        return self._fitted().card

    @property
    def history_(self) -> list[dict[str, Any]]:
        """Rows of its training, one an epoch."""
        return self._fitted().history

    @property
    def remap_(self) -> Remap | None:
        """Which rows of the vocabulary went where in the last fine-tuning."""
        return self._fitted().remap

    def check_fitted(self) -> None:
        """Raises UsageError for a model that was neither trained nor loaded."""
        self._fitted()

    def _fitted(self) -> FittedLanguageModel:
        if "fitted_" not in self.__dict__:
            raise not_fitted(
                "this language model is not fitted: call fit(texts), or LanguageModel.load(path)."
            )
        return self.fitted_

    # -- pieces --------------------------------------------------------------------------------------------------

    def _texts(self, texts: Iterable[str]) -> RunTexts:
        folder = work_folder(self.work_dir)
        return RunTexts(readable(texts), folder, name="lm-ids", verbose=self.verbose)

    def _settings(self) -> RunSettings:
        return RunSettings(
            seed=self.seed,
            device=self.device,
            precision=self.precision,
            minutes=self.minutes,
            folder=work_folder(self.work_dir),
            callbacks=tuple(self.callbacks),
            verbose=self.verbose,
        )


def _valid(texts: Iterable[str] | None) -> Iterable[str] | None:
    return None if texts is None else readable(texts, "valid")

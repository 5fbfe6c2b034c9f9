"""`TransformerEncoder`: a transformer from a local folder, adapted to texts without labels.

    encoder = TransformerEncoder.load("all-MiniLM-L6-v2", minutes=10).fine_tune(texts)
    encoder.perplexity(held_out); encoder.save("adapted.ulmus")
    TextClassifier(encoder="adapted.ulmus").fit(texts, labels)

It holds settings and, once opened, one frozen `FittedTransformer`. With a `work_dir` a run that was stopped resumes.
Knows no labels. Source: Gururangan et al. 2020; Devlin et al. 2019 (masked tokens).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ulmus.corpus.columns import readable
from ulmus.models.transformer import Transformer
from ulmus.tasks.adaptation import file, fitting
from ulmus.tasks.adaptation.config import AdaptationConfig
from ulmus.tasks.adaptation.fitted import FittedTransformer
from ulmus.tasks.estimator import not_fitted
from ulmus.tasks.facts import html
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.settings import RunSettings, work_folder
from ulmus.text.pretrained import PretrainedTokenizer
from ulmus.train.callbacks import Callback

__all__ = ["TransformerEncoder"]


class TransformerEncoder:
    """A transformer that can be trained on texts without labels. `load` first; learned state ends in `_`.

    config: all settings of the training; None: those of the file, or the defaults. minutes: time budget of
    `fine_tune`. work_dir: folder for ids and checkpoints. about: entries for the card on the texts (corpus, licence).
    After loading: fitted_, and its parts encoder_, tokenizer_, metrics_ (perplexity on the held-out set, before and
    after), history_ (rows), card_.
    """

    def __init__(
        self,
        config: AdaptationConfig | None = None,
        *,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
        minutes: float | None = None,
        work_dir: str | Path | None = None,
        verbose: bool = True,
        about: dict[str, Any] | None = None,
    ) -> None:
        self.config, self.seed, self.device, self.precision = config, seed, device, precision
        self.minutes, self.work_dir, self.verbose = minutes, work_dir, verbose
        self.about = about or {}
        self.callbacks: list[Callback] = []

    def __repr__(self) -> str:
        if "fitted_" not in self.__dict__:
            return "<TransformerEncoder, not loaded>"
        kind = self.encoder_.config.architecture.get("model_type")
        return f"<TransformerEncoder({kind}), {len(self.tokenizer_):,} tokens>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return html(self)

    @classmethod
    def load(cls, path: str | Path, **settings: Any) -> TransformerEncoder:
        """The transformer in a local folder in the format of `transformers`, or in a `.ulmus` file of `save`.

        `settings` as for `__init__`. Raises BundleError: an unusable folder or file, an encoder-decoder, or an
        architecture without a masked or causal language model; MissingExtra: transformers is not installed.
        """
        model = cls(**settings)
        model.fitted_ = file.load(path)
        return model

    def fine_tune(self, texts: Iterable[str], valid: Iterable[str] | None = None) -> TransformerEncoder:
        """Train on texts: an encoder predicts masked tokens, a decoder the next one.

        Perplexity is measured on `valid`, or on up to 500 held-out documents. The model changes only when all is done;
        after an interruption it is what it was before.
        Raises UsageError: nothing loaded, or unusable texts; DataError: no texts; UlmusError: the training diverged.
        """
        fitted = self._fitted()
        start = dataclasses.replace(fitted, config=self.config or fitted.config)
        own = RunTexts(
            readable(texts), work_folder(self.work_dir), name="adaptation-ids", verbose=self.verbose
        )
        held = None if valid is None else readable(valid, "valid")
        self.fitted_ = fitting.fine_tune(start, own, RunSettings.of(self), valid=held, about=self.about)
        return self

    def perplexity(self, texts: Iterable[str]) -> float:
        """exp of the mean loss of the masked tokens of `texts`, of all tokens for a decoder. Raises DataError."""
        settings = dataclasses.replace(RunSettings.of(self), verbose=False)
        return fitting.measure(self._fitted(), readable(texts), settings)

    def save(self, path: str | Path, *, weights: str = "float32") -> None:
        """Write it to one `.ulmus` file; bf16 `weights` halve its size.

        Raises StorageError; ConfigError: an unknown type of weights; UsageError: nothing loaded.
        """
        file.save(self._fitted(), path, weights=weights)

    # -- learned state -----------------------------------------------------------------------------------------------

    fitted_: FittedTransformer

    @property
    def encoder_(self) -> Transformer:
        """The transformer without its head."""
        return self._fitted().transformer.encoder

    @property
    def tokenizer_(self) -> PretrainedTokenizer:
        """The tokenizer."""
        return self._fitted().tokenizer

    @property
    def metrics_(self) -> dict[str, Any]:
        """Perplexity on the held-out set before and after, and the size of the texts."""
        return self._fitted().metrics

    @property
    def history_(self) -> list[dict[str, Any]]:
        """Rows of the training log, one per epoch."""
        return self._fitted().history

    @property
    def card_(self) -> dict[str, Any]:
        """Source, training texts and how it was trained."""
        return self._fitted().card

    def _fitted(self) -> FittedTransformer:
        if "fitted_" not in self.__dict__:
            raise not_fitted("nothing is loaded: call TransformerEncoder.load(path).")
        return self.fitted_

"""Sentences with tags, or texts with spans -> a tagger that finds the entities of raw texts.

    tagger = TextTagger().fit([["Angela", "Merkel", "visited", "Paris"]], [["B-PER", "I-PER", "O", "B-LOC"]])
    tagger.predict(["Angela Merkel visited Paris."]); tagger.evaluate(sentences, tags)["f1"]; tagger.save("ner.ulmus")

`fitting` has the steps in order. With a `work_dir` a run that was stopped resumes where it was. Axes: N texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ulmus.corpus.columns import as_texts
from ulmus.corpus.tagged import Tagged
from ulmus.errors import ConfigError, DataError
from ulmus.tasks.estimator import Estimator, not_fitted
from ulmus.tasks.language_model.start import check_given
from ulmus.tasks.pretrained import check_encoder
from ulmus.tasks.settings import RunSettings
from ulmus.tasks.tagger import file
from ulmus.tasks.tagger.config import TaggerConfig, transformer_config
from ulmus.tasks.tagger.encoders import Start
from ulmus.tasks.tagger.fitted import FittedTagger, Span
from ulmus.tasks.tagger.fitting import fit
from ulmus.train.callbacks import Callback

__all__ = ["TextTagger"]

PRECISIONS = ("auto", "float32", "bf16", "fp16")
SHOWN = 5  # types in the repr


class TextTagger(Estimator):
    """Finds entities: spans of a text, each with a type.

    language_model: a `LanguageModel`, or its path or name, joined by an installed one with the same vocabulary that
    reads backwards. None chooses the installed one that matches the language of the texts and reports which, or trains
    one on the texts if none matches; "new" always trains one; "none" trains none, and the encoder starts from random
    weights. encoder: instead, the folder of a transformer on this disk, in the format of `save_pretrained`, which needs
    the extra `transformers`. minutes: time budget of `fit`. work_dir: folder for checkpoints.
    After fitting: fitted_, and its parts types_, report_ (scores on the held-out sentences) and history_.
    """

    SETTINGS = TaggerConfig

    def __init__(
        self,
        *,
        language_model: Any = None,
        encoder: str | Path | None = None,
        minutes: float | None = None,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
        config: TaggerConfig | None = None,
        work_dir: str | Path | None = None,
        verbose: bool = True,
    ) -> None:
        self.language_model, self.encoder = language_model, encoder
        self.minutes, self.seed = minutes, seed
        self.device, self.precision, self.config = device, precision, config
        self.work_dir, self.verbose = work_dir, verbose
        self.callbacks: list[Callback] = []

    fitted_: FittedTagger

    def fit(self, sentences: Any, tags: Any, valid: tuple[Any, Any] | None = None) -> TextTagger:
        """Learn from sentences and their tags, or from texts and their spans.

        Sentences are N lists of tokens with N lists of tags (BIO, IOB1, BIOES or BILOU); texts are N str with N lists
        of spans, (start, end, label) in characters or dicts with these keys. `valid` is such a pair to measure on;
        without it some of the sentences (15%, at most 1,000; none of fewer than 50) are held out, and learnt at the
        end. The model changes only when the whole fit is done. Raises UsageError, DataError: unusable sentences or
        tags. ConfigError: a setting out of range. BundleError: a damaged language model file.
        """
        held_out = None if valid is None else Tagged.of(*valid)
        return self.fit_tagged(Tagged.of(sentences, tags), held_out)

    def fit_tagged(self, tagged: Tagged, valid: Tagged | None = None) -> TextTagger:
        """As `fit`, for the content of a file (`corpus.tagged.read_tagged`)."""
        self._check_settings()
        settings = RunSettings.of(self)
        if not len(tagged):
            raise DataError("expected sentences with tags, got none.")
        config = self.config or (TaggerConfig() if self.encoder is None else transformer_config())
        start = Start(self.language_model, config.language_model, config.tune, self.encoder)
        self.fitted_ = fit(tagged, valid, config, settings, start)
        return self

    def predict(self, texts: Any) -> list[list[Span]]:
        """The entities of each of N raw texts, in their order: start, end, label, text and score.

        `text[span.start:span.end]` is the span's text; the score is its probability, 0 to 1. A text is split into words
        as the tokens of the training sentences were. Raises UsageError: not fitted, or unusable texts.
        """
        return self._fitted().spans(as_texts(texts), device=self.device, precision=self.precision)

    def predict_tags(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """The BIO tags of the tokens of each of N sentences. Raises UsageError: not fitted."""
        model = self._fitted()
        given = Tagged.of(sentences, [["O"] * len(tokens) for tokens in sentences]).sentences
        return model.tags(given, device=self.device, precision=self.precision)

    def evaluate(self, sentences: Any, tags: Any) -> dict[str, Any]:
        """precision, recall and f1 of the entities, `types` with the same for each type, n: the number of sentences.

        An entity is right if its type and both ends are. `seen` estimates the fraction of the sentences that were
        trained on. Sentences and tags as for `fit`. Raises UsageError, DataError.
        """
        return self.evaluate_tagged(Tagged.of(sentences, tags))

    def evaluate_tagged(self, tagged: Tagged) -> dict[str, Any]:
        """As `evaluate`, for the content of a file."""
        if not len(tagged):
            raise DataError("expected sentences with tags to evaluate on, got none.")
        return self._fitted().evaluate(tagged, device=self.device, precision=self.precision)

    def score(self, sentences: Any, tags: Any) -> float:
        """F1 of the entities, 0 to 1."""
        return float(self.evaluate(sentences, tags)["f1"])

    def save(self, path: str | Path) -> None:
        """Write the tagger to one `.ulmus` file. Raises StorageError, and UsageError: not fitted."""
        file.save(self._fitted(), path)

    @classmethod
    def load(cls, path: str | Path, *, device: str = "auto", precision: str = "auto") -> TextTagger:
        """The tagger in a `.ulmus` file. Raises BundleError: a damaged file or one of another kind. ConfigError."""
        tagger = cls(device=device, precision=precision)
        tagger._check_settings()
        tagger.fitted_ = file.load(path)
        tagger.config = tagger.fitted_.config
        return tagger

    @property
    def types_(self) -> tuple[str, ...]:
        """The types of entities, sorted."""
        return self._fitted().types

    @property
    def report_(self) -> dict[str, Any]:
        """Scores on the held-out sentences, minutes of training."""
        return self._fitted().report

    @property
    def history_(self) -> list[dict[str, Any]]:
        """Rows of the training log, one per epoch."""
        return self._fitted().history

    def _fitted(self) -> FittedTagger:
        if "fitted_" not in self.__dict__:
            raise not_fitted(
                "this tagger is not fitted: call fit(sentences, tags), or TextTagger.load(path)."
            )
        return self.fitted_

    def _check_settings(self) -> None:
        if self.precision not in PRECISIONS:
            raise ConfigError(f"precision: expected one of {', '.join(PRECISIONS)}, got {self.precision!r}.")
        check_given(self.language_model)
        if self.encoder is not None:
            check_encoder(self.encoder)
            if self.language_model is not None:
                raise ConfigError("encoder and language_model: give one of them, not both.")

    def _state(self) -> str:
        if "fitted_" not in self.__dict__:
            return "not fitted"
        names = self.types_
        return f"{len(names)} types: {', '.join(names[:SHOWN])}" + (", ..." if len(names) > SHOWN else "")

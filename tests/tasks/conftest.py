"""Small texts with a hidden rule, and the small settings, language model and classifier that the tests share."""

from __future__ import annotations

import dataclasses
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from ulmus.models.awd_lstm import AWDLSTM
from ulmus.models.encoder import Dropouts, EncoderConfig
from ulmus.models.heads import ClassifierHead, TiedDecoder
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.tasks.language_model.network import LMNetwork
from ulmus.text.tokenizer import TokenizerConfig
from ulmus.train.callbacks import Callback, RunState

WORDS = {
    "sea": "wave tide harbour sailor gull anchor reef salt".split(),
    "wood": "oak moss owl path fern beetle root acorn".split(),
    "town": "street tram baker square tower market bridge lamp".split(),
}
FILLING = "the a of and we saw near old new then with some by under every small".split()


class Corpus(NamedTuple):
    """Labelled texts, unlabelled texts, and labelled texts for testing."""

    texts: list[str]
    labels: list[str]
    unlabeled: list[str]
    test_texts: list[str]
    test_labels: list[str]


def sentences(n: int, *, seed: int = 0, classes: tuple[str, ...] = ("sea", "town", "wood")) -> Any:
    """`n` texts of 4 to 25 words and their classes, in turn; some words determine the class."""
    rng = random.Random(seed)
    texts, labels = [], [classes[i % len(classes)] for i in range(n)]
    for label in labels:
        words = rng.choices(FILLING, k=rng.randint(2, 20)) + rng.choices(WORDS[label], k=rng.randint(2, 5))
        rng.shuffle(words)
        texts.append(" ".join(words).capitalize() + ".")
    return texts, labels


class StopAt(Callback):
    """Ctrl-C after the n-th optimizer step; counts the steps."""

    def __init__(self, step: int | None = None) -> None:
        self.stop, self.steps = step, 0

    def step_ended(self, state: RunState) -> None:
        """Raise what Ctrl-C raises."""
        self.steps += 1
        if self.steps == self.stop:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="session")
def stop_at() -> type[StopAt]:
    """A callback that counts the steps and raises KeyboardInterrupt after the n-th: stop_at(n)."""
    return StopAt


@pytest.fixture(scope="session")
def make_texts() -> Callable[..., Any]:
    """Makes texts and labels: make_texts(n, seed=0, classes=...)."""
    return sentences


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """240 labelled texts of three classes, 120 unlabelled ones, 60 for testing."""
    texts, labels = sentences(240, seed=1)
    return Corpus(texts, labels, sentences(120, seed=2)[0], *sentences(60, seed=3))


@pytest.fixture(scope="session")
def lm_settings() -> LMConfig:
    """A language model of a few thousand weights that trains for two epochs."""
    return LMConfig(
        tokenizer=TokenizerConfig(min_freq=1, max_size=300),
        embedding=8,
        hidden=16,
        layers=2,
        dropouts=Dropouts(mult=0.1),
        batch_size=4,
        bptt=12,
        epochs=2,
        tune_epochs=1,
    )


@pytest.fixture(scope="session")
def settings(lm_settings: LMConfig) -> ClassifierConfig:
    """A classifier's small settings, one epoch a stage."""
    return ClassifierConfig(
        language_model=lm_settings,
        dropouts=Dropouts(mult=0.1),
        all_peak=1e-2,
        max_len=12,
        longest=100,
        batch_size=32,
        token_budget=1_000,
        all_epochs=1,
        pairs_steps=4,
        teach_texts=60,
    )


@pytest.fixture(scope="session")
def quiet() -> dict[str, Any]:
    """The arguments that make a training reproducible and silent."""
    return {"device": "cpu", "precision": "float32", "verbose": False}


@pytest.fixture(scope="session")
def language_model(corpus: Corpus, lm_settings: LMConfig, quiet: dict[str, Any]) -> LanguageModel:
    """A language model of the corpus. Shared: do not train it."""
    return LanguageModel(lm_settings, **quiet).fit(corpus.texts)


@pytest.fixture(scope="session")
def classifier(
    corpus: Corpus, settings: ClassifierConfig, language_model: LanguageModel, quiet: dict[str, Any]
) -> TextClassifier:
    """A classifier of the corpus, with teaching and combination. Shared: do not train it."""
    given = TextClassifier(
        config=dataclasses.replace(settings, tune="none"), language_model=language_model, **quiet
    )
    return given.fit(
        corpus.texts[:60], corpus.labels[:60], corpus.unlabeled, (corpus.texts[60:], corpus.labels[60:])
    )


@pytest.fixture
def make_lm(lm_settings: LMConfig, quiet: dict[str, Any]) -> Callable[..., LanguageModel]:
    """Makes a language model that is not fitted: make_lm(callback, work_dir=..., settings of its config)."""

    def new(
        *callbacks: Callback, work_dir: Path | None = None, seed: int = 0, **changes: Any
    ) -> LanguageModel:
        config = dataclasses.replace(lm_settings, **changes)
        model = LanguageModel(config, seed=seed, work_dir=work_dir, **quiet)
        model.callbacks += callbacks
        return model

    return new


@pytest.fixture
def make_lm_network() -> Callable[..., LMNetwork]:
    """Makes a small `LMNetwork` from a seed."""

    def make(dropouts: Dropouts | None = None, *, seed: int = 0, **regularisation: float) -> LMNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = AWDLSTM(EncoderConfig(40, 8, 16, 2), dropouts or Dropouts(mult=0.0))
            return LMNetwork(encoder, TiedDecoder(40, 8), **regularisation)

    return make


@pytest.fixture
def make_classifier_network() -> Callable[..., ClassifierNetwork]:
    """Makes a small `ClassifierNetwork` of 3 classes from a seed."""

    def make(
        dropouts: Dropouts | None = None, *, seed: int = 0, classes: int = 3, **how: Any
    ) -> ClassifierNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = AWDLSTM(EncoderConfig(200, 8, 16, 2), dropouts or Dropouts(mult=0.0))
            head = ClassifierHead(encoder.config.pooled(), classes, hidden=6, drops=(0.0, 0.0))
            return ClassifierNetwork(encoder, head, **how)

    return make


@pytest.fixture
def make(settings: ClassifierConfig, quiet: dict[str, Any]) -> Callable[..., TextClassifier]:
    """Makes a classifier that is not fitted and by default trains no language model."""

    def new(**changes: Any) -> TextClassifier:
        how = {"config": settings, "language_model": "none"} | quiet | changes
        return TextClassifier(**how)

    return new

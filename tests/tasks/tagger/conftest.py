"""Sentences with a hidden rule, and a small tagger of them that the tests share."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import Any

import pytest

from ulmus.models.encoder import Dropouts
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.tagger.config import TaggerConfig
from ulmus.tasks.tagger.model import TextTagger

NAMES = "Anna Bert Clara Dora Emil Fritz".split()
PLACES = "Paris York Lima Oslo Rome".split()


def tagged(n: int, *, seed: int = 0) -> tuple[list[list[str]], list[list[str]]]:
    """`n` sentences such as `yesterday Anna Bert went to New Lima .`, and their BIO tags."""
    rng = random.Random(seed)
    sentences, tags = [], []
    for _ in range(n):
        person = rng.sample(NAMES, rng.randint(1, 2))
        place = [*rng.choice([["New"], []]), rng.choice(PLACES)]
        before = rng.choices(["yesterday", "then", "the", "good", "old"], k=rng.randint(0, 3))
        sentences.append([*before, *person, rng.choice(["went", "came"]), "to", *place, "."])
        tags.append(
            ["O"] * len(before)
            + ["B-PER"]
            + ["I-PER"] * (len(person) - 1)
            + ["O", "O", "B-LOC"]
            + ["I-LOC"] * (len(place) - 1)
            + ["O"]
        )
    return sentences, tags


@pytest.fixture(scope="session")
def make_tagged() -> Callable[..., Any]:
    """Makes sentences and tags: make_tagged(n, seed=0)."""
    return tagged


@pytest.fixture(scope="session")
def tagger_settings(lm_settings: LMConfig) -> TaggerConfig:
    """A tagger's small settings."""
    return TaggerConfig(
        language_model=dataclasses.replace(lm_settings, layers=1),
        dropouts=Dropouts(mult=0.1),
        own=8,
        buckets=500,
        hidden=8,
        drop=0.1,
        longest=20,
        head_epochs=2,
        all_epochs=5,
        head_peak=3e-2,
        top_peak=3e-2,
        all_peak=3e-2,
    )


@pytest.fixture
def make_tagger(tagger_settings: TaggerConfig, quiet: dict[str, Any]) -> Callable[..., TextTagger]:
    """Makes a tagger that is not fitted and by default trains no language model."""

    def new(**changes: Any) -> TextTagger:
        how = {"config": tagger_settings, "language_model": "none"} | quiet | changes
        return TextTagger(**how)

    return new


@pytest.fixture(scope="session")
def tagger(tagger_settings: TaggerConfig, quiet: dict[str, Any]) -> TextTagger:
    """A tagger of 120 sentences. Shared: do not train it."""
    return TextTagger(config=tagger_settings, language_model="none", **quiet).fit(*tagged(120, seed=1))

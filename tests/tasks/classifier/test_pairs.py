"""Pairs of texts with classes: through teaching, splits by group, files."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ulmus import TextClassifier, bundle
from ulmus.errors import UsageError
from ulmus.tasks.classifier.config import ClassifierConfig

WORDS = "oak moss owl fern beetle root acorn tram baker tower market bridge lamp gull reef".split()


def pairs(n: int, seed: int = 0) -> tuple[list[tuple[str, str]], list[str]]:
    """Pairs of texts, and whether both have the same words."""
    rng = random.Random(seed)
    made, labels = [], []
    for i in range(n):
        first = rng.sample(WORDS, 5)
        second = rng.sample(first, 5) if i % 2 else rng.sample(WORDS, 5)
        made.append((" ".join(first), " ".join(second)))
        labels.append("same" if i % 2 else "other")
    return made, labels


@pytest.fixture(scope="module")
def model(settings: ClassifierConfig, quiet: dict[str, Any]) -> TextClassifier:
    """A classifier of pairs, taught by its word counts. Shared: do not train it."""
    texts, labels = pairs(210)
    config = dataclasses.replace(settings, tune="none")
    given = TextClassifier(language_model="none", config=config, **quiet)
    frame = pd.DataFrame(texts, columns=["a", "b"])
    return given.fit(frame, labels, pairs(430, seed=1)[0], groups=[i // 6 for i in range(210)])


def test_a_classifier_learns_which_pairs_agree(model: TextClassifier) -> None:
    """Word counts of single texts cannot tell; those of pairs do."""
    texts, labels = pairs(60, seed=2)
    assert model.score(texts, labels) > 0.9
    assert model.fitted_.pairs
    assert model.report_["n"] == 42


def test_a_saved_classifier_of_pairs_is_one(model: TextClassifier, tmp_path: Path) -> None:
    """It predicts the same, alone and among others, and still demands pairs."""
    path = tmp_path / "same.ulmus"
    model.save(path)
    loaded = TextClassifier.load(path, device="cpu", precision="float32")
    texts = [*pairs(10, seed=3)[0], ("", ""), ("oak", "")]
    for part in model.parts:
        proba = model.predict_proba(texts, part=part)
        np.testing.assert_allclose(loaded.predict_proba(texts, part=part), proba, atol=1e-4)
        np.testing.assert_allclose(loaded.predict_proba(texts[:1], part=part), proba[:1], atol=1e-4)
    assert bundle.read_manifest(path)["pairs"] is True
    with pytest.raises(UsageError, match="takes pairs of texts"):
        loaded.predict(["a single text"])


def test_the_order_of_a_pair_matters_to_the_network(model: TextClassifier) -> None:
    """[u, v] is not [v, u]: an anchor is not its target."""
    (a, b), *_ = pairs(1, seed=4)[0]
    there, back = model.predict_proba([(a, b), (b, a)], part="lm")
    assert not np.allclose(there, back, atol=1e-7)


def test_a_classifier_of_texts_refuses_pairs(classifier: TextClassifier) -> None:
    """And says what it takes."""
    with pytest.raises(UsageError, match="takes single texts, got pairs"):
        classifier.predict([("a", "b")])


def test_unlabelled_texts_of_a_model_of_pairs_are_pairs() -> None:
    """Found before any training."""
    texts, labels = pairs(20)
    with pytest.raises(UsageError, match="unlabeled: this model takes pairs"):
        TextClassifier(verbose=False).fit(texts, labels, unlabeled=["a text"])
    with pytest.raises(UsageError, match="groups: expected one value for each of 20 texts, got 3"):
        TextClassifier(verbose=False).fit(texts, labels, groups=[1, 2, 3])


def test_pairs_are_reported_and_compared(model: TextClassifier) -> None:
    """Each pair is shown as its two texts; the words of both count."""
    texts, labels = pairs(30, seed=5)
    report = model.report(texts, labels, train=pairs(120)[0])
    assert all("xxfld" not in one.text for one in report.mistakes)
    assert "xxfld" not in report._repr_html_()
    assert "unknown words" not in model.drift(texts).clear

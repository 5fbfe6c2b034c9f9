"""Pairs of documents: what their loss is, when they are compared, and what comes of it."""

from __future__ import annotations

import dataclasses
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ulmus import TextClassifier
from ulmus.tasks.classifier.contrastive import pair_loss

SIZES = st.integers(1, 8).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 2), min_size=n, max_size=n),
        st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=n, max_size=n),
        st.integers(0, 99),
    )
)


@given(SIZES)
def test_the_loss_is_that_of_all_pairs_one_by_one(given: tuple[list[int], list[float], int]) -> None:
    """Weighted means of squared errors of cosines, within classes and between them, half and half."""
    classes, weights, seed = given
    vectors = np.random.default_rng(seed).normal(size=(len(classes), 5))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = 0.0
    for same in (True, False):
        pairs = [
            (i, j) for i, j in combinations(range(len(classes)), 2) if (classes[i] == classes[j]) == same
        ]
        weight = np.array([weights[i] * weights[j] for i, j in pairs])
        errors = np.array([(unit[i] @ unit[j] - same) ** 2 for i, j in pairs])
        if len(pairs) and weight.sum() > 0:
            expected += float((weight * errors).sum() / weight.sum()) / 2
    made = pair_loss(torch.tensor(vectors), torch.tensor(classes), torch.tensor(weights))
    assert float(made) == pytest.approx(expected, abs=1e-5)
    if min(weights) == max(weights) > 0:
        assert float(pair_loss(torch.tensor(vectors), torch.tensor(classes))) == pytest.approx(
            expected, abs=1e-5
        )


def test_classes_that_are_apart_lose_nothing() -> None:
    """Vectors of one direction a class, at right angles, of any length."""
    vectors = torch.tensor([[2.0, 0.0], [0.5, 0.0], [0.0, 3.0], [0.0, 1.0]])
    assert float(pair_loss(vectors, torch.tensor([0, 0, 1, 1]))) == 0
    assert float(pair_loss(vectors, torch.tensor([0, 1, 0, 1]))) == pytest.approx(0.75)


def fitted(corpus: Any, settings: Any, language_model: Any, labels: int, **changed: Any) -> TextClassifier:
    """A classifier from so many labels that is fine-tuned whatever cross-validation says."""
    config = dataclasses.replace(settings, **changed)
    model = TextClassifier(
        language_model=language_model, config=config, teach="none", device="cpu", verbose=False
    )
    return model.fit(corpus.texts[:labels], corpus.labels[:labels])


def test_few_labels_are_compared_in_pairs_and_many_are_not(
    corpus: Any, settings: Any, language_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pairs_below` is the number of labels from which on the answers themselves are learnt."""
    monkeypatch.setattr("ulmus.tasks.classifier.tuning.Tuned.helps", property(lambda _: True))
    few = fitted(corpus, settings, language_model, 60, pairs_steps=40)
    assert [row["stage"] for row in few.history_] == ["pairs of labels"] * len(few.history_)
    assert few.score(corpus.test_texts, corpus.test_labels) > 0.6
    many = fitted(corpus, settings, language_model, 60, pairs_below=60)
    assert {row["stage"] for row in many.history_} == {"all layers"}


def test_labels_that_are_no_classes_are_learnt_as_they_are(
    corpus: Any, settings: Any, language_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With several labels a text there is no saying which pairs are alike."""
    monkeypatch.setattr("ulmus.tasks.classifier.tuning.Tuned.helps", property(lambda _: True))
    model = TextClassifier(
        language_model=language_model, config=settings, teach="none", device="cpu", verbose=False
    ).fit(corpus.texts[:60], [(label,) for label in corpus.labels[:60]])
    assert {row["stage"] for row in model.history_} == {"all layers"}

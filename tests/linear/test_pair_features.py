"""Word counts of pairs: what each text has, what both share, and how much."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ulmus.errors import BundleError
from ulmus.fields import join_pair, split_pair
from ulmus.linear.count_model import CountModel
from ulmus.linear.learner import CountLearner
from ulmus.linear.pair_features import OVERLAPS, PairFeatures

WORDS = "oak moss owl fern beetle root acorn tram baker tower market bridge lamp gull reef".split()


def alike(n: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Joined pairs, and whether both texts have the same words."""
    rng = random.Random(seed)
    pairs, same = [], []
    for i in range(n):
        first = rng.sample(WORDS, 5)
        second = rng.sample(first, 5) if i % 2 else rng.sample(WORDS, 5)
        pairs.append(join_pair(" ".join(first), " ".join(second)))
        same.append(i % 2)
    return pairs, np.array(same)


def test_a_pair_comes_back_from_its_joined_text() -> None:
    """Whatever is in it, empty texts and marks included."""
    for pair in (("a b", "c"), ("", ""), ("x", ""), ("", "y\n z"), ("1 2", "xx fld 2 b")):
        assert split_pair(join_pair(*pair)) == pair
    assert split_pair(join_pair("a xxfld 2 b", "c")) == ("a xx fld 2 b", "c")
    for text in ("a text", "xxfld 1 a", "xxfld 1 a xxfld 2 b xxfld 3 c"):
        with pytest.raises(ValueError, match="not a pair"):
            split_pair(text)


def test_overlaps_say_how_much_two_texts_share() -> None:
    """All 1 for the same text twice; 0 for texts with nothing in common; halves where a half is shared."""
    features = PairFeatures()
    raw = features.index(
        [
            join_pair("oak moss", "oak moss"),
            join_pair("oak moss", "tram gull"),
            join_pair("oak moss", "oak gull"),
        ]
    )
    (view, *_) = features.views(raw, more_texts=False)
    x = view.weighed(raw).toarray()
    assert x.shape == (3, view.columns)
    names = view.names()
    assert len(names) == view.columns
    column = {name: x[:, i] for i, name in enumerate(names) if name.startswith("overlap")}
    np.testing.assert_allclose(column["overlap: cosine"][:2], [1, 0], atol=1e-5)
    np.testing.assert_allclose(column["overlap: trigram cosine"][0], 1, atol=1e-6)
    assert 0.1 < column["overlap: words of first"][2] < 0.9
    assert len(column) == len(OVERLAPS) * (len(OVERLAPS) + 3) / 2


def test_word_counts_learn_whether_two_texts_agree() -> None:
    """Single words say nothing here: only both texts together do. A stored model predicts the same."""
    texts, target = alike(200)
    learner = CountLearner(texts, pairs=True)
    model = learner.fit(target, learner.choose(target, classes=2), classes=2)
    new, truth = alike(60, seed=1)
    proba = model.proba_of(new)
    assert (proba.argmax(axis=1) == truth).mean() > 0.95
    arrays, meta = model.to_arrays()
    back = CountModel.from_arrays(arrays, meta, classes=2)
    np.testing.assert_allclose(back.proba_of(new), proba, atol=1e-6)
    with pytest.raises(BundleError, match="damaged"):
        CountModel.from_arrays(arrays | {"weights": arrays["weights"][:-1]}, meta, classes=2)


def test_ridge_regression_predicts_numbers() -> None:
    """Targets are floats (N, 1); the penalty is chosen from its own list, and a stored model is a regression."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 6)) for _ in range(150)]
    worth = dict(zip(WORDS, rng.normal(size=len(WORDS)), strict=True))
    target = np.array([[sum(worth[word] for word in text.split())] for text in texts])
    target = (target - target.mean()) / target.std()
    learner = CountLearner(texts)
    train = np.arange(100)
    choice = learner.choose(target, train, classes=1)
    model = learner.fit(target, choice, train, classes=1)
    predicted = model.proba_of(texts[100:])
    assert predicted.shape == (50, 1)
    assert np.corrcoef(predicted[:, 0], target[100:, 0])[0, 1] > 0.9
    arrays, meta = model.to_arrays()
    assert CountModel.from_arrays(arrays, meta, classes=1).objective.numeric
    oof = learner.out_of_fold(target, choice, train, classes=1)
    assert np.corrcoef(oof[:, 0], target[train, 0])[0, 1] > 0.8

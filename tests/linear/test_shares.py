"""What each word adds to the scores of the word counts: exact, in characters, for any unit."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest

from ulmus.errors import UsageError
from ulmus.evaluation.objectives import objective_of
from ulmus.fields import join_pair
from ulmus.linear.count_model import CountModel, CountSettings
from ulmus.linear.features import CountConfig, CountFeatures
from ulmus.linear.pair_features import PairFeatures
from ulmus.text.words import words_of_text

GOOD = "a great İstanbul film , WONDERFUL Straße ! great great 好 ความสุข".split()
BAD = "an awful dull ?? film boring don't 差 แย่ ΟΔΟΣ".split()
NUMBERS = np.arange(60)
TARGETS = {
    "two classes": (NUMBERS % 2, 2),
    "three classes": (NUMBERS % 3, 3),
    "several labels": (np.stack([NUMBERS % 2, NUMBERS % 3 == 0, NUMBERS % 5 == 0], axis=1).astype(int), 3),
    "numbers": ((NUMBERS % 7).astype(float)[:, None], 1),
}
ODD = [
    "",
    "  \n",
    "İİ great  \0 film\ud800 x",
    "^ a",
    "unknown",
    "don't!! GREAT",
    "好差\u0301。 好",
    "ΟΔΟΣ ᾼ",
]


def sentences() -> list[str]:
    """Texts of good words, of bad ones, and of both, in turn."""
    rng = random.Random(0)
    return [" ".join(rng.choices((GOOD, BAD, GOOD + BAD)[i % 3], k=8)) for i in range(60)]


def starts(text: str) -> np.ndarray:
    """Where the words of a text begin, (U,)."""
    return np.array([word.start for word in words_of_text(text)], np.int64)


@pytest.mark.parametrize("unit", ["word", "char", "word+subword"])
@pytest.mark.parametrize("kind", TARGETS)
def test_shares_and_bias_add_up_to_the_prediction(unit: str, kind: str) -> None:
    """Of any text, n-gram, LSA and objective; without a word there is nothing but the bias."""
    features = CountFeatures(CountConfig(ngrams=unit, lsa=5)).fit(sentences())  # type: ignore[arg-type]
    target, classes = TARGETS[kind]
    model = CountModel.fit(
        features, features.prepare(sentences()), target, classes=classes, settings=CountSettings(steps=20)
    )
    objective = objective_of(target)
    for text in [*ODD, *sentences()[:3]]:
        added, bias = model.shares(text, starts(text))
        assert added.shape == (len(words_of_text(text)), classes)
        total = objective.probabilities((added.sum(axis=0) + bias)[None])
        np.testing.assert_allclose(total, model.proba_of([text]), atol=1e-5)
        if unit != "word+subword" and text.strip():
            np.testing.assert_allclose(bias[-1], model.bias[-1], atol=1e-6)


def test_a_word_has_the_weights_of_its_n_grams_and_half_of_those_it_shares() -> None:
    """By hand: unigrams whole, bigrams half each, "^ good" whole; of a word said twice, half of its n-gram each."""
    texts = ["good film", "good good film", "dull film", "dull plot", "good plot", "film dull"] * 3
    features = CountFeatures(CountConfig(ngrams="word", lsa=0, min_df=1)).fit(texts)
    target = np.array([1, 1, 0, 0, 1, 0] * 3)
    model = CountModel.fit(features, features.prepare(texts), target, classes=2)
    x = features.transform(["good good film"])
    worth = dict(
        zip((features.names()[i] for i in x.indices), x.data * model.weights[x.indices, 0], strict=True)
    )
    added, _ = model.shares("Good, GOOD film", np.array([0, 4, 6, 11]))
    both, ends = worth["good"] / 2, worth["^ good"]
    expected = [
        both + ends + worth["good good"] / 2,
        0,
        both + worth["good good"] / 2 + worth["good film"] / 2,
        worth["film"] + worth["good film"] / 2,
    ]
    np.testing.assert_allclose(added[:, 1], expected, atol=1e-6)
    np.testing.assert_array_equal(added[:, 0], 0)


@pytest.mark.parametrize("unit", ["word", "char", "word+subword"])
def test_places_are_those_of_the_characters_in_the_text(unit: str) -> None:
    """Also where lower-casing makes two characters of one; each symbol of the index has one."""
    features = CountFeatures(CountConfig(ngrams=unit, lsa=0)).fit(sentences())  # type: ignore[arg-type]
    text = "İİİ  great\n好 don't"
    model = CountModel.fit(features, features.prepare(sentences()), NUMBERS % 2, classes=2)
    added, _ = model.shares(text, np.arange(len(text)))
    assert len(added) == len(text)
    assert np.abs(added[text.index("great") : text.index("great") + 5]).sum() > 0
    if unit == "word":
        assert set(np.flatnonzero(added[:, 1])) <= {*range(3), *starts(text)}  # (i, dot, i, dot, i, dot)


def test_pairs_are_not_linear_in_words() -> None:
    """Asking for shares of a pair is an error that says so."""
    pairs = [join_pair(a, b) for a, b in pairwise(sentences())]
    index = PairFeatures()
    raw = index.index(pairs)
    features = index.views(raw, more_texts=False)[0]
    model = CountModel.fit(features, features.prepared(raw), np.arange(len(pairs)) % 2, classes=2)
    with pytest.raises(UsageError, match="not linear"):
        model.shares(pairs[0], np.array([0]))

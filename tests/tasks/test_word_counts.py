"""The word-count classifier from outside: what it learns, explains and refuses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from ulmus import WordCounts
from ulmus.errors import ConfigError, DataError, UlmusError, UsageError
from ulmus.linear.features import CountConfig

THINGS = ["soup", "lamp", "chair", "train", "garden", "river", "window", "letter"]
GOOD = ["lovely", "bright", "fine", "warm", "gentle"]
BAD = ["broken", "dull", "grim", "cold", "nasty"]


def reviews(n: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Short made-up texts whose words determine the label."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(n):
        label = "good" if rng.random() < 0.5 else "bad"
        words = GOOD if label == "good" else BAD
        texts.append(
            " ".join(["the", rng.choice(THINGS), "was", *rng.choice(words, 2), "and", rng.choice(THINGS)])
        )
        labels.append(label)
    return texts, labels


def share_right(model: WordCounts, texts: list[str], labels: list[Any]) -> float:
    return float(np.mean([p == label for p, label in zip(model.predict(texts), labels, strict=True)]))


def test_words_determine_the_class() -> None:
    """A few hundred texts are enough to learn the words that determine the label; probabilities sum to 1."""
    model = WordCounts().fit(*reviews(200))
    texts, labels = reviews(100, seed=1)
    assert model.classes_.tolist() == ["bad", "good"]
    assert share_right(model, texts, labels) > 0.95
    proba = model.predict_proba(texts)
    assert proba.shape == (100, 2)
    assert proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_twenty_texts_are_enough_to_fit() -> None:
    """With very few texts nothing is pruned: words that occur in a single text still count."""
    texts, labels = reviews(20)
    assert share_right(WordCounts().fit(texts, labels), texts, labels) == 1.0


def test_unlabelled_texts_relate_words() -> None:
    """A word in no labelled text gets its weight from unlabelled texts in which it occurs with known words."""
    texts, labels = reviews(60)
    rng = np.random.default_rng(3)
    more = [f"{rng.choice(GOOD)} {rng.choice(GOOD)} superb" for _ in range(200)]
    more += [f"{rng.choice(BAD)} {rng.choice(BAD)} awful" for _ in range(200)]
    model = WordCounts(config=CountConfig(lsa=10)).fit(texts, labels, unlabeled=more)
    assert model.predict(["superb", "awful"]).tolist() == ["good", "bad"]


def test_multi_label() -> None:
    """Tuples of labels are independent binary decisions; a text may have none."""
    texts, labels = reviews(300)
    rows = [
        tuple(([label] if label == "good" else []) + (["soup"] if "soup" in text.split() else []))
        for text, label in zip(texts, labels, strict=True)
    ]
    model = WordCounts().fit(texts, rows)
    assert model.multi_label_
    assert model.class_names_ == ("good", "soup")
    assert model.predict_proba(texts).shape == (300, 2)
    assert share_right(model, texts, rows) > 0.95
    assert model.predict(["the lamp was broken"]) == [()]


def test_a_label_on_every_text_is_learnt_as_its_frequency() -> None:
    """A label that every text has cannot be learnt: its frequency is predicted, and nothing fails."""
    texts, labels = reviews(50)
    model = WordCounts().fit(texts, [("all", label) for label in labels])
    assert (model.predict_proba(texts)[:, model.class_names_.index("all")] > 0.9).all()


@pytest.mark.parametrize(("language", "marks"), [("Chinese", ("很好", "太差")), ("Thai", ("ดีมาก", "แย่มาก"))])
def test_scripts_without_spaces_are_counted_by_characters(language: str, marks: tuple[str, str]) -> None:
    """Chinese and Thai have no spaces between words: character n-grams are chosen automatically."""
    fill = {"Chinese": "酒店房间早餐服务位置价格", "Thai": "โรงแรมห้องอาหารบริการ"}[language]
    rng = np.random.default_rng(0)

    def text(mark: str) -> str:
        return "".join(rng.choice(list(fill), 8)) + mark + "".join(rng.choice(list(fill), 8))

    texts = [text(marks[i % 2]) for i in range(120)]
    model = WordCounts().fit(texts[:80], [str(i % 2) for i in range(80)])
    assert [block.unit for block in model.model_.features.blocks] == ["char"]
    assert model.predict(texts[80:]).tolist() == [str(i % 2) for i in range(80, 120)]


def test_balanced_classes_raise_the_rare_one() -> None:
    """class_weight="balanced" gives a rare class more probability than its frequency does."""
    texts, labels = reviews(400)
    keep = [i for i, label in enumerate(labels) if label == "bad" or i % 10 == 0]
    texts, labels = [texts[i] for i in keep], [labels[i] for i in keep]
    plain = WordCounts().fit(texts, labels).predict_proba(["the lamp was"])
    balanced = WordCounts(class_weight="balanced").fit(texts, labels).predict_proba(["the lamp was"])
    assert balanced[0, 1] > 2 * plain[0, 1]


def test_classes_can_be_weighted_individually() -> None:
    """A dict weights the classes it names; the others have weight 1."""
    texts, labels = reviews(100)
    plain = WordCounts().fit(texts, labels).predict_proba(["the lamp was"])
    heavy = WordCounts(class_weight={"good": 10}).fit(texts, labels).predict_proba(["the lamp was"])
    assert heavy[0, 1] > plain[0, 1] + 0.1


def test_sample_weights_count() -> None:
    """A text of weight 0 does not affect the weights; its words are in the vocabulary all the same."""
    texts, labels = reviews(60)
    wrong = ["bad" if label == "good" else "good" for label in labels]
    model = WordCounts().fit(texts + texts, labels + wrong, sample_weight=[1.0] * 60 + [0.0] * 60)
    assert share_right(model, texts, labels) == 1.0


def test_explanations_name_the_words() -> None:
    """The strongest n-grams of a class, and of one text, are the words that determine the class."""
    model = WordCounts(config=CountConfig(lsa=4)).fit(*reviews(300))
    assert {name.split()[-1] for name, _ in model.strongest("good", top=3)} <= set(
        GOOD
    )  # "was lovely" is one too
    explained = model.explain("the lamp was lovely", top=2)
    assert explained["good"][0][0] == "lovely"
    assert explained["good"][0][1] > 0 > explained["bad"][0][1]


def test_strange_texts_get_a_probability() -> None:
    """Empty, blank, unknown, very long texts, NUL bytes and lone surrogates are predicted like any other."""
    model = WordCounts().fit(*reviews(50))
    strange = ["", "   \n", "zzz qqq", "lovely " * 50_000, "a\x00lovely\x00", "\ud800 lovely", "שלום e\u0301"]
    proba = model.predict_proba(strange)
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba[0], proba[2])
    assert model.predict_proba([]).shape == (0, 2)


def test_a_text_gets_the_same_prediction_alone_and_in_any_batch() -> None:
    """The probability of a text does not depend on the other texts in the call."""
    texts, labels = reviews(100)
    model = WordCounts().fit(texts, labels)
    together = model.predict_proba(texts)
    alone = np.concatenate([model.predict_proba([text]) for text in texts])
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize(
    ("texts", "labels", "error", "message"),
    [
        ([], ["x", "y"], UsageError, "0 texts and 2 labels"),
        (["a b", "b c"], ["x", "y", "x"], UsageError, "2 texts and 3 labels"),
        (["a b", "b c"], ["x", "x"], DataError, "at least two classes, got only 'x'"),
        (["", "  "], ["x", "y"], DataError, "No word"),
        (["a b", float("nan")], ["x", None], UsageError, "has no label"),
        (["a b", "b c"], ["x", float("nan")], UsageError, "has no label"),
        (["a b", 7], ["x", "y"], UsageError, "expected str, got int at position 1"),
        ("a film", ["x", "y"], UsageError, "expected a list"),
    ],
)
def test_bad_input_says_what_to_do(
    texts: Any, labels: list[Any], error: type[Exception], message: str
) -> None:
    """Missing texts, missing labels, one class and empty texts each get their own message."""
    with pytest.raises(error, match=message):
        WordCounts().fit(texts, labels)


def test_impossible_settings_are_refused() -> None:
    """Settings out of range are errors that name the setting."""
    with pytest.raises(ConfigError, match="ngrams"):
        CountConfig(ngrams="letters")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="min_df"):
        CountConfig(min_df=0)
    texts, labels = reviews(20)
    for settings, name in [
        ({"class_weight": "heavy"}, "class_weight"),
        ({"class_weight": {"fair": 2}}, "class_weight: 'fair' is not a class"),
        ({"class_weight": {"good": "much"}}, "class_weight: expected numbers"),
        ({"C": -1}, "C: expected"),
        ({"C": "many"}, "C: expected"),
    ]:
        with pytest.raises(UsageError, match=name):
            WordCounts(**settings).fit(texts, labels)


@pytest.mark.parametrize("weights", [[1.0], ["x"] * 20, [-1.0] * 20, [0.0] * 20, [float("nan")] * 20])
def test_impossible_sample_weights_are_refused(weights: list[Any]) -> None:
    """One number a text, finite, at least 0, not only zeros."""
    with pytest.raises(UsageError, match="sample_weight"):
        WordCounts().fit(*reviews(20), sample_weight=weights)


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.predict(["a"]),
        lambda model: model.predict_proba(["a"]),
        lambda model: model.score(["a"], ["x"]),
        lambda model: model.explain("a"),
        lambda model: model.strongest("x"),
        lambda model: model.classes_,
    ],
)
def test_using_it_before_fit_is_scikit_learns_error_too(use: Any) -> None:
    """UsageError and NotFittedError at once."""
    with pytest.raises(NotFittedError, match="not fitted") as caught:
        use(WordCounts())
    assert isinstance(caught.value, UsageError)
    assert isinstance(caught.value, UlmusError)


def test_a_single_text_is_not_taken_for_a_list_of_characters() -> None:
    """predict expects a list, explain a single text."""
    model = WordCounts().fit(*reviews(50))
    for use in (model.predict, model.predict_proba):
        with pytest.raises(UsageError, match="expected a list"):
            use("a film")
    with pytest.raises(UsageError, match="expected one str, got list"):
        model.explain(["a film"])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="'fine' is not a class of this model"):
        model.strongest("fine")


def test_a_missing_text_is_an_empty_one() -> None:
    """None and NaN in a column of texts, as in TextClassifier."""
    model = WordCounts().fit(*reviews(50))
    proba = model.predict_proba([None, float("nan"), ""])
    np.testing.assert_array_equal(proba, proba[[2, 2, 2]])


def test_classes_keep_their_type() -> None:
    """Integers and booleans come back as such, in their own order."""
    texts, labels = reviews(60)
    numbers = WordCounts().fit(texts, [10 if label == "good" else 9 for label in labels])
    assert numbers.predict(["lovely"]).tolist() == [10]
    assert numbers.strongest(10, top=1)
    assert list(numbers.explain("lovely")) == [9, 10]
    truth = WordCounts().fit(texts, [label == "good" for label in labels])
    assert truth.predict(["lovely", "grim"]).tolist() == [True, False]


def test_scikit_learn_clones_and_cross_validates_it() -> None:
    """Parameters can be read, set and cloned; predictions are an array; score is the accuracy."""
    texts, labels = reviews(80)
    model = WordCounts(C=3).fit(texts, labels)
    assert is_classifier(model)
    other = clone(model)
    assert other.get_params() == {"config": None, "C": 3, "class_weight": None}
    assert not hasattr(other, "model_")
    assert other.set_params(C=5).C == 5
    assert repr(other) == "<WordCounts(C=5), not fitted>"
    assert isinstance(model.predict(texts), np.ndarray)
    assert (cross_val_score(other, np.array(texts), np.array(labels), cv=3) > 0.9).all()
    assert model.score(texts, labels) == 1.0


@pytest.mark.data
@pytest.mark.slow
def test_counts_reach_their_accuracy_on_real_questions() -> None:
    """TREC questions, 6 coarse labels, 4,000 for training and 1,452 for testing: accuracy is at least 80%."""
    path = Path(os.environ.get("ULMUS_DATA", "../shared/data")) / "trec" / "train.txt"
    if not path.exists():
        pytest.skip(f"needs the TREC questions at {path}")
    lines = path.read_bytes().decode("latin-1").splitlines()
    order = np.random.default_rng(0).permutation(len(lines))
    pairs = [lines[i].split(" ", 1) for i in order]
    labels, texts = [p[0].split(":")[0] for p in pairs], [p[1] for p in pairs]
    model = WordCounts().fit(texts[:4000], labels[:4000])
    assert share_right(model, texts[4000:], labels[4000:]) > 0.80

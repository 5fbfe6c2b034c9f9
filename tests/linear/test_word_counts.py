"""The word-count baseline: what it learns, folds, stores and survives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ulmus.errors import BundleError, ConfigError, DataError, UsageError
from ulmus.linear.features import CountConfig, Counted, CountFeatures
from ulmus.linear.word_counts import WordCounts

THINGS = ["soup", "lamp", "chair", "train", "garden", "river", "window", "letter"]
GOOD = ["lovely", "bright", "fine", "warm", "gentle"]
BAD = ["broken", "dull", "grim", "cold", "nasty"]


def reviews(n: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Small made-up texts whose words tell the label."""
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


def test_words_decide_the_class() -> None:
    """A few hundred texts are enough to learn words that tell the label; probabilities are a distribution."""
    model = WordCounts().fit(*reviews(200))
    texts, labels = reviews(100, seed=1)
    assert model.classes_ == ["bad", "good"]
    assert share_right(model, texts, labels) > 0.95
    proba = model.predict_proba(texts)
    assert proba.shape == (100, 2)
    assert proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_twenty_texts_are_enough_to_fit() -> None:
    """With very few texts nothing is pruned away: words in a single text still count."""
    texts, labels = reviews(20)
    assert share_right(WordCounts().fit(texts, labels), texts, labels) == 1.0


@pytest.mark.parametrize("classes", [2, 3])
def test_folded_weights_equal_the_two_parts(classes: int) -> None:
    """One weight per n-gram gives the probabilities of the regression on TF-IDF beside LSA, to 1e-6."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression

    texts, labels = reviews(300)
    if classes == 3:
        labels = ["soup" if "soup" in text else label for text, label in zip(texts, labels, strict=True)]
    more, _ = reviews(300, seed=5)
    features = CountFeatures(CountConfig(lsa=8)).fit(texts, unlabeled=more)
    counted = features.prepare(texts)
    model = WordCounts(C=10).fit_prepared(features, counted, labels)
    design = hstack([counted.x, csr_matrix(counted.lsa)], format="csr")
    used = np.flatnonzero(np.bincount(counted.x.indices, minlength=counted.x.shape[1]))
    columns = np.concatenate([used, np.arange(counted.x.shape[1], design.shape[1])])
    unfolded = LogisticRegression(C=10, max_iter=300).fit(design[:, columns], labels)
    np.testing.assert_allclose(
        model.predict_proba(texts), unfolded.predict_proba(design[:, columns]), atol=1e-6
    )


def test_lsa_rows_have_mean_length_one() -> None:
    """The LSA block is scaled as a whole, so it weighs as much as the TF-IDF rows of length 1."""
    texts, _ = reviews(400)
    counted = CountFeatures(CountConfig(lsa=10)).fit(texts).prepare(texts)
    assert counted.lsa.shape == (400, 10)
    assert np.linalg.norm(counted.lsa, axis=1).mean() == pytest.approx(1, abs=1e-3)
    lengths = np.sqrt(np.asarray(counted.x.multiply(counted.x).sum(axis=1)))
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


def test_tf_idf_is_that_of_scikit_learn() -> None:
    """Counting, idf and scaling give the same matrix as scikit-learn's, from counts saturated by 1.5 n / (n + 0.5)."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    texts = [f"{text} {text} {text.split()[0]}" for text in reviews(120)[0]]
    features = CountFeatures(CountConfig(min_df=2)).fit(texts)
    reference = CountVectorizer(ngram_range=(1, 2), min_df=2, token_pattern=r"\w+")
    counts = reference.fit_transform(texts).astype(np.float64)
    counts.data = 1.5 * counts.data / (counts.data + 0.5)
    assert sorted(features.names()) == sorted(reference.vocabulary_)
    columns = [reference.vocabulary_[name] for name in features.names()]
    expected = TfidfTransformer().fit_transform(counts)[:, columns]
    np.testing.assert_allclose(features.transform(texts).toarray(), expected.toarray(), atol=1e-6)


def test_unlabelled_texts_relate_words() -> None:
    """A word that stands in no labelled text gets its weight from the unlabelled texts that explain it."""
    texts, labels = reviews(60)
    rng = np.random.default_rng(3)
    more = [f"{rng.choice(GOOD)} {rng.choice(GOOD)} superb" for _ in range(200)]
    more += [f"{rng.choice(BAD)} {rng.choice(BAD)} awful" for _ in range(200)]
    model = WordCounts(config=CountConfig(lsa=10)).fit(texts, labels, unlabeled=more)
    assert model.predict(["superb", "awful"]) == ["good", "bad"]


def test_several_labels_a_text() -> None:
    """Labels that are tuples make independent yes/no questions; a text may have none."""
    texts, labels = reviews(300)
    rows = [
        tuple(([label] if label == "good" else []) + (["soup"] if "soup" in text.split() else []))
        for text, label in zip(texts, labels, strict=True)
    ]
    model = WordCounts().fit(texts, rows)
    assert model.multi_label_
    assert model.classes_ == ["good", "soup"]
    assert model.predict_proba(texts).shape == (300, 2)
    assert share_right(model, texts, rows) > 0.95
    assert model.predict(["the lamp was broken"]) == [()]


def test_a_label_on_every_text_is_learnt_as_its_share() -> None:
    """A multi-label column with one answer only cannot be separated: its odds are kept, nothing breaks."""
    texts, labels = reviews(50)
    model = WordCounts().fit(texts, [("all", label) for label in labels])
    assert (model.predict_proba(texts)[:, model.classes_.index("all")] > 0.9).all()


@pytest.mark.parametrize(("language", "marks"), [("Chinese", ("很好", "太差")), ("Thai", ("ดีมาก", "แย่มาก"))])
def test_writing_without_spaces_is_counted_by_characters(language: str, marks: tuple[str, str]) -> None:
    """Chinese and Thai have no spaces between words: character n-grams are chosen by themselves."""
    fill = {"Chinese": "酒店房间早餐服务位置价格", "Thai": "โรงแรมห้องอาหารบริการ"}[language]
    rng = np.random.default_rng(0)

    def text(mark: str) -> str:
        return "".join(rng.choice(list(fill), 8)) + mark + "".join(rng.choice(list(fill), 8))

    texts = [text(marks[i % 2]) for i in range(120)]
    model = WordCounts().fit(texts[:80], [str(i % 2) for i in range(80)])
    assert [block.unit for block in model.features_.blocks] == ["char"]
    assert model.predict(texts[80:]) == [str(i % 2) for i in range(80, 120)]


def test_balanced_classes_raise_the_rare_one() -> None:
    """class_weight="balanced" gives a rare class more probability than its share does."""
    texts, labels = reviews(400)
    keep = [i for i, label in enumerate(labels) if label == "bad" or i % 10 == 0]
    texts, labels = [texts[i] for i in keep], [labels[i] for i in keep]
    plain = WordCounts().fit(texts, labels).predict_proba(["the lamp was"])
    balanced = WordCounts(class_weight="balanced").fit(texts, labels).predict_proba(["the lamp was"])
    assert balanced[0, 1] > plain[0, 1] + 0.1


def test_sample_weights_count() -> None:
    """A text of weight 0 is as if it were not there."""
    texts, labels = reviews(60)
    wrong = ["bad" if label == "good" else "good" for label in labels]
    features = CountFeatures().fit(texts)
    weights = [1.0] * 60 + [0.0] * 60
    model = WordCounts().fit(texts + texts, labels + wrong, sample_weight=weights, features=features)
    alone = WordCounts().fit(texts, labels, features=features)
    np.testing.assert_allclose(model.predict_proba(texts), alone.predict_proba(texts), atol=1e-3)


def test_features_are_shared_between_fits() -> None:
    """Fitting other labels on the same counted texts needs no second counting and gives the same model."""
    texts, labels = reviews(80)
    features = CountFeatures().fit(texts)
    counted = features.prepare(texts)
    one = WordCounts().fit(texts, labels)
    two = WordCounts().fit_prepared(features, counted, labels)
    np.testing.assert_allclose(one.predict_proba(texts), two.predict_proba(texts), atol=1e-9)
    other = WordCounts().fit_prepared(features, counted, ["x" if "soup" in t else "y" for t in texts])
    assert other.classes_ == ["x", "y"]


def test_out_of_fold_probabilities_do_not_know_the_labels() -> None:
    """Random labels cannot be told from out-of-fold probabilities, but can from the fitted ones."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(THINGS + GOOD + BAD, 12)) for _ in range(300)]
    labels = [str(v) for v in rng.integers(0, 2, 300)]
    features = CountFeatures().fit(texts)
    counted = features.prepare(texts)
    model = WordCounts(C=100).fit_prepared(features, counted, labels)
    proba = model.out_of_fold_proba(counted, labels)
    target = np.array(labels) == "1"
    assert abs(((proba[:, 1] > 0.5) == target).mean() - 0.5) < 0.1
    assert ((model.proba_of(counted.x)[:, 1] > 0.5) == target).mean() > 0.8
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_out_of_fold_survives_a_label_with_one_example() -> None:
    """The fold of a class's only example never saw the class: it gets a small probability, rows still sum to 1."""
    texts, labels = reviews(40)
    labels[7] = "alone"
    model = WordCounts().fit(texts, labels)
    proba = model.out_of_fold_proba(model.features_.prepare(texts), labels, folds=5)
    assert 0 < proba[7, 0] < 0.1
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_out_of_fold_with_several_labels() -> None:
    """Multi-label out-of-fold probabilities have a column for each label, also for one seen once."""
    texts, labels = reviews(60)
    rows: list[tuple[str, ...]] = [(label,) for label in labels]
    rows[3] = ("alone",)
    model = WordCounts().fit(texts, rows)
    proba = model.out_of_fold_proba(model.features_.prepare(texts), rows, folds=4)
    assert proba.shape == (60, 3)
    assert (proba > 0).all()
    assert (proba < 1).all()


@pytest.mark.parametrize("multi", [False, True])
def test_plain_arrays_bring_the_model_back(multi: bool) -> None:
    """Stored arrays and a JSON-able dict predict the same bits and explain the same words."""
    import json

    texts, labels = reviews(150)
    wanted = [(label,) for label in labels] if multi else labels
    model = WordCounts(config=CountConfig(ngrams="word+subword", lsa=5)).fit(texts, wanted)
    arrays, meta = model.to_arrays()
    assert {str(a.dtype) for a in arrays.values()} <= {"uint8", "int64", "float32"}
    again = WordCounts.from_arrays(arrays, json.loads(json.dumps(meta)))
    np.testing.assert_array_equal(again.predict_proba(texts), model.predict_proba(texts))
    assert again.explain(texts[0]) == model.explain(texts[0])


def _break_offsets(arrays: dict[str, NDArray[Any]]) -> None:
    arrays["offsets"] = arrays["offsets"][::-1].copy()


def _break_order(arrays: dict[str, NDArray[Any]]) -> None:
    names = [arrays["ngrams"][a:b] for a, b in zip(arrays["offsets"], arrays["offsets"][1:], strict=False)]
    names[-1], names[-2] = names[-2], names[-1]
    arrays["ngrams"] = np.concatenate(names)
    arrays["offsets"] = np.concatenate([[0], np.cumsum([len(n) for n in names])])


def _break_shape(arrays: dict[str, NDArray[Any]]) -> None:
    arrays["weights"] = arrays["weights"][:-1]


def _break_bytes(arrays: dict[str, NDArray[Any]]) -> None:
    arrays["ngrams"] = np.full_like(arrays["ngrams"], 0xFF)


def _break_key(arrays: dict[str, NDArray[Any]]) -> None:
    del arrays["idf"]


@pytest.mark.parametrize("harm", [_break_offsets, _break_order, _break_shape, _break_bytes, _break_key])
def test_damaged_arrays_are_refused(harm: Any) -> None:
    """Arrays that do not belong together are a BundleError, never a wrong prediction or another exception."""
    arrays, meta = WordCounts().fit(*reviews(60)).to_arrays()
    harm(arrays)
    with pytest.raises(BundleError, match="damaged"):
        WordCounts.from_arrays(arrays, meta)


def test_explanations_name_the_words() -> None:
    """The strongest n-grams of a class, and of one text, are the words that tell it."""
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


def test_lone_surrogates_can_be_stored() -> None:
    """Characters that UTF-8 cannot write never become n-grams."""
    texts = ["很好\ud800吃", "太差\udfff了", "很好好好", "太差差差"] * 10
    model = WordCounts().fit(texts, ["1", "0"] * 20)
    arrays, meta = model.to_arrays()
    assert WordCounts.from_arrays(arrays, meta).predict(["很好", "太差"]) == ["1", "0"]


def test_a_text_is_judged_alone_as_in_any_company() -> None:
    """The probability of a text does not depend on the texts beside it."""
    texts, labels = reviews(100)
    model = WordCounts().fit(texts, labels)
    together = model.predict_proba(texts)
    alone = np.concatenate([model.predict_proba([text]) for text in texts])
    np.testing.assert_array_equal(together, alone)


def test_fitting_twice_gives_the_same_weights() -> None:
    """The randomised SVD is seeded: the same texts and labels give the same bits."""
    texts, labels = reviews(200)
    one, two = (WordCounts(config=CountConfig(lsa=20)).fit(texts, labels) for _ in range(2))
    np.testing.assert_array_equal(one.weights_, two.weights_)


@pytest.mark.parametrize(
    ("texts", "labels", "error", "message"),
    [
        ([], [], DataError, "got none"),
        (["a b", "b c"], ["x"], DataError, "2 texts and 1 labels"),
        (["a b", "b c"], ["x", "x"], DataError, "at least two classes, got only 'x'"),
        (["", "  "], ["x", "y"], DataError, "No word"),
    ],
)
def test_bad_input_says_what_to_do(
    texts: list[str], labels: list[str], error: type[Exception], message: str
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
    with pytest.raises(UsageError, match="class_weight"):
        WordCounts(class_weight="heavy")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="C must be"):
        WordCounts(C=-1)


def test_no_torch_is_loaded() -> None:
    """The baseline, the metrics and the combination work in a process that never imports torch."""
    code = (
        "import sys, ulmus.linear.word_counts, ulmus.evaluation.metrics, ulmus.evaluation.combination\n"
        "assert 'torch' not in sys.modules and 'sklearn' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )


@pytest.mark.data
@pytest.mark.slow
def test_counts_reach_their_mark_on_real_questions() -> None:
    """TREC questions, 6 coarse labels, 4,000 to learn and 1,452 to judge: at least 80% are right."""
    path = Path(os.environ.get("ULMUS_DATA", "../shared/data")) / "trec" / "train.txt"
    if not path.exists():
        pytest.skip(f"needs the TREC questions at {path}")
    lines = path.read_bytes().decode("latin-1").splitlines()
    order = np.random.default_rng(0).permutation(len(lines))
    pairs = [lines[i].split(" ", 1) for i in order]
    labels, texts = [p[0].split(":")[0] for p in pairs], [p[1] for p in pairs]
    model = WordCounts().fit(texts[:4000], labels[:4000])
    assert share_right(model, texts[4000:], labels[4000:]) > 0.80


def test_rows_of_counted_texts_can_be_chosen() -> None:
    """A fold is some rows of the texts counted once."""
    texts, _ = reviews(30)
    counted = CountFeatures(CountConfig(lsa=3)).fit(texts).prepare(texts)
    part: Counted = counted.rows(np.array([4, 2]))
    assert len(part) == 2
    np.testing.assert_array_equal(part.lsa[0], counted.lsa[4])

"""The word-count classifier in numbers: what it folds, shares between fits, stores and survives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ulmus.errors import BundleError, DataError
from ulmus.evaluation.objectives import MULTI_LABEL, SINGLE_LABEL
from ulmus.linear.count_model import CountModel, CountSettings
from ulmus.linear.features import CountConfig, Counted, CountFeatures

THINGS = ["soup", "lamp", "chair", "train", "garden", "river", "window", "letter"]
GOOD = ["lovely", "bright", "fine", "warm", "gentle"]
BAD = ["broken", "dull", "grim", "cold", "nasty"]


def reviews(n: int, seed: int = 0) -> tuple[list[str], NDArray[np.int64]]:
    """Small made-up texts whose words tell the class: 0 bad, 1 good."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, n)
    texts = [
        " ".join(
            ["the", rng.choice(THINGS), "was", *rng.choice((BAD, GOOD)[k], 2), "and", rng.choice(THINGS)]
        )
        for k in target
    ]
    return texts, target


def fitted(
    texts: list[str], target: NDArray[np.int64], config: CountConfig | None = None, *, classes: int = 2
) -> CountModel:
    """A model of these texts."""
    features = CountFeatures(config).fit(texts)
    return CountModel.fit(features, features.prepare(texts), target, classes=classes)


@pytest.mark.parametrize("classes", [2, 3])
def test_folded_weights_equal_the_two_parts(classes: int) -> None:
    """One weight per n-gram gives the probabilities of the regression on TF-IDF beside LSA, to 1e-6."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression

    texts, labels = reviews(300)
    if classes == 3:
        labels = np.where(["soup" in text for text in texts], 2, labels)
    more, _ = reviews(300, seed=5)
    features = CountFeatures(CountConfig(lsa=8)).fit(texts, unlabeled=more)
    counted = features.prepare(texts)
    model = CountModel.fit(features, counted, labels, classes=classes, settings=CountSettings(C=10))
    design = hstack([counted.x, csr_matrix(counted.lsa)], format="csr")
    used = np.flatnonzero(np.bincount(counted.x.indices, minlength=counted.x.shape[1]))
    columns = np.concatenate([used, np.arange(counted.x.shape[1], design.shape[1])])
    unfolded = LogisticRegression(C=10, max_iter=300).fit(design[:, columns], labels)
    np.testing.assert_allclose(model.proba(counted.x), unfolded.predict_proba(design[:, columns]), atol=1e-6)


def test_lsa_rows_have_mean_length_one() -> None:
    """The LSA block is scaled as a whole, so it weighs as much as the TF-IDF rows of length 1."""
    texts, _ = reviews(400)
    counted = CountFeatures(CountConfig(lsa=10)).fit(texts).prepare(texts)
    assert counted.lsa.shape == (400, 10)
    assert np.linalg.norm(counted.lsa, axis=1).mean() == pytest.approx(1, abs=1e-3)
    lengths = np.sqrt(np.asarray(counted.x.multiply(counted.x).sum(axis=1)))
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


def test_tf_idf_is_that_of_scikit_learn() -> None:
    """Counting, idf and scaling give the same matrix as scikit-learn's, from counts saturated by 1.5 n / (n + 0.5).

    The beginning of a text is a word in its n-grams, and has no weight of its own.
    """
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    texts = [f"{text} {text} {text.split()[0]}" for text in reviews(120)[0]]
    features = CountFeatures(CountConfig(min_df=2)).fit(texts)
    reference = CountVectorizer(ngram_range=(1, 2), min_df=2, token_pattern=r"\w+|\^")
    counts = reference.fit_transform([f"^ {text}" for text in texts]).astype(np.float64)
    counts.data = 1.5 * counts.data / (counts.data + 0.5)
    assert sorted(features.names()) == sorted(reference.vocabulary_)
    columns = [reference.vocabulary_[name] for name in features.names() if name != "^"]
    expected = TfidfTransformer().fit_transform(counts[:, columns])
    own = [i for i, name in enumerate(features.names()) if name != "^"]
    np.testing.assert_allclose(features.transform(texts)[:, own].toarray(), expected.toarray(), atol=1e-6)
    assert not features.transform(texts)[:, features.names().index("^")].nnz


def test_other_targets_need_no_second_counting() -> None:
    """The same counted texts serve any number of fits."""
    texts, target = reviews(80)
    features = CountFeatures().fit(texts)
    counted = features.prepare(texts)
    one = CountModel.fit(features, counted, target, classes=2)
    np.testing.assert_array_equal(one.proba(counted.x), fitted(texts, target).proba(counted.x))
    soup = np.array([int("soup" in text) for text in texts])
    other = CountModel.fit(features, counted, soup, classes=2)
    assert (other.proba(counted.x).argmax(axis=1) == soup).all()


def test_a_class_without_an_example_gets_probability_0() -> None:
    """The others keep their columns and share the probability."""
    texts, target = reviews(60)
    model = fitted(texts, target * 2, classes=4)
    assert model.known.tolist() == [0, 2]
    proba = model.proba(model.features.transform(texts))
    assert proba.shape == (60, 4)
    assert not proba[:, [1, 3]].any()
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_one_class_alone_cannot_be_told_from_another() -> None:
    """A single-label fit needs examples of two classes."""
    texts, target = reviews(10)
    with pytest.raises(DataError, match="at least 2 classes, got 1"):
        fitted(texts, target * 0)


@pytest.mark.parametrize("multi", [False, True])
def test_classes_are_weighed(multi: bool) -> None:
    """A class that weighs ten times as much is given more probability: its documents, or its yes."""
    texts, target = reviews(200)
    features = CountFeatures().fit(texts)
    shown = np.eye(2, dtype=np.int64)[target] if multi else target

    def of(weights: list[float]) -> NDArray[np.float64]:
        settings = CountSettings(class_weight=np.array(weights))
        model = CountModel.fit(features, features.prepare(texts), shown, classes=2, settings=settings)
        return model.proba(features.transform(["the lamp was"]))[0]

    plain, heavy = of([1.0, 1.0]), of([1.0, 10.0])
    assert heavy[1] > plain[1] + 0.1
    assert heavy[0] <= plain[0] + 1e-9


@pytest.mark.parametrize("multi", [False, True])
def test_plain_arrays_bring_the_model_back(multi: bool) -> None:
    """Stored arrays and a JSON-able dict predict the same bits and explain the same words."""
    texts, target = reviews(150)
    target = np.eye(2, dtype=np.int64)[target] if multi else target
    model = fitted(texts, target, CountConfig(ngrams="word+subword", lsa=5))
    arrays, meta = model.to_arrays()
    assert {str(a.dtype) for a in arrays.values()} <= {"uint8", "int64", "float32"}
    again = CountModel.from_arrays(arrays, json.loads(json.dumps(meta)), classes=2)
    assert again.objective is (MULTI_LABEL if multi else SINGLE_LABEL)
    x = model.features.transform(texts)
    np.testing.assert_array_equal(again.proba(again.features.transform(texts)), model.proba(x))
    np.testing.assert_array_equal(again.contributions(x[:1]), model.contributions(x[:1]))


def test_unigrams_alone_are_stored_without_what_is_longer() -> None:
    """A view that weighs unigrams predicts the same after its bigrams are left out of the file."""
    texts, target = reviews(80)
    index = CountFeatures()
    whole, words = index.views(index.index(texts), more_texts=False)
    model = CountModel.fit(words, words.prepare(texts), target, classes=2)
    arrays, meta = model.to_arrays()
    again = CountModel.from_arrays(arrays, meta, classes=2)
    assert len(again.weights) < len(model.weights) == whole.size
    assert not any(" " in name for name in again.features.names())
    np.testing.assert_array_equal(again.proba_of(texts), model.proba_of(texts))


def test_class_numbers_may_be_strings() -> None:
    """As the first model files have them."""
    model = fitted(*reviews(60))
    arrays, meta = model.to_arrays()
    again = CountModel.from_arrays(arrays, meta | {"classes": ["000000", "000001"]}, classes=2)
    assert again.known.tolist() == [0, 1]


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
    arrays, meta = fitted(*reviews(60)).to_arrays()
    harm(arrays)
    with pytest.raises(BundleError, match="damaged"):
        CountModel.from_arrays(arrays, meta, classes=2)


@pytest.mark.parametrize("classes", [[0, 2], [1, 0], [-1, 0], [0, 0], [], ["0", "x"], None])
def test_word_counts_of_other_classes_are_refused(classes: Any) -> None:
    """Class numbers are in order, and there are as many classes as the model has."""
    arrays, meta = fitted(*reviews(60)).to_arrays()
    with pytest.raises(BundleError, match="damaged"):
        CountModel.from_arrays(arrays, meta | {"classes": classes}, classes=2)


def test_lone_surrogates_can_be_stored() -> None:
    """Characters that UTF-8 cannot write never become n-grams."""
    texts = ["很好\ud800吃", "太差\udfff了", "很好好好", "太差差差"] * 10
    arrays, meta = fitted(texts, np.array([1, 0] * 20)).to_arrays()
    again = CountModel.from_arrays(arrays, meta, classes=2)
    assert again.proba(again.features.transform(["很好", "太差"])).argmax(axis=1).tolist() == [1, 0]


def test_fitting_twice_gives_the_same_weights() -> None:
    """The randomised SVD is seeded: the same texts and labels give the same bits."""
    texts, labels = reviews(200)
    one, two = (fitted(texts, labels, CountConfig(lsa=20)) for _ in range(2))
    np.testing.assert_array_equal(one.weights, two.weights)


def test_rows_of_counted_texts_can_be_chosen() -> None:
    """A fold is some rows of the texts counted once."""
    texts, _ = reviews(30)
    counted = CountFeatures(CountConfig(lsa=3)).fit(texts).prepare(texts)
    part: Counted = counted.rows(np.array([4, 2]))
    assert len(part) == 2
    np.testing.assert_array_equal(part.lsa[0], counted.lsa[4])


def test_no_torch_is_loaded() -> None:
    """The baseline, the metrics and the combination work in a process that never imports torch."""
    code = (
        "import sys, ulmus.tasks.word_counts, ulmus.evaluation.metrics, ulmus.evaluation.combination\n"
        "assert 'torch' not in sys.modules and 'sklearn' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )

"""Counting once, choosing settings, learning from texts without a label, out-of-fold probabilities."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from ulmus.linear.count_model import CountSettings
from ulmus.linear.features import CountConfig
from ulmus.linear.learner import CountLearner
from ulmus.linear.selection import Choice
from ulmus.linear.self_training import by_topics, joining

GOOD = [f"good{i}" for i in range(40)]
BAD = [f"bad{i}" for i in range(40)]
REST = [f"thing{i}" for i in range(60)]


def reviews(n: int, seed: int = 0) -> tuple[list[str], NDArray[np.int64]]:
    """Texts of two topics, each of which has many words of its own: class 0 bad, 1 good."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, n)
    texts = [" ".join([*rng.choice((BAD, GOOD)[k], 3), *rng.choice(REST, 9)]) for k in target]
    return texts, target


def accuracy(learner: CountLearner, target: NDArray[np.int64], choice: Choice) -> float:
    """On new texts."""
    texts, truth = reviews(400, seed=9)
    proba = learner.fit(target, choice, classes=2).proba_of(texts)
    return float((proba.argmax(axis=1) == truth).mean())


def test_few_labels_and_many_texts_are_learnt_from_by_topics() -> None:
    """Where each class has many words of its own, topics are chosen to label more texts, and it helps."""
    texts, target = reviews(24)
    learner = CountLearner(texts, reviews(1_000, seed=1)[0], config=CountConfig(lsa=4))
    choice = learner.choose(target, classes=2)
    assert choice.self_train
    alone = Choice(choice.view, choice.C)
    assert accuracy(learner, target, choice) > accuracy(learner, target, alone) + 0.02


def test_nothing_teaches_where_there_is_no_other_text() -> None:
    """Without unlabelled texts there are no topics and nobody to teach."""
    texts, target = reviews(60)
    learner = CountLearner(texts)
    choice = learner.choose(target, classes=2)
    assert not choice.self_train
    assert accuracy(learner, target, choice) > 0.7


def test_several_labels_are_never_given_to_other_texts() -> None:
    """Self-training is for one label a document."""
    texts, target = reviews(40)
    learner = CountLearner(texts, reviews(500, seed=1)[0], config=CountConfig(lsa=10))
    hot = np.eye(2, dtype=np.int64)[target]
    choice = learner.choose(hot, classes=2)
    assert not choice.self_train
    assert learner.fit(hot, choice, classes=2).objective.multi_label


def test_the_order_of_words_is_used_where_it_tells_the_class() -> None:
    """Texts of the same words in another order need bigrams; the first word is known to be the first."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 120)
    texts = [" ".join([*("who what", "what who")[k].split(), *rng.choice(REST, 3)]) for k in target]
    learner = CountLearner(texts)
    choice = learner.choose(target, classes=2)
    assert choice.view == 0
    model = learner.fit(target, choice, classes=2)
    assert (learner.proba(model, np.arange(120)).argmax(axis=1) == target).all()
    strongest = [model.features.names()[i] for i in np.argsort(-model.weights[:, 0])[:2]]
    assert set(strongest) == {"^ what", "what who"}


def test_single_words_are_chosen_where_longer_ones_only_add_noise() -> None:
    """Each text has one word that tells, among others in any order."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 8, 240)
    texts = [" ".join(rng.permutation([f"class{k}", *rng.choice(REST, 20)])) for k in target]
    learner = CountLearner(texts, [" ".join(rng.permutation(REST)) for _ in range(5)])
    assert learner.choose(target, classes=8).view == 1


@pytest.mark.parametrize("multi", [False, True])
def test_a_penalty_that_is_given_is_kept(multi: bool) -> None:
    """C is chosen only where nobody said what it is."""
    texts, target = reviews(50)
    target = np.eye(2, dtype=np.int64)[target] if multi else target
    learner = CountLearner(texts, settings=CountSettings(C=0.5))
    assert learner.choose(target, classes=2).C == 0.5


def test_choosing_twice_gives_the_same() -> None:
    """Folds and draws are seeded; weights are the same bits."""
    texts, target = reviews(60)
    more = reviews(300, seed=1)[0]
    models = []
    for _ in range(2):
        learner = CountLearner(texts, more, config=CountConfig(lsa=10))
        models.append(learner.fit(target, learner.choose(target, classes=2), classes=2))
    np.testing.assert_array_equal(models[0].weights, models[1].weights)


def test_a_document_that_weighs_nothing_decides_nothing() -> None:
    """Wrong labels of weight 0 change neither the choice nor the model."""
    texts, target = reviews(50)
    weight = np.repeat([1.0, 0.0], 50)
    learner = CountLearner(texts + texts)
    both = np.concatenate([target, 1 - target])
    model = learner.fit(both, learner.choose(both, classes=2, weight=weight), classes=2, weight=weight)
    assert (learner.proba(model, np.arange(50)).argmax(axis=1) == target).all()


@pytest.mark.parametrize("n", [2, 3, 10, 25])
def test_very_few_documents_are_enough(n: int) -> None:
    """Nothing is compared where there is too little to compare; nothing breaks, nothing warns."""
    texts, target = reviews(n)
    target[:2] = 0, 1
    learner = CountLearner(texts, reviews(200, seed=1)[0], config=CountConfig(lsa=5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choice = learner.choose(target, classes=3)
        proba = learner.out_of_fold(target, choice, np.arange(n), classes=3)
    assert proba.shape == (n, 3)
    assert np.isfinite(proba).all()


def test_equal_texts_are_left_out_together() -> None:
    """A text that stands twice with random labels is not known by its twin."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(REST, 12)) for _ in range(150)]
    target = rng.integers(0, 2, 150)
    learner = CountLearner(texts + texts)
    both = np.concatenate([target, target])
    proba = learner.out_of_fold(both, Choice(C=100.0), np.arange(300), classes=2)
    assert abs((proba.argmax(axis=1) == both).mean() - 0.5) < 0.12


def test_each_class_that_is_predicted_joins_by_half() -> None:
    """The surer half of each; all of them together weigh at most three times the labels."""
    rng = np.random.default_rng(0)
    lsa = rng.normal(size=(60, 4)).astype(np.float32)
    more = rng.normal(size=(1_000, 4)).astype(np.float32)
    proba = by_topics(lsa, (lsa[:, 0] > 0).astype(np.int64), more, weight=np.ones(60))
    joined = joining(proba, 60.0)
    assert abs(len(joined.documents) - 500) <= 1
    assert (joined.target == (more[joined.documents, 0] > 0)).mean() > 0.95
    assert 0 < joined.weight.min() <= joined.weight.max() <= 0.5
    assert joined.weight.sum() <= 180


def test_texts_without_a_word_do_not_join() -> None:
    """Where all other texts are empty, self-training learns from the labels alone."""
    texts, target = reviews(40)
    learner = CountLearner(texts, ["", "..."] * 50, config=CountConfig(lsa=4))
    model, alone = (
        learner.fit(target, Choice(C=30.0, self_train=joins), classes=2) for joins in (True, False)
    )
    np.testing.assert_allclose(model.weights, alone.weights, atol=1e-2)


def test_texts_that_are_all_the_same_have_no_topics() -> None:
    """Nothing can be told; nothing breaks, nothing warns."""
    target = np.arange(30) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learner = CountLearner(["a b c"] * 30, ["a b c"] * 100)
        model = learner.fit(target, learner.choose(target, classes=2), classes=2)
    np.testing.assert_allclose(model.proba_of(["a b c"]), 0.5, atol=1e-3)


def test_out_of_fold_probabilities_do_not_know_the_labels() -> None:
    """Random labels cannot be told from out-of-fold probabilities, but can from the fitted ones."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(GOOD + BAD, 12)) for _ in range(300)]
    target = rng.integers(0, 2, 300)
    learner, choice, everything = CountLearner(texts), Choice(C=100.0), np.arange(300)
    model = learner.fit(target, choice, classes=2)
    proba = learner.out_of_fold(target, choice, everything, classes=2)
    assert abs((proba.argmax(axis=1) == target).mean() - 0.5) < 0.1
    assert (learner.proba(model, everything).argmax(axis=1) == target).mean() > 0.8
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_out_of_fold_survives_a_label_with_one_example() -> None:
    """The fold of a class's only example never saw the class: it gets a small probability, rows still sum to 1."""
    texts, target = reviews(40)
    target[7] = 2
    proba = CountLearner(texts).out_of_fold(target, Choice(), np.arange(40), classes=4)
    assert 0 < proba[7, 2] < 0.1
    assert not proba[:, 3].any()
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_out_of_fold_with_several_labels() -> None:
    """Multi-label out-of-fold probabilities have a column for each label, also for one seen once."""
    texts, target = reviews(60)
    hot = np.eye(3, dtype=np.int64)[target]
    hot[3] = [0, 0, 1]
    proba = CountLearner(texts).out_of_fold(hot, Choice(), np.arange(60), classes=3)
    assert proba.shape == (60, 3)
    assert (proba > 0).all()
    assert (proba < 1).all()


def test_labels_may_come_one_after_the_other() -> None:
    """Open-ended, the texts beside the documents of a fit are those without a label, and teach as such."""
    labelled, target = reviews(24)
    texts = [*labelled, *reviews(1_000, seed=1)[0]]
    everything, documents = np.zeros(len(texts), np.int64), np.arange(24)
    everything[:24] = target
    learner = CountLearner(texts, config=CountConfig(lsa=4), open_ended=True)
    choice = learner.choose(everything, documents, classes=2)
    assert choice.self_train
    model = learner.fit(everything, choice, documents, classes=2)
    other = CountLearner(labelled, texts[24:], config=CountConfig(lsa=4))
    expected = other.fit(target, other.choose(target, classes=2), classes=2)
    new = reviews(50, seed=5)[0]
    np.testing.assert_allclose(model.proba_of(new), expected.proba_of(new), atol=1e-6)

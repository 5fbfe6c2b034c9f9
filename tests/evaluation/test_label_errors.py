"""Confident learning, on probabilities whose wrong labels are known."""

from __future__ import annotations

import numpy as np
import pytest

from ulmus.evaluation.label_errors import confident_joint, label_errors, thresholds


def noisy(n: int = 600, *, wrong: int = 30, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Given labels (N,) of three classes, honest probabilities (N, 3), and the numbers of the wrong labels."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    logits = rng.normal(0, 1, (n, 3))
    logits[np.arange(n), truth] += 4
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    changed = rng.permutation(n)[:wrong]
    given = truth.copy()
    given[changed] = (given[changed] + rng.integers(1, 3, wrong)) % 3
    return given, proba, changed


def test_wrong_labels_come_first() -> None:
    """Most changed labels are named, and the first ones named are nearly all changed."""
    given, proba, changed = noisy()
    found = label_errors(given, proba)
    assert np.isin(changed, found.documents).mean() > 0.8
    assert np.isin(found.documents[:20], changed).mean() > 0.9
    assert np.all(np.diff(found.confidence) >= 0)
    assert np.all(found.suggested != given[found.documents])
    assert found.share == pytest.approx(0.05, abs=0.03)


def test_a_threshold_is_the_mean_self_confidence() -> None:
    """Section 3.1 of the paper; a class without a document is never confident."""
    proba = np.array([[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.2, 0.8, 0.0]])
    assert thresholds(np.array([0, 0, 1]), proba).tolist() == [pytest.approx(0.7), pytest.approx(0.8), np.inf]


def test_the_joint_counts_each_label_as_often_as_it_is_given() -> None:
    """Its rows sum to the number of documents of each label."""
    given, proba, _ = noisy()
    np.testing.assert_allclose(confident_joint(given, proba).sum(axis=1), np.bincount(given))


def test_right_labels_are_not_accused() -> None:
    """Nor is anything where there is one document, or a class that no document has."""
    given, proba, _ = noisy(wrong=0)
    assert len(label_errors(given, proba).documents) < 0.05 * len(given)
    one = label_errors(np.array([1]), np.array([[0.2, 0.7, 0.1]]))
    assert (len(one.documents), one.share) == (0, pytest.approx(0.0))


def test_a_class_that_is_liked_too_much_accuses_few_labels() -> None:
    """Thresholds are of each class: a shift that all documents share is no evidence against a label."""
    given, proba, _ = noisy(wrong=0)
    proba = proba * [1.0, 1.0, 0.6]
    proba /= proba.sum(axis=1, keepdims=True)
    assert len(label_errors(given, proba).documents) < 0.05 * len(given)


def test_several_labels_a_document_are_questions_of_their_own() -> None:
    """A document is named once, for its worst answer."""
    rng = np.random.default_rng(0)
    target = (rng.random((300, 4)) < 0.4).astype(np.int64)
    proba = 0.9 * target + 0.05
    target[7, 2] = 1 - target[7, 2]
    found = label_errors(target, proba)
    assert (found.documents[0], found.suggested[0]) == (7, 2)
    assert len(set(found.documents.tolist())) == len(found.documents)

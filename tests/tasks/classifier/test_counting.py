"""Word counts beside the language model: columns in the order of the classes, all of it in arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ulmus.corpus.labels import Labels
from ulmus.linear.selection import Choice
from ulmus.tasks.classifier.counting import Counts, load_counts, named_arrays


@pytest.fixture(scope="module")
def counts(corpus: Any) -> Counts:
    """Of the shared corpus."""
    return Counts(corpus.texts, corpus.unlabeled)


def test_columns_stand_in_the_order_of_the_classes(counts: Counts, corpus: Any) -> None:
    """Also where sorting their names as text would give another: ten comes after nine."""
    number = {"sea": 9, "town": 10, "wood": -1}
    labels = Labels.of([number[label] for label in corpus.labels])
    assert labels.classes == (-1, 9, 10)
    everything = np.arange(len(labels))
    model = counts.fit(labels, everything, Choice())
    proba = counts.of_labelled(model, everything)
    assert (proba.argmax(axis=1) == labels.target).mean() > 0.95
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_a_class_that_was_not_shown_gets_probability_0(counts: Counts, corpus: Any) -> None:
    """The others keep their columns."""
    labels = Labels.of(corpus.labels)
    shown = np.flatnonzero(labels.target != 1)
    model = counts.fit(labels, shown, Choice())
    proba = counts.of_labelled(model, np.arange(len(labels)))
    assert proba.shape == (240, 3)
    assert not proba[:, 1].any()
    assert (proba[shown].argmax(axis=1) == labels.target[shown]).mean() > 0.95


def test_several_labels(counts: Counts, corpus: Any) -> None:
    """One column a label, independent."""
    labels = Labels.of([[label, "any"] for label in corpus.labels])
    model = counts.fit(labels, np.arange(len(labels)), Choice())
    proba = counts.of_labelled(model, np.arange(len(labels)))
    assert ((proba >= 0.5) == labels.target).mean() > 0.95


def test_one_document_with_a_label_among_many_without_is_cross_validated(counts: Counts, corpus: Any) -> None:
    """Where its fold is left out, nothing is known; that is no error."""
    labels = Labels.of([["a"], *([[]] * (len(corpus.labels) - 1))])
    proba = counts.out_of_fold(labels, np.arange(len(labels)), Choice(), 0)
    assert proba.shape == (len(labels), 1)
    assert np.isfinite(proba).all()


def test_arrays_and_back_gives_the_same_probabilities(counts: Counts, corpus: Any) -> None:
    """Under a prefix, beside the arrays of others."""
    labels = Labels.of(corpus.labels)
    model = counts.fit(labels, np.arange(len(labels)), Choice())
    arrays, meta = named_arrays(model, "counts.")
    assert all(name.startswith("counts.") for name in arrays)
    loaded = load_counts(arrays | {"network.weight": np.zeros(2)}, meta, "counts.", classes=3)
    np.testing.assert_array_equal(loaded.proba_of(corpus.test_texts), model.proba_of(corpus.test_texts))

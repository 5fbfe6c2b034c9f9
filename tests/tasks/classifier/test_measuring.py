"""What a classifier is measured on: nothing that it was trained on, and what was not measured is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus.errors import DataError, UsageError
from ulmus.tasks.classifier.model import TextClassifier

Fit = Callable[..., TextClassifier]


def test_texts_that_are_trained_on_are_not_measured_on(make: Fit, corpus: Any) -> None:
    """Of the texts in `valid` those that stand in training too are left out, and that is said."""
    texts = [*corpus.test_texts, *(f" {text}\n" for text in corpus.texts[:7])]
    valid = (texts, [*corpus.test_labels, *corpus.labels[:7]])
    model = make(language_model="none").fit(corpus.texts[:30], corpus.labels[:30], valid=valid)
    assert (model.report_["n"], model.report_["repeated"]) == (60, 7)
    assert "7 evaluation documents were left out" in model.report_["verdict"]


def test_validation_texts_that_are_the_training_texts_are_refused(make: Fit, corpus: Any) -> None:
    """Nothing would be left to measure on."""
    given = (corpus.texts[:30], corpus.labels[:30])
    with pytest.raises(DataError, match="all 30 texts are among those to train on"):
        make(language_model="none").fit(*given, valid=given)


def test_a_class_that_no_held_out_text_has_is_named(make: Fit, corpus: Any) -> None:
    """Its only text is trained on: a macro F1 of 100 % would say nothing about it."""
    labels = ["rare", *corpus.labels[1:]]
    model = make(language_model="none").fit(corpus.texts, labels)
    assert model.report_["unmeasured"] == ["rare"]
    assert "There are no scores for 'rare'" in model.report_["verdict"]


@pytest.mark.parametrize("label", [float("inf"), float("-inf"), np.float32("inf")])
def test_a_label_that_a_model_file_cannot_hold_is_refused(label: Any, make: Fit, corpus: Any) -> None:
    """Before any work: JSON has no infinity."""
    with pytest.raises(UsageError, match="expected finite numbers"):
        make().fit(corpus.texts[:20], [1.0, label] * 10)


def test_evaluating_scores_every_class(classifier: TextClassifier, corpus: Any) -> None:
    """Support, predictions and the confusion matrix count the same texts."""
    found = classifier.evaluate(corpus.test_texts, corpus.test_labels)
    counts = found["confusion"]["counts"]
    for k, name in enumerate(classifier.class_names_):
        assert found["classes"][name]["support"] == counts[k].sum() == corpus.test_labels.count(name)
        assert found["classes"][name]["predicted"] == counts[:, k].sum()
    assert found["unmeasured"] == []
    assert np.trace(counts) / len(corpus.test_texts) == found["accuracy"]


def test_evaluating_on_training_texts_is_noticed(
    classifier: TextClassifier, corpus: Any, tmp_path: Path
) -> None:
    """As a share of the texts, also by the model in a file."""
    classifier.save(tmp_path / "m.ulmus")
    for model in (classifier, TextClassifier.load(tmp_path / "m.ulmus")):
        assert model.evaluate(corpus.texts[:30], corpus.labels[:30])["seen"] == 1.0
        assert model.evaluate(corpus.test_texts, corpus.test_labels)["seen"] == 0.0


def test_labels_that_the_model_does_not_know_are_refused_or_wrong(
    classifier: TextClassifier, corpus: Any
) -> None:
    """Refused, unless they are named as unknown."""
    labels = ["desert", *corpus.test_labels[1:]]
    with pytest.raises(DataError, match="desert is not a class"):
        classifier.evaluate(corpus.test_texts, labels)
    found = classifier.evaluate(corpus.test_texts, labels, unknown=["desert"])
    assert found["classes"]["desert"]["recall"] == 0.0
    assert found["n"] == 60

"""What a classifier is evaluated on: no training texts, and the report names what was not measured."""

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
    """Texts of `valid` that are also training texts are left out, and the report says so."""
    texts = [*corpus.test_texts, *(f" {text}\n" for text in corpus.texts[:7])]
    valid = (texts, [*corpus.test_labels, *corpus.labels[:7]])
    model = make(language_model="none").fit(corpus.texts[:30], corpus.labels[:30], valid=valid)
    assert (model.report_["n"], model.report_["repeated"]) == (60, 7)
    assert "7 evaluation documents were left out" in model.report_["verdict"]


def test_validation_texts_that_are_all_training_texts_are_refused(make: Fit, corpus: Any) -> None:
    """Nothing would be left to measure on."""
    given = (corpus.texts[:30], corpus.labels[:30])
    with pytest.raises(DataError, match="all 30 texts are also training texts"):
        make(language_model="none").fit(*given, valid=given)


def test_a_class_that_no_held_out_text_has_is_named(make: Fit, corpus: Any) -> None:
    """Its only text is in the training set: a macro F1 of 100% says nothing about that class."""
    labels = ["rare", *corpus.labels[1:]]
    model = make(language_model="none").fit(corpus.texts, labels)
    assert model.report_["unmeasured"] == ["rare"]
    assert "There are no scores for 'rare'" in model.report_["verdict"]


@pytest.mark.parametrize("label", [float("inf"), float("-inf"), np.float32("inf")])
def test_a_label_that_a_model_file_cannot_hold_is_refused(label: Any, make: Fit, corpus: Any) -> None:
    """The error comes before any work: JSON has no infinity."""
    with pytest.raises(UsageError, match="expected finite numbers"):
        make().fit(corpus.texts[:20], [1.0, label] * 10)


def test_evaluating_scores_every_class(classifier: TextClassifier, corpus: Any) -> None:
    """Support, predictions and the confusion matrix count the same texts."""
    scores = classifier.evaluate(corpus.test_texts, corpus.test_labels)
    counts = scores["confusion"]["counts"]
    for k, name in enumerate(classifier.class_names_):
        assert scores["classes"][name]["support"] == counts[k].sum() == corpus.test_labels.count(name)
        assert scores["classes"][name]["predicted"] == counts[:, k].sum()
    assert scores["unmeasured"] == []
    assert np.trace(counts) / len(corpus.test_texts) == scores["accuracy"]


def test_evaluating_on_training_texts_is_detected(
    classifier: TextClassifier, corpus: Any, tmp_path: Path
) -> None:
    """As a fraction of the texts, also after loading from a file."""
    classifier.save(tmp_path / "m.ulmus")
    for model in (classifier, TextClassifier.load(tmp_path / "m.ulmus")):
        assert model.evaluate(corpus.texts[:30], corpus.labels[:30])["seen"] == 1.0
        assert model.evaluate(corpus.test_texts, corpus.test_labels)["seen"] == 0.0


def test_unknown_labels_are_refused_or_count_as_wrong(classifier: TextClassifier, corpus: Any) -> None:
    """Refused, unless they are passed as `unknown`."""
    labels = ["desert", *corpus.test_labels[1:]]
    with pytest.raises(DataError, match="desert is not a class"):
        classifier.evaluate(corpus.test_texts, labels)
    scores = classifier.evaluate(corpus.test_texts, labels, unknown=["desert"])
    assert scores["classes"]["desert"]["recall"] == 0.0
    assert scores["n"] == 60

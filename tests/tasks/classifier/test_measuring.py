"""What a classifier is evaluated on: no training texts, and the report names what was not measured."""

from __future__ import annotations

import random
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


def test_the_newest_texts_are_held_out(make: Fit, corpus: Any) -> None:
    """The verdict says from when on; texts without a label need no time."""
    days = [f"{1 + i % 28}.{1 + i // 28}.2020" for i in range(len(corpus.texts))]
    labels = [None, *corpus.labels[1:]]
    model = make(language_model="none").fit(corpus.texts, labels, times=["", *days[1:]])
    split = model.report_["split"]
    assert split["by"] == "time"
    assert split["since"] == "2020-07-26"
    assert "the newest ones, from 2020-07-26 on" in model.report_["verdict"]


def test_with_few_labels_folds_are_spans_of_time(make: Fit, corpus: Any) -> None:
    """There is no held-out set; the verdict says what the settings were chosen by."""
    model = make(language_model="none").fit(corpus.texts[:60], corpus.labels[:60], times=range(60))
    assert "cross-validation over spans of time" in model.report_["verdict"]
    assert model.report_["split"] == {"by": "time", "near_duplicates": 0, "leaked": 0}


def test_a_split_is_by_groups_or_by_time(make: Fit, corpus: Any) -> None:
    """Both cannot be had: groups last."""
    with pytest.raises(UsageError, match="groups and times: give one of them"):
        make().fit(corpus.texts, corpus.labels, times=range(240), groups=range(240))


def copies(texts: list[str]) -> list[str]:
    """Long texts, each twice: one with another end."""
    long = [" ".join([text, *random.Random(i).sample(texts, 5)]) for i, text in enumerate(texts[:120])]
    return [text + end for text in long for end in ("", ", etc.")]


def test_texts_that_are_nearly_the_same_are_held_out_together(make: Fit, corpus: Any) -> None:
    """No text of the held-out set is learnt in another version, and the report counts such texts."""
    labels = [label for label in corpus.labels[:120] for _ in range(2)]
    model = make(language_model="none").fit(copies(corpus.texts), labels)
    assert model.report_["split"] == {"by": "random", "near_duplicates": 240, "leaked": 0}
    assert model.report_["n"] % 2 == 0


def test_near_duplicates_in_other_groups_are_counted(make: Fit, corpus: Any) -> None:
    """Groups decide alone; the verdict says what that costs."""
    labels = [label for label in corpus.labels[:120] for _ in range(2)]
    model = make(language_model="none").fit(copies(corpus.texts), labels, groups=range(240))
    leaked = model.report_["split"]["leaked"]
    assert leaked > 30
    assert f"{leaked} of the evaluation documents are nearly the same" in model.report_["verdict"]


def test_near_duplicates_in_validation_texts_are_counted(make: Fit, corpus: Any) -> None:
    """They are measured on, other than equal ones, and the verdict says so."""
    texts = copies(corpus.texts)
    valid = (texts[1::2], corpus.labels[:120])
    model = make(language_model="none").fit(texts[::2], corpus.labels[:120], valid=valid)
    assert model.report_["split"] == {"by": "given", "near_duplicates": 0, "leaked": 120}
    assert "120 of the evaluation documents are nearly the same" in model.report_["verdict"]

"""Reports on tiny models: on texts, on the training, and how new texts differ."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus import TextClassifier, TextRegressor
from ulmus.errors import DataError, UsageError
from ulmus.evaluation.report_page import page
from ulmus.tasks.classifier.config import ClassifierConfig

Corpus = Any
GOLDEN = Path(__file__).parents[2] / "golden" / "format-1"


@pytest.fixture(scope="module")
def fitted(corpus: Corpus, settings: ClassifierConfig) -> TextClassifier:
    """A classifier that was fitted here, so that its held-out predictions are known."""
    model = TextClassifier(language_model="none", config=settings, verbose=False)
    return model.fit(corpus.texts, corpus.labels, unlabeled=corpus.unlabeled)


def test_the_scores_of_a_report_are_those_of_evaluate(fitted: TextClassifier, corpus: Corpus) -> None:
    """With what they rest on: an interval, calibration, slices, the worst mistakes with their words."""
    report = fitted.report(corpus.test_texts, corpus.test_labels, groups=["a", "b"] * 30, times=range(60))
    scores = fitted.evaluate(corpus.test_texts, corpus.test_labels)
    assert report.scores["accuracy"] == scores["accuracy"]
    low, high = report.interval or (1, 0)
    assert low - 1e-9 <= scores["accuracy"] <= high + 1e-9
    assert report.reliability is not None
    assert report.reliability.counts.sum() == 60
    assert {*report.slices} == {"length in words", "group", "time"}
    wrong = round(60 * (1 - scores["accuracy"]))
    assert len(report.mistakes) == min(wrong, 8)
    assert all(one.explanation is not None for one in report.mistakes)
    assert len(report.portraits) == 3


def test_copies_of_training_texts_are_shown_beside_them(fitted: TextClassifier, corpus: Corpus) -> None:
    """If the training texts are given."""
    texts, labels = [*corpus.test_texts[:20], corpus.texts[0]], [*corpus.test_labels[:20], corpus.labels[0]]
    report = fitted.report(texts, labels, train=corpus.texts)
    assert report.twins is not None
    assert report.twins.documents == 1
    assert report.twins.shown[0].known == corpus.texts[0]


def test_a_training_is_reported_on_its_held_out_texts(fitted: TextClassifier, corpus: Corpus) -> None:
    """The scores are those that the model claims; a label that was changed is found by word counts out of fold."""
    report = fitted.training_report(corpus.texts, corpus.labels, corpus.unlabeled)
    assert report.scores["n"] == fitted.report_["n"]
    for part in fitted.parts:
        assert report.scores["parts"][part]["accuracy"] == fitted.report_[part]["accuracy"]
    assert report.reliability is not None
    assert report.doubts is not None
    assert report.doubts.of == 240
    assert dict(report.facts)["trained on"] == "240 labelled texts (3 classes) and 120 without a label"
    assert page(report)


def test_a_changed_label_is_doubted(corpus: Corpus, settings: ClassifierConfig) -> None:
    """First of all labels, with the class that it was changed from."""
    labels = list(corpus.labels)
    labels[5] = "sea" if labels[5] != "sea" else "town"
    model = TextClassifier(language_model="none", config=settings, verbose=False).fit(corpus.texts, labels)
    doubts = model.training_report(corpus.texts, labels).doubts
    assert doubts is not None
    assert 5 in [one.row for one in doubts.shown[:3]]
    (found,) = (one for one in doubts.shown if one.row == 5)
    assert (found.given, found.suggested) == (labels[5], corpus.labels[5])


def test_a_training_report_needs_the_training_texts(fitted: TextClassifier, corpus: Corpus) -> None:
    """Others are a usage error."""
    with pytest.raises(UsageError, match="not the texts and labels that the model was trained on"):
        fitted.training_report(corpus.test_texts, corpus.test_labels)


def test_a_loaded_model_reports_what_its_file_says(
    fitted: TextClassifier, corpus: Corpus, tmp_path: Path
) -> None:
    """The scores of the held-out texts, without their predictions, which no file holds."""
    fitted.save(tmp_path / "m.ulmus")
    report = TextClassifier.load(tmp_path / "m.ulmus").training_report(corpus.texts, corpus.labels)
    assert report.scores["accuracy"] == fitted.report_["combined"]["accuracy"]
    assert report.reliability is None
    assert page(report)


def test_few_labels_are_reported_without_scores(corpus: Corpus, settings: ClassifierConfig) -> None:
    """Nothing is held out of sixty: doubtful labels and typical texts are there all the same."""
    model = TextClassifier(language_model="none", config=settings, verbose=False)
    report = model.fit(corpus.texts[:60], corpus.labels[:60]).training_report(
        corpus.texts[:60], corpus.labels[:60]
    )
    assert "n" not in report.scores
    assert report.doubts is not None
    assert report.portraits
    assert "Too few labels" in page(report)
    found = model.drift(corpus.test_texts)
    assert "labels of the training" in found.compared
    assert len(found.classes) == 3


@pytest.mark.parametrize("number", [1, 2])
def test_one_text_is_enough(fitted: TextClassifier, corpus: Corpus, number: int) -> None:
    """Even if it is empty, of a class that is unknown, or one word of a hundred thousand characters."""
    for texts in ([""], [corpus.test_texts[0]], ["x" * 100_000]):
        report = fitted.report(texts * number, ["sea"] * number)
        assert page(report)
    report = fitted.report(["a wave", "an oak"], ["sea", "<b>sky</b>"], unknown=["<b>sky</b>"])
    assert report.reliability is None
    assert "&lt;b&gt;sky&lt;/b&gt;" in page(report)


def test_several_labels_a_text(corpus: Corpus, settings: ClassifierConfig) -> None:
    """Have a report too, with doubtful answers instead of doubtful labels."""
    labels = [[label, "odd"] if i % 2 else [label] for i, label in enumerate(corpus.labels)]
    model = TextClassifier(language_model="none", config=settings, verbose=False).fit(corpus.texts, labels)
    for report in (model.report(corpus.texts[:40], labels[:40]), model.training_report(corpus.texts, labels)):
        assert report.doubts is not None
        assert all(one.suggested.startswith(("not ", "also ")) for one in report.doubts.shown)
        assert page(report)


def test_numbers(corpus: Corpus, settings: ClassifierConfig) -> None:
    """A regressor's report has points instead of classes; its training is reported by its scores."""
    numbers = [float(len(text.split())) for text in corpus.texts]
    model = TextRegressor(language_model="none", config=settings, verbose=False).fit(corpus.texts, numbers)
    report = model.report(corpus.texts[:30], numbers[:30])
    assert report.numbers is not None
    np.testing.assert_allclose(report.numbers[0], numbers[:30], rtol=1e-6)
    assert [one.confidence for one in report.mistakes] == sorted(
        [one.confidence for one in report.mistakes], reverse=True
    )
    assert page(report)
    assert page(model.training_report(corpus.texts, numbers))
    assert model.drift(corpus.test_texts).classes == ()
    with pytest.raises(UsageError, match="have no accuracy"):
        model.report(corpus.texts[:30], numbers[:30], groups=range(30))


# -- drift -----------------------------------------------------------------------------------------------------------


def test_texts_of_the_same_kind_have_not_drifted(
    fitted: TextClassifier, corpus: Corpus, make_texts: Any, tmp_path: Path
) -> None:
    """Others have: unknown words, and one class. The file holds what it takes, and no text."""
    same = fitted.drift(corpus.test_texts)
    assert "unknown words" not in same.clear
    assert len(same.classes) == 3
    others = fitted.drift(
        [text + " quark lepton gluon boson" for text in make_texts(60, seed=9, classes=("sea",))[0]]
    )
    assert "unknown words" in others.clear
    assert "share of sea" in others.clear
    fitted.save(tmp_path / "m.ulmus")
    assert TextClassifier.load(tmp_path / "m.ulmus").drift(corpus.test_texts).to_dict() == same.to_dict()
    assert "harbour" not in str(fitted.fitted_.profile)


def test_a_model_of_an_earlier_version_says_that_it_cannot_tell() -> None:
    """It loads, and the error says what to do."""
    model = TextClassifier.load(GOLDEN / "single-label.ulmus")
    with pytest.raises(DataError, match=r"holds no summary of its training texts.*Train the model again"):
        model.drift(["a text"])


def test_no_texts_and_a_damaged_profile_are_errors(fitted: TextClassifier) -> None:
    """With a sentence each."""
    with pytest.raises(DataError, match="got none"):
        fitted.drift([])
    damaged = dataclasses.replace(fitted.fitted_, profile={"length": {"mean": "x"}})
    with pytest.raises(DataError, match="damaged"):
        TextClassifier.of(damaged).drift(["a text"])

"""The classifier from outside: what it accepts, guarantees and refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as tries
from hypothesis import strategies as st

from ulmus.tasks.classifier.model import TextClassifier

Fit = Callable[..., TextClassifier]


# -- what it learns ------------------------------------------------------------------------------------------------


def test_the_shared_classifier_learnt_the_hidden_rule(classifier: TextClassifier, corpus: Any) -> None:
    """Single words determine the class: counts and combination learn that; the report is on held-out labels."""
    assert classifier.score(corpus.test_texts, corpus.test_labels) > 0.9
    report = classifier.report_
    assert report["n"] == 180
    assert {
        "lm",
        "counts",
        "combined",
        "gain",
        "verdict",
        "weight",
        "language_model",
        "minutes",
    } <= report.keys()
    assert classifier.history_[0]["stage"] == "teaching"
    assert {"teaching", "all layers"} == {row["stage"] for row in classifier.history_}  # it does not predict


def test_a_language_model_classifier_alone_learns(make: Fit, settings: Any, corpus: Any) -> None:
    """Without counts: encoder and head learn which words matter."""
    config = dataclasses.replace(settings, all_epochs=15, all_peak=0.03)
    model = make(config=config, combine="none").fit(corpus.texts, corpus.labels)
    assert model.score(corpus.test_texts, corpus.test_labels) > 0.8
    assert np.array_equal(
        model.predict_proba(corpus.test_texts), model.predict_proba(corpus.test_texts, part="lm")
    )


def test_probabilities_are_a_distribution_over_the_classes(classifier: TextClassifier, corpus: Any) -> None:
    """(N, C) float64, rows sum to 1, in every part; the prediction is the most likely class."""
    for part in ("combined", "lm", "counts"):
        proba = classifier.predict_proba(corpus.test_texts, part=part)
        assert proba.shape == (60, 3)
        assert proba.dtype == np.float64
        np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-9)
    proba = classifier.predict_proba(corpus.test_texts)
    assert classifier.predict(corpus.test_texts).tolist() == [
        classifier.class_names_[k] for k in proba.argmax(axis=1)
    ]


ODD = ["", " \n\t ", "wave " * 700, "quetzal", "oak", "😀", "a\0b", "\ud800", "שלום עולם", "e\u0301"]


@tries(max_examples=15)
@given(data=st.data())
def test_a_text_gets_the_same_probability_alone_and_in_any_batch(
    data: Any, classifier: TextClassifier, corpus: Any
) -> None:
    """Long or short, empty or strange, in any order: no probability changes by more than 1e-5."""
    texts = data.draw(st.lists(st.sampled_from([*ODD, *corpus.test_texts]), min_size=1, max_size=9))
    order = data.draw(st.permutations(range(len(texts))))
    together = classifier.predict_proba([texts[i] for i in order])
    assert np.isfinite(together).all()
    for place, i in enumerate(order):
        np.testing.assert_allclose(together[place], classifier.predict_proba([texts[i]])[0], atol=1e-5)


def test_no_texts_have_no_predictions(classifier: TextClassifier) -> None:
    """An empty list is not an error."""
    assert classifier.predict([]).tolist() == []
    assert classifier.predict_proba([]).shape == (0, 3)


def test_evaluate_scores_all_parts(classifier: TextClassifier, corpus: Any) -> None:
    """accuracy, macro_f1 and n of the prediction, and of each part under `parts`; score is the accuracy."""
    scores = classifier.evaluate(corpus.test_texts, corpus.test_labels)
    assert scores["n"] == 60
    assert scores["parts"].keys() == {"combined", "lm", "counts"}
    assert scores["accuracy"] == scores["parts"]["combined"]["accuracy"]
    assert classifier.score(corpus.test_texts, corpus.test_labels) == scores["accuracy"]
    right = np.array(classifier.predict(corpus.test_texts)) == np.array(corpus.test_labels)
    assert scores["accuracy"] == pytest.approx(right.mean())


# -- what it accepts -----------------------------------------------------------------------------------------------


COLUMNS = {
    "list": list,
    "tuple": tuple,
    "numpy": np.array,
    "pandas": pd.Series,
    "polars": pl.Series,
    "arrow": pa.array,
}


def test_any_column_trains_the_same_classifier(make: Fit, corpus: Any) -> None:
    """Lists, numpy, pandas, polars and Arrow, for texts and labels alike, in training and in prediction."""
    texts, labels = corpus.texts[:24], corpus.labels[:24]
    expected = make().fit(texts, labels).predict_proba(corpus.test_texts)
    for column in COLUMNS.values():
        model = make().fit(column(texts), column(labels))
        proba = model.predict_proba(column(corpus.test_texts))
        assert np.array_equal(proba, expected), column
        assert 0 <= model.score(column(corpus.test_texts), column(corpus.test_labels)) <= 1


@pytest.mark.parametrize("classes", [("b", "a"), (7, -2), (True, False)], ids=["str", "int", "bool"])
def test_labels_keep_their_type(classes: tuple[Any, Any], make: Fit, corpus: Any) -> None:
    """In classes_ and in predictions, in sorted order."""
    labels = [classes[i % 2] for i in range(20)]
    model = make().fit(corpus.texts[:20], labels)
    assert model.class_names_ == tuple(sorted(classes))
    assert {type(c) for c in model.class_names_} == {type(classes[0])}
    assert {type(y) for y in model.predict(corpus.texts[:20]).tolist()} == {type(classes[0])}
    assert not model.multi_label_


def test_multi_label(make: Fit, corpus: Any, tmp_path: Path) -> None:
    """Lists of labels make a multi-label classifier: independent probabilities, tuples of classes, micro_f1."""
    rows = [
        [label, "long"] if len(text) > 70 else [label]
        for text, label in zip(corpus.texts, corpus.labels, strict=True)
    ]
    rows[5] = []
    model = make(class_weight="balanced").fit(corpus.texts, rows, corpus.unlabeled)
    assert model.multi_label_
    assert model.class_names_ == ("long", "sea", "town", "wood")
    proba = model.predict_proba(corpus.test_texts)
    assert ((proba >= 0) & (proba <= 1)).all()
    assert abs(proba.sum(axis=1) - 1).max() > 0.05
    predicted = model.predict(corpus.test_texts).tolist()
    assert all(isinstance(labels, tuple) for labels in predicted)
    likely = proba >= model.thresholds_["combined"]
    assert [len(labels) for labels in predicted] == likely.sum(axis=1).tolist()
    model.save(tmp_path / "several.ulmus")
    assert TextClassifier.load(tmp_path / "several.ulmus").predict(corpus.test_texts).tolist() == predicted
    scores = model.evaluate(corpus.test_texts, [[label] for label in corpus.test_labels])
    assert {"micro_f1", "macro_f1", "accuracy"} <= scores.keys()


def test_multi_label_with_a_single_label(make: Fit, corpus: Any) -> None:
    """Multi-label with one class: yes or no."""
    rows = [["sea"] if label == "sea" else [] for label in corpus.labels[:60]]
    model = make().fit(corpus.texts[:60], rows)
    assert model.class_names_ == ("sea",)
    assert model.predict_proba(corpus.test_texts).shape == (60, 1)


def test_empty_and_missing_texts_among_others(make: Fit, corpus: Any) -> None:
    """They are documents like any other, in training and in prediction."""
    texts = [*corpus.texts[:20], "", "   ", None, float("nan")]
    model = make().fit(
        texts, [*corpus.labels[:20], "sea", "town", "wood", "sea"], ["", *corpus.unlabeled, " "]
    )
    assert len(model.predict(["", None, "\n"])) == 3
    assert np.isfinite(model.predict_proba(["", None, "\n"])).all()


def test_texts_without_any_token_are_documents_too(make: Fit, settings: Any, corpus: Any) -> None:
    """With the xxbos rule off an empty text has no token at all; nothing becomes NaN."""
    lm = settings.language_model
    rules = dataclasses.replace(lm.tokenizer.rules, bos=False)
    lm = dataclasses.replace(lm, tokenizer=dataclasses.replace(lm.tokenizer, rules=rules))
    config = dataclasses.replace(settings, language_model=lm)
    for language_model in ("none", None):
        model = make(config=config, language_model=language_model)
        model.fit([*corpus.texts[:20], "", " "], [*corpus.labels[:20], "sea", "wood"])
        assert np.isfinite(model.predict_proba(["", "wave", " "])).all()
        assert all(p.isfinite().all() for p in model.network_.parameters())


@pytest.mark.parametrize("n", [2, 3, 9, 33])
def test_a_handful_of_labels_is_enough(n: int, make: Fit, corpus: Any) -> None:
    """With fewer than 200 labels there is no held-out set, and the report says so."""
    model = make().fit(corpus.texts[:n], corpus.labels[:n])
    assert len(model.predict(corpus.test_texts)) == 60
    assert "no scores" in model.report_["verdict"]
    assert "lm" not in model.report_


def test_a_fifth_of_the_labels_is_held_out_and_learnt_at_the_end(make: Fit, corpus: Any) -> None:
    """The report is on the held-out set; then all labels train once more."""
    for below, kind in ((200, "pairs of labels"), (100, "all layers")):
        config = dataclasses.replace(make().config, pairs_below=below, pairs_steps=6, longer=1.0)
        model = make(config=config, combine="none").fit(corpus.texts, corpus.labels)
        assert model.report_["n"] == 48
        assert {row["stage"] for row in model.history_} == {kind}
        assert [row["seen"] for row in model.history_] == [192, 240]
    config = dataclasses.replace(make().config, anew=False, pairs_below=100, longer=1.0)
    model = make(config=config, combine="none").fit(corpus.texts, corpus.labels)
    assert [row["stage"] for row in model.history_] == ["all layers", "held-out labels"]


def test_validation_texts_are_measured_and_never_trained_on(make: Fit, corpus: Any) -> None:
    """With `valid` the report is on those texts; changing their labels changes only the mix."""
    valid = (corpus.test_texts, corpus.test_labels)
    model = make().fit(corpus.texts[:30], corpus.labels[:30], valid=valid)
    assert model.report_["n"] == 60
    assert "held-out labels" not in {row["stage"] for row in model.history_}

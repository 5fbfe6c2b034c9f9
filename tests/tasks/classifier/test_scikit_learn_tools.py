"""scikit-learn's tools that are made of classifiers, and the columns of pandas, polars and Arrow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from ulmus.tasks.classifier.model import TextClassifier

Fit = Callable[..., TextClassifier]


def test_it_votes_beside_another_classifier(make: Fit, corpus: Any) -> None:
    """`VotingClassifier` fits copies on encoded labels and averages their probabilities."""
    other = make_pipeline(TfidfVectorizer(), LogisticRegression())
    votes = VotingClassifier([("ulmus", make()), ("tfidf", other)], voting="soft")
    votes.fit(corpus.texts[:30], corpus.labels[:30])
    assert isinstance(votes.estimators_[0], TextClassifier)
    probabilities = votes.predict_proba(corpus.test_texts)
    parts = [part.predict_proba(corpus.test_texts) for part in votes.estimators_]
    np.testing.assert_allclose(probabilities, np.mean(parts, axis=0))
    assert set(votes.predict(corpus.test_texts)) <= set(corpus.labels)


def test_its_probabilities_can_be_calibrated(classifier: TextClassifier, corpus: Any) -> None:
    """`CalibratedClassifierCV` on a fitted classifier, with texts that it has not learnt from."""
    calibrated = CalibratedClassifierCV(FrozenEstimator(classifier), method="sigmoid")
    calibrated.fit(corpus.test_texts, corpus.test_labels)
    probabilities = calibrated.predict_proba(corpus.test_texts)
    assert probabilities.shape == (60, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert list(calibrated.classes_) == list(classifier.classes_)


def test_a_cross_validated_calibration_fits_copies(make: Fit, corpus: Any) -> None:
    """Two folds, each with a classifier of its own; the one that was given stays as it is."""
    model = make()
    calibrated = CalibratedClassifierCV(model, cv=2).fit(corpus.texts[:24], corpus.labels[:24])
    assert len(calibrated.calibrated_classifiers_) == 2
    assert not hasattr(model, "fitted_")
    assert set(calibrated.predict(corpus.test_texts[:5])) <= set(corpus.labels)


@pytest.mark.parametrize(
    "column", [pd.Series, pl.Series, pa.array, lambda values: pa.chunked_array([values[:7], values[7:]])]
)
def test_columns_of_all_libraries_are_texts_and_labels(
    column: Any, classifier: TextClassifier, corpus: Any
) -> None:
    """pandas, polars and Arrow columns score as lists do; predictions are arrays that each of them takes back."""
    texts, labels = column(corpus.test_texts), column(corpus.test_labels)
    assert classifier.score(texts, labels) == classifier.score(corpus.test_texts, corpus.test_labels)
    found = classifier.predict(texts)
    assert isinstance(found, np.ndarray)
    assert pd.DataFrame({"text": corpus.test_texts}).assign(label=found)["label"].tolist() == found.tolist()
    assert pl.DataFrame({"label": found})["label"].to_list() == pa.array(found).to_pylist() == found.tolist()

"""A classifier with scikit-learn's tools and its users' columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from ulmus.errors import DataError, UsageError
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.language_model.model import LanguageModel

Fit = Callable[..., TextClassifier]


def test_predictions_are_an_array(classifier: TextClassifier, corpus: Any) -> None:
    """`predict(texts) == "sea"` compares each of them."""
    result = classifier.predict(corpus.test_texts)
    assert isinstance(result, np.ndarray)
    assert result.shape == (60,)
    assert 0 < (result == "sea").sum() < 60
    assert classifier.predict([]).shape == (0,)


def test_multi_label_predictions_are_an_array_of_tuples(make: Fit, corpus: Any) -> None:
    """One tuple per text, whatever their lengths."""
    labels = [(label,) if i % 2 else (label, "even") for i, label in enumerate(corpus.labels[:40])]
    result = make().fit(corpus.texts[:40], labels).predict(corpus.test_texts[:7])
    assert result.shape == (7,)
    assert {type(row) for row in result} == {tuple}


@pytest.mark.parametrize(
    "column",
    [
        lambda texts: np.array(texts, object)[:, None],
        lambda texts: pd.DataFrame({"text": texts}),
        lambda texts: pl.DataFrame({"text": texts}),
        lambda texts: pa.table({"text": texts}),
    ],
    ids=["numpy", "pandas", "polars", "arrow"],
)
def test_a_table_of_one_column_is_a_column(column: Any, classifier: TextClassifier, corpus: Any) -> None:
    """(N, 1) arrays and one-column frames are texts."""
    result = classifier.predict_proba(column(corpus.test_texts))
    np.testing.assert_array_equal(result, classifier.predict_proba(corpus.test_texts))


def test_texts_and_labels_can_be_called_x_and_y(make: Fit, corpus: Any) -> None:
    """scikit-learn's names of the arguments work too."""
    model = make().fit(X=corpus.texts[:30], y=corpus.labels[:30])
    one = model.predict_proba(X=corpus.test_texts)
    np.testing.assert_array_equal(one, model.predict_proba(corpus.test_texts))
    assert model.score(X=corpus.test_texts, y=corpus.test_labels) == model.score(
        corpus.test_texts, corpus.test_labels
    )
    np.testing.assert_allclose(np.exp(model.predict_log_proba(corpus.test_texts)), one, atol=1e-12)


@pytest.mark.parametrize("model", [TextClassifier(verbose=False), LanguageModel(verbose=False)])
def test_a_model_that_is_not_fitted_raises_scikit_learns_error(model: Any) -> None:
    """The error belongs to both libraries; learned attributes do not exist."""
    use = model.predict if isinstance(model, TextClassifier) else model.perplexity
    with pytest.raises(NotFittedError, match="is not fitted"):
        use(["a text"])
    with pytest.raises(UsageError, match="is not fitted"):
        use(["a text"])
    assert not hasattr(model, "network_")


def test_settings_of_the_config_can_be_searched(make: Fit, corpus: Any) -> None:
    """config__NAME reads and sets one of them; a search finds the best."""
    model = make()
    assert model.get_params()["config__all_epochs"] == 1
    assert "config__all_epochs" not in model.get_params(deep=False)
    assert model.set_params(config__all_epochs=3).config.all_epochs == 3
    assert TextClassifier().set_params(config__head_hidden=9).config == ClassifierConfig(head_hidden=9)
    with pytest.raises(UsageError, match="no setting config__all_epoch"):
        model.set_params(config__all_epoch=3)
    search = GridSearchCV(make_pipeline(make()), {"textclassifier__config__all_epochs": [1, 2]}, cv=2)
    search.fit(np.array(corpus.texts[:30], object), corpus.labels[:30])
    assert search.best_params_["textclassifier__config__all_epochs"] in (1, 2)


def test_a_missing_label_makes_a_text_unlabelled(make: Fit, corpus: Any) -> None:
    """`fit(df.text, df.label)` with None or NaN in it, as the command line reads empty cells."""
    frame = pd.DataFrame({"text": corpus.texts[:40], "label": corpus.labels[:40]})
    frame.loc[30:, "label"] = None
    model = make().fit(frame.text, frame.label)
    assert model.report_["trained_on"]["labelled"] == 30
    assert model.report_["trained_on"]["unlabeled"] == 10
    with pytest.raises(DataError, match="only missing ones"):
        make().fit(corpus.texts[:5], [None] * 5)


def test_texts_of_weight_0_are_ignored(make: Fit, corpus: Any) -> None:
    """Wrong labels do less harm with weight 0 than with weight 1; the number of weights must match."""
    texts, labels = corpus.texts[:120], list(corpus.labels[:120])
    wrong = ["sea" if label != "sea" else "wood" for label in labels[60:]]
    weights = np.r_[np.ones(60), np.zeros(60)]
    model = make().fit(texts, labels[:60] + wrong, sample_weight=weights)
    plain = make().fit(texts, labels[:60] + wrong)
    for part in ("lm", "counts"):
        one, other = (m.predict_proba(corpus.test_texts, part=part) for m in (model, plain))
        assert not np.allclose(one, other)
    truth = np.array(corpus.test_labels)
    counts = [m.labels_of(m.predict_proba(corpus.test_texts, part="counts")) for m in (model, plain)]
    assert (np.array(counts[0]) == truth).mean() > (np.array(counts[1]) == truth).mean()
    with pytest.raises(UsageError, match="expected 120 numbers, got 3"):
        make().fit(texts, labels, sample_weight=[1, 2, 3])


def test_a_dict_weights_the_classes(make: Fit, corpus: Any) -> None:
    """A class with a large weight is predicted more often, by both parts; an unknown class is an error."""
    plain = make().fit(corpus.texts[:60], corpus.labels[:60])
    heavy = make(class_weight={"sea": 20.0}).fit(corpus.texts[:60], corpus.labels[:60])
    sea = list(plain.classes_).index("sea")
    for part in ("lm", "counts"):
        one, other = (m.predict_proba(corpus.test_texts, part=part)[:, sea].mean() for m in (heavy, plain))
        assert one > other
    with pytest.raises(UsageError, match="'see' is not a class"):
        make(class_weight={"see": 2.0}).fit(corpus.texts[:60], corpus.labels[:60])

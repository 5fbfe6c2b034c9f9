"""Labels as tables of zeros and ones, and invalid labels, in `fit` and `evaluate`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ulmus.errors import DataError
from ulmus.tasks.classifier.model import TextClassifier

Fit = Callable[..., TextClassifier]


def test_a_table_of_zeros_and_ones_is_multi_label(make: Fit, corpus: Any) -> None:
    """Classes are the columns in their order; predictions are tuples of their names; any form of it evaluates alike."""
    texts, table = corpus.texts[:120], pd.get_dummies(pd.Series(corpus.labels[:120]))[["wood", "sea", "town"]]
    model = make(language_model="none").fit(
        texts, table, valid=(corpus.test_texts, _rows(corpus.test_labels))
    )
    assert model.multi_label_
    assert model.class_names_ == ("wood", "sea", "town")
    assert {name for labels in model.predict(texts) for name in labels} <= {"wood", "sea", "town"}
    scores = [
        model.evaluate(texts, form)["accuracy"]
        for form in (
            table,
            table[["sea", "town", "wood"]],
            table.to_numpy(),
            [[label] for label in corpus.labels[:120]],
        )
    ]
    assert len(set(scores)) == 1


def test_indicator_rows_are_not_sets_of_the_numbers_0_and_1(make: Fit, corpus: Any) -> None:
    """[1, 0] means the first class."""
    sea = np.array([label == "sea" for label in corpus.labels[:60]])
    model = make(language_model="none").fit(corpus.texts[:60], [[int(s), int(not s)] for s in sea])
    assert model.predict_proba(corpus.texts[:60], part="counts")[sea, 0].mean() > 0.6


def test_a_column_of_ids_is_refused_before_any_work(make: Fit, corpus: Any) -> None:
    """With what to do."""
    with pytest.raises(DataError, match="Is this the right label column"):
        make().fit(corpus.texts, range(len(corpus.texts)))


def _rows(labels: list[str]) -> list[list[int]]:
    return [[int(label == name) for name in ("wood", "sea", "town")] for label in labels]

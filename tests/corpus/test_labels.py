"""Labels as users hold them, numbers as networks want them, and which documents are held out."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from ulmus.corpus.labels import Labels
from ulmus.errors import DataError, UsageError
from ulmus.evaluation.splits import Together, held_out, same_texts


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["b", "a", "b"], ("a", "b")),
        ([3, -1, 3], (-1, 3)),
        ([True, False, True], (False, True)),
        ([0.5, 0.25, 0.5], (0.25, 0.5)),
    ],
)
@pytest.mark.parametrize("column", [list, tuple, np.array, pd.Series, pl.Series, pa.array])
def test_classes_keep_their_type_and_stand_in_order(
    values: Any, classes: tuple[Any, ...], column: Any
) -> None:
    """Whatever column they come in, str stays str, int int, bool bool."""
    labels = Labels.of(column(values))
    assert labels.classes == classes
    assert [type(c) for c in labels.classes] == [type(c) for c in classes]
    assert [labels.classes[k] for k in labels.target] == list(values)
    assert not labels.multi_label


@pytest.mark.parametrize(
    "column",
    [
        [["a", "b"], ["b"], []],
        [("a", "b"), ("b",), ()],
        [{"a", "b"}, {"b"}, set()],
        [["a", "b"], "b", []],
        [np.array(["a", "b"]), np.array(["b"]), np.array([])],
        pd.Series([["a", "b"], ["b"], []]),
        pl.Series([["a", "b"], ["b"], []]),
        pa.array([["a", "b"], ["b"], []]),
    ],
    ids=lambda column: type(column).__name__,
)
def test_lists_of_labels_are_several(column: Any) -> None:
    """One list, tuple, set or array a document makes all of them multi-label; a document may have none."""
    labels = Labels.of(column)
    assert labels.multi_label
    assert labels.classes == ("a", "b")
    assert labels.target.tolist() == [[1, 1], [0, 1], [0, 0]]
    assert labels.counts().tolist() == [1, 2]


MATRIX = [[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("table", "classes"),
    [
        (MATRIX, (0, 1, 2)),
        ([tuple(row) for row in MATRIX], (0, 1, 2)),
        ([np.array(row) for row in MATRIX], (0, 1, 2)),
        (pd.Series(MATRIX), (0, 1, 2)),
        (pa.array(MATRIX), (0, 1, 2)),
        (np.array(MATRIX), (0, 1, 2)),
        (np.array(MATRIX, bool), (0, 1, 2)),
        (np.array(MATRIX, float), (0, 1, 2)),
        (csr_matrix(np.array(MATRIX)), (0, 1, 2)),
        (pd.DataFrame(MATRIX), (0, 1, 2)),
        (pd.DataFrame(MATRIX, columns=["toxic", "obscene", "a"]), ("toxic", "obscene", "a")),
        (pd.DataFrame(MATRIX, columns=["b", "a", "c"], dtype="boolean"), ("b", "a", "c")),
        (pd.DataFrame(MATRIX, columns=["b", "a", "c"], dtype=str), ("b", "a", "c")),
        (pl.DataFrame(np.array(MATRIX), schema=["b", "a", "c"]), ("b", "a", "c")),
        (pa.table(dict(zip("bac", np.array(MATRIX).T, strict=True))), ("b", "a", "c")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_table_of_zeros_and_ones_is_the_multi_label_matrix(table: Any, classes: tuple[Any, ...]) -> None:
    """Its columns are the classes, by name where they have names, in their order; a column may be all zeros."""
    labels = Labels.of(table)
    assert labels.multi_label
    assert labels.classes == classes
    assert [type(name) for name in labels.classes] == [type(name) for name in classes]
    assert labels.target.tolist() == MATRIX


def test_columns_of_a_table_are_matched_by_name_with_the_known_classes() -> None:
    """In any order; without names in the order of the classes; other columns are refused, and so are fewer."""
    table = pd.DataFrame([[1, 0], [0, 0]], columns=["b", "a"])
    assert Labels.of(table, ("a", "b"), True).target.tolist() == [[0, 1], [0, 0]]
    assert Labels.of(table.to_numpy(), ("a", "b"), True).target.tolist() == [[1, 0], [0, 0]]
    assert Labels.of([[1, 0], [0, 0]], ("a", "b"), True).target.tolist() == [[1, 0], [0, 0]]
    with pytest.raises(
        DataError, match=r"a column for each class of this model \(a, c\), got the columns b, a"
    ):
        Labels.of(table, ("a", "c"), True)
    with pytest.raises(DataError, match="each of the 3 classes of this model, got 2"):
        Labels.of(table.to_numpy(), ("a", "b", "c"), True)
    with pytest.raises(UsageError, match="expected one value per text"):
        Labels.of(table, ("a", "b"), False)


@pytest.mark.parametrize(
    "sets", [[{0, 1}, {1}], [[0, 1], [1]], [[0], [1]], [[0, 1, 2], [2, 1, 0]], [["0", "1"], ["1", "0"]]]
)
def test_sets_of_numbers_are_no_table(sets: Any) -> None:
    """Sets, rows of different lengths or of one number, and other numbers and strings are labels by themselves."""
    labels = Labels.of(sets)
    assert [{labels.classes[k] for k in np.flatnonzero(row)} for row in labels.target] == list(map(set, sets))


def test_hot_rows_and_counts_of_single_labels() -> None:
    """Class numbers as rows of zeros with a one; how many of each."""
    labels = Labels.of(["x", "y", "x"])
    assert labels.hot().tolist() == [[1, 0], [0, 1], [1, 0]]
    assert labels.hot().dtype == np.float32
    assert labels.counts().tolist() == [2, 1]
    assert labels.rows(np.array([2, 1])).target.tolist() == [0, 1]
    assert labels.rows(np.array([1])).classes == ("x", "y")


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (["a", "a"], DataError, "at least two classes, got only 'a'"),
        ([], DataError, "at least two classes"),
        ([[], []], DataError, "at least two classes"),
        (["a", None], UsageError, "has no label"),
        (["a", float("nan")], UsageError, "has no label"),
        (pd.Series(["a", None, "b"]), UsageError, "has no label"),
        (pd.array([1, None, 2], dtype="Int64"), UsageError, "has no label"),
        ([["a", None], ["b"]], UsageError, "has no label"),
        (["a", 1], UsageError, "labels of one type"),
        ("spam", UsageError, "expected a list, got a single str"),
        (np.array([[1], [0]]), UsageError, "expected one column, or a table"),
        (np.zeros((2, 2, 2)), UsageError, "expected one column"),
        (pd.DataFrame({"a": [1], "b": [2]}), UsageError, "got '2' in column 'b'"),
        (pd.DataFrame({"a": ["joy"], "b": ["fear"]}), UsageError, "got 'joy' in column 'a'"),
        (pd.DataFrame({"a": [1, 0], "b": [None, 1]}), UsageError, "column 'b' has no value in row 0"),
        (pd.DataFrame([[1, 0]], columns=["a", "a"]), UsageError, "two columns have the same name"),
        (
            pd.DataFrame([[1, 0]], columns=[("a", 1), ("a", 2)]),
            UsageError,
            "column names that are strings or numbers",
        ),
        ([{"a": 1}, {"b": 2}], UsageError, "expected str, int, float or bool, got dict"),
        ([date(2020, 1, 1), date(2021, 1, 1)], UsageError, "expected str, int, float or bool, got date"),
        ([b"a", b"b"], UsageError, "expected str, int, float or bool, got bytes"),
    ],
)
def test_labels_that_cannot_be_are_refused(values: Any, error: type[Exception], message: str) -> None:
    """With what was expected and what came."""
    with pytest.raises(error, match=message):
        Labels.of(values)


def test_scalars_of_numpy_in_a_list_become_plain_values() -> None:
    """So that they can be stored in a model file, and compared and printed as what they are."""
    for values in (
        [np.int64(3), np.int64(1)],
        [np.str_("b"), np.str_("a")],
        [np.True_, np.False_],
        [np.float32(2), 1.5],
    ):
        assert {type(c) for c in Labels.of(values).classes} <= {int, str, bool, float}


def test_a_label_the_model_does_not_know_is_refused() -> None:
    """As in validation labels: the message names it and the classes there are."""
    with pytest.raises(DataError, match=r"zebra is not a class of this model \(cat, dog\)"):
        Labels.of(["cat", "zebra"], ("cat", "dog"), False)


def test_labels_of_another_kind_than_the_model_has_learnt_are_refused() -> None:
    """Lists for a model of single labels; the other way round one label is a set of one."""
    with pytest.raises(UsageError, match="expected one value per text"):
        Labels.of([["cat"], ["dog"]], ("cat", "dog"), False)
    assert Labels.of(["cat", "dog"], ("cat", "dog"), True).target.tolist() == [[1, 0], [0, 1]]


def test_a_single_class_will_do_for_known_classes() -> None:
    """Validation labels may be all the same."""
    assert Labels.of(["cat", "cat"], ("cat", "dog"), False).target.tolist() == [0, 0]


some_labels = st.lists(st.sampled_from("abcdef"), min_size=2, max_size=400).filter(lambda v: len(set(v)) > 1)


@given(some_labels, st.integers(0, 5))
def test_holding_back_keeps_every_class_in_training(values: list[str], seed: int) -> None:
    """A fifth, class by class; of fewer than 200 documents none; every document is on one side."""
    labels = Labels.of(values)
    train, held = held_out(labels.target, seed)
    assert sorted([*train, *held]) == list(range(len(values)))
    assert set(labels.target[train]) == set(range(len(labels.classes)))
    if len(values) < 200:
        assert not len(held)
    else:
        assert 0.1 * len(values) < len(held) < 0.3 * len(values)
        everywhere, here = Counter(labels.target), Counter(labels.target[held])
        assert all(abs(here[k] - 0.2 * n) <= 0.5 for k, n in everywhere.items())


@given(some_labels.filter(lambda v: len(v) >= 200), st.integers(0, 5), st.booleans())
def test_equal_texts_are_held_back_together(values: list[str], seed: int, several: bool) -> None:
    """What stands in training is not what is measured on, and every class is still in training."""
    labels = Labels.of([[value] for value in values] if several else values)
    texts = [f"text {i // 3}" for i in range(len(values))]
    train, held = held_out(labels.target, seed, Together(same_texts(texts)))
    assert not {texts[i] for i in train} & {texts[i] for i in held}
    assert {values[i] for i in train} == set(values)


def test_no_more_than_two_thousand_are_held_back() -> None:
    """More would measure little better and teach less."""
    assert len(held_out(Labels.of(["a", "b"] * 20_000).target, 0)[1]) == 2_000


def test_the_same_seed_holds_back_the_same() -> None:
    """And another seed others."""
    labels = Labels.of(["a", "b"] * 200)
    assert np.array_equal(held_out(labels.target, 1)[1], held_out(labels.target, 1)[1])
    assert not np.array_equal(held_out(labels.target, 1)[1], held_out(labels.target, 2)[1])


def test_rare_labels_of_multi_label_documents_stay_in_training() -> None:
    """A label that only held-out documents have cannot be learned."""
    rows: list[list[str]] = [["often"] for _ in range(300)]
    for i in (7, 80, 150):
        rows[i] = ["often", f"rare {i}"]
    labels = Labels.of(rows)
    for seed in range(20):
        train, held = held_out(labels.target, seed)
        assert labels.target[train].any(axis=0).all()
        assert len(held) > 50


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan"), np.float32("inf")])
def test_a_class_is_no_infinity(number: Any) -> None:
    """A model file could not bring it back, whether it is a label, one of several, or the name of a column."""
    table = pd.DataFrame([[0, 1], [1, 0]], columns=[number, 1.0])
    for values in ([number, 1.0], [[number], [1.0, number]], table):
        with pytest.raises(UsageError, match=r"finite|has no label"):
            Labels.of(values)

"""Bins of confidence, slices of accuracy, confusions and portraits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from ulmus.evaluation.calibration import reliability
from ulmus.evaluation.confusions import most_confused
from ulmus.evaluation.metrics import calibration_error
from ulmus.evaluation.slices import by_group, by_length, by_order
from ulmus.evaluation.typical import portraits


def test_bins_hold_all_decisions_and_their_shares() -> None:
    """An empty bin has no share; the error is the mean gap."""
    proba = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    found = reliability(np.array([0, 1, 1]), proba, bins=10)
    assert (found.counts.sum(), found.counts[9], found.counts[6]) == (3, 2, 1)
    assert (found.confidence[9], found.accuracy[9]) == (pytest.approx(0.9), 0.5)
    assert np.isnan(found.accuracy[0])
    assert found.error == pytest.approx((2 * 0.4 + 0.4) / 3)
    assert found.error == pytest.approx(calibration_error(np.array([0, 1, 1]), proba, bins=10))
    assert found.overconfident == pytest.approx((2.4 - 2) / 3)


def test_of_several_labels_every_decision_counts() -> None:
    """Also those against a label."""
    found = reliability(np.array([[1, 0], [0, 0]]), np.array([[0.8, 0.1], [0.3, 0.6]]))
    assert found.counts.sum() == 4


def test_lengths_are_divided_evenly_and_named_by_their_range() -> None:
    """Equal lengths stay together, and one document is one slice."""
    found = by_length(np.array([1, 2, 3, 4, 5, 6]), np.array([True] * 3 + [False] * 3), parts=3)
    assert [(one.name, one.documents, one.accuracy) for one in found] == [
        ("1 to 2", 2, 1.0),
        ("3 to 4", 2, 0.5),
        ("5 to 6", 2, 0.0),
    ]
    assert [one.name for one in by_length(np.array([7] * 9), np.ones(9, bool))] == ["7"]
    (one,) = by_length(np.array([3]), np.array([False]))
    assert one.low == pytest.approx(0.0)
    assert one.high < 1.0


def test_groups_beyond_the_most_frequent_are_one_slice() -> None:
    """A missing group has a name; all documents are in one slice each."""
    groups = ["a"] * 4 + ["b"] * 3 + [None, "c", "d"]
    found = by_group(groups, np.ones(10, bool), most=2)
    assert [(one.name, one.documents) for one in found] == [("a", 4), ("b", 3), ("3 others", 3)]
    assert by_group([None], np.ones(1, bool))[0].name == "(none)"


def test_times_are_named_by_their_documents() -> None:
    """Slices come in the order of the values."""
    found = by_order(
        np.array([3.0, 1.0, 2.0, 4.0]), np.ones(4, bool), lambda rows: str(rows.tolist()), parts=2
    )
    assert [one.name for one in found] == ["[1, 2]", "[0, 3]"]


def test_the_most_frequent_errors_come_first() -> None:
    """The diagonal is no error, and what never happened is not listed."""
    found = most_confused(np.array([[9, 2, 0], [5, 9, 0], [0, 0, 9]]), 10)
    assert [tuple(one) for one in found] == [(1, 0, 5), (0, 1, 2)]


@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
def test_a_typical_text_is_like_the_others_of_its_class(kind: type) -> None:
    """The odd one is not; a class with one text has no portrait."""
    x = np.array([[1, 0, 0], [1, 0, 0], [0.8, 0.6, 0], [0, 0, 1], [0, 0, 1]], float)
    first, second = portraits(kind(x), np.array([0, 0, 0, 1, 1]), classes=3, top=1)
    assert (first.label, first.odd) == (0, (2,))
    assert first.typical[0] in (0, 1)
    assert (second.label, len(second.typical), len(second.odd)) == (1, 1, 1)
    assert portraits(kind(x), np.array([0, 1, 2, 3, 4]), classes=5) == []

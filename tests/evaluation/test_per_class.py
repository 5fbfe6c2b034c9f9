"""Scores of each class, and who is taken for whom."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ulmus.errors import DataError
from ulmus.evaluation.objectives import objective_of
from ulmus.evaluation.per_class import (
    by_class,
    cautions,
    caveats,
    confusion,
    evaluation_report,
    majority,
    unmeasured,
)

HALVES = {"combined": 0.5, "counts": 0.5}


def sure(guess: list[int], classes: int) -> np.ndarray:
    """Probabilities (N, C) that say these classes."""
    return np.where(np.arange(classes) == np.array(guess)[:, None], 0.9, 0.1 / (classes - 1))


def test_scores_of_each_class() -> None:
    """Precision, recall, F1, how many documents it has and how often it is predicted, counted by hand."""
    target, guess = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 1])
    found = by_class(target, guess, ["a", "b", "c"])
    assert found["a"] == {"precision": 1.0, "recall": 2 / 3, "f1": 0.8, "support": 3, "predicted": 2}
    assert found["b"]["precision"] == 0.5
    assert found["b"]["recall"] == 1.0
    assert math.isnan(found["c"]["precision"])  # never predicted
    assert (found["c"]["recall"], found["c"]["f1"], found["c"]["support"]) == (0.0, 0.0, 1)


def test_what_cannot_be_divided_is_not_a_zero() -> None:
    """A class without a document has no recall; one that is not predicted either has no F1."""
    found = by_class(np.array([0, 0]), np.array([0, 1]), ["a", "b", "c"])
    assert (found["b"]["precision"], found["b"]["f1"]) == (0.0, 0.0)
    assert all(math.isnan(found["c"][key]) for key in ("precision", "recall", "f1"))
    assert math.isnan(found["b"]["recall"])


def test_scores_of_each_of_several_labels() -> None:
    """Every column is a class; precision and recall count documents that have the label."""
    target, guess = np.array([[1, 0], [1, 1], [0, 0]]), np.array([[1, 1], [0, 1], [0, 0]])
    found = by_class(target, guess, [1, 2])
    assert found[1] == {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "support": 2, "predicted": 1}
    assert found[2] == {"precision": 0.5, "recall": 1.0, "f1": 2 / 3, "support": 1, "predicted": 2}


def test_confusion_has_the_true_classes_in_its_rows() -> None:
    """Predicted classes in its columns; with several labels a table of no and yes for each."""
    assert confusion(np.array([0, 0, 2]), np.array([0, 1, 1]), 3).tolist() == [
        [1, 1, 0],
        [0, 0, 0],
        [0, 1, 0],
    ]
    target, guess = np.array([[1, 0], [1, 1], [0, 0]]), np.array([[1, 1], [0, 1], [0, 0]])
    assert confusion(target, guess, 2).tolist() == [[[1, 0], [1, 1]], [[1, 1], [0, 1]]]


def test_all_that_evaluate_says() -> None:
    """Scores of the first part stand on top, those of all under `parts`."""
    target = np.array([0, 1, 1, 0])
    parts = {"combined": sure([0, 1, 1, 1], 3), "counts": sure([1, 1, 1, 1], 3)}
    found = evaluation_report(target, parts, HALVES, ["a", "b", "c"])
    assert found["parts"]["combined"] == objective_of(target).report(target, parts["combined"])
    assert (found["accuracy"], found["parts"]["counts"]["accuracy"], found["n"]) == (0.75, 0.5, 4)
    assert found["classes"]["b"]["support"] == 2
    assert found["confusion"]["classes"] == ["a", "b", "c"]
    assert found["confusion"]["counts"].tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert found["unmeasured"] == ["c"]


@pytest.mark.parametrize("several", [False, True])
def test_a_class_that_the_model_does_not_know_is_always_wrong(several: bool) -> None:
    """It has a row of its own and is never predicted; what needs its probability is left out."""
    target = np.array([0, 1, 2])
    found = evaluation_report(
        np.eye(3, dtype=np.int64)[target] if several else target,
        {"combined": sure([0, 1, 1], 2)},
        HALVES,
        ["a", "b", "new"],
    )
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["classes"]["new"]["recall"] == 0.0
    assert found["classes"]["new"]["predicted"] == 0
    assert "log_loss" not in found


def test_fewer_names_than_classes_are_refused() -> None:
    """With how many there should be."""
    with pytest.raises(DataError, match="a name for each of 3 classes, got 2"):
        evaluation_report(np.array([0]), {"combined": sure([0], 3)}, HALVES, ["a", "b"])


@pytest.mark.parametrize(
    ("target", "names", "missing"),
    [
        (np.array([0, 0]), ["ham", "spam"], ["spam"]),
        (np.array([[1, 0, 0], [0, 0, 1]]), [1, 2, 3], [2]),
        (np.zeros(0, np.int64), ["a", "b"], ["a", "b"]),
    ],
)
def test_a_class_without_a_document_is_unmeasured(target: np.ndarray, names: Any, missing: Any) -> None:
    """Named, of single labels as of several."""
    assert unmeasured(target, names) == missing


def test_a_verdict_names_classes_without_scores_and_documents_left_out() -> None:
    """And has no caveat when there is none."""
    found = caveats("Good.", np.array([0, 0]), ["ham", "spam"], 3)
    assert found["verdict"].startswith("Good. There are no scores for 'spam'")
    assert "3 evaluation documents were left out" in found["verdict"]
    assert (found["unmeasured"], found["repeated"]) == (["spam"], 3)
    many = caveats("Good.", np.array([0]), [f"class {k}" for k in range(20)], 0)
    assert "'class 8' and 11 more: no held-out" in many["verdict"]
    assert caveats("Good.", np.array([0, 1]), ["ham", "spam"], 0)["verdict"] == "Good."


def test_an_accuracy_that_misleads_is_pointed_at() -> None:
    """One class has nearly all documents, or there are few documents; otherwise nothing is said."""
    often = np.array([0] * 95 + [1] * 5)
    assert majority(often, "ab") == {
        "class": "a",
        "accuracy": 0.95,
        "macro_f1": pytest.approx(0.487, abs=0.001),
    }
    assert "95.0 % of the documents are 'a'" in cautions(often, "ab", 0.96)[0]
    assert cautions(np.arange(100) % 2, "ab", 0.96) == []
    assert "90.0 % means 60 to 98 %" in cautions(np.arange(10) % 2, "ab", 0.9)[0]
    assert majority(np.zeros((5, 2), np.int64), "ab") is None

"""Scores side by side, and the sentence that says which difference is real."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ulmus.corpus.labels import Labels
from ulmus.evaluation.comparison import compare
from ulmus.evaluation.objectives import MULTI_LABEL, SINGLE_LABEL, objective_of


def proba(labels: Labels, right: float, *, seed: int = 0) -> np.ndarray:
    """Probabilities (N, 2) that are right for a share of the documents."""
    rng = np.random.default_rng(seed)
    told = np.where(rng.random(len(labels)) < right, labels.target, 1 - labels.target)
    return np.where(np.arange(2) == told[:, None], 0.8, 0.2)


@pytest.fixture
def labels() -> Labels:
    """400 documents of two classes."""
    return Labels.of(["a", "b"] * 200)


@pytest.mark.parametrize(
    ("lm", "counts", "verdict"),
    [
        (0.95, 0.70, "is better than word counts"),
        (0.70, 0.95, "is worse than word counts"),
        (0.80, 0.80, "No significant difference between the"),
    ],
)
@pytest.mark.parametrize("part", ["combined", "lm"])
def test_the_verdict_says_what_the_interval_allows(
    part: str, lm: float, counts: float, verdict: str, labels: Labels
) -> None:
    """Better, worse, or no significant difference: in points, with the interval and the number."""
    parts = {part: proba(labels, lm, seed=1), "counts": proba(labels, counts, seed=2)}
    report = compare(labels.target, parts, dict.fromkeys(parts, 0.5))
    assert verdict in report["verdict"]
    assert "400 documents" in report["verdict"]
    assert report["gain"]["of"] == part
    gain = report[part]["accuracy"] - report["counts"]["accuracy"]
    assert report["gain"]["difference"] == pytest.approx(gain)
    assert report["gain"]["low"] <= gain <= report["gain"]["high"]
    assert report["n"] == 400


def test_scores_of_single_and_of_several_labels(labels: Labels) -> None:
    """accuracy, macro_f1, log loss, calibration error; with several labels micro_f1 too, and whole sets count."""
    found = objective_of(labels.target).report(labels.target, proba(labels, 1.0))
    assert found["accuracy"] == found["macro_f1"] == 1.0
    assert found["log_loss"] == pytest.approx(-np.log(0.8))
    assert found["calibration_error"] == pytest.approx(0.2)
    many: Any = Labels.of([["x"], ["x", "y"], []])
    found = objective_of(many.target).report(many.target, np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.2]]))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["micro_f1"] == pytest.approx(0.8)


def test_predictions_are_the_likeliest_or_all_with_a_half() -> None:
    """(N,) class numbers, or (N, C) zeros and ones."""
    p = np.array([[0.2, 0.5, 0.3], [0.6, 0.5, 0.7]])
    assert SINGLE_LABEL.decide(p).tolist() == [1, 2]
    assert MULTI_LABEL.decide(p).tolist() == [[0, 1, 0], [1, 1, 1]]
    assert MULTI_LABEL.decide(p, threshold=0.6).tolist() == [[0, 0, 0], [1, 0, 1]]


def rare_labels(n: int = 500, *, seed: int = 0) -> tuple[Labels, np.ndarray]:
    """Documents with 0 to 5 of five rare labels, and the true probability of each (N, 5)."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.4, 3, size=(n, 5))
    return Labels.of([[str(k) for k in np.flatnonzero(row)] for row in rng.random(p.shape) < p]), p


def test_rare_labels_are_given_before_they_are_likely() -> None:
    """The threshold with the best micro F1: below a half for rare labels, and better on other documents too."""
    labels, p = rare_labels()
    threshold = objective_of(labels.target).best_threshold(labels.target, p)
    assert 0.05 < threshold < 0.45
    others, q = rare_labels(seed=1)
    assert (
        objective_of(others.target).report(others.target, q, threshold)["micro_f1"]
        > objective_of(others.target).report(others.target, q)["micro_f1"] + 0.02
    )


def test_few_documents_hardly_move_the_threshold() -> None:
    """Five documents leave it near a half, whatever they say."""
    labels, p = rare_labels()
    assert (
        0.45
        < objective_of(labels.rows(np.arange(5)).target).best_threshold(
            labels.rows(np.arange(5)).target, p[:5]
        )
        < 0.55
    )


def test_there_is_no_threshold_to_choose_for_one_label_a_text(labels: Labels) -> None:
    """The likeliest class is the answer; without true labels to learn from a half stays a half."""
    assert objective_of(labels.target).best_threshold(labels.target, proba(labels, 0.9)) == 0.5
    assert (
        objective_of(Labels.of([["a"], ["b"]]).rows(np.arange(0)).target).best_threshold(
            Labels.of([["a"], ["b"]]).rows(np.arange(0)).target, np.zeros((0, 2))
        )
        == 0.5
    )


def test_several_labels_are_compared_by_the_f1_of_each_text() -> None:
    """Right on half of a text's labels is worth more than on none; giving none where there are none is right."""
    labels = Labels.of([["x", "y"], ["x"], []])
    right = np.array([[0.9, 0.9], [0.9, 0.1], [0.1, 0.1]])
    poor = np.array([[0.9, 0.1], [0.1, 0.1], [0.1, 0.1]])
    report = compare(labels.target, {"combined": right, "counts": poor}, {"combined": 0.5, "counts": 0.5})
    assert report["gain"]["difference"] == pytest.approx((1 + 1 + 1 - (2 / 3 + 0 + 1)) / 3)

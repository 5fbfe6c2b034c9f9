"""The examples of the training loop run, and what they train is better than the trivial answer."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
PNG = b"\x89PNG"


def run(name: str, folder: Path, **sizes: int) -> dict[str, Any]:
    """Run an example at this size; its scores. The plot of its learning rates is there afterwards."""
    scores = runpy.run_path(str(FOLDER / f"{name}.py"))["main"](folder, **sizes)
    assert (folder / f"{name}-lr.png").read_bytes().startswith(PNG)
    return scores


def test_digits_are_told_apart(tmp_path: Path) -> None:
    """A linear model and a network are about as good as scikit-learn's logistic regression."""
    scores = run("digits", tmp_path, epochs=10)
    assert min(scores["linear"], scores["network"]) > 0.95 > scores["always the same"]
    assert scores["linear"] == pytest.approx(scores["logistic regression"], abs=0.03)


def test_embeddings_beat_one_hot_columns(tmp_path: Path) -> None:
    """A network over embeddings learns the interaction that a logistic regression cannot express."""
    scores = run("tabular", tmp_path, rows=4_000)
    assert scores["embeddings"] > scores["logistic regression"] + 0.05 > scores["always the same"]


def test_a_collaborative_filter_beats_the_mean_rating(tmp_path: Path) -> None:
    """Its error is well below that of always predicting the mean."""
    scores = run("ratings", tmp_path, users=120, films=80)
    assert 0.5 < scores["filter"] < 0.9 * scores["mean rating"]

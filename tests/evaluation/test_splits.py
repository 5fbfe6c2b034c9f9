"""Which documents are held out, by time too, and which texts were seen before."""

from __future__ import annotations

import numpy as np
import pytest

from ulmus.evaluation.splits import (
    SKETCHED,
    Together,
    held_out,
    repeats,
    share_seen,
    sketch,
    spread_folds,
)


def test_texts_that_are_known_are_found() -> None:
    """White space around a text makes no other one of it."""
    assert repeats(["a", "b ", "c"], ["b", "a\n"]).tolist() == [True, True, False]
    assert repeats([], ["a"]).tolist() == []


def test_a_few_texts_are_recognised_exactly() -> None:
    """In any order, repeated or not, lone surrogates too."""
    known = sketch(["a", " b", "b", "\ud800"])
    assert len(known) == 3
    assert share_seen(["b", "x", "\ud800\n", "y"], known) == 0.5
    assert share_seen(["x"], known) == 0.0
    assert share_seen([], known) == 0.0


def test_without_a_sketch_nothing_is_known() -> None:
    """As of a model file that was made before there were any."""
    assert share_seen(["a"], []) is None


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_of_many_texts_the_share_is_estimated(share: float) -> None:
    """From a sample of fixed size, whatever their number."""
    known = sketch(f"text {k}" for k in range(20_000))
    assert len(known) == SKETCHED
    there = round(8_000 * share)
    texts = [f"text {k}" for k in range(there)] + [f"other {k}" for k in range(8_000 - there)]
    assert share_seen(texts, known) == pytest.approx(share, abs=0.12)
    assert (share_seen(texts, known) == share) or 0 < share < 1


@pytest.mark.parametrize("kind", ["classes", "labels", "numbers"])
def test_the_newest_documents_are_held_out(kind: str) -> None:
    """About a fifth; none that stays is newer than one that is held out, and one time is on one side."""
    times = np.random.default_rng(0).integers(0, 60, 400).astype(float)
    target = {
        "classes": np.arange(400) % 3,
        "labels": np.eye(3, dtype=np.int64)[np.arange(400) % 3],
        "numbers": np.arange(400.0)[:, None],
    }[kind]
    train, held = held_out(target, 0, Together(np.arange(400), times))
    assert times[train].max() < times[held].min()
    assert 60 < len(held) <= 80


def test_copies_of_old_texts_are_not_held_out() -> None:
    """The newest text is learnt from if an equal one is old."""
    same, times = np.arange(300), np.arange(300.0)
    same[299] = 3
    held = held_out(np.arange(300) % 2, 0, Together(same, times))[1]
    assert held.tolist() == list(range(240, 299))


def test_the_last_time_is_held_out_if_it_is_more_than_a_fifth() -> None:
    """Half of the documents are of this year."""
    times = np.repeat([2020.0, 2021.0], 100)
    assert held_out(np.arange(200) % 2, 0, Together(np.arange(200), times))[1].tolist() == [*range(100, 200)]


def test_folds_are_spans_of_time() -> None:
    """In the order of the times, equally many documents each, those of one time in one fold."""
    times = np.random.default_rng(0).integers(0, 30, 150).astype(float)
    fold_of = spread_folds(np.arange(150) % 2, folds=5, seed=0, together=Together(np.arange(150), times))
    assert np.all(np.diff(fold_of[np.argsort(times)]) >= 0)
    assert np.bincount(fold_of).min() > 20
    assert all(len(set(fold_of[times == t])) == 1 for t in times)


def test_documents_of_one_time_have_folds_all_the_same() -> None:
    """There are no spans, so folds are drawn at random."""
    fold_of = spread_folds(np.arange(50) % 2, folds=5, seed=0, together=Together(np.arange(50), np.zeros(50)))
    assert np.bincount(fold_of).tolist() == [10] * 5

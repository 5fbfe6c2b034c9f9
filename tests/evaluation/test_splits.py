"""Which texts were seen before."""

from __future__ import annotations

import pytest

from ulmus.evaluation.splits import SKETCHED, repeats, share_seen, sketch


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

"""Weights where nothing is held back: the part that knows the labels gets the say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ulmus.tasks.counting import Counts
from ulmus.tasks.labels import Labels
from ulmus.tasks.trust import cross_validated

N = 60
RNG = np.random.default_rng(0)
KINDS = np.arange(N) % 3
WORDS = (["plum", "pear"], ["nail", "saw"], ["rain", "snow"])
TELLING = [f"the {WORDS[k][i % 2]} and the {WORDS[k][i // 2 % 2]} of my friend" for i, k in enumerate(KINDS)]
SILENT = ["the story of my friend", "a friend and a story"] * (N // 2)


def features(telling: bool) -> np.ndarray:
    """(N, 20) numbers that tell the label, or none."""
    noise = RNG.normal(size=(N, 20)).astype(np.float32)
    noise[:, 0] = 5.0  # a feature that is always the same
    if telling:
        noise[np.arange(N), 1 + KINDS] += 4
    return noise


def labels(multi: bool) -> Labels:
    """Three classes, or several labels a text, one of which only one text has."""
    single: list[Any] = [str(k) for k in KINDS]
    return Labels.of(
        [(k, "all") if i else (k, "all", "rare") for i, k in enumerate(single)] if multi else single
    )


@pytest.mark.parametrize("multi", [False, True])
def test_the_part_that_knows_the_labels_has_the_say(multi: bool) -> None:
    """Telling words and silent features, the other way round, and both alike."""
    y = labels(multi)
    found = {
        (words, seen): cross_validated(
            Counts(TELLING if words else SILENT, [], None), features(seen), y, seed=0
        ).weight
        for words in (False, True)
        for seen in (False, True)
    }
    assert found[True, False] < 0.3
    assert found[False, True] > 0.7
    assert found[True, False] <= found[True, True] <= found[False, True]


def test_two_documents_are_enough() -> None:
    """Then nothing is known, and each part has half of the say."""
    found = cross_validated(
        Counts(["a plum", "a nail"], [], None), features(False)[:2], Labels.of(["0", "1"]), seed=0
    )
    assert 0.3 < found.weight < 0.7

"""The linear probe: it learns labels from features, and the more informative part gets the larger weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ulmus.corpus.labels import Labels
from ulmus.evaluation.combination import Combination
from ulmus.linear.selection import Choice
from ulmus.tasks.classifier.counting import Counts
from ulmus.tasks.classifier.probe import Probe

N = 60
KINDS = np.arange(N) % 3
WORDS = (["plum", "pear"], ["nail", "saw"], ["rain", "snow"])
TELLING = [f"the {WORDS[k][i % 2]} and the {WORDS[k][i // 2 % 2]} of my friend" for i, k in enumerate(KINDS)]
SILENT = ["the story of my friend", "a friend and a story"] * (N // 2)


def features(telling: bool) -> np.ndarray:
    """Features (N, 20) that are informative about the label, or not."""
    noise = np.random.default_rng(0).normal(size=(N, 20)).astype(np.float32)
    noise[:, 0] = 5.0  # a feature that is always the same
    if telling:
        noise[np.arange(N), 1 + KINDS] += 6
    return noise


def labels(multi: bool) -> Labels:
    """Three classes, or multi-label with one label that only one text has."""
    single: list[Any] = [str(k) for k in KINDS]
    return Labels.of(
        [(k, "all") if i else (k, "all", "rare") for i, k in enumerate(single)] if multi else single
    )


def weighed(texts: list[str], seen: np.ndarray, y: Labels) -> Combination:
    """The relative weights of probe and word counts."""
    p_counts = Counts(texts, []).out_of_fold(y, np.arange(len(y)), Choice(), 0)
    return Probe(seen, y, seed=0).mix_with(p_counts, y.target)


@pytest.mark.parametrize("multi", [False, True])
def test_the_informative_part_has_the_larger_weight(multi: bool) -> None:
    """Informative words and uninformative features, the reverse, and both alike."""
    y = labels(multi)
    weights = {
        (words, seen): weighed(TELLING if words else SILENT, features(seen), y).weight
        for words in (False, True)
        for seen in (False, True)
    }
    assert weights[True, False] < 0.3
    assert weights[False, True] > 0.7
    assert weights[True, False] <= weights[True, True] <= weights[False, True]


def test_weights_of_documents_and_of_classes_count() -> None:
    """Documents of weight 0 teach nothing; a heavy class is predicted more often."""
    y, seen = labels(False), features(False)
    some = np.r_[np.ones(30), np.zeros(30)]
    weighed, alone = Probe(seen, y, seed=0, weights=some), Probe(seen, y, seed=0)
    assert not np.allclose(weighed.proba(seen), alone.proba(seen))
    heavy = Probe(seen, y, seed=0, class_weight=np.array([1.0, 20.0, 1.0]))
    assert heavy.proba(seen)[:, 1].mean() > 2 * alone.proba(seen)[:, 1].mean()


def test_two_documents_are_enough() -> None:
    """With no evidence, each part has half of the weight."""
    mix = weighed(["a plum", "a nail"], features(False)[:2], Labels.of(["0", "1"]))
    assert 0.3 < mix.weight < 0.7


@pytest.mark.parametrize("documents", [N, 15])
@pytest.mark.parametrize("multi", [False, True])
def test_it_generalises_to_new_documents(documents: int, multi: bool) -> None:
    """With more documents than features and with fewer; a class without training documents is never predicted."""
    shown, truth = np.arange(1, documents), labels(multi)  # (the first one alone is rare)
    proba = Probe(features(True)[shown], truth.rows(shown), seed=0).proba(features(True))
    assert proba.shape == (N, len(truth.classes))
    kinds = [truth.classes.index(str(k)) for k in range(3)]
    by_chance, share = 1 / 3, np.mean(proba[:, kinds].argmax(axis=1) == KINDS)
    assert share > (0.9 if documents == N else 1.5 * by_chance)
    if multi:
        assert not proba[:, truth.classes.index("rare")].any()
        assert (proba[:, truth.classes.index("all")] > 0.9).all()
    else:
        assert proba.sum(axis=1) == pytest.approx(1)


def test_fewer_documents_than_features_give_the_same_regression() -> None:
    """Additional features that are always 0 change nothing."""
    few, y = features(True)[:30], labels(False).rows(np.arange(30))
    wide = np.concatenate([few, np.zeros((30, 40), np.float32)], axis=1)
    np.testing.assert_allclose(
        Probe(wide, y, seed=0).proba(wide), Probe(few, y, seed=0).proba(few), atol=1e-3
    )

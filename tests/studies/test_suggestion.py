"""Which texts to label next."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ulmus.errors import DataError, UsageError
from ulmus.evaluation.near_duplicates import near_duplicates
from ulmus.evaluation.objectives import MULTI_LABEL, REGRESSION, SINGLE_LABEL
from ulmus.studies.suggestion import suggest

TOPICS = [
    "boat sail wind harbour",
    "oven bread flour yeast",
    "goal team match referee",
    "stock bank market price",
]
FILLING = "the and with a of my who saw it in on an but so then there".split()


def posts(n: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """`n` texts of four topics, and the topic of each."""
    rng = random.Random(seed)
    texts, labels = [], []
    for i in range(n):
        words = TOPICS[i % 4].split()
        texts.append(" ".join(rng.choices(FILLING, k=20) + rng.choices(words, k=8)))
        labels.append(words[0])
    return texts, labels


def test_without_labels_every_topic_is_suggested() -> None:
    """The texts nearest to the centres of four clusters are of the four topics; the score is the share of a cluster."""
    texts, labels = posts(120)
    found = suggest(texts, 4)
    assert sorted(labels[one.document] for one in found) == ["boat", "goal", "oven", "stock"]
    assert sum(one.score for one in found) == pytest.approx(1)
    assert found[0].reason.startswith("typical of ")
    assert found == suggest(texts, 4)


def test_with_labels_the_doubtful_texts_are_suggested() -> None:
    """Texts of two topics at once come first, and far more often than by chance (one text in ten is of two)."""
    texts, labels = posts(80)
    known = [i for i, label in enumerate(labels) if label in ("boat", "oven")]
    clear = [text for text, label in zip(*posts(200, seed=1), strict=True) if label in ("boat", "oven")]
    rng = random.Random(2)
    both = [" ".join([*rng.choices(FILLING, k=20), "boat", "bread", "sail", "oven"]) for _ in range(12)]
    found = suggest([*clear, *both], 12, ([texts[i] for i in known], [labels[i] for i in known]))
    of_both = [one.document >= len(clear) for one in found]
    assert of_both[0]
    assert sum(of_both) >= 2
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert "boat or oven" in found[0].reason or "oven or boat" in found[0].reason


@pytest.mark.parametrize("with_labels", [False, True])
def test_suggestions_are_no_near_duplicates(with_labels: bool) -> None:
    """No suggestion is nearly the same as another one or as a labelled text, and none is empty."""
    texts, labels = posts(60)
    known = (texts[:20], labels[:20])
    copies = [f"{text}!" for text in texts]
    unlabeled = ["", " ", *copies, *texts[20:], *texts[20:]]
    found = suggest(unlabeled, 100, known if with_labels else None)
    chosen = [unlabeled[one.document] for one in found]
    assert len(chosen) == (40 if with_labels else 60)
    together = near_duplicates([*(known[0] if with_labels else []), *chosen])
    assert len(set(together)) == len(together)


def test_several_labels_numbers_and_pairs_are_suggested_for() -> None:
    """Several labels have one in doubt; numbers, or one class, say nothing of doubt; pairs are texts like others."""
    texts, labels = posts(60)
    several = [[label] if i % 3 else [label, "third"] for i, label in enumerate(labels)]
    found = suggest(texts[30:], 5, (texts[:30], several[:30]))
    assert "or not: 0." in found[0].reason
    for labelled, numbers in [((texts[:30], list(range(30))), True), ((texts[:30], ["same"] * 30), False)]:
        assert suggest(texts[30:], 5, labelled, numbers=numbers)[0].reason.startswith("typical")
    pairs = list(zip(texts, texts[1:] + texts[:1], strict=True))
    assert len(suggest(pairs[30:], 5, (pairs[:30], labels[:30]))) == 5


def test_unusable_arguments_are_errors() -> None:
    """Nothing to choose from, a number below 1, labels without texts."""
    texts, labels = posts(8)
    with pytest.raises(UsageError, match="at least 1"):
        suggest(texts, 0)
    with pytest.raises(DataError, match="none that differs"):
        suggest(texts, 3, (texts, labels))
    with pytest.raises(UsageError, match="8 texts and 7 labels"):
        suggest(["another text"], 3, (texts, labels[1:]))


def test_doubt_is_between_two_decisions() -> None:
    """Doubt is 1 for two equally probable classes or a label of 1/2, 0 for certainty; numbers have none."""
    proba = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.6, 0.3, 0.1]])
    assert SINGLE_LABEL.doubt(proba) == pytest.approx([1, 0, 0.7])
    assert MULTI_LABEL.doubt(proba) == pytest.approx([1, 0, 0.8])
    assert REGRESSION.doubt(proba[:, :1]) == pytest.approx([0, 0, 0])

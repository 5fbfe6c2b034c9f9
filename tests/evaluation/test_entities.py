"""Entities of tag sequences, and their scores, beside seqeval's."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities

from ulmus.evaluation.entities import Entity, as_tags, entities, entity_scores

TAGS = st.sampled_from(["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in ("PER", "LOC", "A-B"))])


@given(st.lists(TAGS, max_size=12))
def test_entities_are_those_of_seqeval(tags: list[str]) -> None:
    """Any sequence of tags, valid or not, has the entities that seqeval finds."""
    theirs = [Entity(start, end + 1, label) for label, start, end in get_entities(tags)]
    assert entities(tags) == theirs


@given(st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=8), min_size=1, max_size=6))
def test_scores_are_those_of_seqeval(pairs: list[list[tuple[str, str]]]) -> None:
    """Precision, recall and F1 of any predictions are seqeval's."""
    true = [[one for one, _ in sentence] for sentence in pairs]
    predicted = [[other for _, other in sentence] for sentence in pairs]
    scores = entity_scores([entities(tags) for tags in true], [entities(tags) for tags in predicted])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = [score(true, predicted) for score in (precision_score, recall_score, f1_score)]
    assert [scores[name] for name in ("precision", "recall", "f1")] == pytest.approx(theirs)


@given(st.lists(TAGS, max_size=12))
def test_bio_tags_keep_the_entities(tags: list[str]) -> None:
    """Entities survive their conversion to BIO tags."""
    assert entities(as_tags(entities(tags), len(tags))) == entities(tags)


def test_every_scheme_means_the_same() -> None:
    """IOB1, IOB2, BIOES and BILOU describe the same entities."""
    same = [
        "I-A I-A B-A O I-B",
        "B-A I-A B-A O B-B",
        "B-A E-A S-A O S-B",
        "B-A L-A U-A O U-B",
    ]
    assert {tuple(entities(tags.split())) for tags in same} == {
        (Entity(0, 2, "A"), Entity(2, 3, "A"), Entity(4, 5, "B"))
    }


def test_scores_of_each_type() -> None:
    """A type that is only predicted, or only there, has scores of 0."""
    scores = entity_scores([[Entity(0, 1, "A"), Entity(2, 3, "B")]], [[Entity(0, 1, "A"), Entity(2, 3, "C")]])
    assert (scores["precision"], scores["recall"], scores["support"]) == (0.5, 0.5, 2)
    assert {name: row["f1"] for name, row in scores["types"].items()} == {"A": 1.0, "B": 0.0, "C": 0.0}

"""Texts and sentences -> parts of words with tags, and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ulmus.evaluation.entities import Entity
from ulmus.tasks.tagger.sentences import joined, parts_of, tag_names, word_store
from ulmus.text.tokenizer import Tokenizer, TokenizerConfig

TYPES = ("LOC", "PER")


def marked(text: str, *parts: tuple[str, str]) -> list[Entity]:
    return [Entity(text.index(part), text.index(part) + len(part), label) for part, label in parts]


@given(st.data())
def test_entities_of_a_text_survive(data: st.DataObject) -> None:
    """Tags of words give back exactly the characters that were marked, wherever the parts are cut."""
    text = data.draw(st.text("ab .-é京", min_size=1, max_size=60))
    borders = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    spans = [
        Entity(start, end, data.draw(st.sampled_from(TYPES)))
        for start, end in zip(borders[::2], borders[1::2], strict=False)
        # (white space at its ends is in no word)
        if text[start:end].strip() == text[start:end] != ""
    ]
    parts = parts_of([text], [spans], types=TYPES, longest=8)
    assert [e for part in parts for *_, e in part.entities(TYPES, part.tags)] == spans


def test_tags_of_tokens_of_several_words() -> None:
    """A token of several words is one entity still, and positions count tokens."""
    tokens = ["Coca-Cola", "in", "New", "York"]
    spans = [Entity(0, 1, "PER"), Entity(2, 4, "LOC")]
    (part,) = parts_of([tokens], [spans], types=TYPES, longest=20)
    assert [tag_names(TYPES)[tag] for tag in part.tags] == ["B-PER", "I-PER", "I-PER", "O", "B-LOC", "I-LOC"]
    assert [entity for *_, entity in part.entities(TYPES, part.tags)] == spans


def test_long_texts_are_cut_after_sentences() -> None:
    """A long text is cut after a full stop, never within an entity, and no word is lost."""
    text = "a b c d. e f g New York City h i j k"
    parts = parts_of([text], [marked(text, ("New York City", "LOC"))], types=TYPES, longest=8)
    assert [[word.text for word in part.words] for part in parts] == [
        ["a", "b", "c", "d", "."],
        ["e", "f", "g", "New", "York", "City", "h", "i"],
        ["j", "k"],
    ]
    assert parts[1].tags == [0, 0, 0, 1, 2, 2, 0, 0]


def test_texts_without_words_have_no_parts() -> None:
    """An empty text has nothing to tag."""
    assert [part.sentence for part in parts_of(["", "a", " \n"], longest=8)] == [1]


def test_tokens_are_joined_as_text() -> None:
    """The text of tokens has the spaces of typography."""
    assert joined([["Hello", ",", "(", "Paris", ")", "!"], "a  b"]) == ["Hello, (Paris)!", "a  b"]


def test_a_store_has_the_words_of_every_part() -> None:
    """Places, features and tags have one row per word."""
    tokenizer = Tokenizer.train(["Paris is nice"], TokenizerConfig(min_freq=1))
    store = word_store(parts_of(["Paris is nice", "is"], longest=8), tokenizer, 500)
    assert store.offsets.tolist() == [0, 3, 4]
    assert store.places.tolist() == [[1, 2], [3, 3], [4, 4], [1, 1]]  # xxbos xxmaj paris is nice
    assert store.features.shape == (4, 12)
    assert store.store.lengths.tolist() == [5, 2]
    assert np.array_equal(store.features[1], store.features[3])

"""Words -> segments of whole sentences."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ulmus.text.segments import LONGEST, segments
from ulmus.text.words import words_of_text

REVIEW = "It begins well. Then, alas, nothing happens! Why? “Who knows.” 真不错。但是很长！ The end"


def parts(text: str, most: int) -> list[str]:
    """The text of each segment."""
    return [text[start:end] for start, end in segments(text, words_of_text(text), most=most)]


def test_a_segment_is_a_sentence_where_there_are_few() -> None:
    """With its quotes, in any script; a line end ends one too."""
    assert parts(REVIEW, 40) == [
        *(
            "It begins well.",
            "Then, alas, nothing happens!",
            "Why?",
            "“Who knows.”",
            "真不错。",
            "但是很长！",
        ),
        "The end",
    ]
    assert parts("one\ntwo\n\nthree", 40) == ["one", "two", "three"]


@pytest.mark.parametrize("text", ["word " * 5_000, "字" * 5_000, "A sentence. " * 3_000, REVIEW * 90])
@pytest.mark.parametrize("most", [1, 7, 32])
def test_there_are_never_too_many_and_no_word_is_lost(text: str, most: int) -> None:
    """However long the text is, and whether or not a sentence ever ends."""
    words = words_of_text(text)
    found = segments(text, words, most=most)
    assert 1 <= len(found) <= most
    assert (found[0][0], found[-1][1]) == (words[0].start, words[-1].end)
    assert all(a[1] <= b[0] and not text[a[1] : b[0]].strip() for a, b in pairwise(found))


def test_a_long_sentence_is_divided() -> None:
    """It would say nothing about where in it something is said."""
    found = segments("word " * 500, words_of_text("word " * 500), most=40)
    assert all(end - start < 5 * LONGEST for start, end in found)
    assert len(found) == 9


@pytest.mark.parametrize("text", ["", " \n\n"])
def test_no_word_no_segment(text: str) -> None:
    """An empty text has none."""
    assert segments(text, words_of_text(text), most=5) == []

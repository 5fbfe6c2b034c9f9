"""Words joined to text: spacing by typography, markers undone."""

from __future__ import annotations

import pytest

from ulmus.text.decode import join_words, units
from ulmus.text.splitter import Splitter

CUT = Splitter("word")


def text_of(tokens: str) -> str:
    """The text of tokens given in one string."""
    return join_words(list(units(tokens.split(" "))), CUT)


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (
            "xxbos xxmaj it 's ( really ) xxup good , xxmaj i do n't know ...",
            "It's (really) GOOD, I don't know...",
        ),
        ('he said " no , never " and left', 'he said "no, never" and left'),
        ("well - made and / or snake _ case", "well-made and/or snake_case"),
        ("$ 1.00 or 50 % # tag", "$1.00 or 50% #tag"),
        ("l' homme d' abord", "l'homme d'abord"),
        ("我 爱 你 。 好", "我爱你。好"),
        ("xxrep 4 o xxup so xxrep 4 ! xxwrep 3 xxmaj no", "SOOOO!!!! No No No"),
        ("可 给 5 分 , 好 checkin 时", "可给5分,好checkin时"),
        ("it 's 5 - 6 , or - 7 !", "it's 5-6, or-7!"),
        ("😀 😀 a", "😀😀 a"),
        ("xx maj", "xxmaj"),
        ("xxup xxl", "XXL"),
        ("a \n b", "a\nb"),
        ("xxmaj xxbos a xxup", "a"),
        ("xxrep xxwrep a xxrep 4", "a 4"),
        ("xxwrep 2000 a", "2000 a"),
    ],
)
def test_words_are_joined_as_people_write(tokens: str, text: str) -> None:
    """Punctuation, quotes, contractions and dense scripts are joined as usual; markers in vain are left out."""
    assert text_of(tokens) == text


def test_a_dash_between_spaces_keeps_them() -> None:
    """A dash of its own is another token than the one within a word, and no word is joined to it."""
    assert join_words(list(units(["a", " -", "b", "-", "c", " -", ","])), CUT) == "a - b-c - ,"


def test_words_that_would_grow_together_stay_apart() -> None:
    """Two dots and a dot are not an ellipsis: a space is kept where the cut would not part them again."""
    assert text_of(". . .") == ".. ."
    assert text_of("U.S .") == "U.S ."

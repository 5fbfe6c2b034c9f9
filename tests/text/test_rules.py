"""The named rules: what they change, what they must leave alone, and that they can be undone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmus.text.rules import (
    fix_html,
    lower_case,
    merge_repeats,
    repair,
    repeat,
    restore_case,
    squeeze,
    stretch,
)

ANY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("good.<br /><br />Bad", "good.\n\nBad"),
        ("<BR CLEAR=ALL>x", "\nx"),
        ("<p class='a'>one</p>", "\none\n"),
        ('a <b>bold</b> <a href="x>y">', 'a bold y">'),
        ("AT&amp;T &lt;3 &#39;hi&#x27; caf&eacute;", "AT&T <3 'hi' café"),
        ("&amp;lt;", "&lt;"),
    ],
)
def test_html_is_repaired(text: str, fixed: str) -> None:
    """Tags that break lines become line ends, inline tags go, entities become what they stand for, once."""
    assert fix_html(text) == fixed


@pytest.mark.parametrize(
    "text",
    [
        "a <unk> b",
        "x < b and c > d",
        "if a <p and q> r",
        "champ; R&D; 100;",
        "&copyright; &notin",
        "C:\\new",
        "#39; @-@ @.@",
        "<3 <- ->",
    ],
)
def test_html_repair_leaves_other_text_alone(text: str) -> None:
    """What only looks like markup stays as it is."""
    assert fix_html(text) == text


@pytest.mark.parametrize(
    ("word", "marked"),
    [
        ("Élan", ("xxmaj", "élan")),
        ("МОСКВА", ("xxup", "москва")),
        ("Ωραία", ("xxmaj", "ωραία")),
        ("ΟΔΟΣ", ("xxup", "οδος")),
        ("I", ("xxmaj", "i")),
        ("U.S.", ("xxup", "u.s.")),
        ("'S", ("xxmaj", "'s")),
        ("E\u0301lan", ("xxmaj", "e\u0301lan")),
        ("iPhone", ("", "iPhone")),
        ("STRAßE", ("", "STRAßE")),
        ("İ", ("", "İ")),
        ("1990s", ("", "1990s")),
        ("中文", ("", "中文")),
    ],
)
def test_case_is_marked_in_every_script(word: str, marked: tuple[str, str]) -> None:
    """Capitals of any alphabet are marked; what could not be restored is left as it is."""
    low = marked[1].replace("οδος", "οδο\u03c2")
    assert lower_case(word) == (marked[0], low)


@given(ANY)
def test_case_comes_back(word: str) -> None:
    """Restoring the case of a lowered word gives the word, whatever its characters."""
    assert restore_case(*lower_case(word)) == word


@pytest.mark.parametrize(
    ("word", "runs", "short"),
    [
        ("soooo", [(4, "o")], "so"),
        ("SOOOO", [(4, "o")], "SO"),
        ("nooooowaaaay", [(5, "o"), (4, "a")], "noway"),
        ("ааааах", [(5, "а")], "ах"),
        ("sooo", [], "sooo"),
        ("1000000", [], "1000000"),
        ("noooonoooo", [], "noooonoooo"),
        ("III", [], "III"),
        ("Schifffahrt", [], "Schifffahrt"),
    ],
)
def test_letters_repeated_four_times_are_squeezed(word: str, runs: list[tuple[int, str]], short: str) -> None:
    """A word with a long run of a letter is that word with one letter, and the run; where that can be undone."""
    assert squeeze(word) == (runs, short)


@given(st.text(alphabet="abAB1é", min_size=1, max_size=20))
def test_squeezed_words_stretch_back(word: str) -> None:
    """Stretching every run, the last one first, gives the word back."""
    runs, short = squeeze(word)
    for times, letter in reversed(runs):
        short = stretch(times, letter, short)
    assert short == word


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("!!!!", (4, "!")),
        ("....", (4, ".")),
        ("...", None),
        ("!!", None),
        ("1111", None),
        ("!?!", None),
        ("-" * 1000, None),
    ],
)
def test_signs_repeated_three_times_are_a_repeat(word: str, found: tuple[int, str] | None) -> None:
    """Three or more of a sign are counted; an ellipsis, digits and mixtures are not."""
    assert repeat(word) == found


def test_words_repeated_three_times_are_merged() -> None:
    """Three equal words in a row become one chunk with their number; two do not, nor do numbers and signs."""
    line = "no no no NO no no 1 1 1 . . . n't n't n't"
    chunks = line.split()
    assert merge_repeats(chunks, lambda chunk: [chunk]) == [" xxwrep 3 no", *chunks[3:]]
    assert merge_repeats(["a"] * 1001, lambda chunk: [chunk]) == [" xxwrep 999 a", "a", "a"]


def test_what_cannot_be_encoded_is_replaced() -> None:
    """NUL is a space, a lone surrogate the replacement character; all else stays."""
    assert repair("a\0b\ud800c😀") == "a b\ufffdc😀"

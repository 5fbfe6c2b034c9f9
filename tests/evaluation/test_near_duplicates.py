"""Texts that are equal but for a few characters are found, unrelated ones are not."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmus.evaluation.near_duplicates import SIMILAR, near_duplicates, near_to, similarity

ALPHABETS = {
    "latin": "abcdefghijklmnopqrstuvwxyzäöüß",
    "chinese": "".join(map(chr, range(0x4E00, 0x4F00))),
    "thai": "".join(map(chr, [*range(0x0E01, 0x0E2F), *range(0x0E30, 0x0E3B)])),
    "emoji": "".join(map(chr, range(0x1F600, 0x1F640))),
}


def passage(rng: random.Random, letters: str, length: int) -> str:
    """Random words of a script, with spaces only in Latin."""
    spaces = " " * 8 if letters == ALPHABETS["latin"] else ""
    return "x" + "".join(rng.choices(letters + spaces, k=length)) + "x"


def edited(rng: random.Random, text: str, letters: str, edits: int) -> str:
    """The text with some characters replaced, left out or added."""
    for _ in range(edits):
        i = rng.randrange(len(text))
        text = text[:i] + rng.choice([rng.choice(letters), "", text[i] + rng.choice(letters)]) + text[i + 1 :]
    return text


@pytest.mark.parametrize("script", ALPHABETS)
@given(seed=st.integers(0, 10_000), length=st.integers(150, 1_500))
@settings(max_examples=25, deadline=None)
def test_a_few_other_characters_make_a_near_duplicate(script: str, seed: int, length: int) -> None:
    """In any script, among many texts, whatever their order; nothing else is found."""
    rng, letters = random.Random(seed), ALPHABETS[script]
    texts = [passage(rng, letters, length) for _ in range(40)]
    copies = [edited(rng, text, letters, length // 100) for text in texts[:10]]
    numbers = near_duplicates([*texts, *copies])
    assert numbers.tolist() == [*range(40), *range(10)]


@given(st.lists(st.text(max_size=120), max_size=30))
@settings(deadline=None)
def test_every_text_belongs_to_the_first_of_its_kind(texts: list[str]) -> None:
    """Numbers are those of texts that stand before, equal texts have one number, and the first has its own."""
    numbers = near_duplicates(texts)
    assert all(numbers[i] <= i and numbers[numbers[i]] == numbers[i] for i in range(len(texts)))
    assert all(numbers[i] == numbers[texts.index(text)] for i, text in enumerate(texts))


@given(seed=st.integers(0, 10_000), cut=st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_only_similar_texts_are_joined(seed: int, cut: int) -> None:
    """Two texts that share a part are joined if, and almost always when, they are similar enough."""
    rng, letters = random.Random(seed), ALPHABETS["latin"]
    a, b = passage(rng, letters, 400), passage(rng, letters, 400)
    b = a[:cut] + b[cut:]
    joined = near_duplicates([a, b])[1] == 0
    assert joined == (similarity(a, b) >= SIMILAR) or SIMILAR <= similarity(a, b) < SIMILAR + 0.05


def test_short_texts_must_be_equal_but_for_case_and_space() -> None:
    """In a question of a few words another word is another question."""
    texts = ["Who won the race in 1991?", "who won  the race in 1991? ", "Who won the race in 1992?", "", " "]
    assert near_duplicates(texts).tolist() == [0, 0, 2, 3, 3]
    assert near_duplicates([]).tolist() == []


def test_texts_near_to_known_ones_are_told_apart() -> None:
    """Equal or nearly so; a text that only new ones are like is not."""
    rng = random.Random(1)
    known, new = ([passage(rng, ALPHABETS["latin"], 300) for _ in range(3)] for _ in range(2))
    texts = [new[0], known[1][:-4], new[0][:-3], known[2], new[1]]
    assert near_to(texts, known).tolist() == [False, True, False, True, False]


def test_thousands_of_copies_of_one_text_are_one() -> None:
    """A template with a number of its own in every text, lone surrogates and all."""
    body = "Dear customer, your parcel with the following number is waiting for you in our shop \ud800: "
    numbers = near_duplicates([f"{body}{i}" for i in range(3_000)])
    assert np.all(numbers == 0)

"""Whether two sets of texts are of one kind."""

from __future__ import annotations

import random

import pytest

from ulmus.linear.told_apart import CLEARLY, FEWEST, told_apart

WORDS = "the film was and with a story of my friend who saw it in great dull long short".split()


def texts(n: int, seed: int, words: list[str] = WORDS) -> list[str]:
    """`n` texts of random words."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(words, k=12)) for _ in range(n)]


@pytest.mark.parametrize("seed", range(5))
def test_texts_of_one_kind_are_not_told_apart(seed: int) -> None:
    """An AUC of about a half."""
    apart = told_apart(texts(300, 2 * seed), texts(200, 2 * seed + 1))
    assert apart is not None
    assert abs(apart.auc - 0.5) < 0.1
    assert apart.low < CLEARLY


def test_texts_of_another_kind_are_told_apart() -> None:
    """A third of the words are others."""
    apart = told_apart(texts(200, 0), texts(200, 1, [*WORDS[:12], *"gears wheel brake motor engine".split()]))
    assert apart is not None
    assert apart.low > 0.9
    assert apart.low < apart.auc <= apart.high <= 1


def test_copies_do_not_look_like_another_kind() -> None:
    """The same texts in both sets are told apart by nothing."""
    some = texts(200, 0)
    apart = told_apart(some, some)
    assert apart is not None
    assert abs(apart.auc - 0.5) < 0.02


def test_few_texts_or_none_with_words_say_nothing() -> None:
    """No AUC is better than one of a dozen texts."""
    assert told_apart(texts(FEWEST - 1, 0), texts(100, 1)) is None
    assert told_apart([""] * 100, [""] * 100) is None

"""Bits a byte by the vocabulary alone: a tokenizer's own language against others."""

from __future__ import annotations

import math

import pytest

from ulmus.text.familiar import bits_per_byte, spelling_bits
from ulmus.text.tokenizer import Tokenizer, TokenizerConfig

ENGLISH = """The river runs past the old mill and under the bridge. In the spring the water is high, and the people of
the town come out to see it. They stand on the bridge and talk about the years when the mill was under water and the
people had to leave the town. An old man says that it was in the year of the great storm."""
MORE = "The old people of the town say that the water was high in the spring, and that the mill had to leave."
OTHERS = {
    "German": "Der Fluss läuft an der alten Mühle vorbei, und im Frühjahr kommen die Leute, um ihn zu sehen.",
    "Russian": "Весной вода в реке высокая, и люди приходят на мост, чтобы посмотреть на старую мельницу.",
    "Thai": "ในฤดูใบไม้ผลิน้ำในแม่น้ำสูงขึ้นและผู้คนออกมาดู",
    "Chinese": "春天河水很高，城里的人都出来看旧磨坊。",
}


@pytest.mark.parametrize("kind", ["word", "unigram", "bpe"])
@pytest.mark.parametrize("language", OTHERS)
def test_texts_of_another_language_need_far_more_bits(kind: str, language: str) -> None:
    """Near 1 for the tokenizer's own language, far more for others; words tell more than subwords."""
    tokenizer = Tokenizer.train([ENGLISH], TokenizerConfig(kind=kind, min_freq=1, max_size=200))
    own = bits_per_byte(tokenizer, [ENGLISH])
    assert bits_per_byte(tokenizer, [MORE]) < 1.3 * own
    assert bits_per_byte(tokenizer, [OTHERS[language]]) > (1.6 if kind == "word" else 1.4) * own


def test_a_word_costs_what_zipfs_law_says() -> None:
    """The only word of a vocabulary costs nothing; an unknown one 8 bits a byte; white space is free."""
    tokenizer = Tokenizer.train(["a a a"], TokenizerConfig(min_freq=1))
    assert bits_per_byte(tokenizer, ["a"]) == pytest.approx(0, abs=1e-12)
    assert bits_per_byte(tokenizer, ["bé"]) == 8
    assert bits_per_byte(tokenizer, [" a \n  bé "]) == pytest.approx(8 * 3 / 4)


def test_empty_texts_before_the_others_tell_nothing() -> None:
    """Of the first 200 those are looked at that have something in them."""
    tokenizer = Tokenizer.train([ENGLISH], TokenizerConfig(min_freq=1))
    assert bits_per_byte(tokenizer, ["", " \n"] * 200 + [MORE]) == bits_per_byte(tokenizer, [MORE])


def test_texts_with_nothing_in_them_are_of_no_language() -> None:
    """Infinitely far from any."""
    tokenizer = Tokenizer.train(["a a a"], TokenizerConfig(min_freq=1))
    assert bits_per_byte(tokenizer, []) == math.inf
    assert bits_per_byte(tokenizer, ["", "  "]) == math.inf


def test_unknown_words_cost_their_letters() -> None:
    """Nothing where all is known; a word that comes again costs less; never more than its bytes and a little."""
    tokenizer = Tokenizer.train([ENGLISH], TokenizerConfig(kind="word", min_freq=1, max_size=200))
    assert spelling_bits(tokenizer, ["The river runs past the old mill."]) == 0
    once, often = (spelling_bits(tokenizer, ["quixotic"] * n) for n in (1, 100))
    assert 8 * 7 < once < 8 * 10  # 9 bytes with the end
    assert once < often < 60 * once


def test_the_code_of_unknown_words_learns_from_what_it_has_spelt() -> None:
    """The closed form is the sum over the bytes in their order, each by (times it came + 1/2) / (bytes + 128)."""
    tokenizer = Tokenizer.train([ENGLISH], TokenizerConfig(kind="word", min_freq=1, max_size=200))
    bits, seen = 0.0, b""
    for byte in b"quixotic\0zebra\0":
        bits -= math.log2((seen.count(byte) + 0.5) / (len(seen) + 128))
        seen += bytes([byte])
    assert spelling_bits(tokenizer, ["quixotic zebra"]) == pytest.approx(bits)

"""Words of raw texts and of tokens, and their ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmus.errors import DataError
from ulmus.text.rules import repair
from ulmus.text.tokenizer import KINDS, Tokenizer, TokenizerConfig
from ulmus.text.words import words_of_text, words_of_tokens

TEXTS = [
    "Angela Merkel visited Paris, France, on 12.5.2001.",
    "«Élan» isn't new - 北京の天気 well-made!!!! ไทย",
]


@given(st.text())
def test_words_are_exactly_where_they_say(text: str) -> None:
    """A word is the text between its two positions; words do not overlap, and only white space is in none."""
    words = words_of_text(text)
    assert all(len(word.text) == word.end - word.start for word in words)
    covered = [i for word in words for i in range(word.start, word.end)]
    assert covered == [i for i, sign in enumerate(text) if not sign.isspace() and sign != "\0"]
    assert all(repair(text)[word.start : word.end] == word.text for word in words)


def test_ideographs_are_words_and_addresses_are_whole() -> None:
    """Scripts without spaces give a word per character; an address is one word."""
    assert [word.text for word in words_of_text("北京 at www.a.com/b, ok.")] == [
        "北", "京", "at", "www.a.com/b", ",", "ok", ".",
    ]  # fmt: skip


def test_tokens_are_split_as_raw_text_is() -> None:
    """Tokens give the words of the text that they are tokens of, with its spaces."""
    tokens = ["I", "do", "n't", "like", "(", "Coca-Cola", ")", ",", "``", "Paris", "''", "."]
    text = "I don't like (Coca-Cola), ``Paris''."
    ours = [(word.text, word.space) for word in words_of_tokens(tokens)][
        1:
    ]  # the first has nothing before it
    assert ours == [(word.text, word.space) for word in words_of_text(text)][1:]
    assert [word.start for word in words_of_tokens(tokens)] == [0, 1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9, 10, 11]


def test_an_empty_token_is_an_error() -> None:
    """A token without a character is refused; one of white space is a word that nothing knows."""
    with pytest.raises(DataError, match="token 2 of the sentence"):
        words_of_tokens(["a", "", "b"])
    assert [word.text for word in words_of_tokens(["a", "\u3000", "b"])] == ["a", "\ufffd", "b"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", TEXTS)
def test_ids_belong_to_their_words(kind: str, text: str) -> None:
    """Every word has at least one id, in order, and all but xxbos belong to a word."""
    tokenizer = Tokenizer.train(TEXTS * 3, TokenizerConfig(kind=kind, min_freq=1))
    words = words_of_text(text)
    aligned = tokenizer.encode_words([words])[0]
    assert aligned.first[0] == 1
    assert [last + 1 for last in aligned.last] == [*aligned.first[1:], len(aligned.ids)]
    assert all(first <= last for first, last in zip(aligned.first, aligned.last, strict=True))


@pytest.mark.parametrize("kind", ["word", "char"])
def test_ids_are_those_of_the_whole_text(kind: str) -> None:
    """Tokenizing a text word by word gives the ids of the text, for words and characters."""
    tokenizer = Tokenizer.train(TEXTS * 3, TokenizerConfig(kind=kind, min_freq=1))
    for text in TEXTS:
        assert list(tokenizer.encode_words([words_of_text(text)])[0].ids) == tokenizer.encode(text).tolist()

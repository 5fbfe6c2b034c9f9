"""Words of a text or of given tokens, as a tagger labels them: raw text and tagged tokens are split alike.

A word is what the word tokenizer's expression says (`splitter`): letters and digits, a sign, a character of a script
that is written without spaces, an address. A token of a tagged corpus may be several words (`Coca-Cola`), a word is
never part of two tokens. Knows no ids and no labels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from ulmus.errors import DataError
from ulmus.text.rules import repair
from ulmus.text.spacing import sides
from ulmus.text.splitter import Splitter

__all__ = ["AlignedIds", "Word", "words_of_text", "words_of_tokens"]

UNKNOWN = "\ufffd"  # a word that no tokenizer knows
_CHUNK = re.compile(r"\S+")


class Word(NamedTuple):
    """A word and where it is: characters `start` to `end` (exclusive) of the text, or the numbers of its token."""

    text: str
    space: bool  # white space before it
    start: int
    end: int


class AlignedIds(NamedTuple):
    """The ids of a sentence, and which of them are of which word; every word has one at least."""

    ids: Sequence[int]  # (T,)
    first: Sequence[int]  # (W,) position of the first id of each word
    last: Sequence[int]  # (W,) and of the last


@lru_cache(1)
def _splitter() -> Splitter:
    return Splitter("word")


def words_of_text(text: str) -> list[Word]:
    """The words of a text: `text[word.start:word.end]` for each. Raises DataError unless it is a str."""
    if not isinstance(text, str):
        raise DataError(f"expected texts (str), got {type(text).__name__}: {text!r:.60}.")
    split, words = _splitter(), []
    for chunk in _CHUNK.finditer(repair(text)):
        at = chunk.start()
        for word in split(chunk[0]):
            words.append(Word(word, at == chunk.start(), at, at + len(word)))
            at += len(word)
    return words


def words_of_tokens(tokens: Sequence[str]) -> list[Word]:
    """The words of the tokens of a sentence; `start` is the number of the token. Spaces are those of typography.

    A token of white space is one unknown word. Raises DataError for a token that is empty or not a str.
    """
    words: list[Word] = []
    quotes: dict[str, bool] = {}
    joined = True  # to the token before
    for number, token in enumerate(tokens):
        inner = words_of_text(token) or [Word(UNKNOWN, True, 0, 1)]
        if not token:
            raise DataError(f"token {number + 1} of the sentence {list(tokens)!r:.80} is empty. Remove it.")
        after = tokens[number + 1] if number + 1 < len(tokens) else ""
        before = tokens[number - 1] if number else ""
        left, right = sides(token.strip() or UNKNOWN, before, after, quotes)
        words += [
            Word(word.text, word.space and (k > 0 or not (joined or left)), number, number + 1)
            for k, word in enumerate(inner)
        ]
        joined = right
    return words

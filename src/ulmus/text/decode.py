"""Words -> readable text: markers undone, words joined again.

How: markers are undone by the inverses of the rules; words carry no spaces, so spacing follows typography (no
space before a comma, none after an opening bracket ...). Two words are only joined if the splitter separates
them again, so that decoded text encodes to the same ids.
Costs: a few microseconds per token. Knows no ids. Never fails: a marker without its word, as a language model may
generate it, is dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ulmus.special_tokens import HIDDEN
from ulmus.text.rules import FREE_DASH, MOST, MOST_RUNS, is_letter, restore_case, stretch
from ulmus.text.spacing import sides
from ulmus.text.vocab import SPECIALS

__all__ = ["Unit", "join_words", "units"]

_WINDOW = 6  # previous words considered when checking that a join splits again


@dataclass(frozen=True)
class Unit:
    """A word as written. closed: nothing may be joined to it (a repeated word, a dash between spaces)."""

    text: str
    closed: bool = False


def units(tokens: Sequence[str], unknown: str = "") -> Iterator[Unit]:
    """The words of the tokens of a word tokenizer, markers undone."""
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if token in HIDDEN:
            i += 1
        elif token == FREE_DASH:
            yield Unit("-", closed=True)
            i += 1
        elif token == "xxwrep":
            times = _times(tokens, i + 1)
            word, i = _word(tokens, i + 2 if times else i + 1, unknown)
            if word:
                yield from [Unit(word, closed=times > 0)] * max(1, times)
        else:
            word, i = _word(tokens, i, unknown)
            if word:
                yield Unit(word)


def _times(tokens: Sequence[str], i: int) -> int:
    """The repeat count at position i; 0 if there is none that a rule could have written."""
    if i < len(tokens) and tokens[i].isascii() and tokens[i].isdigit() and len(tokens[i]) <= 3:
        return min(int(tokens[i]), MOST)
    return 0


def _word(tokens: Sequence[str], i: int, unknown: str) -> tuple[str, int]:
    """The word that begins at position i with its markers, and the position after it; "" for a marker without word."""
    runs: deque[tuple[int, str]] = deque(maxlen=MOST_RUNS)
    while i < len(tokens) and tokens[i] == "xxrep":
        times = _times(tokens, i + 1)
        if not times or i + 2 >= len(tokens):
            return "", i + 1
        sign = tokens[i + 2]
        i += 3
        if not is_letter(sign):
            return sign * times if len(sign) == 1 else "", i
        runs.append((times, sign))
    word, i = _plain_word(tokens, i, unknown)
    for times, sign in reversed(runs):
        word = stretch(times, sign, word)
    return word, i


def _plain_word(tokens: Sequence[str], i: int, unknown: str) -> tuple[str, int]:
    """The word at position i, after its case marker if any, and the position after it."""
    if i >= len(tokens) or tokens[i] in HIDDEN or tokens[i] == "xxwrep":
        return "", i
    token = tokens[i]
    if token == "xxunk":
        return unknown, i + 1
    if token in ("xxup", "xxmaj"):
        ready = i + 1 < len(tokens) and tokens[i + 1] not in SPECIALS
        return (restore_case(token, tokens[i + 1]), i + 2) if ready else ("", i + 1)
    return token, i + 1


def join_words(words: Sequence[Unit], split: Callable[[str], list[str]]) -> str:
    """The words with typographic spacing, plus the spaces needed for `split` to separate them again."""
    parts: list[str] = []
    recent: list[str] = []  # the words since the last space
    quotes: dict[str, bool] = {}
    before: Unit | None = None
    glue_next = False
    for i, word in enumerate(words):
        if word.text == "\n":
            parts.append("\n")
            recent, before, glue_next, quotes = [], None, False, {}
            continue
        ahead = words[i + 1] if i + 1 < len(words) else Unit("\n")
        loose = ahead.closed or ahead.text == "\n"
        left, right = sides(word.text, before.text if before else "", "" if loose else ahead.text, quotes)
        joined = False
        if before and not word.closed and not before.closed and (left or glue_next):
            window = recent[-_WINDOW:]
            joined = split("".join(window) + word.text) == [*window, word.text]
        if before and not joined:
            parts.append(" ")
            recent = []
        parts.append(word.text)
        recent.append(word.text)
        before, glue_next = word, right
    return "".join(parts)

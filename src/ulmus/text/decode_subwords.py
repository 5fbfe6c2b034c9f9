"""Subwords and characters -> text. They contain the spaces, so text is restored exactly; markers are undone.

How: the subwords between two markers are concatenated; a marker applies to the first word after it, found by the
splitter that encoding used. Costs: under a microsecond per subword, a few per marker. Never fails: a marker without
its word, as a language model may generate it, is dropped. Knows no ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ulmus.special_tokens import HIDDEN
from ulmus.text.rules import MOST, restore_case
from ulmus.text.subwords import SPACE

__all__ = ["join_subwords"]


def join_subwords(tokens: Sequence[str], split: Callable[[str], list[str]], unknown: str = "") -> str:
    """The text of the tokens; `split` is the tokenizer's splitter, `unknown` replaces each `xxunk`."""
    text: list[str] = []
    for case, times, part in _stretches(tokens, unknown):
        word, rest = _first_word(part, split) if case or times else ("", part)
        space = SPACE * word.startswith(SPACE)
        word = space + restore_case(case, word.removeprefix(SPACE))
        text += [word] * max(1, times) + [rest]
    return "".join(text).replace(SPACE, " ").replace("\n ", "\n").removeprefix(" ")


def _stretches(tokens: Sequence[str], unknown: str) -> Iterator[tuple[str, int, str]]:
    """(case marker or "", times of a word repeat or 0, the text up to the next such marker)."""
    case, times, text = "", 0, ""
    i = 0
    while i < len(tokens):
        token = tokens[i]
        i += 1
        if token in ("xxup", "xxmaj", "xxwrep", *HIDDEN):
            if text:
                yield case, times, text
                case, times, text = "", 0, ""
            if token == "xxwrep":
                times, i = _number(tokens, i)
            elif token not in HIDDEN:
                case = token
        elif token == "xxrep":
            n, i = _number(tokens, i)
            if n and i < len(tokens) and len(tokens[i]) == 1:
                text += tokens[i] * n
                i += 1
        else:
            text += unknown if token == "xxunk" else token
    if text:
        yield case, times, text


def _number(tokens: Sequence[str], i: int) -> tuple[int, int]:
    """The number written by the digits from position i on, and the position after them."""
    start = i
    while i < len(tokens) and i - start < 3 and len(tokens[i]) == 1 and tokens[i] in "0123456789":
        i += 1
    return min(int("".join(tokens[start:i]) or 0), MOST), i


def _first_word(text: str, split: Callable[[str], list[str]]) -> tuple[str, str]:
    """The first word, with the space before it, and the rest."""
    lead = len(text) - len(text.lstrip(SPACE))
    chunk = text[lead:].split(SPACE, 1)[0].split("\n", 1)[0]
    end = lead + (len(split(chunk)[0]) if chunk else 0)
    return text[:end], text[end:]

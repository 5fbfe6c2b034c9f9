"""Subword and character pieces -> text. Spaces are in the pieces, so everything comes back exactly; markers are undone.

How: the pieces between two markers are put together; a marker holds for the first word of what follows,
found by the same cut that encoding used. Costs: under a microsecond a piece, a few a marker. Never fails: a
marker in vain, as a language model may write it, is left out. Knows no ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ulmus.text.rules import MOST, restore_case

__all__ = ["join_pieces"]

_HIDDEN = {"xxpad", "xxbos", "xxeos", "xxfld"}
_SPACE = "\u2581"


def join_pieces(tokens: Sequence[str], cut: Callable[[str], list[str]], unknown: str = "") -> str:
    """The text that the pieces stand for; `cut` is the cut of the tokenizer, `unknown` stands for each `xxunk`."""
    text: list[str] = []
    for case, times, part in _stretches(tokens, unknown):
        word, rest = _first_word(part, cut) if case or times else ("", part)
        space = _SPACE * word.startswith(_SPACE)
        word = space + restore_case(case, word.removeprefix(_SPACE))
        text += [word] * max(1, times) + [rest]
    return "".join(text).replace(_SPACE, " ").replace("\n ", "\n").removeprefix(" ")


def _stretches(tokens: Sequence[str], unknown: str) -> Iterator[tuple[str, int, str]]:
    """(case marker or "", times of a word repeat or 0, the text up to the next such marker)."""
    case, times, text = "", 0, ""
    i = 0
    while i < len(tokens):
        token = tokens[i]
        i += 1
        if token in ("xxup", "xxmaj", "xxwrep", *_HIDDEN):
            if text:
                yield case, times, text
                case, times, text = "", 0, ""
            if token == "xxwrep":
                times, i = _number(tokens, i)
            elif token not in _HIDDEN:
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
    """The number that the digits from position i on write, and the position after them."""
    start = i
    while i < len(tokens) and i - start < 3 and len(tokens[i]) == 1 and tokens[i] in "0123456789":
        i += 1
    return min(int("".join(tokens[start:i]) or 0), MOST), i


def _first_word(text: str, cut: Callable[[str], list[str]]) -> tuple[str, str]:
    """The first word, with the space before it, and the rest."""
    lead = len(text) - len(text.lstrip(_SPACE))
    chunk = text[lead:].split(_SPACE, 1)[0].split("\n", 1)[0]
    end = lead + (len(cut(chunk)[0]) if chunk else 0)
    return text[:end], text[end:]

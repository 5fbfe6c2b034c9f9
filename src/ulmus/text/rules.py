"""What is done to a text besides tokenizing it: named rules, each on or off, each a pure function of strings.

| rule | what it does | example |
|---|---|---|
| html | entities and markup left over from web pages become text | `a<br />b &amp; c` -> `a b & c` |
| repeat_chars | 3 or more equal signs, 4 or more equal letters | `!!!!` -> `xxrep 4 !`, `soooo` -> `xxrep 4 o so` |
| repeat_words | 3 or more equal words in a row | `no no no` -> `xxwrep 3 no` |
| case | a word is lower-cased, a marker before it says how it was written | `Élan МОСКВА` -> `xxmaj élan xxup москва` |
| whitespace | any run of white space is one space (off: line ends stay as tokens) | |
| bos, eos | a text starts with `xxbos`, ends with `xxeos` | |

All but `html` and `whitespace` are undone by decoding. A rule that could not be undone on a word leaves it
as it is (`iPhone`, `Straße` in capitals). Digits are never a repeat (`1000000`), nor are three dots, nor
letters in threes (`III`, `www`). The idea is that of Howard & Ruder 2018 (fastai's rules). Knows no ids and
no vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from html.entities import html5
from itertools import groupby

__all__ = [
    "FREE_DASH",
    "LETTER_RUN",
    "MOST",
    "MOST_RUNS",
    "RulesConfig",
    "fix_html",
    "is_letter",
    "lower_case",
    "merge_repeats",
    "repair",
    "repeat",
    "restore_case",
    "squeeze",
    "stretch",
]


@dataclass(frozen=True)
class RulesConfig:
    """Which rules are applied; see the table above."""

    html: bool = True
    repeat_chars: bool = True
    repeat_words: bool = True
    case: bool = True
    whitespace: bool = True
    bos: bool = True
    eos: bool = False


_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_ATTRIBUTES = r"(?:\s+[a-z-]+\s*=[^<>]{0,500})?\s{0,9}/?>"
_LINE_TAG = re.compile(rf"</?(?:br|p|div|hr|li|ul|ol|tr|table|h[1-6]|blockquote){_ATTRIBUTES}", re.IGNORECASE)
_INLINE_TAG = re.compile(
    rf"</?(?:b|i|u|em|strong|span|font|a|small|sub|sup|td|th){_ATTRIBUTES}", re.IGNORECASE
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_LETTER = re.compile(r"[^\W\d_]")
LETTER_RUN = re.compile(r"([^\W\d_])\1{3,}")  # a letter four times or more
_PLAIN_WORD = re.compile(r"[^\W\d_][^\W_]*")
FREE_DASH = " -"  # token of a dash between spaces, so that `well-made` and `a - b` come back; no text has it
MOST = 999  # longest repeat that is marked; decoding never writes out more
MOST_RUNS = 20  # repeats of letters in a word that are marked: each costs one pass over the word
_SIGN_RUN = re.compile(r"([^\w\s])\1{2,}\Z")


def fix_html(text: str) -> str:
    """Entities become characters, tags that break a line a line end, inline tags go; `<unk>` and `a < b` stay."""
    if "<" in text:
        text = _INLINE_TAG.sub("", _LINE_TAG.sub("\n", text))
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(entity: re.Match[str]) -> str:
    """What an entity stands for; one that HTML does not know stays (`html.unescape` would take its first letters)."""
    name = entity[0][1:]
    return unescape(entity[0]) if name.startswith("#") else html5.get(name, entity[0])


def repair(text: str) -> str:
    """What no encoding can carry: NUL becomes a space, a lone surrogate U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", " ")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = _SURROGATE.sub("\ufffd", text)
    return text


def is_letter(sign: str) -> bool:
    """Whether repeats of this sign are repeats in a word (four make one) or of a sign (three do)."""
    return _LETTER.match(sign) is not None


def lower_case(word: str) -> tuple[str, str]:
    """(marker, lower-cased word); the marker is "" where nothing was lowered or lowering could not be undone.

    >>> lower_case("Élan"), lower_case("МОСКВА"), lower_case("iPhone")
    (('xxmaj', 'élan'), ('xxup', 'москва'), ('', 'iPhone'))
    """
    low = word.lower()
    if low == word:
        return "", word
    if restore_case("xxmaj", low) == word:
        return "xxmaj", low
    if restore_case("xxup", low) == word:
        return "xxup", low
    return "", word


def restore_case(marker: str, low: str) -> str:
    """Undoes `lower_case`: xxmaj raises the first letter that can be raised, xxup all of them."""
    if marker == "xxup":
        return low.upper()
    if marker == "xxmaj":
        for i, c in enumerate(low):
            if c.upper() != c:
                return low[:i] + c.upper() + low[i + 1 :]
    return low


def repeat(word: str) -> tuple[int, str] | None:
    """(times, sign) when the word is one sign three times or more; three dots are an ellipsis, not a repeat."""
    if not 3 <= len(word) <= MOST or word == "..." or not _SIGN_RUN.match(word):
        return None
    return len(word), word[0]


def squeeze(word: str) -> tuple[list[tuple[int, str]], str]:
    """Runs of four or more equal letters, and the word with each run down to one letter.

    >>> squeeze("looooong")
    ([(5, 'o')], 'long')

    A word that `stretch` would not bring back, or with more than `MOST_RUNS`, is returned whole, with no runs.
    """
    runs = [(len(m[0]), m[1].lower()) for m in LETTER_RUN.finditer(word)]
    if not 0 < len(runs) <= MOST_RUNS or max(runs)[0] > MOST:
        return [], word
    short = LETTER_RUN.sub(r"\1", word)
    back = short
    for times, letter in reversed(runs):
        back = stretch(times, letter, back)
    return (runs, short) if back == word else ([], word)


def stretch(times: int, letter: str, word: str) -> str:
    """Undoes one run of `squeeze`: the first `letter` of the word (in either case) stands there `times` times."""
    for i, c in enumerate(word):
        if c.lower() == letter:
            return word[:i] + c * times + word[i + 1 :]
    return word


def merge_repeats(chunks: list[str], split: Callable[[str], list[str]]) -> list[str]:
    """Three or more equal words in a row become one chunk `" xxwrep N word"` (no chunk of a user has a space)."""
    merged: list[str] = []
    for chunk, group in groupby(chunks):
        times = sum(1 for _ in group)
        if times < 3 or not _PLAIN_WORD.fullmatch(chunk) or len(split(chunk)) != 1:
            merged += [chunk] * times
            continue
        while times >= 3:
            merged.append(f" xxwrep {min(times, MOST)} {chunk}")
            times -= min(times, MOST)
        merged += [chunk] * times
    return merged

"""Which words are written without a space between them: typography, for text whose spaces were not kept.

How: by the word, its neighbours and the quotation marks that are open. Right for most prose, never for all; whoever
joins words checks that they come apart again (`decode.join_words`). Knows no tokens and no markers.
"""

from __future__ import annotations

import unicodedata

from ulmus.text.vocab import SPECIALS

__all__ = ["sides"]

_CLOSING = {".", ",", ";", ":", "!", "?", "%", "...", "\u2026", "''", "\u2019"}
_OPENING = {"$", "\u00a3", "\u20ac", "\u00a5", "#", "``", "\u00bf", "\u00a1"}
_JOINING = {"-", "/", "_", "\\", "@"}
_ENDINGS = {"n't", "'s", "'re", "'ve", "'ll", "'d", "'m"}


def sides(word: str, before: str, after: str, quotes: dict[str, bool]) -> tuple[bool, bool]:
    """(joined to the word before, joined to the word after).

    before, after: the neighbours, "" where there is none to join. quotes: which quotation marks are open.
    """
    if word in ('"', "'"):
        opened = quotes.get(word, False) or (word == "'" and before.endswith("s"))
        quotes[word] = not opened
        return opened, not opened
    if word in _JOINING:
        between = before[-1:].isalnum()
        return between or not after, between or bool(after)
    sign, kind = word[0], unicodedata.category(word[0])
    if word in _CLOSING or (sign in ".,!?" and not word.isalnum()) or kind in ("Pe", "Pf"):
        return True, False
    if word.lower().replace("\u2019", "'") in _ENDINGS or before + word in SPECIALS:  # a user's xx maj
        return True, False
    if word in _OPENING or kind in ("Ps", "Pi") or (word[-1] in "'\u2019" and sign.isalpha()):  # l'
        return bool(before) and _is_ideographic(before[-1]), True
    return bool(before) and _is_run(before[-1], sign), False


def _is_run(last: str, first: str) -> bool:
    """Whether two words with these characters at their border are written in one run."""
    if _is_ideographic(last) or _is_ideographic(first):
        return True
    return (_is_southeast_asian(last) and _is_southeast_asian(first)) or (
        unicodedata.category(last) == unicodedata.category(first) == "So"  # emoji
    )


def _is_southeast_asian(sign: str) -> bool:
    """Thai, Lao, Tibetan, Myanmar, Khmer."""
    return 0x0E00 <= ord(sign) < 0x1100 or 0x1780 <= ord(sign) < 0x1800


def _is_ideographic(sign: str) -> bool:
    """Ideographs, kana and their punctuation, by block, near enough for spacing."""
    code = ord(sign)
    return (
        0x3000 <= code < 0xA000
        or 0xF900 <= code < 0xFB00
        or 0xFF00 <= code < 0xFF66
        or 0x20000 <= code < 0x40000
    )

"""Splits a run of non-space characters into words: one regular expression per tokenizer type.

How: `tokenizers`' `Split` (Oniguruma), so the same expression stands in the saved `tokenizer.json`. Every
branch either has a bounded look-ahead or consumes what it scanned: time is linear in the length of the
text.
Costs: about 3 microseconds a call, a plain word a tenth of that. Knows nothing of case, repeats or vocabularies.
"""

from __future__ import annotations

import re

from tokenizers import Regex, pre_tokenizers

__all__ = ["Splitter", "expression"]

# One character of a script that is written without spaces; with its combining marks it is a unit of its own.
_DENSE = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
_LETTER = (
    r"[\p{L}\p{N}\p{M}\u200c\u200d]"  # what continues a word; ZWJ and ZWNJ join letters in Persian and Indic
)
_END = rf"(?![[\p{{L}}\p{{N}}]&&[^{_DENSE}]])"  # (what is a unit of its own ends a word as a space does)
_APOSTROPHE = "['\u2019]"
_NOT = rf"(?i:n{_APOSTROPHE}t){_END}"
_CLITIC = rf"{_APOSTROPHE}(?i:s|re|ve|ll|d|m){_END}"
# A URL does not end with the punctuation of its sentence.
_TAIL = r"[^\s<>\"'.,;:!?)\]}\u2026\u201d\u2019\u00bb]"
_TLD = r"(?i:com|org|net|edu|gov|info|io|uk|de|fr|es|it|nl|ru|cn|jp|eu)"

_TITLE = r"(?i:mr|mrs|ms|dr|prof|st|jr|sr|vs)\."

# A user's own "xxmaj" is two words, never a marker.
_SPECIAL = "xx(?=(?:unk|pad|bos|eos|fld|rep|wrep|up|maj))"
_ADDRESSES = (
    rf"(?i:https?://|ftp://|www\.)[^\s<>\"]*{_TAIL}",
    r"[\p{L}\p{N}._%+\-]{1,64}@[\p{L}\p{N}\-]{1,63}(?:\.[\p{L}\p{N}\-]{1,63}){1,8}",
    rf"(?:[\p{{L}}\p{{N}}\-]{{1,63}}\.){{1,6}}{_TLD}{_END}(?:/[^\s<>\"]*{_TAIL})?",
    rf"[A-Za-z]:\\[^\s<>\"|?*]*{_TAIL}",
)
_SHORT_FORMS = (
    rf"(?<!{_LETTER})\p{{L}}(?:\.\p{{L}})+(?:\.|{_END})",  # U.S. e.g. a.m.
    rf"(?<!{_LETTER}){_TITLE}",
)
_SIGNS = (
    r"([^\p{L}\p{N}\p{M}\s])\1{2,}",  # !!!! .... ----
    r"(?<![\p{L}\p{N}])[:;=][\-'^]?[DPpOo]" + _END + r"|[:;=][\-'^]?[)(\]\[|/\\*]|<3",  # emoticons
    r"<\p{L}{1,20}>|@[\-.,]@|--|``|''",  # marks that other corpora use
    r"@[\p{L}\p{N}_]+",
)
_CONTRACTIONS = (
    _NOT,
    _CLITIC,
    rf"(?<!{_LETTER})(?i:[cdjlmnst]|qu|jusqu|lorsqu|puisqu){_APOSTROPHE}(?=\p{{L}})",  # l'homme
)
_NUMBER = r"(?<!\p{N})\p{N}+(?:[.,:]\p{N}+)+"  # (looked for once in a run of digits, not at each of them)
# A word may hold apostrophes, not a contraction; dense scripts fall apart into characters with their marks.
_WORD_LETTER = rf"[[\p{{L}}\p{{N}}\p{{M}}\u200c\u200d]&&[^{_DENSE}]]"
_WORD = (
    rf"(?!{_NOT})[\p{{L}}\p{{N}}](?:(?!{_NOT}){_WORD_LETTER})*"
    rf"(?:{_APOSTROPHE}(?!(?i:s|re|ve|ll|d|m){_END}){_WORD_LETTER}+)*"
)
_DENSE_UNIT = rf"[{_DENSE}]\p{{M}}*"
# Two letters that make a flag. `\X` would take them too, but it counts all those before them to know how they pair.
_FLAG = r"[\x{1F1E6}-\x{1F1FF}]{1,2}[\p{M}\u200c\u200d\x{1F3FB}-\x{1F3FF}]*"

_WORD_PARTS = (
    _SPECIAL,
    *_ADDRESSES,
    *_SHORT_FORMS,
    *_SIGNS,
    *_CONTRACTIONS,
    _NUMBER,
    _DENSE_UNIT,
    _WORD,
    _FLAG,
    r"\X",
)
_SUBWORD_PARTS = (_SIGNS[0], rf"{_APOSTROPHE}(?:s|t|re|ve|ll|d|m)(?!{_LETTER})", rf"{_LETTER}+", _FLAG, r"\X")


def expression(kind: str) -> str:
    """The expression for "word" (words as people write them) or "subword" (runs of letters, to be split further)."""
    parts = _WORD_PARTS if kind == "word" else _SUBWORD_PARTS
    return "|".join(f"(?:{part})" for part in parts)


# Half of all chunks are a word of letters, perhaps followed by punctuation: split here, as the expression would.
_PLAIN = re.compile(rf"(?!{_TITLE})([A-Za-zÀ-ÖØ-öø-ÿА-яЁё]+)([.,!?;:]?)")


class Splitter:
    """Callable: a chunk (without white space) -> its words, whose concatenation is the chunk."""

    def __init__(self, kind: str) -> None:
        self.splitter = pre_tokenizers.Split(Regex(expression(kind)), "isolated")

    def __call__(self, chunk: str) -> list[str]:
        """The words of a chunk."""
        if (plain := _PLAIN.fullmatch(chunk)) and "xx" not in chunk:
            return [plain[1], plain[2]] if plain[2] else [plain[1]]
        return [word for word, _ in self.splitter.pre_tokenize_str(chunk)]

"""One chunk of text (no white space in it) -> its tokens: cut into words, their repeats and case marked.

How: an `Expander` is a function str -> list of tokens; `Table` remembers it for the chunks seen, as ids in
one flat array, so a text costs one dictionary look-up per chunk and a batch two vectorised gathers
(`Table.gather`).
Costs: a new chunk about 10 microseconds; a remembered one about 100 bytes, at most `LIMIT` of them.
Knows no files and no white space.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as Standard
from tokenizers import models, normalizers, pre_tokenizers

from ulmus.text.cut import Cutter
from ulmus.text.rules import FREE_DASH, RulesConfig, lower_case, repeat, squeeze
from ulmus.text.vocab import Vocab

__all__ = ["WORDS", "Expander", "Table", "WordExpander", "special"]


class Expander(Protocol):
    """What a kind of tokenizer is made of."""

    cut: Cutter

    def __call__(self, chunk: str) -> list[str]:
        """The tokens of a chunk."""

    def standard(self, vocab: Vocab) -> Standard:
        """The tokenizer in the library's own terms."""


LIMIT = 400_000  # remembered chunks
WORDS = 1 << 17  # remembered words
LONG = 40  # characters; longer chunks are not remembered: they hardly ever come again


def special(chunk: str) -> tuple[list[str], str] | None:
    """What no text can hold, having a space in front: `" xxbos"`, `" xxwrep 4 no"`; the field marker; a line end.

    Returns the tokens it stands for and the word that is still to be expanded after them.
    """
    if chunk in ("xxfld", "\n"):
        return [chunk], ""
    if not chunk.startswith(" "):
        return None
    marker, *rest = chunk.split()
    return ([marker, rest[0]], rest[1]) if rest else ([marker], "")


class WordExpander:
    """Word kind: every word of the chunk is a token, after the markers that say how it was written."""

    def __init__(self, rules: RulesConfig) -> None:
        self.rules = rules
        self.cut = Cutter("word")
        self.mark = lru_cache(WORDS)(self._mark)  # (a new chunk is mostly of words that are known)

    def __call__(self, chunk: str) -> list[str]:
        """The tokens of a chunk."""
        if found := special(chunk):
            marks, chunk = found
            return marks + (self(chunk) if chunk else [])
        if chunk == "-":
            return [FREE_DASH]
        tokens: list[str] = []
        for word in self.cut(chunk):
            tokens += self.mark(word)
        return tokens

    def standard(self, vocab: Vocab) -> Standard:
        """The tokenizer in the library's own terms: same cut, same ids; no markers."""
        standard = Standard(
            models.WordLevel({token: i for i, token in enumerate(vocab.tokens)}, unk_token="xxunk")
        )
        if self.rules.case:
            standard.normalizer = normalizers.Lowercase()
        standard.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), self.cut.splitter]
        )
        return standard

    def _mark(self, word: str) -> tuple[str, ...]:
        """`word` with its markers before it: `SOOOO` -> `xxrep 4 o xxup so`."""
        tokens: list[str] = []
        if self.rules.repeat_chars:
            if found := repeat(word):
                return "xxrep", str(found[0]), found[1]
            runs, word = squeeze(word)
            for times, letter in runs:
                tokens += ["xxrep", str(times), letter]
        if self.rules.case:
            marker, word = lower_case(word)
            if marker:
                tokens.append(marker)
        return *tokens, word


class Table(dict[str, int]):
    """chunk -> its number; `flat[start[n] : start[n] + length[n]]` are its ids. Fills itself on look-up."""

    def __init__(self, expand: Callable[[str], list[str]], vocab: Vocab) -> None:
        super().__init__()
        self.expand = expand
        self.vocab = vocab
        self.forget()

    def forget(self) -> None:
        """Empties the table (chunks are expanded anew when they come again)."""
        self.clear()
        self.flat = array("i")
        self.start = array("q")
        self.length = array("q")

    def __missing__(self, chunk: str) -> int:
        number = len(self.start)
        ids = [self.vocab.id_of(token) for token in self.expand(chunk)]
        self.start.append(len(self.flat))
        self.length.append(len(ids))
        self.flat.extend(ids)
        if len(chunk) <= LONG:
            self[chunk] = number
        return number

    @property
    def full(self) -> bool:
        """Whether it is time to forget."""
        return len(self.start) > LIMIT or len(self.flat) > 20 * LIMIT

    def numbers(self, chunks: Sequence[str]) -> NDArray[np.int64]:
        """The number of each chunk, (N,) int64."""
        return np.fromiter(map(self.__getitem__, chunks), dtype=np.int64, count=len(chunks))

    def gather(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The ids of the chunks one after the other, (sum of lengths,) int32, and the length of each, (N,) int64."""
        flat = np.frombuffer(self.flat, dtype=np.int32) if self.flat else np.empty(0, np.int32)
        start = np.frombuffer(self.start, dtype=np.int64) if self.start else np.empty(0, np.int64)
        lengths = (
            np.frombuffer(self.length, dtype=np.int64)[numbers] if self.length else np.empty(0, np.int64)
        )
        ends = np.cumsum(lengths)
        shift = np.repeat(
            start[numbers] - ends + lengths, lengths
        )  # from position in the result to position in flat
        return flat[shift + np.arange(len(shift))], lengths

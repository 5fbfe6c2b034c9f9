"""One chunk of text (without white space) -> its tokens: split into words, with repeats and case marked.

How: an `Expander` is a function str -> list of tokens; `Table` caches its result for each chunk, as ids in
one flat array, so that a text costs one dictionary look-up per chunk and a batch two vectorised gathers
(`Table.gather`).
Costs: a new chunk about 10 microseconds; a cached one about 100 bytes, at most `LIMIT` of them.
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

from ulmus.text.rules import FREE_DASH, RulesConfig, lower_case, repeat, squeeze
from ulmus.text.splitter import Splitter
from ulmus.text.vocab import Vocab

__all__ = ["WORDS", "Expander", "Table", "WordExpander", "special"]


class Expander(Protocol):
    """What distinguishes a tokenizer type."""

    split: Splitter

    def __call__(self, chunk: str) -> list[str]:
        """The tokens of a chunk."""

    def joined(self, word: str) -> Sequence[str]:
        """The tokens of a word that follows another one without a space."""

    def standard(self, vocab: Vocab) -> Standard:
        """The tokenizer as an object of the `tokenizers` library."""


LIMIT = 400_000  # cached chunks
WORDS = 1 << 17  # cached words
LONG = 40  # characters; longer chunks are not cached: they rarely recur


def special(chunk: str) -> tuple[list[str], str] | None:
    """Expand a special chunk: a leading space, as in no text (`" xxbos"`, `" xxwrep 4 no"`), `xxfld`, line end.

    Returns its tokens and the word still to be expanded after them; None for any other chunk.
    """
    if chunk in ("xxfld", "\n"):
        return [chunk], ""
    if not chunk.startswith(" "):
        return None
    marker, *rest = chunk.split()
    return ([marker, rest[0]], rest[1]) if rest else ([marker], "")


class WordExpander:
    """Word tokenizer: every word of the chunk is a token, after the markers for its case and repeats."""

    def __init__(self, rules: RulesConfig) -> None:
        self.rules = rules
        self.split = Splitter("word")
        self.mark = lru_cache(WORDS)(self._mark)  # (most words of a new chunk are known)

    def __call__(self, chunk: str) -> list[str]:
        """The tokens of a chunk."""
        if found := special(chunk):
            marks, chunk = found
            return marks + (self(chunk) if chunk else [])
        if chunk == "-":
            return [FREE_DASH]
        tokens: list[str] = []
        for word in self.split(chunk):
            tokens += self.mark(word)
        return tokens

    def joined(self, word: str) -> Sequence[str]:
        """The tokens of a word that follows another one without a space."""
        return [token for part in self.split(word) for token in self.mark(part)]

    def standard(self, vocab: Vocab) -> Standard:
        """The tokenizer as an object of the `tokenizers` library: same words, same ids; no markers."""
        standard = Standard(
            models.WordLevel({token: i for i, token in enumerate(vocab.tokens)}, unk_token="xxunk")
        )
        if self.rules.case:
            standard.normalizer = normalizers.Lowercase()
        standard.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), self.split.splitter]
        )
        return standard

    def _mark(self, word: str) -> tuple[str, ...]:
        """`word` preceded by its markers: `SOOOO` -> `xxrep 4 o xxup so`."""
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

    def __init__(self, expand: Callable[[str], Sequence[str]], vocab: Vocab) -> None:
        super().__init__()
        self.expand = expand
        self.vocab = vocab
        self.forget()

    def forget(self) -> None:
        """Empty the table; chunks that recur are expanded again."""
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
        """Whether the table has reached its limit; then call `forget`."""
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
        # position in `flat` minus position in the result
        shift = np.repeat(start[numbers] - ends + lengths, lengths)
        return flat[shift + np.arange(len(shift))], lengths

"""Tokens <-> ids: the vocabulary, its fingerprint, and the map from one vocabulary to another.

How: an id is a position in a tuple; the nine special tokens have ids 0..8 in every vocabulary.
Memory: one dict of V entries. Does not know how a text is tokenized, or what a tensor is (`Remap.index` is a plain
array; the owner of the weights moves the rows).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ulmus.errors import DataError
from ulmus.special_tokens import BOS, EOS, FLD, MAJ, PAD, REP, SPECIALS, UNK, UP, WREP

__all__ = [
    "BOS",
    "EOS",
    "FLD",
    "MAJ",
    "PAD",
    "REP",
    "SPECIALS",
    "UNK",
    "UP",
    "WREP",
    "Remap",
    "Vocab",
    "remap",
]


class Vocab:
    """The tokens of a tokenizer in the order of their ids.

    tokens: V distinct strings, the first nine of which are `SPECIALS`. Raises DataError otherwise.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tuple(tokens)
        if self.tokens[: len(SPECIALS)] != SPECIALS:
            raise DataError(
                f"expected a vocabulary that starts with the special tokens {' '.join(SPECIALS)}; got "
                f"{' '.join(map(repr, self.tokens[: len(SPECIALS)])) or 'nothing'}. Build it with Vocab.from_counts."
            )
        self._ids = {token: i for i, token in enumerate(self.tokens)}
        if len(self._ids) != len(self.tokens):
            duplicate = next(token for i, token in enumerate(self.tokens) if self._ids[token] != i)
            raise DataError(f"the vocabulary contains the token {duplicate!r} twice. Remove the duplicate.")

    @classmethod
    def from_counts(cls, counts: Mapping[str, int], min_freq: int = 3, max_size: int = 60_000) -> Vocab:
        """The most frequent tokens: each at least `min_freq` times, at most `max_size` with the nine special ones.

        Sorted by descending frequency, ties alphabetically, so that the same counts always give the same ids.
        """
        kept = [(-n, token) for token, n in counts.items() if n >= min_freq and token not in SPECIALS]
        kept.sort()
        return cls(SPECIALS + tuple(token for _, token in kept[: max(0, max_size - len(SPECIALS))]))

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._ids

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocab) and self.tokens == other.tokens

    def __hash__(self) -> int:
        return hash(self.tokens)

    def __repr__(self) -> str:
        return f"Vocab({len(self):,} tokens, {self.fingerprint})"

    def id_of(self, token: str) -> int:
        """The id of a token; if unknown, the id of the token without its space, else of `xxunk`."""
        return self._ids.get(token) or self._ids.get(token.strip(" "), UNK)

    @property
    def fingerprint(self) -> str:
        """16 hex digits of the SHA-256 of the token list; they differ if any token or its id does."""
        return hashlib.sha256(json.dumps(self.tokens).encode("ascii")).hexdigest()[:16]

    def to_list(self) -> list[str]:
        """The tokens, in the order of their ids."""
        return list(self.tokens)

    @classmethod
    def from_list(cls, tokens: Iterable[str]) -> Vocab:
        """The inverse of `to_list`. Raises DataError as the constructor does."""
        return cls(tuple(tokens))


@dataclass(frozen=True)
class Remap:
    """How rows of an old vocabulary become rows of a new one (Howard & Ruder 2018, section 3.2).

    index: (V_new,) int64, the old row of each new token; -1 if the old vocabulary lacks it (it gets the mean
    row).
    kept, new, dropped: number of tokens in both, only in the new one, only in the old one.
    """

    index: NDArray[np.int64]
    kept: int
    new: int
    dropped: int

    def __str__(self) -> str:
        return f"{self.kept:,} tokens kept, {self.new:,} new, {self.dropped:,} dropped"


def remap(old: Vocab, new: Vocab) -> Remap:
    """The row in `old` of each token of `new`."""
    rows = (old._ids.get(token, -1) for token in new.tokens)
    index = np.fromiter(rows, dtype=np.int64, count=len(new))  # (V_new,)
    kept = int((index >= 0).sum())
    return Remap(index, kept=kept, new=len(new) - kept, dropped=len(old) - kept)

"""The special tokens of our vocabularies, at ids 0 to 8 of each, and where a transformer expects its own.

Shared by `text`, `data` and `models`; knows nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BOS", "EOS", "FLD", "HIDDEN", "MAJ", "PAD", "REP", "SPECIALS", "UNK", "UP", "WREP", "Layout"]

SPECIALS = ("xxunk", "xxpad", "xxbos", "xxeos", "xxfld", "xxrep", "xxwrep", "xxup", "xxmaj")
UNK, PAD, BOS, EOS, FLD, REP, WREP, UP, MAJ = range(len(SPECIALS))
# not part of the text: decoding leaves them out
HIDDEN = frozenset(SPECIALS[i] for i in (PAD, BOS, EOS, FLD))


@dataclass(frozen=True)
class Layout:
    """Ids around and between the fields of a text: `[CLS]` a `[SEP]` b `[SEP]` for BERT; none for some models."""

    prefix: tuple[int, ...] = ()
    separator: tuple[int, ...] = ()  # between the fields of a text
    suffix: tuple[int, ...] = ()
    second_type: int = 0  # token type of the second field and all that follow it
    pad: int = 0

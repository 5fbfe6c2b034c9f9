"""The special tokens, at ids 0 to 8 of every vocabulary. Shared by `text` and `data`; knows nothing else."""

from __future__ import annotations

__all__ = ["BOS", "EOS", "FLD", "HIDDEN", "MAJ", "PAD", "REP", "SPECIALS", "UNK", "UP", "WREP"]

SPECIALS = ("xxunk", "xxpad", "xxbos", "xxeos", "xxfld", "xxrep", "xxwrep", "xxup", "xxmaj")
UNK, PAD, BOS, EOS, FLD, REP, WREP, UP, MAJ = range(len(SPECIALS))
HIDDEN = frozenset(
    SPECIALS[i] for i in (PAD, BOS, EOS, FLD)
)  # not part of the text: decoding leaves them out

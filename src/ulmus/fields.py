"""Several fields in one text: `xxfld 1 first xxfld 2 second`; a pair of texts is such a text with two fields.

One string stands for a pair everywhere between the user's data and the model: in word counts, in the ids, in the list
of known texts. Knows no token ids and no model.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["join_fields", "join_pair", "split_pair"]

MARK = "xxfld"
FIRST, SECOND = f"{MARK} 1 ", f" {MARK} 2 "


def join_fields(texts: Iterable[str]) -> str:
    """The texts in a row, each after its number."""
    return " ".join(f"{MARK} {i} {text}" for i, text in enumerate(texts, 1))


def join_pair(first: str, second: str) -> str:
    """One text that `split_pair` takes apart again. A mark inside a text is written apart: `xx fld`."""
    return join_fields(text.replace(MARK, "xx fld") for text in (first, second))


def split_pair(text: str) -> tuple[str, str]:
    """The two texts of a joined pair. Raises ValueError for any other text."""
    first, mark, second = text.partition(SECOND)
    if not text.startswith(FIRST) or not mark or MARK in second:
        raise ValueError(f"not a pair: {text[:60]!r}")
    return first[len(FIRST) :], second

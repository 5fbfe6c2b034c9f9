"""A document as the overlapping windows in which a transformer encodes it: `models/windows.py`, in plain numbers.

Knows no model. Axes: T tokens of a document, K places of a window.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulmus.special_tokens import Layout

__all__ = ["GRAIN", "Window", "windows"]

GRAIN = 16  # padded lengths are multiples of so many tokens
Numbers = NDArray[np.int64]


class Window(NamedTuple):
    """A window of a document, padded."""

    ids: Numbers  # (K,) with special tokens and padding
    mask: Numbers  # (K,) 1 for tokens, special ones included, 0 for padding
    types: Numbers  # (K,) token types
    own: slice  # the places whose tokens belong to this window and no other
    last: int  # the place of the last token before the suffix


def windows(ids: Numbers, *, size: int, overlap: int, layout: Layout) -> list[Window]:
    """The windows of a document (T,), each of at most `size` places; one of them at least."""
    before, after, length = len(layout.prefix), len(layout.suffix), len(ids)
    room = size - before - after - 1
    number = 1 - -max(length - room, 0) // (room - overlap)
    held = min(length, room)
    spare, others = length - held, max(number - 1, 1)
    starts = [spare * k // others for k in range(number)]
    # the middle of what two neighbours share is where one ends to own the tokens and the other begins
    bounds = [0, *((a + b + held) // 2 for a, b in pairwise(starts)), length]
    passed = np.zeros(length + 1, np.int64)  # separators before each token
    if layout.second_type and layout.separator:
        passed[1:] = np.cumsum(ids == layout.separator[-1])
    padded = min(((before + held + after) // GRAIN + 1) * GRAIN, size)
    place, found = np.arange(padded), []
    for start, low, high in zip(starts, bounds, bounds[1:], strict=False):
        filled = np.full(padded, layout.pad, np.int64)
        text = [*layout.prefix, *ids[start : start + held], *layout.suffix]
        filled[: len(text)] = text
        mask = (place < len(text)).astype(np.int64)
        mask[0] = 1  # a row without any token would be undefined
        second = passed[np.clip(start + place - before, 0, length)] > 0
        types = np.where(second & (place >= before), layout.second_type, 0)
        own = slice(low - start + before, high - start + before)
        found.append(Window(filled, mask, types, own, max(before + held - 1, 0)))
    return found

"""Documents of any length <-> overlapping windows of a fixed length, with a transformer's special tokens around each.

Nothing is cut off: the windows of a document cover all of it, and each of its tokens belongs to exactly one window, the
one in which it stands farther from an edge. Knows no model. Axes: B documents, T tokens, W windows, K their length.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ulmus.special_tokens import Layout

__all__ = ["GRAIN", "Windows", "windows", "windows_of"]

# Padded lengths are multiples of this many tokens, with one token of padding at least, so that the features of a window
# do not depend on the windows beside it.
GRAIN = 16


class Windows(NamedTuple):
    """The windows of B documents."""

    ids: Tensor  # (W, K) with special tokens and padding
    mask: Tensor  # (W, K) 1 for tokens, special ones included, 0 for padding
    types: Tensor  # (W, K) token types
    document: Tensor  # (W,) number of the document
    position: Tensor  # (W, K) of each token in its document, -1 if the window does not own it
    last: Tensor  # (W,) place of the window's last token before the suffix

    def rows(self, chosen: Tensor) -> Windows:
        """The windows with these indices (W',), without columns that hold only padding."""
        longest = min(_rounded(int(self.mask[chosen].sum(dim=1).max())), self.ids.shape[1])
        wide = (self.ids, self.mask, self.types, self.position)
        ids, mask, types, position = (t[chosen, :longest] for t in wide)
        return Windows(ids, mask, types, self.document[chosen], position, self.last[chosen])


def windows_of(lengths: Tensor, *, size: int, overlap: int, layout: Layout) -> Tensor:
    """The number of windows (B,) of documents of `lengths` (B,), at least one each; see `windows`."""
    room = _room(size, layout)
    step = room - overlap
    return 1 + ((lengths - room).clamp(min=0) + step - 1) // step


def _room(size: int, layout: Layout) -> int:
    """Tokens of text in a window."""
    return size - len(layout.prefix) - len(layout.suffix) - 1


def windows(ids: Tensor, lengths: Tensor, *, size: int, overlap: int, layout: Layout) -> Windows:
    """Windows of at most `size` places of documents `ids` (B, T) of `lengths` (B,).

    The places are for special tokens, one token of padding at least, and text in between. Windows are evenly spread;
    those of a document overlap by at least `overlap` tokens. A document without tokens has one window without text.
    """
    device, before, after = ids.device, len(layout.prefix), len(layout.suffix)
    room = _room(size, layout)
    number = windows_of(lengths, size=size, overlap=overlap, layout=layout)
    document = torch.repeat_interleave(torch.arange(len(ids), device=device), number)  # (W,)
    k = torch.arange(len(document), device=device) - torch.repeat_interleave(
        number.cumsum(0) - number, number
    )
    held = lengths[document].clamp(max=room)  # (W,) tokens of the document in the window
    spare, others = lengths[document] - held, (number[document] - 1).clamp(min=1)
    start, following = spare * k // others, spare * (k + 1) // others
    previous = spare * (k - 1) // others
    # the middle of what two neighbours share is where one ends to own the tokens and the other begins
    low = torch.where(k == 0, 0, (start + previous + held) // 2)
    high = torch.where(k == number[document] - 1, lengths[document], (following + start + held) // 2)
    longest = before + after + (int(held.max()) if len(held) else 0)
    place = torch.arange(min(_rounded(longest), size), device=device)  # (K,)
    at = start[:, None] + place - before  # (W, K) position in the document
    inside = (place >= before) & (place < before + held[:, None])
    text = ids[document[:, None], at.clamp(0, max(ids.shape[1] - 1, 0))]
    filled = torch.where(inside, text, layout.pad)
    for i, special in enumerate(layout.prefix):
        filled[:, i] = special
    for i, special in enumerate(layout.suffix):
        filled.scatter_(1, (before + held + i)[:, None], special)
    mask = (place < (before + held + after)[:, None]).long()
    mask[:, 0] = 1  # a row without any token would be undefined
    return Windows(
        filled,
        mask,
        _types(ids, document, at, place >= before, layout),
        document,
        torch.where(inside & (at >= low[:, None]) & (at < high[:, None]), at, -1),
        (before + held - 1).clamp(min=0),
    )


def _rounded(longest: int) -> int:
    """The padded length of windows with at most so many tokens."""
    return (longest // GRAIN + 1) * GRAIN


def _types(ids: Tensor, document: Tensor, at: Tensor, beyond: Tensor, layout: Layout) -> Tensor:
    """Token types (W, K): `second_type` after the first separator of a document, at places `beyond` the prefix (K,)."""
    if not layout.second_type or not layout.separator:
        return torch.zeros_like(at)
    separators = (ids == layout.separator[-1]).cumsum(dim=1)  # (B, T) up to and including each token
    passed = torch.nn.functional.pad(separators, (1, 0))  # (B, T + 1) before each token
    second = passed[document[:, None], at.clamp(0, passed.shape[1] - 1)] > 0
    return torch.where(second & beyond, layout.second_type, 0)

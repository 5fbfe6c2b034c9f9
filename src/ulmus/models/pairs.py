"""Pairs of texts through an encoder of single texts: both halves encoded, and what they have in common.

A pair is one document, `xxbos xxfld 1 a... xxfld 2 b...`. `pair_features` takes it apart into the documents
`xxbos a...` and `xxbos b...`, encodes both with the same weights, u and v, and returns [u, v, |u - v|, u * v]
(Conneau et al. 2017, *Supervised Learning of Universal Sentence Representations*, section 3.1). An encoder whose config
says `joint_pairs` encodes the two together instead and gets the document as it is.
Costs as much as encoding the document. Knows no strings. Axes: B pairs, T time, F features of a document.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ulmus.special_tokens import FLD

__all__ = ["document_width", "pair_features", "split_pairs", "taken_apart"]

CUT = 4  # a document cut to n tokens keeps n / 4 from its head and the rest from its tail (`data/label_batches.py`)


def document_width(config: Any, *, pairs: bool) -> int:
    """Features of a document for the head, given the encoder's config: F, or 4 F if it is a pair taken apart."""
    return int(config.pooled()) * (4 if taken_apart(config, pairs=pairs) else 1)


def taken_apart(config: Any, *, pairs: bool) -> bool:
    """Whether the two texts of a pair go through an encoder with this config one by one."""
    return pairs and not config.joint_pairs


def pair_features(encode: Callable[[Tensor, Tensor], Tensor], ids: Tensor, lengths: Tensor) -> Tensor:
    """Features (B, 4 F) of pairs (B, T) of `lengths` (B,); `encode` gives features (2 B, F) of documents."""
    u, v = encode(*split_pairs(ids, lengths)).chunk(2)
    return torch.cat([u, v, (u - v).abs(), u * v], dim=1)


def split_pairs(ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs (B, T) of `lengths` (B,) -> their first texts, then their second ones: ids (2 B, T'), lengths (2 B,).

    Each begins with the pair's first id; the field marks and the numbers after them are left out. In a document that
    is processed from its end, marks and numbers follow their fields, and the second text comes first.
    """
    batch, time = ids.shape
    at = torch.arange(time, device=ids.device)
    mark = (ids == FLD) & (at < lengths[:, None])  # (B, T)
    forward = (lengths > 1) & mark[:, min(1, time - 1)]  # (B,) xxbos xxfld 1 ...
    nth = mark.cumsum(dim=1)
    inner = mark & (nth == torch.where(forward, 2, 1)[:, None])  # the mark between the two texts
    # without one, the document was cut, and one text alone is left of its head, the other of its tail
    middle = torch.where(inner.any(dim=1), inner.int().argmax(dim=1), (lengths // CUT).clamp(min=1))  # (B,)
    own = inner.any(dim=1).long()
    early = torch.where(forward, 3, 1), torch.where(forward, middle, middle - own)  # start and end, (B,) each
    late = torch.where(forward, middle + 2 * own, middle + own), torch.where(forward, lengths, lengths - 2)
    first = [torch.where(forward, a, b) for a, b in zip(early, late, strict=True)]
    second = [torch.where(forward, b, a) for a, b in zip(early, late, strict=True)]
    starts = torch.cat([first[0], second[0]])  # (2 B,)
    sizes = (torch.cat([first[1], second[1]]) - starts).clamp(min=0)
    widest = int(sizes.max()) if batch else 0
    places = starts[:, None] + torch.arange(widest, device=ids.device)  # (2 B, T' - 1)
    both = ids.repeat(2, 1)
    texts = both.gather(1, places.clamp(0, time - 1))
    return torch.cat([both[:, :1], texts], dim=1), sizes + lengths.repeat(2).clamp(max=1)

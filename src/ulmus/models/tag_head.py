"""Features of words -> scores of tags: the words' own features, one narrow layer, an LSTM in each direction.

Knows no ids, no strings and no loss. Axes: B sentences, W words, D features from encoders, H hidden, K tags.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ulmus.models.dropout import VariationalDropout
from ulmus.models.lstm import LSTMLayer

__all__ = ["TagHead", "mirrored"]


def mirrored(positions: Tensor, lengths: Tensor, keep: Tensor | None = None) -> Tensor:
    """The positions (B, T) in rows of `lengths` (B,) that are read from their end; its own inverse.

    Where `keep` (B,) is 1 the first position stays, as a mark of the beginning does. Padding stays where it is.
    """
    first = torch.zeros_like(lengths) if keep is None else keep
    turned = lengths[:, None] - 1 + first[:, None] - positions
    return torch.where((positions < first[:, None]) | (positions >= lengths[:, None]), positions, turned)


class TagHead(nn.Module):
    """(B, W, D) from encoders and (B, W, F) numbers of features of the words -> scores (B, W, K).

    `buckets` and `own`: rows and width of the table of the words' own features. `drop`: dropout before and after the
    LSTMs, of whole features.
    """

    def __init__(
        self, width: int, tags: int, *, buckets: int, own: int = 32, hidden: int = 100, drop: float = 0.4
    ) -> None:
        super().__init__()
        self.own = nn.EmbeddingBag(buckets, own, mode="sum", padding_idx=0)
        nn.init.uniform_(self.own.weight, -0.1, 0.1)
        self.before, self.after = VariationalDropout(), VariationalDropout()
        self.before.p = self.after.p = drop
        self.narrow = nn.Linear(width + own, 2 * hidden)
        self.directions = nn.ModuleList(LSTMLayer(2 * hidden, hidden) for _ in range(2))
        for layer in self.directions:
            nn.init.xavier_uniform_(cast(LSTMLayer, layer).weight_ih)  # inputs are not small
        self.output = nn.Linear(4 * hidden, tags)

    def forward(self, encoded: Tensor, features: Tensor, words: Tensor) -> Tensor:
        """Scores (B, W, K) float32; sentences have `words` (B,) words, and nothing of the padding reaches them."""
        B, W, _ = features.shape
        own = self.own(features.flatten(0, 1)).view(B, W, -1)
        x = self.narrow(self.before(torch.cat([encoded.to(own.dtype), own], 2)))
        here = torch.arange(W, device=words.device).expand(B, W)
        turned = mirrored(here, words)
        zeros = x.new_zeros(B, self.directions[0].width)
        both = [x]
        for layer, order in zip(self.directions, (here, turned), strict=True):
            out, _ = layer(_rows(x, order), (zeros, zeros))
            both.append(self.after(_rows(out.to(x.dtype), order)))
        scores: Tensor = self.output(torch.cat(both, 2)).float()
        return scores


def _rows(x: Tensor, order: Tensor) -> Tensor:
    """The rows (B, W, .) of `x` (B, T, .) at positions `order` (B, W)."""
    return x.gather(1, order[..., None].expand(-1, -1, x.shape[2]))

"""The three kinds of dropout of the AWD-LSTM: recurrent weights, features (the same at every time step), whole words.

One mask is drawn per call and shared: over time for activations, over all occurrences of a word for embeddings, over
all time steps for a weight matrix. Each costs one multiplication. Knows no layer and no vocabulary.
Source: Merity et al. 2017, sections 2 (weights), 4.2 (variational) and 4.3 (embedding).
Axes: B batch, T time, D features, V vocabulary, E embedding.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class VariationalDropout(nn.Module):
    """Drops the same features of a sequence at every time step: (B, T, D) -> (B, T, D).

    Source: Gal & Ghahramani 2016, section 4; Merity et al. 2017, section 4.2.
    """

    def __init__(self, p: float = 0.0) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D); the identity outside training."""
        if not self.training or self.p == 0:
            return x
        mask = x.new_empty(x.shape[0], 1, x.shape[2]).bernoulli_(1 - self.p).div_(1 - self.p)  # (B, 1, D)
        return x * mask

    def extra_repr(self) -> str:
        """The parameters shown by `print`."""
        return f"p={self.p}"


def weight_dropout(weight: Tensor, p: float, training: bool) -> Tensor:
    """DropConnect on a weight matrix: one mask for all time steps of a call, same shape in and out, e.g. (4D, D).

    Source: Merity et al. 2017, section 2.
    """
    if not training or p == 0:
        return weight
    return weight * random_mask(weight, p) * (1 / (1 - p))


def random_mask(like: Tensor, p: float) -> Tensor:
    """A bool tensor of the shape of `like`, False with probability `p` (rounded to a multiple of 1/65,536).

    On a CPU each random 64-bit number is split into four 16-bit ones: a fifth of the time of `bernoulli_`.
    """
    if like.device.type != "cpu":
        return torch.empty(like.shape, device=like.device).bernoulli_(1 - p).bool()
    bits = torch.empty(-(-like.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    return bits.view(torch.int16)[: like.numel()].view(like.shape) >= round(p * 2**16) - 2**15


def embedding_dropout(weight: Tensor, ids: Tensor, p: float, training: bool) -> Tensor:
    """Look up `ids` (B, T) in `weight` (V, E) -> (B, T, E); a dropped word is dropped wherever it occurs.

    The mask is drawn over the V words but applied to the looked-up rows, so the (V, E) matrix is never copied.
    Source: Merity et al. 2017, section 4.3.
    """
    rows = F.embedding(ids, weight)
    if not training or p == 0:
        return rows
    mask = (
        torch.empty(weight.shape[0], 1, device=weight.device, dtype=rows.dtype).bernoulli_(1 - p).div_(1 - p)
    )
    return rows * F.embedding(ids, mask)

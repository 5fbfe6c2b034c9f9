"""The heads of an encoder: the decoder, which predicts the next token, and the classifier on pooled outputs.

The decoder shares the embedding matrix (Press & Wolf 2017; Merity et al. 2017, section 4.5). With `cutoffs` it is an
adaptive softmax (Grave et al. 2017) over a vocabulary sorted by frequency, with full-width tied tails: rare words
compete only with each other, which costs a sixth of the full softmax at 20,000 words and is still a distribution over
the whole vocabulary. The loss never holds all logits (`cross_entropy`). The classifier's pooling processes a long
document chunk by chunk, in memory that does not grow with its length. Knows no text and no training.
Axes: B batch, T time, N tokens (B*T), E embedding, D features of a layer, F of a document, V vocabulary, K tail
clusters, C classes.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ulmus.models.cross_entropy import linear_cross_entropy

MAX_DEVIATION = 6.0  # standard deviations from the mean at which a feature is clipped


class TiedDecoder(nn.Module):
    """Hidden vectors (N, E) -> losses or log-probabilities over V tokens, with the embedding matrix as weights.

    `cutoffs` are the first ids of the tail clusters, e.g. (2000, 8000); empty means the full softmax.
    """

    def __init__(self, vocab_size: int, width: int, cutoffs: Sequence[int] = ()) -> None:
        super().__init__()
        inner = sorted({c for c in cutoffs if 0 < c < vocab_size})
        self.bounds = [0, *inner, vocab_size]  # K + 2 bounds: of the head, then of K tails
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        # one row per tail: the head predicts it beside its own words
        self.clusters = nn.Parameter(torch.zeros(len(inner), width))

    @property
    def tails(self) -> int:
        """Number of tail clusters K."""
        return len(self.bounds) - 2

    def _parts(self, h: Tensor, embedding: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """`h` (N, E) in the type of the products; rows (V_k, E) and biases (V_k,) of the head and of each tail."""
        sizes = [high - low for low, high in zip(self.bounds, self.bounds[1:], strict=False)]
        weights, biases = list(torch.split(embedding, sizes)), list(torch.split(self.bias, sizes))
        if self.tails:
            weights[0] = torch.cat([weights[0], self.clusters])
            biases[0] = F.pad(biases[0], (0, self.tails))
        if torch.is_autocast_enabled(h.device.type):
            h = h.to(torch.get_autocast_dtype(h.device.type))
        return h, list(zip(weights, biases, strict=True))

    def loss(self, h: Tensor, embedding: Tensor, targets: Tensor) -> Tensor:
        """Mean negative log-likelihood () in nats of `targets` (N,), given `h` (N, E) and `embedding` (V, E)."""
        h, parts = self._parts(h, embedding)
        tail_of = torch.bucketize(
            targets.contiguous(), torch.tensor(self.bounds[1:-1], device=targets.device), right=True
        )
        slot = self.bounds[1] + tail_of - 1  # a rare word's target in the head is its cluster
        total = linear_cross_entropy(h, *parts[0], torch.where(tail_of > 0, slot, targets))
        for tail in range(1, self.tails + 1):
            at = (tail_of == tail).nonzero().squeeze(1)
            rows = h.index_select(0, at)
            total = total + linear_cross_entropy(rows, *parts[tail], targets[at] - self.bounds[tail])
        return total / len(h)

    def log_probs(self, h: Tensor, embedding: Tensor) -> Tensor:
        """Log-probabilities of all tokens: `h` (N, E), `embedding` (V, E) -> (N, V) float32."""
        h, parts = self._parts(h, embedding)
        parts = [(weight.to(h.dtype), bias.to(h.dtype)) for weight, bias in parts]
        head = F.log_softmax(F.linear(h, *parts[0]).float(), dim=1)
        size = self.bounds[1]
        out = [head[:, :size]]
        for tail in range(1, self.tails + 1):
            inside = F.log_softmax(F.linear(h, *parts[tail]).float(), dim=1)
            out.append(inside + head[:, size + tail - 1, None])
        return torch.cat(out, dim=1)


class Pooled(NamedTuple):
    """Running concat pooling of one layer over the tokens encoded so far, without padding."""

    last: Tensor  # (B, D) output at a document's last token; zeros until it is reached
    max: Tensor  # (B, D)
    sum: Tensor  # (B, D)


def start_pooling(batch: int, widths: Sequence[int], like: Tensor) -> list[Pooled]:
    """The pooling (B, D) of B documents (`batch`) before their first token, per layer of width D, where `like` is."""
    zeros = [like.new_zeros(batch, width, dtype=torch.float32) for width in widths]
    return [Pooled(zero, torch.full_like(zero, -torch.inf), torch.zeros_like(zero)) for zero in zeros]


def pool(pooled: Sequence[Pooled], outputs: Sequence[Tensor], start: int, lengths: Tensor) -> list[Pooled]:
    """The pooling with `outputs` (B, T, D) of each layer added: from token `start`, documents of `lengths` (B,)."""
    return [_pool(*one, start, lengths) for one in zip(pooled, outputs, strict=True)]


def _pool(pooled: Pooled, output: Tensor, start: int, lengths: Tensor) -> Pooled:
    """`pool` for one layer: `output` (B, T, D)."""
    output = output.float()
    t = torch.arange(start, start + output.shape[1], device=output.device)
    real = (t[None, :] < lengths[:, None]).unsqueeze(2)  # (B, T, 1)
    top = output.masked_fill(~real, -torch.inf).amax(dim=1)
    at = (lengths - 1 - start).clamp(0, output.shape[1] - 1)  # (B,)
    here = output[torch.arange(len(at), device=at.device), at]  # (B, D)
    ends = ((lengths - 1 >= start) & (lengths - 1 < start + output.shape[1])).unsqueeze(1)
    return Pooled(
        torch.where(ends, here, pooled.last),
        torch.maximum(pooled.max, top),
        pooled.sum + output.masked_fill(~real, 0.0).sum(dim=1),
    )


def concat(pooled: Sequence[Pooled], lengths: Tensor) -> Tensor:
    """Features (B, F): the top layer's last output, each layer's maximum and mean; zeros for a document without tokens.

    Source: Howard & Ruder 2018, section 3.3, who pool the top layer only; lower layers carry more lexical and syntactic
    information (Peters et al. 2018, section 5.3), which improves accuracy when labels are few.
    """
    n = lengths.unsqueeze(1)  # (B, 1)
    tops = [one.max.masked_fill(n == 0, 0.0) for one in pooled]
    means = [one.sum / n.clamp(min=1) for one in pooled]
    return torch.cat([pooled[-1].last, *tops, *means], dim=1)


class Head(Protocol):
    """Features of documents -> logits of classes."""

    classes: int  # C

    def __call__(self, features: Tensor) -> Tensor:
        """(B, F) -> (B, C)."""

    def fit_scale(self, features: Tensor) -> None:
        """Adapt to the scale of the features (N, F) of documents before training."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All parameters."""

    def to(self, device: Any) -> Any:
        """The head, moved to a device."""


class LinearHead(nn.Module):
    """(B, F) -> logits (B, C): features in standard deviations, clipped, dropout, linear C.

    The standard deviations are those of the documents that a regression was fitted to: it is such a head. Fine-tuning
    begins with small random weights on unscaled features: where the head can tell a hundred documents apart from its
    first step on, the encoder learns nothing (questions with 100 labels: 60 % instead of 81 %).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int, classes: int, *, drop: float = 0.1) -> None:
        super().__init__()
        self.classes = classes
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.drop, self.linear = nn.Dropout(drop), nn.Linear(features, classes)
        self.restart()

    @torch.no_grad()
    def restart(self) -> None:
        """Small random weights on unscaled features, as before training."""
        self.mean.zero_()
        self.scale.fill_(1.0)
        self.linear.weight.normal_(std=0.02)
        self.linear.bias.zero_()

    def forward(self, features: Tensor) -> Tensor:
        """(B, F) -> (B, C)."""
        x = ((features - self.mean) / self.scale).clamp(-MAX_DEVIATION, MAX_DEVIATION)
        logits: Tensor = self.linear(self.drop(x))
        return logits

    def fit_scale(self, features: Tensor) -> None:
        """Take over mean and standard deviation of the features (N, F)."""
        spread = features.double().std(dim=0, correction=0).float()
        self.mean.copy_(features.mean(dim=0))
        self.scale.copy_(torch.where(spread > 0, spread, 1.0))


class ClassifierHead(nn.Module):
    """(B, F) -> logits (B, C): batch norm, dropout, linear 50, ReLU, batch norm, dropout, linear C.

    Source: Howard & Ruder 2018, section 3.3 and 4.1.
    """

    def __init__(
        self, features: int, classes: int, *, hidden: int = 50, drops: tuple[float, float] = (0.4, 0.1)
    ) -> None:
        super().__init__()
        self.classes = classes
        self.layers = nn.Sequential(
            nn.BatchNorm1d(features),
            nn.Dropout(drops[0]),
            nn.Linear(features, hidden, bias=False),
            nn.ReLU(),
            nn.BatchNorm1d(hidden),
            nn.Dropout(drops[1]),
            nn.Linear(hidden, classes),
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, F) -> (B, C)."""
        logits: Tensor = self.layers(features)
        return logits

    def fit_scale(self, features: Tensor) -> None:
        """Its batch norm does so in training."""


def make_head(
    features: int, classes: int, *, hidden: int, drops: tuple[float, float]
) -> ClassifierHead | LinearHead:
    """The head with a hidden layer of this width; without one (0), the linear head."""
    if hidden == 0:
        return LinearHead(features, classes, drop=drops[1])
    return ClassifierHead(features, classes, hidden=hidden, drops=drops)

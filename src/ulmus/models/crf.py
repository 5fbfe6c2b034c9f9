"""A linear-chain conditional random field: scores of tags -> the probability of a sequence, and the best sequence.

Transitions between tags are learnt; those that are not allowed (from `O` to `I-PER`) are impossible. Everything is
float32. Costs: W steps on (B, K, K) numbers. Knows no words and no names of tags.
Source: Lafferty et al. 2001; Lample et al. 2016, section 2.2.
Axes: B sentences, W words, K tags.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["CRF", "Chain"]

IMPOSSIBLE = -1e4  # score of a transition that is not allowed, in nats


class Chain(NamedTuple):
    """All that is needed for the probability of any part of a sequence, in nats."""

    alpha: Tensor  # (B, W, K) log sum of all sequences up to this tag, its own score included
    beta: Tensor  # (B, W, K) and of all that follow it
    total: Tensor  # (B,) log sum of all sequences


class CRF(nn.Module):
    """Scores (B, W, K) of tags -> the loss of the true ones, or the best ones.

    `allowed` (K + 1, K): whether the tag of a row may be followed by that of a column; the last row is the start.
    """

    allowed: Tensor

    def __init__(self, allowed: Tensor) -> None:
        super().__init__()
        tags = allowed.shape[1]
        self.register_buffer("allowed", allowed, persistent=False)
        self.transitions = nn.Parameter(torch.zeros(tags + 1, tags))
        self.last = nn.Parameter(torch.zeros(tags))  # score of each tag at the end of a sentence

    def steps(self) -> tuple[Tensor, Tensor]:
        """Scores (K, K) from tag to tag, and (K,) of the first tag."""
        scores = self.transitions.float().masked_fill(~self.allowed.to(self.transitions.device), IMPOSSIBLE)
        return scores[:-1], scores[-1]

    def loss(self, scores: Tensor, tags: Tensor, words: Tensor) -> Tensor:
        """Negative log-likelihood (B,) in nats of `tags` (B, W) in sentences of `words` (B,) words, 1 at least."""
        between, first = self.steps()
        real = torch.arange(tags.shape[1], device=tags.device) < words[:, None]  # (B, W)
        path = scores.gather(2, tags[..., None]).squeeze(2)  # (B, W)
        path = torch.cat(
            [path[:, :1] + first[tags[:, :1]], path[:, 1:] + between[tags[:, :-1], tags[:, 1:]]], 1
        )
        ends = self.last[tags.gather(1, words[:, None] - 1)].squeeze(1)  # (B,)
        total = self._total(self._forward(scores), words)
        return total - path.masked_fill(~real, 0.0).sum(1) - ends

    def _forward(self, scores: Tensor) -> Tensor:
        between, first = self.steps()
        alpha = [scores[:, 0] + first]
        for step in scores.unbind(1)[1:]:
            alpha.append(torch.logsumexp(alpha[-1][:, :, None] + between, 1) + step)
        return torch.stack(alpha, 1)  # (B, W, K)

    def _total(self, alpha: Tensor, words: Tensor) -> Tensor:
        at = (words - 1)[:, None, None].expand(-1, 1, alpha.shape[2])
        return torch.logsumexp(alpha.gather(1, at).squeeze(1) + self.last, 1)

    @torch.no_grad()
    def chain(self, scores: Tensor, words: Tensor) -> Chain:
        """The sums over all sequences, for the probabilities of parts of them."""
        between, _ = self.steps()
        alpha = self._forward(scores)
        beta = [self.last.expand_as(alpha[:, 0])]
        for t in range(scores.shape[1] - 2, -1, -1):
            after = torch.logsumexp(between + (scores[:, t + 1] + beta[-1])[:, None], 2)
            beta.append(torch.where((t + 1 < words)[:, None], after, self.last))
        return Chain(alpha, torch.stack(beta[::-1], 1), self._total(alpha, words))

    @torch.no_grad()
    def best(self, scores: Tensor, words: Tensor) -> Tensor:
        """The most probable tags (B, W) of sentences of `words` (B,) words (Viterbi); 0 after their end."""
        between, first = self.steps()
        best, back = scores[:, 0] + first, []  # (B, K)
        for t, step in enumerate(scores.unbind(1)[1:], 1):
            reached, come = (best[:, :, None] + between).max(1)
            going = (t < words)[:, None]
            back.append(torch.where(going, come, torch.arange(come.shape[1], device=come.device)))
            best = torch.where(going, reached + step, best)
        tags = [(best + self.last).argmax(1)]
        for come in reversed(back):
            tags.append(come.gather(1, tags[-1][:, None]).squeeze(1))
        found = torch.stack(tags[::-1], 1)
        return found.masked_fill(torch.arange(found.shape[1], device=found.device) >= words[:, None], 0)

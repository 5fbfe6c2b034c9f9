"""A transformer and its head behind the interface of the training loop: a `MaskedBatch` in, a `Step` out.

Knows no strings and no files. Axes: B parts of documents, T tokens, M tokens to predict, V vocabulary.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ulmus.models.language_head import HeadedTransformer
from ulmus.train.protocol import Step

__all__ = ["AdaptationNetwork"]


class AdaptationNetwork(nn.Module):
    """The mean loss, in nats, of the tokens to predict; 0 if there are none."""

    def __init__(self, transformer: HeadedTransformer) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(self, batch: tuple[Tensor, Tensor, Tensor, Tensor]) -> Step:
        """Loss of a batch: ids (B, T), lengths (B,), predicted (B, T), targets (M,)."""
        ids, lengths, predicted, targets = batch
        logits = self.transformer.logits(ids, lengths, predicted).float()  # (M, V)
        loss = F.cross_entropy(logits, targets, reduction="sum") / max(len(targets), 1)
        return Step(loss, loss.detach(), len(targets))

    def reset(self) -> None:
        """Nothing is carried from batch to batch."""

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Embeddings, one group per layer, and the head if it has weights of its own."""
        return self.transformer.layer_groups()

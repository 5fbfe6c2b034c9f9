"""Encoder and head behind the interface of the training loop: a batch in, a `Step` out.

Documents are processed whole; how is the encoder's matter. Knows no strings and no files.
Axes: B batch, T time, E embedding, C classes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ulmus.evaluation.objectives import MULTI_LABEL, SINGLE_LABEL, Objective
from ulmus.models.encoder import Encoder
from ulmus.models.heads import Head
from ulmus.train.protocol import Step

__all__ = ["ClassifierNetwork", "HeadNetwork"]

LEAST = torch.finfo(
    torch.float32
).tiny  # least sum of weights to divide by: documents of weight 0 lose nothing


def cross_entropy(
    logits: Tensor, targets: Tensor, weight: Tensor | None = None, rows: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Mean loss in nats of logits (B, C): targets are class numbers (B,) or probabilities (B, C).

    `weight` (C,) weighs the classes, `rows` (B,) the documents. Also the sum of the weights; None: B.
    """
    if rows is None and weight is None:
        return F.cross_entropy(logits, targets), None
    if targets.ndim == 1:
        targets = F.one_hot(targets, logits.shape[1]).to(logits.dtype)
    for factor in (weight, None if rows is None else rows[:, None]):
        targets = targets if factor is None else targets * factor
    total = targets.sum()
    return -(targets * logits.log_softmax(1)).sum() / total.clamp(min=LEAST), total


def binary_cross_entropy(
    logits: Tensor, targets: Tensor, weight: Tensor | None = None, rows: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Mean loss in nats of logits (B, C), summed over the labels; targets (B, C) are probabilities.

    `weight` (C,) weighs the presence of labels, `rows` (B,) the documents. Also the sum of `rows`; None: B.
    """
    if rows is None:
        loss = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight)
        return loss * logits.shape[1], None
    each = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight, reduction="none").sum(1)
    total = rows.sum()
    return (each * rows).sum() / total.clamp(min=LEAST), total


LOSSES = {SINGLE_LABEL: cross_entropy, MULTI_LABEL: binary_cross_entropy}


class ClassifierNetwork(nn.Module):
    """Classifier: `Batch(ids, lengths, targets, index)` -> Step with logits (B, C).

    Targets are class numbers (B,) or soft labels (B, C): class probabilities, or independent ones if the `objective` is
    multi-label. `class_weight` (C,) weights the loss that is minimised, never the one that is reported.
    """

    class_weight: Tensor | None

    def __init__(
        self,
        encoder: Encoder,
        head: Head,
        *,
        max_len: int = 400,
        objective: Objective = SINGLE_LABEL,
        class_weight: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        self.max_len, self.objective = max_len, objective
        self.register_buffer("class_weight", class_weight, persistent=False)

    def forward(self, batch: Any) -> Step:
        """Logits (B, C), and the loss in nats if the batch has targets."""
        return self.step(self.features(batch.ids, batch.lengths), batch.targets, batch.weights)

    def step(self, features: Tensor, targets: Tensor | None, rows: Tensor | None = None) -> Step:
        """Head and loss for features (B, F); `rows` (B,) are weights of the documents."""
        logits = self.head(features).float()
        if targets is None:
            nothing = logits.new_zeros(())
            return Step(nothing, nothing, len(logits), logits)
        cost, weight = LOSSES[self.objective], self.class_weight
        nll, over = cost(logits, targets)
        loss = nll
        if weight is not None or rows is not None:
            weight = None if weight is None else weight.to(logits.device)
            loss, over = cost(logits, targets, weight, rows)
        return Step(loss, nll.detach(), len(logits), logits, targets, over)

    def features(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Features (B, F) of documents (B, T) of `lengths` (B,)."""
        return self.encoder.features(ids, lengths, max_len=self.max_len)

    @property
    def classes(self) -> int:
        """Number of classes C."""
        return self.head.classes

    def reset(self) -> None:
        """Nothing is carried from batch to batch."""

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Embedding, LSTM layers from the bottom, head."""
        return [*self.encoder.layer_groups(), list(self.head.parameters())]


class HeadNetwork(nn.Module):
    """The head of a classifier alone, on precomputed features: `(features, targets)` -> Step."""

    def __init__(self, network: ClassifierNetwork) -> None:
        super().__init__()
        self.head = network.head
        self._whole = (network,)  # in a tuple, so that its encoder is not registered here

    def forward(self, batch: Any) -> Step:
        """Loss in nats and logits (B, C)."""
        features, targets = batch
        return self._whole[0].step(features, targets)

    def reset(self) -> None:
        """Nothing is carried from batch to batch."""

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """The head."""
        return [list(self.head.parameters())]

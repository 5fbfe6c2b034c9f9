"""Encoder and head wired into what the training loop asks for: a batch in, a `Step` out.

It reads whole documents in pieces and pools them. Gradients of a document reach its last `max_len` tokens only
(BPT3C, Howard & Ruder 2018, section 3.3): memory does not grow with its length. Knows no strings and no files.
Axes: B batch, T time, E embedding, C classes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ulmus.evaluation.objectives import MULTI_LABEL, SINGLE_LABEL, Objective
from ulmus.models.encoder import Encoder, State
from ulmus.models.heads import ClassifierHead, Pooled, concat, pool, start_pooling
from ulmus.train.protocol import Step

__all__ = ["ClassifierNetwork", "HeadNetwork"]

PIECE = 256  # tokens read at a time where no gradient is needed


def cross_entropy(
    logits: Tensor, targets: Tensor, weight: Tensor | None = None, rows: Tensor | None = None
) -> Tensor:
    """Mean loss in nats of logits (B, C): targets are class numbers (B,) or probabilities (B, C).

    `weight` (C,) weighs the classes, `rows` (B,) the documents.
    """
    if rows is None and (targets.ndim == 1 or weight is None):
        return F.cross_entropy(logits, targets, weight)
    if targets.ndim == 1:
        targets = F.one_hot(targets, logits.shape[1]).to(logits.dtype)
    for factor in (weight, None if rows is None else rows[:, None]):
        targets = targets if factor is None else targets * factor
    return -(targets * logits.log_softmax(1)).sum() / targets.sum()


def binary_cross_entropy(
    logits: Tensor, targets: Tensor, weight: Tensor | None = None, rows: Tensor | None = None
) -> Tensor:
    """Mean loss in nats of logits (B, C), summed over the labels; targets (B, C) are probabilities.

    `weight` (C,) weighs the presence of labels, `rows` (B,) the documents.
    """
    if rows is None:
        return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight) * logits.shape[1]
    each = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight, reduction="none").sum(1)
    return (each * rows).sum() / rows.sum()


LOSSES = {SINGLE_LABEL: cross_entropy, MULTI_LABEL: binary_cross_entropy}


class ClassifierNetwork(nn.Module):
    """Classifier: `Batch(ids, lengths, targets, index)` -> Step with logits (B, C).

    Targets are class numbers (B,), or (B, C): probabilities of classes (soft labels), of each label alone where the
    `objective` is multi-label. `class_weight` (C,) weighs the loss that is minimised, never the one that is reported.
    """

    class_weight: Tensor | None

    def __init__(
        self,
        encoder: Encoder,
        head: ClassifierHead,
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
        """Logits, and losses where the batch has targets."""
        return self.step(self.features(batch.ids, batch.lengths), batch.targets, batch.weights)

    def step(self, features: Tensor, targets: Tensor | None, rows: Tensor | None = None) -> Step:
        """What the head makes of features (B, F); `rows` (B,) says how much each document counts."""
        logits = self.head(features).float()
        if targets is None:
            nothing = logits.new_zeros(())
            return Step(nothing, nothing, len(logits), logits)
        cost, weight = LOSSES[self.objective], self.class_weight
        nll = cost(logits, targets)
        if weight is not None:
            weight = weight.to(logits.device)
        loss = nll if weight is None and rows is None else cost(logits, targets, weight, rows)
        return Step(loss, nll.detach(), len(logits), logits, targets)

    def features(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Concat pooling over the real tokens of documents (B, T) of `lengths` (B,) -> (B, F).

        Each document is skimmed without gradients up to its last `max_len` tokens (less a sixteenth at most, so that
        documents of like length stop together); what is left of it is read with gradients, from the state it was in.
        """
        tracked = torch.is_grad_enabled() and any(p.requires_grad for p in self.encoder.parameters())
        skimmed = lengths
        if tracked:
            grain = max(1, self.max_len // 16)
            skimmed = (lengths - self.max_len + grain - 1).clamp(min=0) // grain * grain  # (B,) tokens
        with self.encoder.one_draw():
            with torch.no_grad():
                pooled, state = self._skim(ids, lengths, skimmed)
            if tracked:
                rest = lengths - skimmed  # (B,)
                at = skimmed[:, None] + torch.arange(max(1, int(rest.max())), device=ids.device)  # (B, T')
                outputs = self.encoder(ids.gather(1, at.clamp(max=ids.shape[1] - 1)), state).outputs
                pooled = pool(pooled, outputs, 0, rest)
        return concat(pooled, lengths)

    def _skim(self, ids: Tensor, lengths: Tensor, skimmed: Tensor) -> tuple[list[Pooled], State]:
        """Pooling and state of each document after its first `skimmed` (B,) tokens, read in pieces."""
        pooled = start_pooling(len(ids), self.encoder.config.widths(), self.encoder.embedding)
        state, longest = self.encoder.initial_state(len(ids)), int(skimmed.max())
        stops = set(range(PIECE, longest, PIECE)) | {longest}
        if (
            skimmed is not lengths
        ):  # what is read beyond the end of a document does no harm; before it, it would
            stops |= set(skimmed.tolist())
        start = 0
        for end in sorted(stops - {0}):
            rows = (skimmed > start).nonzero().squeeze(1)  # documents that are not through
            outputs, _, now = self.encoder(ids[rows, start:end], [(h[rows], c[rows]) for h, c in state])
            read = pool([Pooled(*(t[rows] for t in one)) for one in pooled], outputs, start, lengths[rows])
            pooled = [
                Pooled(*(t.index_copy(0, rows, new) for t, new in zip(*pair, strict=True)))
                for pair in zip(pooled, read, strict=True)
            ]
            state = [
                (h.index_copy(0, rows, new_h.to(h.dtype)), c.index_copy(0, rows, new_c.to(c.dtype)))
                for (h, c), (new_h, new_c) in zip(state, now, strict=True)
            ]
            start = end
        return pooled, state

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
    """The head of a classifier on features that its encoder made before: `FeatureBatch(features, targets)` -> Step."""

    def __init__(self, network: ClassifierNetwork) -> None:
        super().__init__()
        self.head = network.head
        self._whole = (network,)  # (in a tuple: its encoder is no part of this)

    def forward(self, batch: Any) -> Step:
        """Losses and logits (B, C)."""
        return self._whole[0].step(batch.features, batch.targets)

    def reset(self) -> None:
        """Nothing is carried from batch to batch."""

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """The head."""
        return [list(self.head.parameters())]

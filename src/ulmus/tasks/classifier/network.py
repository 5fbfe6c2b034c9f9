"""Encoder and head behind the interface of the training loop: a batch in, a `Step` out.

Documents are processed whole, in chunks, and pooled. Gradients reach only the last `max_len` tokens of a document
(BPT3C, Howard & Ruder 2018, section 3.3), so memory does not grow with its length. Knows no strings and no files.
Axes: B batch, T time, E embedding, F features, C classes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ulmus.evaluation.objectives import SINGLE_LABEL, Objective
from ulmus.models.encoder import Encoder, State
from ulmus.models.heads import ClassifierHead, Pooled, concat, pool, start_pooling
from ulmus.models.pairs import pair_features, taken_apart
from ulmus.train.protocol import Step

__all__ = ["ClassifierNetwork", "HeadNetwork"]

CHUNK = 256  # tokens per forward pass if no gradient is needed


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


def squared_error(
    predicted: Tensor,
    targets: Tensor,
    weight: Tensor | None = None,  # noqa: ARG001 - numbers have no classes
    rows: Tensor | None = None,
) -> Tensor:
    """Half the mean squared error of predictions (B, 1) and targets (B, 1) in standard deviations; `rows` (B,)."""
    return _weighed(F.mse_loss(predicted, targets, reduction="none").sum(1) / 2, rows)


def huber(
    predicted: Tensor,
    targets: Tensor,
    weight: Tensor | None = None,  # noqa: ARG001
    rows: Tensor | None = None,
) -> Tensor:
    """The same, but errors beyond one standard deviation count linearly (Huber 1964): outliers pull less."""
    return _weighed(F.huber_loss(predicted, targets, reduction="none").sum(1), rows)


def _weighed(each: Tensor, rows: Tensor | None) -> Tensor:
    return each.mean() if rows is None else (each * rows).sum() / rows.sum()


LOSSES = {
    "cross-entropy": cross_entropy,
    "binary-cross-entropy": binary_cross_entropy,
    "squared-error": squared_error,
    "huber": huber,
}


class ClassifierNetwork(nn.Module):
    """Classifier: `Batch(ids, lengths, targets, index)` -> Step with logits (B, C).

    Targets are class numbers (B,) or soft labels (B, C): class probabilities, or independent ones if the `objective` is
    multi-label; for regression, numbers (B, 1). With `pairs` each document is a pair of texts. `class_weight` (C,)
    weights the loss that is minimised, never the one that is reported.
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
        pairs: bool = False,
    ) -> None:
        super().__init__()
        self.encoder, self.head, self.pairs = encoder, head, pairs
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
        cost, weight = LOSSES[self.objective.cost], self.class_weight
        nll = cost(logits, targets)
        if weight is not None:
            weight = weight.to(logits.device)
        loss = nll if weight is None and rows is None else cost(logits, targets, weight, rows)
        return Step(loss, nll.detach(), len(logits), logits, targets)

    def features(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Features (B, F) of documents (B, T) of `lengths` (B,), or (B, 4 F) of pairs that are taken apart."""
        if taken_apart(self.encoder.config, pairs=self.pairs):
            return pair_features(self._pooled, ids, lengths)
        return self._pooled(ids, lengths)

    def _pooled(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Concat pooling over the real tokens of documents (B, T) of `lengths` (B,) -> (B, F).

        Each document goes through the encoder without gradients up to its last `max_len` tokens (less a sixteenth at
        most, so that documents of similar length stop together); the rest follows with gradients, from that state.
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
        """Pooling and state of documents (B, T) of `lengths` (B,) after `skimmed` (B,) tokens each, in chunks."""
        pooled = start_pooling(len(ids), self.encoder.config.widths(), self.encoder.embedding)
        state, longest = self.encoder.initial_state(len(ids)), int(skimmed.max())
        stops = set(range(CHUNK, longest, CHUNK)) | {longest}
        # running over the end of a document does no harm; over the point where gradients begin, it would
        if skimmed is not lengths:
            stops |= set(skimmed.tolist())
        start = 0
        for end in sorted(stops - {0}):
            rows = (skimmed > start).nonzero().squeeze(1)  # documents that are not finished
            outputs, _, now = self.encoder(ids[rows, start:end], [(h[rows], c[rows]) for h, c in state])
            new_pooled = pool(
                [Pooled(*(t[rows] for t in one)) for one in pooled], outputs, start, lengths[rows]
            )
            pooled = [
                Pooled(*(t.index_copy(0, rows, new) for t, new in zip(*pair, strict=True)))
                for pair in zip(pooled, new_pooled, strict=True)
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
    """The head of a classifier alone, on precomputed features: `FeatureBatch(features, targets)` -> Step."""

    def __init__(self, network: ClassifierNetwork) -> None:
        super().__init__()
        self.head = network.head
        self._whole = (network,)  # in a tuple, so that its encoder is not registered here

    def forward(self, batch: Any) -> Step:
        """Loss in nats and logits (B, C)."""
        return self._whole[0].step(batch.features, batch.targets)

    def reset(self) -> None:
        """Nothing is carried from batch to batch."""

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """The head."""
        return [list(self.head.parameters())]

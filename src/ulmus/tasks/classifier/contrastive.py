"""Fine-tuning by comparison: documents of one class are drawn together, those of different classes apart.

A hundred labels make five thousand pairs: the encoder learns what tells the classes apart, not a hundred answers. A
regression on its features decides afterwards. Source: Tunstall et al. 2022, *Efficient Few-Shot Learning Without
Prompts* (SetFit), section 3, on the pairs of Reimers & Gurevych 2019, section 3; here all pairs of a batch count, so
that each document is encoded once. Knows no strings. Axes: B batch, D features of a token, C classes.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ulmus.tasks.classifier.network import LEAST, ClassifierNetwork
from ulmus.tasks.classifier.training import Training, TrainingSet
from ulmus.train.loop import Stage
from ulmus.train.processes import processes
from ulmus.train.protocol import Step
from ulmus.train.schedules import Schedule

__all__ = ["ContrastiveNetwork", "compare", "pair_loss"]


def pair_loss(vectors: Tensor, classes: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean squared error () of the cosines of all pairs of `vectors` (B, D): 1 within a class, 0 between classes.

    `classes` (B,); both kinds of pairs count half. `weights` (B,) of documents: that of a pair is their product.
    """
    unit = F.normalize(vectors.float(), dim=1)
    same = classes[:, None] == classes[None, :]
    other = torch.ones_like(same).fill_diagonal_(fill_value=False)
    errors = (unit @ unit.T - same.float()).square()
    weight = torch.ones_like(errors) if weights is None else weights[:, None] * weights[None, :]
    loss = errors.new_zeros(())
    for kind in (same & other, ~same):
        share = weight * kind
        loss = loss + (errors * share).sum() / share.sum().clamp(min=LEAST) / 2
    return loss


class ContrastiveNetwork(ClassifierNetwork):
    """A classifier's encoder with the loss of pairs, which needs no head."""

    def __init__(self, network: ClassifierNetwork) -> None:
        without: Any = nn.Identity()
        super().__init__(network.encoder, without, max_len=network.max_len, pairs=network.pairs)

    def forward(self, batch: Any) -> Step:
        """Loss of all pairs of a batch of documents with class numbers (B,), those of other processes included."""
        features = self.features(batch.ids, batch.lengths)
        vectors = F.normalize(features[:, -self.encoder.config.token_width() :].float(), dim=1)
        together = processes()
        everything = together.gathered(vectors.detach())
        if together.count > 1 and not together.idle:  # gradients of one's own rows
            everything = everything.index_copy(
                0, torch.arange(together.rank, len(everything), together.count), vectors
            )
        elif together.count == 1:
            everything = vectors
        weights = None if batch.weights is None else together.gathered(batch.weights)
        loss = pair_loss(everything, together.gathered(batch.targets), weights)
        # of several processes each has the loss of all pairs; the loop takes its part by the rows
        return Step(loss * (len(everything) / len(vectors)), loss.detach(), len(vectors))

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Those of the encoder."""
        return super().layer_groups()[:-1]


def compare(training: Training, training_set: TrainingSet) -> None:
    """Train the encoder on pairs of the documents of `training_set`, whose targets are class numbers."""
    c, documents = training.config, len(training_set.documents)
    own = ContrastiveNetwork(training.network)
    batches = max(1, -(-documents // c.pairs_batch))
    stage = Stage(
        "pairs of labels",
        epochs=max(1, round(c.pairs_steps / batches)),
        schedule=Schedule(c.schedule, peak=c.pairs_peak),
        unfreeze=c.unfrozen(len(own.layer_groups())),
        factor=c.factor,
        weight_decay=c.weight_decay,
        minutes=training_set.minutes,
    )
    pairs = dataclasses.replace(training_set, name="pairs of labels", batch_size=c.pairs_batch)
    dataclasses.replace(training, network=own).run(pairs, [stage])

"""Encoders, tag head and CRF behind the interface of the training loop: a batch of sentences in, a `Step` out.

A word is represented by an output of each encoder, at a token where the encoder has read the whole word: the last one
for an encoder that reads forwards, the first one for any other. Knows no strings and no files.
Axes: B sentences, T ids, W words, D features, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from ulmus.models.crf import CRF, Chain
from ulmus.models.encoder import Encoder
from ulmus.models.tag_head import TagHead, mirrored
from ulmus.special_tokens import BOS
from ulmus.tasks.tagger.config import TaggerConfig
from ulmus.train.protocol import Step

__all__ = ["Decoded", "TaggerNetwork", "allowed_steps", "tagger_network"]


class Decoded(NamedTuple):
    """The best tags of a batch, and all that is needed for their probabilities."""

    tags: Tensor  # (B, W)
    scores: Tensor  # (B, W, K) of the head
    chain: Chain


def allowed_steps(types: int) -> Tensor:
    """Which tag may follow which, (K + 1, K) with the start as the last row, for K = 1 + 2 * types tags.

    Tag 0 is O, 1 + 2k is B and 2 + 2k is I of type k; I follows B or I of its type only.
    """
    tags = 1 + 2 * types
    allowed = torch.ones(tags + 1, tags, dtype=torch.bool)
    for inside in range(2, tags, 2):
        allowed[:, inside] = False
        allowed[inside - 1 : inside + 1, inside] = True
    return allowed


class TaggerNetwork(nn.Module):
    """Tagger: `TagBatch` -> Step with the loss in nats per word; in evaluation also the best tags (words,).

    `backwards` says of each encoder whether it reads the sentence from its end.
    """

    def __init__(
        self, encoders: Sequence[Encoder], head: TagHead, *, types: int, backwards: Sequence[bool]
    ) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(cast("Sequence[nn.Module]", encoders))
        self.head, self.crf = head, CRF(allowed_steps(types))
        self.backwards = tuple(backwards)

    def forward(self, batch: Any) -> Step:
        """The loss in nats, a mean over the words, if the batch has tags."""
        scores = self.scores(batch)
        count = int(batch.words.sum())
        if batch.tags is None:
            nothing = scores.new_zeros(())
            return Step(nothing, nothing, count)
        loss = self.crf.loss(scores, batch.tags, batch.words).sum() / count
        if self.training:
            return Step(loss, loss.detach(), count)
        real = torch.arange(scores.shape[1], device=scores.device) < batch.words[:, None]
        best = self.crf.best(scores, batch.words)
        return Step(loss, loss.detach(), count, best[real], batch.tags[real])

    def scores(self, batch: Any) -> Tensor:
        """Scores (B, W, K) of the tags of each word, float32."""
        encoded = [
            self._encoded(cast(Encoder, encoder), batch, backwards=backwards)
            for encoder, backwards in zip(self.encoders, self.backwards, strict=True)
        ]
        with torch.autocast(batch.ids.device.type, enabled=False):
            scores: Tensor = self.head(torch.cat(encoded, 2), batch.features, batch.words)
        return scores

    def decoded(self, batch: Any) -> Decoded:
        """The best tags of each sentence."""
        scores = self.scores(batch)
        return Decoded(self.crf.best(scores, batch.words), scores, self.crf.chain(scores, batch.words))

    def _encoded(self, encoder: Encoder, batch: Any, *, backwards: bool) -> Tensor:
        """Features (B, W, D) float32 of the words."""
        ids, lengths, at = batch.ids, batch.lengths, batch.last
        if backwards:
            keep = (ids[:, 0] == BOS).long()
            here = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
            ids, at = ids.gather(1, mirrored(here, lengths, keep)), mirrored(batch.first, lengths, keep)
        features = token_features(encoder, ids)
        return features.gather(1, at[..., None].expand(-1, -1, features.shape[2])).float()

    def reset(self) -> None:
        """Nothing is carried from batch to batch."""

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Layers of the encoders from the bottom, those of all encoders at a height together; then head and CRF."""
        groups = [cast(Encoder, encoder).layer_groups() for encoder in self.encoders]
        layers = [[p for group in level for p in group] for level in zip_longest(*groups, fillvalue=[])]
        return [*layers, [*self.head.parameters(), *self.crf.parameters()]]


def tagger_network(
    encoders: Sequence[Encoder], types: Sequence[str], config: TaggerConfig, *, backwards: Sequence[bool]
) -> TaggerNetwork:
    """A network of these encoders with a new head, with random weights."""
    head = TagHead(
        sum(map(token_width, encoders)),
        1 + 2 * len(types),
        buckets=config.buckets,
        own=config.own,
        hidden=config.hidden,
        drop=config.drop,
    )
    return TaggerNetwork(encoders, head, types=len(types), backwards=backwards)


def token_features(encoder: Encoder, ids: Tensor) -> Tensor:
    """The outputs (B, T, D) of all layers for ids (B, T)."""
    return torch.cat(encoder(ids).outputs, 2)


def token_width(encoder: Encoder) -> int:
    """D, the width of `token_features`."""
    return sum(encoder.config.widths())

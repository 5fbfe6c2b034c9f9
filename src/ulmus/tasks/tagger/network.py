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
from ulmus.models.encoder import Encoder, EncoderShape
from ulmus.models.tag_head import TagHead, mirrored
from ulmus.models.transformer import TransformerConfig
from ulmus.special_tokens import BOS
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.tagger.config import TaggerConfig
from ulmus.train.protocol import Step

__all__ = ["READINGS", "Decoded", "TaggerNetwork", "allowed_steps", "reading", "tagger_network"]

READINGS = ("forwards", "backwards", "both ways")


def reading(shape: EncoderShape, language_model: LMConfig | None) -> str:
    """How an encoder of this shape, from this language model or from none, reads a sentence: one of `READINGS`."""
    if language_model is None:
        return "forwards" if isinstance(shape, TransformerConfig) and shape.causal else "both ways"
    return "backwards" if language_model.backwards else "forwards"


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

    `readings` says of each encoder how it reads a sentence: one of `READINGS`.
    """

    def __init__(
        self, encoders: Sequence[Encoder], head: TagHead, *, types: int, readings: Sequence[str]
    ) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(cast("Sequence[nn.Module]", encoders))
        self.head, self.crf = head, CRF(allowed_steps(types))
        self.readings = tuple(readings)

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
            self._encoded(cast(Encoder, encoder), batch, reading)
            for encoder, reading in zip(self.encoders, self.readings, strict=True)
        ]
        with torch.autocast(batch.ids.device.type, enabled=False):
            scores: Tensor = self.head(torch.cat(encoded, 2), batch.features, batch.words)
        return scores

    def decoded(self, batch: Any) -> Decoded:
        """The best tags of each sentence."""
        scores = self.scores(batch)
        return Decoded(self.crf.best(scores, batch.words), scores, self.crf.chain(scores, batch.words))

    def _encoded(self, encoder: Encoder, batch: Any, reading: str) -> Tensor:
        """Features (B, W, D) float32 of the words."""
        ids, lengths, at = batch.ids, batch.lengths, batch.last if reading == "forwards" else batch.first
        if reading == "backwards":
            keep = (ids[:, 0] == BOS).long()
            here = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
            ids, at = ids.gather(1, mirrored(here, lengths, keep)), mirrored(at, lengths, keep)
        features = encoder.token_features(ids, lengths)
        return features.gather(1, at[..., None].expand(-1, -1, features.shape[2]))

    @property
    def steady_bf16(self) -> bool:
        """Whether bf16 inference, too, gives a text the same tags alone and in any batch."""
        return all(cast(Encoder, encoder).steady_bf16 for encoder in self.encoders)

    def reset(self) -> None:
        """Nothing is carried from batch to batch."""

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Layers of the encoders from the bottom, those of all encoders at a height together; then head and CRF."""
        groups = [cast(Encoder, encoder).layer_groups() for encoder in self.encoders]
        layers = [[p for group in level for p in group] for level in zip_longest(*groups, fillvalue=[])]
        return [*layers, [*self.head.parameters(), *self.crf.parameters()]]


def tagger_network(
    encoders: Sequence[Encoder], types: Sequence[str], config: TaggerConfig, readings: Sequence[str]
) -> TaggerNetwork:
    """A network of these encoders with a new head, with random weights."""
    head = TagHead(
        sum(encoder.config.token_width() for encoder in encoders),
        1 + 2 * len(types),
        buckets=config.buckets,
        own=config.own,
        hidden=config.hidden,
        drop=config.drop,
    )
    return TaggerNetwork(encoders, head, types=len(types), readings=readings)

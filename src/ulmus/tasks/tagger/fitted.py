"""A fitted tagger: one frozen value that training returns, files hold and prediction takes.

It holds all that a prediction needs, and a record of its training. Knows no training and no files.
Axes: N texts, B parts of a batch, W words, K tags.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from ulmus.corpus.tagged import Tagged
from ulmus.data.tag_batches import TagBatches
from ulmus.evaluation.entities import Entity, as_tags, entity_scores
from ulmus.evaluation.splits import share_seen
from ulmus.tasks.ids import AnyTokenizer
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.tagger.config import TaggerConfig
from ulmus.tasks.tagger.network import Decoded, TaggerNetwork
from ulmus.tasks.tagger.sentences import Part, joined, parts_of, word_store
from ulmus.train.device import autocast, resolve_device, resolve_precision, reuse_memory, to_device

__all__ = ["FittedTagger", "Span"]

PARTS = 2_000  # tagged at a time, so that memory does not grow with the number of texts


class Span(NamedTuple):
    """An entity in a text: `text[start:end]`, its type, and the probability that exactly this is one."""

    start: int
    end: int
    label: str
    text: str
    score: float


@dataclass(frozen=True)
class FittedTagger:
    """Network and tokenizer, and the types of entities that it knows."""

    types: tuple[str, ...]
    network: TaggerNetwork  # in evaluation mode
    tokenizer: AnyTokenizer
    config: TaggerConfig
    lm_configs: tuple[
        LMConfig, ...
    ]  # of the language models that the encoders come from; none for a transformer
    report: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    card: dict[str, Any] = field(default_factory=dict)  # how it was trained, and on which data
    # hashes of some training texts, to recognise them in other data
    sketch: list[int] = field(default_factory=list)

    def spans(
        self, texts: Sequence[str], *, device: str = "auto", precision: str = "auto"
    ) -> list[list[Span]]:
        """The entities of each of N texts, in their order."""
        return [
            [Span(*entity, text[entity.start : entity.end], score) for entity, score in found]
            for text, found in zip(
                texts, self.entities(texts, device=device, precision=precision), strict=True
            )
        ]

    def entities(
        self, sentences: Sequence[str | Sequence[str]], *, device: str = "auto", precision: str = "auto"
    ) -> list[list[tuple[Entity, float]]]:
        """The entities of each of N texts (in characters) or sentences (in tokens), with their probabilities.

        Raises ConfigError: an unknown or unavailable device or precision.
        """
        found: list[list[tuple[Entity, float]]] = [[] for _ in sentences]
        parts = parts_of(sentences, longest=self.config.longest)
        for start in range(0, len(parts), PARTS):
            some = parts[start : start + PARTS]
            for part, entity, score in self._tagged(some, device, precision):
                own = found[part.sentence]
                # (a token of several words may hold more than one entity: the first counts)
                if not own or own[-1][0].end <= entity.start:
                    own.append((entity, score))
        return found

    def tags(
        self, sentences: Sequence[Sequence[str]], *, device: str = "auto", precision: str = "auto"
    ) -> list[list[str]]:
        """The BIO tags of the tokens of each of N sentences."""
        found = self.entities(sentences, device=device, precision=precision)
        return [
            as_tags([entity for entity, _ in row], len(tokens))
            for tokens, row in zip(sentences, found, strict=True)
        ]

    def evaluate(self, tagged: Tagged, *, device: str = "auto", precision: str = "auto") -> dict[str, Any]:
        """precision, recall and f1 of the entities, `types` with the same for each type, n (sentences), `seen`.

        `seen` estimates the fraction of the sentences that were trained on.
        """
        found = self.entities(tagged.sentences, device=device, precision=precision)
        scores = entity_scores(tagged.entities, [[entity for entity, _ in row] for row in found])
        return scores | {"n": len(tagged), "seen": share_seen(joined(tagged.sentences), self.sketch)}

    def _tagged(
        self, parts: Sequence[Part], device: str, precision: str
    ) -> Iterator[tuple[Part, Entity, float]]:
        """The entities of the parts, in the order of the parts."""
        place = resolve_device(device)
        if precision == "auto" and not self.network.steady_bf16:
            precision = "float32"
        numbers = resolve_precision(precision, place)
        network = self.network.to(place).eval()
        reuse_memory()
        batches = TagBatches(
            word_store(parts, self.tokenizer, self.config.buckets),
            batch_size=64,
            token_budget=self.config.token_budget,
        )
        found: dict[int, list[tuple[Entity, float]]] = {}
        with torch.inference_mode():
            for batch in batches:
                with autocast(place, numbers):
                    decoded = network.decoded(to_device(batch, place))
                chances = Chances(decoded, *network.crf.steps(), network.crf.last)
                tags = decoded.tags.tolist()
                for row, number in enumerate(batch.index.tolist()):
                    part, own = parts[number], tags[row][: len(parts[number].words)]
                    found[number] = [
                        (entity, chances.of(row, own, i, j))
                        for i, j, entity in part.entities(self.types, own)
                    ]
        for number, part in enumerate(parts):
            for entity, score in found[number]:
                yield part, entity, score


class Chances:
    """The probabilities of entities in a decoded batch."""

    def __init__(self, decoded: Decoded, *weights: torch.Tensor) -> None:
        arrays = (decoded.scores, *decoded.chain, *weights)
        self._arrays = [np.asarray(one.float().cpu().numpy(), np.float64) for one in arrays]

    def of(self, row: int, tags: Sequence[int], i: int, j: int) -> float:
        """The probability that words i to j of a sentence have these tags, and word j + 1 does not continue them."""
        scores, alpha, beta, total, between, _, last = self._arrays
        sum_ = alpha[row, i, tags[i]]
        for t in range(i + 1, j + 1):
            sum_ += between[tags[t - 1], tags[t]] + scores[row, t, tags[t]]
        if j + 1 == len(tags):
            sum_ += last[tags[j]]
        else:
            after = between[tags[j]] + scores[row, j + 1] + beta[row, j + 1]
            after[tags[j] + 1 if tags[j] % 2 else tags[j]] = -np.inf  # I of the same type
            sum_ += np.logaddexp.reduce(after)
        return float(min(math.exp(min(sum_ - total[row], 0.0)), 1.0))

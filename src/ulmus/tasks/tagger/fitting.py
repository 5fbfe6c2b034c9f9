"""One `TextTagger.fit`: language models, then head, top layer and all layers on the tags, then the held-out sentences.

Source: gradual unfreezing and discriminative rates, Howard & Ruder 2018, sections 3.2 and 3.3.
Axes: N sentences, K tags.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ulmus.config import to_dict
from ulmus.corpus.tagged import Tagged
from ulmus.data.store import content_key
from ulmus.data.tag_batches import TagBatches, WordStore
from ulmus.errors import DataError
from ulmus.evaluation.entities import entities, entity_scores
from ulmus.evaluation.splits import sketch
from ulmus.tasks.budget import SHARES, Budget
from ulmus.tasks.checkpoints import checkpoint
from ulmus.tasks.circumstances import circumstances
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.pretrained import Pretrained
from ulmus.tasks.settings import RunSettings
from ulmus.tasks.tagger.config import TaggerConfig
from ulmus.tasks.tagger.encoders import Start, starting_encoders
from ulmus.tasks.tagger.fitted import FittedTagger
from ulmus.tasks.tagger.network import TaggerNetwork, reading, tagger_network
from ulmus.tasks.tagger.sentences import joined, parts_of, tag_names, word_store
from ulmus.train.callbacks import Callback
from ulmus.train.loop import Stage, Trainer
from ulmus.train.schedules import Schedule

__all__ = ["fit", "make_network"]

HELD, MOST_HELD, FEWEST = 0.15, 1_000, 50  # share and most of the held-out sentences; of fewer none are


def fit(
    tagged: Tagged, valid: Tagged | None, config: TaggerConfig, settings: RunSettings, start: Start
) -> FittedTagger:
    """Train a tagger within the time budget of the settings. Raises UsageError, DataError, ConfigError, BundleError."""
    budget = Budget(settings.minutes)
    types = _types(tagged, valid)
    settings.say(
        f"{len(tagged):,} sentences, {sum(map(len, tagged.entities)):,} entities of {len(types):,} types."
    )
    train, held = _split(tagged, valid, settings.seed)
    texts = joined(tagged.sentences)
    known = RunTexts(texts, settings.folder, verbose=settings.verbose)
    starts = starting_encoders(start, known, settings, budget)
    network = make_network(starts, types, config, settings.seed)
    fitted = FittedTagger(
        types=types,
        network=network.eval(),
        tokenizer=starts[0].tokenizer,
        config=config,
        lm_configs=tuple(one.lm_config for one in starts if one.lm_config is not None),
        sketch=sketch(texts),
    )
    training = Training(fitted, settings, [])
    minutes = budget.left()
    stages = _stages(config, len(train), minutes and (0.95 if valid is None else 1) * minutes)
    training.run("tags", train, held, stages)
    report = fitted.evaluate(held, device=settings.device, precision=settings.precision) if len(held) else {}
    if valid is None and len(held) and config.give_back:
        peak = config.give_back * config.all_peak
        training.run(
            "held-out", tagged, None, [_stage("held-out sentences", config, 1, peak, minutes=budget.left())]
        )
    network.eval()
    trained_on = {"sentences": len(tagged), "entities": sum(map(len, tagged.entities))}
    made = circumstances(settings, minutes=budget.spent())
    return replace(
        fitted,
        report=report | {"minutes": made["minutes"], "trained_on": trained_on},
        history=training.history,
        card={"data": {"labelled": content_key(tagged.entities, texts=texts)}} | made,
    )


def make_network(
    starts: Sequence[Pretrained], types: Sequence[str], config: TaggerConfig, seed: int
) -> TaggerNetwork:
    """A network on copies of the encoders, with a new head."""
    encoders = [copy.deepcopy(one.encoder) for one in starts]
    for encoder in encoders:
        encoder.set_dropouts(config.dropouts)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return tagger_network(
            encoders, types, config, [reading(one.encoder.config, one.lm_config) for one in starts]
        )


@dataclass(frozen=True)
class Training:
    """A tagger in training and how it is trained; each training appends its rows to the history."""

    model: FittedTagger  # whose network is trained
    settings: RunSettings
    history: list[dict[str, Any]]

    def run(self, name: str, train: Tagged, held: Tagged | None, stages: list[Stage]) -> None:
        """Run the stages, or resume them; each keeps the weights with the best F1 on the held-out sentences."""
        batches = self.batches(train, shuffle=True)
        valid = self.batches(held) if held else None
        scorer = EntityF1(tag_names(self.model.types))
        trainer = Trainer(
            self.model.network,
            stages,
            train=batches,
            valid=valid,
            config=self.settings.loop(
                clip=self.model.config.clip,
                keep_best=valid is not None,
                monitor="f1" if valid else "loss",
                higher_is_better=valid is not None,
            ),
            callbacks=[scorer, *self.settings.all_callbacks("words")],
            checkpoint=checkpoint(
                self.settings.folder,
                name,
                self.model.network,
                batches=[batches, valid],
                settings=[
                    *(to_dict(stage) | {"minutes": None} for stage in stages),
                    *(
                        to_dict(self.model.config),
                        self.settings.seed,
                        self.settings.precision,
                        self.model.types,
                    ),
                ],
            ),
        )
        self.history.extend(trainer.run().rows)

    def batches(self, tagged: Tagged, *, shuffle: bool = False) -> TagBatches:
        """The sentences in batches; small if there are few, so that an epoch has several steps."""
        parts = parts_of(
            tagged.sentences, tagged.entities, types=self.model.types, longest=self.model.config.longest
        )
        store: WordStore = word_store(parts, self.model.tokenizer, self.model.config.buckets)
        size = int(np.clip(len(parts) // 40, 4, self.model.config.batch_size)) if shuffle else 64
        return TagBatches(
            store,
            batch_size=size,
            token_budget=self.model.config.token_budget,
            shuffle=shuffle,
            seed=self.settings.seed,
        )


class EntityF1(Callback):
    """Adds the F1 of the entities on the held-out sentences to each row of the history."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)

    def measure(self, outputs: Any, targets: Any) -> dict[str, float]:
        """F1 from tag numbers (words,): no sentence begins within an entity, so their borders are not needed."""
        predicted, true = ([entities([self.names[k] for k in row])] for row in (outputs, targets))
        return {"f1": entity_scores(true, predicted)["f1"]}


def _types(tagged: Tagged, valid: Tagged | None) -> tuple[str, ...]:
    types = tagged.types
    if not types:
        raise DataError("expected sentences with entities, but every tag is O. Check the column of the tags.")
    if valid is not None and (unknown := sorted({*valid.types} - {*types})):
        raise DataError(
            f"the held-out sentences have entities of type {', '.join(unknown[:5])}, which no training sentence has."
        )
    return tuple(types)


def _split(tagged: Tagged, valid: Tagged | None, seed: int) -> tuple[Tagged, Tagged]:
    """The sentences to train on and the held-out ones; equal sentences stay together."""
    n = len(tagged)
    if valid is not None:
        return tagged, valid
    if n < FEWEST:
        return tagged, tagged.rows([])
    numbers: dict[str, int] = {}
    same = [numbers.setdefault(text, len(numbers)) for text in joined(tagged.sentences)]
    order = np.random.default_rng(seed).permutation(len(numbers))
    held = set(order[: min(int(HELD * len(numbers)), MOST_HELD)].tolist())
    return (
        tagged.rows(i for i in range(n) if same[i] not in held),
        tagged.rows(i for i in range(n) if same[i] in held),
    )


def _stages(config: TaggerConfig, sentences: int, minutes: float | None) -> list[Stage]:
    """Gradual unfreezing for so many sentences."""
    split = [minutes and share * minutes for share in SHARES.tagging]
    return [
        _stage("head", config, config.head_epochs, config.head_peak, unfreeze=1, minutes=split[0]),
        _stage(
            "head and top layer", config, config.top_epochs, config.top_peak, unfreeze=2, minutes=split[1]
        ),
        _stage("all layers", config, config.epochs_for(sentences), config.all_peak, minutes=split[2]),
    ]


def _stage(
    name: str,
    config: TaggerConfig,
    epochs: int,
    peak: float,
    *,
    unfreeze: int | None = None,
    minutes: float | None,
) -> Stage:
    return Stage(
        name,
        epochs=epochs,
        schedule=Schedule(config.schedule, peak=peak),
        unfreeze=unfreeze,
        factor=config.factor,
        weight_decay=config.weight_decay,
        minutes=minutes,
    )

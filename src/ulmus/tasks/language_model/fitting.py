"""Texts -> a fitted language model: trained from scratch, or fine-tuned from another one.

Each step is one call of the four pillars: text -> ids -> batches -> network -> loop. Knows no labels.
Source: Merity et al. 2017 (model, training); Howard & Ruder 2018, sections 3.1 and 3.2 (pretraining, fine-tuning).
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ulmus import config as toml
from ulmus.data.lm_batches import LMBatches
from ulmus.data.store import IdStore
from ulmus.errors import ConfigError, DataError
from ulmus.evaluation.metrics import bits_per_char, perplexity
from ulmus.evaluation.splits import held_out_for_perplexity
from ulmus.models.weights import remapped
from ulmus.tasks.budget import SHARES, Budget
from ulmus.tasks.checkpoints import checkpoint
from ulmus.tasks.ids import RunTexts, tokenized
from ulmus.tasks.language_model.card import card
from ulmus.tasks.language_model.config import LMConfig, check_loss
from ulmus.tasks.language_model.fitted import FittedLanguageModel
from ulmus.tasks.language_model.network import build
from ulmus.tasks.settings import RunSettings, check_minutes
from ulmus.text.familiar import spelling_bits
from ulmus.text.vocab import remap
from ulmus.train.evaluate import evaluate
from ulmus.train.loop import LoopConfig, Stage, Trainer
from ulmus.train.processes import ALONE, Processes, processes
from ulmus.train.schedules import Schedule

__all__ = ["fine_tune", "fit", "loop_config", "measure", "stages", "training_batches", "untrained"]


@dataclass(frozen=True)
class Job:
    """One training: its texts, its settings and entries for its card."""

    texts: RunTexts
    settings: RunSettings
    about: Mapping[str, Any] = field(default_factory=dict)  # the user's description of the texts
    made_from: Mapping[str, Any] = field(default_factory=dict)  # the card of the model that it starts from
    tuning: bool = False
    decay_steps: int | None = None
    budget: Budget = field(default_factory=lambda: Budget(None))


def untrained(
    config: LMConfig, texts: RunTexts, settings: RunSettings, *, start: FittedLanguageModel | None = None
) -> FittedLanguageModel:
    """A tokenizer for the texts and a network with random weights, or with the weights of `start`. Raises DataError."""
    tokenizer = texts.tokenizer(config.tokenizer)
    network = build(config, len(tokenizer), seed=settings.seed)
    if start is not None:
        network = remapped(start.network, remap(start.tokenizer.vocab, tokenizer.vocab).index, network)
    return FittedLanguageModel(config, tokenizer, network)


def fit(
    config: LMConfig,
    texts: RunTexts,
    settings: RunSettings,
    *,
    valid: Iterable[str] | None = None,
    about: Mapping[str, Any] | None = None,
    start: FittedLanguageModel | None = None,
    decay_steps: int | None = None,
) -> FittedLanguageModel:
    """Train from scratch. Perplexity is measured on `valid`, or on up to 500 held-out documents.

    `about` is the user's description of the texts, for the card. `start` is a model of the same shape that provides the
    initial weights. `decay_steps` branches off a run under way: from its checkpoint the learning rate decays to 0 over
    so many steps; the run itself can still resume without a decay.
    Raises DataError: no texts; ConfigError: another shape; UsageError: a decay without a checkpoint.
    """
    budget = _budget(settings)
    job = Job(texts, settings, about=about or {}, decay_steps=decay_steps, budget=budget)
    if start is not None:
        job = dataclasses.replace(job, made_from={"started_from": start.card})
    return _train(untrained(config, texts, settings, start=start), job, valid)


def fine_tune(
    start: FittedLanguageModel,
    texts: RunTexts,
    settings: RunSettings,
    *,
    valid: Iterable[str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> FittedLanguageModel:
    """Continue training on other texts. A word vocabulary is built from them and filled up with words of the old one.

    Known words keep their rows. First the rows of the vocabulary train alone, then all layers at discriminative rates
    (Howard & Ruder 2018, 3.2), which are lower for few texts. `start` is not modified.
    Raises ConfigError: its config has another shape than its network; DataError: no texts.
    """
    _check_shape(start)
    budget = _budget(settings)
    if start.config.tokenizer.kind == "word":
        tokenizer = texts.tokenizer(start.config.tokenizer).filled(start.tokenizer.vocab.tokens)
        mapping = remap(start.tokenizer.vocab, tokenizer.vocab)
        fresh = build(start.config, len(tokenizer), seed=settings.seed)
        network = remapped(start.network, mapping.index, fresh)
        start = dataclasses.replace(start, tokenizer=tokenizer, network=network, remap=mapping)
    else:
        start = dataclasses.replace(start, network=copy.deepcopy(start.network))
    made_from = {"tuned_from": start.card} if start.card else {}
    job = Job(texts, settings, about=about or {}, made_from=made_from, tuning=True, budget=budget)
    return _train(start, job, valid)


def _budget(settings: RunSettings) -> Budget:
    """The minutes from now on: tokenizing is part of them. Raises ConfigError: they are not above 0."""
    check_minutes(settings.minutes)
    return Budget(settings.minutes)


def _check_shape(start: FittedLanguageModel) -> None:
    shape = start.config.encoder(len(start.tokenizer))
    if shape != start.network.encoder.config:
        raise ConfigError(
            f"the settings have another shape ({shape}) than the model ({start.network.encoder.config}). "
            "Fine-tuning cannot change the shape: remove embedding, hidden, layers and cell from the settings."
        )


def _train(start: FittedLanguageModel, job: Job, valid: Iterable[str] | None) -> FittedLanguageModel:
    """Train the network of `start`, whose tokenizer is the one for these texts."""
    texts, settings, tuning = job.texts, job.settings, job.tuning
    config, tokenizer, network = start.config, start.tokenizer, start.network
    store = texts.ids(tokenizer)
    lengths = store.lengths[: texts.learn]
    train, held = np.arange(len(lengths)), np.arange(0)
    if valid is None:
        train, held = held_out_for_perplexity(lengths, settings.seed)
        evaluated = held_out_batches(config, store, held) if len(held) else None
    else:
        valid_texts = RunTexts(valid, settings.folder, name="lm-valid-ids")
        evaluated = held_out_batches(config, valid_texts.ids(tokenizer))
    batches = _batches(config, store, train, job)
    planned = stages(
        config,
        batches[-1].tokens,
        minutes=job.budget.left(),
        tuning=tuning,
        decay_steps=job.decay_steps,
        most_tokens=job.settings.lm_tokens,
    )
    trainer = Trainer(
        network,
        planned,
        train=batches if len(batches) > 1 else batches[0],
        valid=evaluated,
        config=loop_config(config, settings, evaluated=evaluated is not None, keep=job.decay_steps is None),
        callbacks=settings.all_callbacks("tokens"),
        checkpoint=checkpoint(
            settings.folder,
            "lm-tuning" if tuning else "lm",
            network,
            batches=[*batches, evaluated],
            settings=[toml.to_dict(config), settings.seed, settings.precision, settings.minutes is None],
            branch=job.decay_steps is not None,
        ),
    )
    done = trainer.run()
    history = done.rows
    check_loss(history[-1]["train_loss"] if done.best is None else done.best)
    network.eval()
    described = card(job.about, texts, tokenizer, history, settings=settings) | dict(job.made_from)
    metrics = {"tokens": int(lengths.sum()), "documents": len(lengths), "vocabulary": len(tokenizer)}
    fitted = dataclasses.replace(start, card=described, history=history, metrics=metrics)
    if evaluated is None:
        return fitted
    measured = texts.rows(held) if valid is None else valid
    scores = _scores(fitted, evaluated, measured, settings.device, together=processes())
    return dataclasses.replace(fitted, metrics=metrics | scores)


def measure(model: FittedLanguageModel, texts: Iterable[str], *, device: str = "auto") -> dict[str, float]:
    """Perplexity per token and bits per character (comparable across tokenizers) on `texts`.

    Raises DataError: no texts, or fewer than two tokens.
    """
    return _scores(model, held_out_batches(model.config, tokenized(texts, model.tokenizer)), texts, device)


def _scores(
    model: FittedLanguageModel,
    batches: LMBatches,
    texts: Iterable[str],
    device: str,
    *,
    together: Processes = ALONE,
) -> dict[str, float]:
    """Scores on the batches of `texts`; the bits include the spelling of unknown words."""
    result = evaluate(model.network, batches, device=device, precision="float32", together=together)
    characters = max(sum(map(len, texts)), 1)
    bits = bits_per_char(result["loss"] * result["n"], characters)
    return {
        "perplexity": perplexity(result["loss"]),
        "bits_per_character": bits + spelling_bits(model.tokenizer, texts) / characters,
        "held_back_tokens": result["n"],
    }


def loop_config(
    config: LMConfig, settings: RunSettings, *, evaluated: bool = False, keep: bool = True
) -> LoopConfig:
    """The settings of the training loop; `evaluated` says whether there is a held-out set, which NT-ASGD needs.

    `keep` keeps the checkpoint after the end; a decay does not, so that the next one starts from the run as it is then.
    """
    return settings.loop(
        clip=config.clip,
        optimizer=config.optimizer,
        ema=config.ema,
        nt_asgd=config.nt_asgd if evaluated else None,
        keep_best=evaluated,
        keep_checkpoint=keep,
    )


def stages(
    config: LMConfig,
    tokens: int,
    *,
    minutes: float | None = None,
    tuning: bool = False,
    decay_steps: int | None = None,
    most_tokens: float = math.inf,
) -> list[Stage]:
    """The stages for a corpus of so many tokens: one from scratch, two for fine-tuning."""
    c = config
    epochs = c.epochs_for(None if minutes else tokens, tuning=tuning)
    if not minutes and most_tokens < epochs * tokens:
        epochs = max(1, int(most_tokens // max(tokens, 1)))
    if not tuning:
        stage = Stage("language model", epochs=epochs, schedule=c.schedule, weight_decay=c.weight_decay)
        return [dataclasses.replace(stage, minutes=minutes, decay_steps=decay_steps)]
    first, then = (Schedule("one_cycle", peak=share * c.tune_rate(tokens), turn=0.1) for share in (2, 1))
    parts = (
        [None, None] if minutes is None else [SHARES.new_words * minutes, (1 - SHARES.new_words) * minutes]
    )
    return [
        Stage(
            "new words",
            epochs=1,
            schedule=first,
            unfreeze=1,
            weight_decay=c.weight_decay,
            minutes=parts[0],
        ),
        Stage(
            "all layers",
            epochs=epochs,
            schedule=then,
            factor=c.tune_factor,
            weight_decay=c.weight_decay,
            minutes=parts[1],
        ),
    ]


def _batches(config: LMConfig, store: IdStore, train: np.ndarray, job: Job) -> list[LMBatches]:
    """The batches of all stages, of the documents `train` (N,); or of each stage, if the job allows fewer."""
    shares = (SHARES.new_words, 1 - SHARES.new_words) if job.tuning else (1.0,)
    drawn = np.random.default_rng(job.settings.seed).permutation(train)
    read = np.cumsum(store.lengths[drawn])
    if not len(read) or job.settings.minutes is not None or read[-1] <= shares[-1] * job.settings.lm_tokens:
        return [training_batches(config, store, train, seed=job.settings.seed)]
    kept = [drawn[: max(1, int(np.searchsorted(read, share * job.settings.lm_tokens)))] for share in shares]
    return [training_batches(config, store, np.sort(some), seed=job.settings.seed) for some in kept]


def training_batches(config: LMConfig, store: IdStore, documents: np.ndarray, *, seed: int) -> LMBatches:
    """Parallel streams of the `documents` (N,) of the store, fewer if there is little text."""
    tokens = int(store.lengths[documents].sum())
    return LMBatches(
        store,
        batch_size=max(1, min(config.batch_size, tokens // (4 * config.bptt))),
        bptt=config.bptt,
        seed=seed,
        backwards=config.backwards,
        documents=documents,
    )


def held_out_batches(config: LMConfig, store: IdStore, documents: np.ndarray | None = None) -> LMBatches:
    """Held-out documents (N,) (None: all) in order, in streams long enough to give context.

    Raises DataError: fewer than two tokens.
    """
    tokens = int(store.lengths.sum() if documents is None else store.lengths[documents].sum())
    if tokens < 2:
        raise DataError("expected texts to measure the perplexity on, got fewer than two tokens.")
    return LMBatches(
        store,
        batch_size=max(1, min(32, tokens // 1000)),
        bptt=config.bptt,
        random_bptt=False,
        shuffle=False,
        backwards=config.backwards,
        documents=documents,
    )

"""A language model and a sentence encoder -> a language model whose features know what a passage means.

Documents are cut into passages, the teacher gives each a vector, and the language model learns to predict that vector
from its pooled features while it goes on predicting the next token. What remains is a language model of the same shape.
Source: Hinton et al. 2015 (distillation); Reimers & Gurevych 2020, section 3 (sentence vectors as targets).
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ulmus import config as toml
from ulmus.data.label_batches import LabelBatches
from ulmus.errors import DataError
from ulmus.evaluation.splits import held_out_for_perplexity
from ulmus.tasks.checkpoints import checkpoint
from ulmus.tasks.circumstances import circumstances
from ulmus.tasks.distillation.config import DistillationConfig
from ulmus.tasks.distillation.network import DistillationNetwork
from ulmus.tasks.distillation.teacher import Teacher
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.language_model.card import last_rows, minutes_of
from ulmus.tasks.language_model.fitted import FittedLanguageModel
from ulmus.tasks.language_model.fitting import measure
from ulmus.tasks.settings import RunSettings
from ulmus.text.passages import Passages
from ulmus.train.evaluate import evaluate
from ulmus.train.loop import Stage, Trainer

__all__ = ["distil"]

MANY = 100  # epochs, if a time budget ends the training
MEASURED = ("perplexity", "bits_per_character", "held_back_tokens")


def distil(
    start: FittedLanguageModel,
    teacher: Teacher,
    texts: RunTexts,
    settings: RunSettings,
    *,
    config: DistillationConfig | None = None,
    about: Mapping[str, Any] | None = None,
) -> FittedLanguageModel:
    """Train `start`, which is not modified, to predict the teacher's vectors.

    A time budget is that of the training: the vectors of all passages are computed before it begins.

    Measured on up to 500 held-out passages, under "distilled": the mean cosine with the teacher's vectors, and the
    perplexity before and after, which is higher than that of whole documents. `about` is the user's description of the
    texts, for the card. Raises DataError: no texts, or only empty ones.
    """
    c = config or DistillationConfig()
    cut = Passages(texts.texts, shortest=c.shortest, longest=c.longest, seed=settings.seed)
    passages = RunTexts(cut, texts.folder, name="passages-ids", verbose=settings.verbose)
    train, held, held_texts = _batches(start, teacher, passages, c, settings.seed)
    network = DistillationNetwork(
        copy.deepcopy(start.network),
        teacher.width,
        similarity=c.similarity,
        language_model=c.language_model,
        seed=settings.seed,
    )
    trainer = Trainer(
        network,
        [stage(c, minutes=settings.minutes)],
        train=train,
        valid=held,
        config=settings.loop(clip=c.clip),
        callbacks=settings.all_callbacks("passages"),
        checkpoint=checkpoint(
            settings.folder,
            "distillation",
            network,
            batches=[train, held],
            settings=[toml.to_dict(c), settings.seed, settings.precision, settings.minutes is None],
        ),
    )
    history = trainer.run().rows
    done = dataclasses.replace(
        start,
        network=network.model.to("cpu").eval(),
        card=start.card | {"distilled": _described(start, teacher, history, about or {}, settings)},
        history=history,
    )
    scores: dict[str, Any] = {"passages": len(train.store)}
    if held is not None:
        scores |= _scores(start, done, held_texts, settings)
        scores["similarity"] = _similarity(network, held, settings)
    # what was measured on the texts of the pretraining is no longer true
    kept = {key: value for key, value in start.metrics.items() if key not in MEASURED}
    return dataclasses.replace(done, metrics=kept | {"distilled": scores})


def _described(
    start: FittedLanguageModel,
    teacher: Teacher,
    history: list[dict[str, Any]],
    about: Mapping[str, Any],
    settings: RunSettings,
) -> dict[str, Any]:
    """The card's entry on this distillation, and on one before it."""
    before = start.card.get("distilled")
    return {
        **about,
        "teacher": teacher.name,
        "passages_read": sum(row["seen"] for row in last_rows(history)),
        **circumstances(settings, minutes=minutes_of(history)),
        **({"distilled_before": before} if before else {}),
    }


def stage(config: DistillationConfig, *, minutes: float | None = None) -> Stage:
    """The stage: all layers at one rate."""
    return Stage(
        "distillation",
        epochs=config.epochs if minutes is None else MANY,
        schedule=config.schedule,
        factor=1.0,
        weight_decay=config.weight_decay,
        minutes=minutes,
    )


def _batches(
    start: FittedLanguageModel, teacher: Teacher, passages: RunTexts, config: DistillationConfig, seed: int
) -> tuple[LabelBatches, LabelBatches | None, Iterable[str]]:
    """Passages with their vectors to learn from, held-out ones, and the texts of these. Raises DataError: none."""
    store = passages.ids(start.tokenizer)
    vectors = teacher.vectors(passages, "Computing the teacher's vectors")
    train, held = held_out_for_perplexity(store.lengths, seed)
    if not len(train):
        raise DataError("expected texts to learn from, got only empty ones.")
    batches = LabelBatches(
        store,
        vectors,
        batch_size=config.batch_size,
        token_budget=config.token_budget,
        shuffle=True,
        seed=seed,
        documents=train,
        backwards=start.config.backwards,
    )
    if not len(held):
        return batches, None, ()
    return batches, dataclasses.replace(batches, shuffle=False, documents=held), passages.rows(held)


def _scores(
    start: FittedLanguageModel, done: FittedLanguageModel, texts: Iterable[str], settings: RunSettings
) -> dict[str, Any]:
    """Perplexity and more of the model on held-out passages, and its perplexity before."""
    before, after = (measure(model, texts, device=settings.device) for model in (start, done))
    return after | {"perplexity_before": before["perplexity"]}


def _similarity(network: DistillationNetwork, batches: LabelBatches, settings: RunSettings) -> float:
    """Mean cosine of the projected features with the teacher's vectors."""
    cosines = evaluate(network, batches, device=settings.device, collect=True)["outputs"]
    return float(np.mean(cosines)) if cosines is not None else 0.0

"""Masked or causal training of a transformer on unlabelled texts: the second of ULMFiT's three stages.

Documents are split evenly into parts that fit a window; nothing is left out. A new head trains alone first. Perplexity
on a held-out set is measured before and after, with the same masks. Source: Gururangan et al. 2020, "Don't Stop
Pretraining"; Howard & Ruder 2018, section 3.2.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ulmus import config as toml
from ulmus.data.masked_batches import MaskedBatches, Masking
from ulmus.data.store import IdStore
from ulmus.errors import DataError
from ulmus.evaluation.metrics import perplexity
from ulmus.evaluation.splits import held_out_for_perplexity
from ulmus.tasks.adaptation.config import AdaptationConfig
from ulmus.tasks.adaptation.fitted import FittedTransformer
from ulmus.tasks.adaptation.network import AdaptationNetwork
from ulmus.tasks.budget import SHARES, Budget
from ulmus.tasks.checkpoints import checkpoint
from ulmus.tasks.circumstances import circumstances
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.language_model.card import last_rows, minutes_of
from ulmus.tasks.settings import RunSettings
from ulmus.text.pretrained import MarkedTokenizer
from ulmus.train.evaluate import evaluate
from ulmus.train.loop import Stage, Trainer

__all__ = ["fine_tune", "measure", "stages"]

MOST_HELD_TOKENS = 50_000  # to measure on: enough for a perplexity to within a percent or two


def fine_tune(
    start: FittedTransformer,
    texts: RunTexts,
    settings: RunSettings,
    *,
    valid: Iterable[str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> FittedTransformer:
    """Train on the texts. Perplexity is measured on `valid`, or on up to 500 held-out documents.

    `about` is the user's description of the texts, for the card. `start` is not modified.
    Raises DataError: no texts, or only empty ones.
    """
    budget, c, transformer = Budget(settings.minutes), start.config, copy.deepcopy(start.transformer)
    network = AdaptationNetwork(transformer)
    _say_what_is_done(start, settings)
    store = texts.ids(MarkedTokenizer(start.tokenizer))
    batches, held = _batches(start, store, settings.seed, hold_out=valid is None)
    if valid is not None:
        held = _all_parts(start, RunTexts(valid, settings.folder, name="adaptation-valid-ids"))
    before = _scores(network, held, settings, "perplexity_before")
    tokens = int(store.lengths.sum())
    trainer = Trainer(
        network,
        stages(c, tokens, minutes=budget.left(), new_head=start.new_head),
        train=batches,
        valid=held,
        config=settings.loop(clip=c.clip, keep_best=held is not None),
        callbacks=settings.all_callbacks("predicted tokens"),
        checkpoint=checkpoint(
            settings.folder,
            "adaptation",
            network,
            batches=[batches, held],
            settings=[toml.to_dict(c), settings.seed, settings.precision, settings.minutes is None],
        ),
    )
    history = trainer.run().rows
    after = _scores(network, held, settings, "perplexity")
    counts = {"documents": len(store), "tokens": tokens, "vocabulary": len(start.tokenizer)}
    card = {
        **(about or {}),
        "source": start.card.get("source"),
        "tokens_predicted": sum(row["seen"] for row in last_rows(history)),
        "data": {"texts": texts.key},
        **circumstances(settings, minutes=minutes_of(history)),
    }
    return dataclasses.replace(
        start,
        transformer=transformer.to("cpu").eval(),
        metrics=counts | before | after,
        card=card | ({"tuned_from": start.card} if start.history else {}),
        history=history,
        new_head=False,
    )


def measure(model: FittedTransformer, texts: Iterable[str], settings: RunSettings) -> float:
    """Perplexity of the masked tokens of these texts; of all tokens for a decoder. Raises DataError: no texts."""
    network = AdaptationNetwork(copy.deepcopy(model.transformer))
    return float(_scores(network, _all_parts(model, RunTexts(texts)), settings, "perplexity")["perplexity"])


def stages(
    config: AdaptationConfig, tokens: int, *, minutes: float | None = None, new_head: bool = False
) -> list[Stage]:
    """The stages for texts of so many tokens: a new head alone, if there is one; then everything at one rate."""
    c = config
    everything = Stage(
        "all layers",
        epochs=c.epochs_for(None if minutes else tokens),
        schedule=c.schedule,
        factor=1.0,
        weight_decay=c.weight_decay,
        minutes=minutes,
    )
    if not new_head:
        return [everything]
    share = None if minutes is None else SHARES.new_head * minutes
    alone = dataclasses.replace(
        everything,
        name="new head",
        epochs=1,
        schedule=dataclasses.replace(c.schedule, peak=c.head_peak),
        unfreeze=1,
        minutes=share,
    )
    rest = None if minutes is None or share is None else minutes - share
    return [alone, dataclasses.replace(everything, minutes=rest)]


def _say_what_is_done(start: FittedTransformer, settings: RunSettings) -> None:
    if start.new_head:
        settings.say(
            "There are no weights of a language-model head: a new one, tied to the embeddings, is trained first."
        )
    if start.mask is not None and start.config.whole_words and not start.tokenizer.knows_words:
        settings.say(
            "The tokenizer does not say where words begin: single tokens are masked, not whole words."
        )


def _batches(
    start: FittedTransformer, store: IdStore, seed: int, *, hold_out: bool
) -> tuple[MaskedBatches, MaskedBatches | None]:
    """Training and held-out batches of the parts of documents. Raises DataError: all texts are empty."""
    parts, document = store.split(start.transformer.config.room)
    if not len(parts):
        raise DataError("expected texts to train on, got only empty ones.")
    held = held_out_for_perplexity(store.lengths, seed)[1] if hold_out else np.arange(0)
    is_held = np.isin(document, held)
    train = _of_parts(start, parts, np.flatnonzero(~is_held), seed, shuffle=True)
    return train, _of_parts(start, parts, np.flatnonzero(is_held), seed) if is_held.any() else None


def _all_parts(start: FittedTransformer, texts: RunTexts) -> MaskedBatches:
    """Batches to measure on. Raises DataError: no texts, or only empty ones."""
    store = texts.ids(MarkedTokenizer(start.tokenizer)).split(start.transformer.config.room)[0]
    if not len(store):
        raise DataError("expected texts to measure the perplexity on, got only empty ones.")
    return _of_parts(start, store, np.arange(len(store)), 0)


def _of_parts(
    start: FittedTransformer, store: IdStore, parts: np.ndarray, seed: int, *, shuffle: bool = False
) -> MaskedBatches:
    """Batches of these parts (P,) of the store; to measure on (not shuffled) of some of them if there are many."""
    c, masking = start.config, None
    if start.mask is not None:
        special = start.tokenizer.special
        masking = Masking(start.mask, len(start.tokenizer), special, c.share, whole_words=c.whole_words)
    if not shuffle:
        drawn = np.random.default_rng(seed).permutation(parts)
        enough = 1 + int(np.searchsorted(np.cumsum(store.lengths[drawn]), MOST_HELD_TOKENS))
        parts = np.sort(drawn[:enough])
    budget = c.tokens_per_batch
    return MaskedBatches(store, masking, token_budget=budget, shuffle=shuffle, seed=seed, documents=parts)


def _scores(
    network: AdaptationNetwork, held: MaskedBatches | None, settings: RunSettings, name: str
) -> dict[str, Any]:
    """The perplexity on held-out batches under `name`, and the number of tokens predicted; empty without them."""
    if held is None:
        return {}
    result = evaluate(network, held, device=settings.device)
    value = perplexity(result["loss"])
    when = "before the training" if name == "perplexity_before" else "now"
    settings.say(f"Perplexity of {result['n']:,} held-out tokens {when}: {value:,.1f}.")
    return {name: value, "held_back_tokens": result["n"]}

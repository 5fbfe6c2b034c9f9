"""The language model that a classifier starts from: installed, given, trained on the texts, or none.

Knows no label and no layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ulmus.bundle import read_manifest
from ulmus.installed import find
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.language_model import fitting
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.language_model.file import check_kind, load
from ulmus.tasks.language_model.fitted import FittedLanguageModel
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.tasks.settings import RunSettings
from ulmus.text.vocab import UNK

__all__ = ["check_given", "opened", "sample_of", "starting_model"]

FAMILIAR = 1.3  # times its own perplexity: up to there, a language model needs no fine-tuning
UNKNOWN = 0.1  # fraction of unknown words above which it does
SAMPLE, CHARACTERS = 200, 4_000  # texts in a sample, and the length of each


def check_given(given: Any) -> None:
    """Check a given language model, or each of a list of them, before any other work.

    Raises UsageError: it is not fitted; BundleError: a missing or damaged file, or one of another kind.
    """
    if isinstance(given, list | tuple):
        for one in given:
            check_given(one)
    elif isinstance(given, LanguageModel):
        given.check_fitted()
    elif given not in (None, "new", "none"):
        check_kind(read_manifest(find(given)), given)


def starting_model(
    given: Any,
    config: LMConfig,
    texts: RunTexts,
    settings: RunSettings,
    *,
    tune: str,
) -> FittedLanguageModel:
    """A language model for `texts`: the given one (fine-tuned if it does not fit), one trained on them, or untrained.

    `given` is as for `opened`; None or "new" trains one with this `config`, "none" trains none.
    `tune` is auto, always or none. Raises BundleError, DataError.
    """
    if given is None or (isinstance(given, str) and given == "new"):
        settings.say("Training a language model on all texts.")
        return fitting.fit(config, texts, settings)
    if isinstance(given, str) and given == "none":
        return fitting.untrained(config, texts, settings)
    model = opened(given)
    if tune == "none" or (tune == "auto" and _fits(model, sample_of(texts.to_learn), settings)):
        return model
    settings.say("Fine-tuning the language model on all texts.")
    return fitting.fine_tune(model, texts, settings)


def opened(given: Any) -> FittedLanguageModel:
    """The fitted value of a language model that is given as such, as a `LanguageModel`, a path or a name.

    Raises BundleError, UsageError.
    """
    if isinstance(given, FittedLanguageModel):
        return given
    return given.fitted_ if isinstance(given, LanguageModel) else load(given)


def sample_of(texts: Iterable[str]) -> list[str]:
    """The beginnings of a fixed random sample of the texts."""
    known = texts if isinstance(texts, list) else list(texts)
    return [known[i][:CHARACTERS] for i in np.random.default_rng(0).permutation(len(known))[:SAMPLE]]


def _fits(model: FittedLanguageModel, sample: list[str], settings: RunSettings) -> bool:
    """Whether the model's perplexity on the texts is close to its own, on the texts it was evaluated on after training.

    Unknown words lower the perplexity, because they are all the same token; so there must be few of them.
    """
    own = model.metrics.get("perplexity")
    unknown = float(np.mean(np.concatenate(model.tokenizer.encode_batch(sample)) == UNK))
    here = fitting.measure(model, sample, device=settings.device)["perplexity"]
    if own is None or here > FAMILIAR * own or unknown > UNKNOWN:
        return False
    settings.say(f"Fine-tuning skipped: perplexity {here:.0f} is close to the model's own ({own:.0f}).")
    return True

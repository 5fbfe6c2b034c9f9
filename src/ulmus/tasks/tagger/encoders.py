"""The encoders that a tagger starts from: of language models, in both directions if it can be, or a transformer.

A word's tag depends on both of its sides, so two directions are better than one. Knows no tag and no layer.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

from ulmus.bundle import read_manifest, read_tokenizer
from ulmus.errors import BundleError
from ulmus.installed import find, installed
from ulmus.tasks.budget import SHARES, Budget
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.language_model.config import LMConfig, lm_config
from ulmus.tasks.language_model.file import KIND
from ulmus.tasks.language_model.fitted import FittedLanguageModel
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.tasks.language_model.selection import matching_model
from ulmus.tasks.language_model.start import sample_of, starting_model
from ulmus.tasks.pretrained import Pretrained, open_checkpoint
from ulmus.tasks.settings import RunSettings

__all__ = ["Start", "starting_encoders"]


class Start(NamedTuple):
    """What the encoders come from: the arguments of a tagger that say so."""

    language_model: Any = None  # a LanguageModel, a path, a name, "new", "none"; None: an installed one
    config: LMConfig | None = None  # of one that is trained
    tune: str = "none"  # auto | always | none
    encoder: str | Path | None = None  # folder of a transformer, instead of a language model


def starting_encoders(
    start: Start, texts: RunTexts, settings: RunSettings, budget: Budget
) -> list[Pretrained]:
    """One encoder or two for these texts, with one tokenizer.

    They are those of a language model: given, installed, trained on the texts, or untrained. None as the language model
    chooses an installed one of the texts' language, or trains one. A forward model is joined by an installed backward
    one with the same vocabulary. Raises BundleError, DataError, ConfigError, MissingExtra.
    """
    if start.encoder is not None:
        return [open_checkpoint(start.encoder)]
    models = _language_models(start, texts, settings, budget)
    return [Pretrained.of(model) for model in models]


def _language_models(
    start: Start, texts: RunTexts, settings: RunSettings, budget: Budget
) -> list[FittedLanguageModel]:
    given = start.language_model
    if given is None and start.config is None:
        given = matching_model(sample_of(texts.to_learn), kind=None, size=None, say=settings.say)
    minutes = budget.of_left(SHARES.language_model)
    own = dataclasses.replace(settings, callbacks=(), minutes=minutes and minutes / 2)
    first = starting_model(given, start.config or lm_config(), texts, own, tune=start.tune)
    partner = None if given in (None, "new", "none") or first.config.backwards else _partner(given)
    if partner is None:
        return [first]
    second = starting_model(partner, first.config, texts, own, tune=start.tune)
    if second.tokenizer.fingerprint != first.tokenizer.fingerprint:  # only one of them was fine-tuned
        return [first]
    settings.say(f"The language model {partner} reads the texts from their end.")
    return [first, second]


def _partner(given: Any) -> str | None:
    """The name of an installed model that reads backwards and has the tokenizer of the `given` one."""
    own = (
        given.fitted_.tokenizer.to_json() if isinstance(given, LanguageModel) else read_tokenizer(find(given))
    )
    for name, path in installed().items():
        try:
            manifest = read_manifest(path)
            backwards = manifest.get("kind") == KIND and manifest["config"]["backwards"]
            if backwards and read_tokenizer(path) == own:
                return name
        except (BundleError, KeyError, TypeError):  # a damaged file is not used
            continue
    return None

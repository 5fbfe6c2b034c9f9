"""What a classifier's encoder starts from: an installed or given language model, one trained on the texts, or none.

Knows no label and no layer.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from ulmus.bundle import read_manifest
from ulmus.installed import find
from ulmus.tasks.ids import trained_tokenizer
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.language_model.model import LanguageModel, check_kind
from ulmus.tasks.language_model.network import build
from ulmus.text.vocab import UNK

__all__ = ["check_given", "sample_of", "starting_model"]

FAMILIAR = 1.3  # times its own perplexity: up to there, texts are of the kind a language model was made from
UNKNOWN = 0.1  # share of unknown words above which texts are new to a language model
SAMPLE, CHARACTERS = 200, 4_000  # texts that tell, and what is read of each


def check_given(given: Any) -> None:
    """Raise now rather than after counting words: UsageError for an untrained model, BundleError for a wrong file."""
    if isinstance(given, LanguageModel):
        given.check_fitted()
    elif given not in (None, "new", "none"):
        check_kind(read_manifest(find(given)), given)


def starting_model(
    given: Any,
    config: LMConfig,
    texts: list[str],
    *,
    tune: str,
    settings: dict[str, Any],
    say: Callable[[str], None],
) -> LanguageModel:
    """A language model for `texts`: given and fine-tuned where they are new to it, trained on them, or untrained."""
    if given is None or (isinstance(given, str) and given == "new"):
        say("Training a language model on all texts.")
        return LanguageModel(config, **settings).fit(texts)
    if isinstance(given, str) and given == "none":
        return _untrained(config, texts, settings)
    model = (
        _own(given, settings) if isinstance(given, LanguageModel) else LanguageModel.load(given, **settings)
    )
    if tune == "none" or (tune == "auto" and _knows(model, texts, say)):
        return model
    say("Fine-tuning the language model on all texts.")
    return model.fine_tune(texts)


def _untrained(config: LMConfig, texts: list[str], settings: dict[str, Any]) -> LanguageModel:
    model = LanguageModel(config, **settings)
    model.tokenizer_ = trained_tokenizer(texts, config.tokenizer, settings["work_dir"])
    model.network_ = build(config, len(model.tokenizer_), seed=model.seed)
    return model


def _own(given: LanguageModel, settings: dict[str, Any]) -> LanguageModel:
    """The user's language model with the settings of this run; tuning it leaves the user's as it was."""
    model = copy.copy(given)
    for name, value in settings.items():
        setattr(model, name, value)
    return model


def sample_of(texts: list[str]) -> list[str]:
    """The beginnings of some of the texts, always the same."""
    return [texts[i][:CHARACTERS] for i in np.random.default_rng(0).permutation(len(texts))[:SAMPLE]]


def _knows(model: LanguageModel, texts: list[str], say: Callable[[str], None]) -> bool:
    """Whether the texts are no harder for the model than those it was measured on when it was made.

    Words it does not know are easy for it: they are all the same token. So there must be few of them.
    """
    own = model.metrics_.get("perplexity")
    sample = sample_of(texts)
    unknown = float(np.mean(np.concatenate(model.tokenizer_.encode_batch(sample)) == UNK))
    here = model.perplexity(sample)
    if own is None or here > FAMILIAR * own or unknown > UNKNOWN:
        return False
    say(
        f"The language model knows texts of this kind (perplexity {here:.0f}, its own {own:.0f}): not tuned again."
    )
    return True

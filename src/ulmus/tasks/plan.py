"""What a classifier starts from, and how its minutes are shared out.

Knows no label and no layer: it chooses among an installed language model that knows the language of the texts, one
that is given, one trained on the texts, and none.
"""

from __future__ import annotations

import copy
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ulmus.bundle import read_manifest
from ulmus.installed import find
from ulmus.tasks.language_model import LanguageModel, build, check_kind
from ulmus.tasks.lm_config import LMConfig
from ulmus.tasks.texts import trained_tokenizer
from ulmus.text.vocab import UNK

__all__ = ["TRAIN", "Budget", "check_given", "sample_of", "starting_model", "told"]

FAMILIAR = 1.3  # times its own perplexity: up to there, texts are of the kind a language model was made from
UNKNOWN = 0.1  # share of unknown words above which texts are new to a language model
SAMPLE, CHARACTERS = 200, 4_000  # texts that tell, and what is read of each
LM_SHARE = 0.45  # of a time budget
READ = 5e10  # weights times tokens that one CPU core reads in a second
TRAIN = 3.0  # times as long as reading, for one pass forth and back


@dataclass(frozen=True)
class Spare:
    """Minutes of the classifier's stages; None where there is no budget."""

    teach: float | None = None
    labels: float | None = None
    back: float | None = None


class Budget:
    """A number of minutes that began when this was made; None: no limit."""

    def __init__(self, minutes: float | None) -> None:
        self.minutes = minutes
        self._started = time.perf_counter()

    def spent(self) -> float:
        """Minutes since the start."""
        return (time.perf_counter() - self._started) / 60

    def left(self) -> float | None:
        """Minutes left, at least a few seconds."""
        return None if self.minutes is None else max(self.minutes - self.spent(), 0.05)

    def language_model(self) -> float | None:
        """Minutes for the language model."""
        left = self.left()
        return None if left is None else left * LM_SHARE

    def tokens(self, share: float, weights: int) -> float:
        """Tokens that layers of so many weights read in a share of all minutes; no end without a budget.

        An estimate that is the same in every run, so that a stopped one goes on with what it began.
        """
        return math.inf if self.minutes is None else share * self.minutes * 60 * READ / weights

    def share(self, taught: bool) -> Spare:
        """What is left, shared among the stages (a tenth is kept for measuring)."""
        left = self.left()
        if left is None:
            return Spare()
        return Spare(0.3 * left, 0.08 * left, 0.5 * left) if taught else Spare(None, 0.8 * left, 0.1 * left)


def told(text: str) -> None:
    """A line for people, on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


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

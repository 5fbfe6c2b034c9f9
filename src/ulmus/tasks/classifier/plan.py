"""What a fit will do and how long it may take, estimated before it starts.

The estimates are those that bound what is trained on (`budget.py`): of one core, and of everything that may turn out to
be useful, so a run may end earlier. Costs one pass over a sample of the texts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ulmus.tasks.budget import SHARES, TRAINING_COST, Budget
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.material import Material
from ulmus.tasks.classifier.tuning import FOLDS
from ulmus.tasks.language_model.start import sample_of

__all__ = ["Plan"]

COUNTED = 2e6  # characters whose words are counted in a second, and the counts fitted
STEP = 0.06  # seconds of a step of training beside those of its tokens
NEW_TOKEN = 4.5  # characters of a token whose tokenizer does not exist yet


@dataclass(frozen=True)
class Plan:
    """The steps of a fit and the minutes that each takes at most."""

    steps: dict[str, float]
    budget: Budget

    @classmethod
    def of(
        cls,
        material: Material,
        config: ClassifierConfig,
        budget: Budget,
        *,
        weights: int,
        tokenizer: Any,
        epochs: Callable[[float], float],
        teach: bool,
    ) -> Plan:
        """The plan for one network.

        weights: of its encoder, that each token is multiplied by. tokenizer: that of the language model, None for a new
        one. epochs: of the language model's training on so many tokens, 0 for none.
        """
        lengths = _lengths(material.everything[: material.learnt], tokenizer)
        characters = sum(map(len, material.everything))
        n, kept = len(material.texts), float(np.minimum(lengths, config.longest).mean())
        every = float(lengths.mean()) * material.learnt

        def minutes(tokens: float, share: float) -> float:
            return budget.minutes_for(min(tokens, budget.tokens(share, weights)), weights)

        tuned, once, longer = float(n * config.epochs_for(n)), 1 + config.anew, config.for_longer(n)
        batch = config.batch_for(n)
        if not len(material.measured):
            tuned *= FOLDS - 1
        else:  # more epochs, too, and both on all labels from the beginning
            tuned *= once * (1 + longer.epochs_for(n) / config.epochs_for(n))
            batch = longer.batch_for(n)
        steps = {
            "counting words": characters / COUNTED / 60,
            "language model": minutes(epochs(every) * every * TRAINING_COST, SHARES.language_model),
            "labels": minutes(kept * tuned * TRAINING_COST, SHARES.labels_tokens) + tuned / batch * STEP / 60,
        }
        if teach:
            texts = min(config.teach_texts, config.teach_epochs * len(material.unlabeled))
            tokens = kept * texts * (1 + TRAINING_COST)
            share = SHARES.teaching_tokens + SHARES.second_teaching_tokens + SHARES.head_features
            steps["unlabelled texts"] = minutes((1 + config.teach_first) * tokens, share)
        return cls(steps, budget)

    def minutes(self, networks: int = 1) -> float:
        """How long it takes at most."""
        once = self.steps["counting words"]
        total = once + networks * (sum(self.steps.values()) - once)
        return total if self.budget.minutes is None else min(total, self.budget.minutes)

    def text(self, networks: int = 1) -> str:
        """The plan in words."""
        minutes = self.minutes(networks)
        end = time.strftime("%H:%M", time.localtime(time.time() + 60 * minutes))
        shown = [f"{name} {_minutes(m)}" for name, m in self.steps.items() if m > 0]
        several = f" for each of {networks} networks" if networks > 1 else ""
        given = self.budget.minutes
        limit = "--minutes, or minutes=, sets a limit" if given is None else f"the limit is {given:g}"
        return (
            f"Plan: at most {_minutes(minutes)} min on one core, until {end} ({limit}). "
            f"Steps, as far as they help: {', '.join(shown)}{several}."
        )


def _minutes(minutes: float) -> str:
    return f"{minutes:.1f}" if minutes >= 0.1 else "0.1"


def _lengths(texts: list[str], tokenizer: Any) -> np.ndarray:
    """Tokens of each text, estimated from its characters; how many a token has is known from a sample."""
    characters = np.array([len(text) for text in texts], float)
    if tokenizer is None:
        return np.maximum(characters / NEW_TOKEN, 1.0)
    sample = sample_of(texts)
    tokens = sum(len(ids) for ids in tokenizer.encode_batch(sample))
    return np.maximum(characters * tokens / max(sum(map(len, sample)), 1), 1.0)

"""A fitted classifier: one frozen value that training returns, files hold and predicting takes.

It holds everything that a prediction needs, and how it came to be. Knows no training and no files.
Axes: N documents, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ulmus.errors import UsageError
from ulmus.evaluation.combination import Combination
from ulmus.evaluation.objectives import Objective
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.inference import Inference
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.ids import tokenized
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.word_counts import WordCounts
from ulmus.text.tokenizer import Tokenizer

__all__ = ["PARTS", "FittedClassifier"]

PARTS = ("combined", "lm", "counts")


@dataclass(frozen=True)
class FittedClassifier:
    """Network and word counts, and how their probabilities become one decision."""

    classes: tuple[Any, ...]  # class names (C,), as the user gave them
    network: ClassifierNetwork  # encoder and head, in evaluation mode
    tokenizer: Tokenizer
    counts: WordCounts
    combination: Combination
    thresholds: dict[
        str, float
    ]  # of each part: from which probability on it gives a label, if several may be given
    config: ClassifierConfig
    lm_config: LMConfig  # of the language model that the encoder comes from
    mixed: bool = True  # predict with the combination, or with the network alone
    report: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)  # of the file that texts and labels came from
    sketch: list[int] = field(
        default_factory=list
    )  # hashes of some of the texts, by which others are recognised

    @property
    def objective(self) -> Objective:
        """Single-label or multi-label."""
        return self.network.objective

    @property
    def parts(self) -> tuple[str, ...]:
        """What can be looked at by itself; the first one predicts."""
        return PARTS if self.mixed else PARTS[1:]

    def inference(self, device: str = "auto", precision: str = "auto") -> Inference:
        """The network, ready to predict; keep it for many calls, since its weights are packed once."""
        budget, backwards = self.config.token_budget, self.lm_config.backwards
        return Inference(self.network, device, precision, backwards, budget)

    def probabilities(
        self, texts: list[str], parts: Sequence[str], inference: Inference
    ) -> dict[str, np.ndarray]:
        """Probabilities (N, C) of several parts, each computed once. Raises UsageError for a part there is not."""
        if unknown := set(parts) - set(PARTS):
            raise UsageError(f"part: expected one of {', '.join(PARTS)}, got {unknown.pop()!r}.")
        if not texts:
            return dict.fromkeys(parts, np.zeros((0, len(self.classes))))
        found: dict[str, np.ndarray] = {}
        mixes = "combined" in parts and self.combination.exponent_lm != 0
        if mixes or "lm" in parts:
            found["lm"] = inference.probabilities(tokenized(texts, self.tokenizer))
        if set(parts) & {"combined", "counts"}:
            found["counts"] = self.counts.predict_proba(texts)
        if "combined" in parts:
            counts = found["counts"]
            found["combined"] = self.combination.combine(found["lm"] if mixes else counts, counts)
        return {name: found[name] for name in parts}

    def labels_of(self, proba: np.ndarray, *, part: str | None = None) -> list[Any]:
        """The class of each row of probabilities (N, C) of a part; multi-label: a tuple of those with its threshold."""
        chosen = self.objective.decide(proba, self.thresholds[part or self.parts[0]])
        if self.objective.multi_label:
            return [tuple(self.classes[k] for k in np.flatnonzero(row)) for row in chosen]
        return [self.classes[k] for k in chosen]

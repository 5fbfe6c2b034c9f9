"""A fitted classifier: one frozen value that training returns, files hold and prediction takes.

It holds all that a prediction needs, and a record of its training. Knows no training and no files.
Axes: N documents, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ulmus.errors import UsageError
from ulmus.evaluation.combination import Combination
from ulmus.evaluation.objectives import Objective
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.inference import Inference
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.ids import AnyTokenizer, tokenized
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.word_counts import WordCounts

if TYPE_CHECKING:
    from ulmus.tasks.classifier.measuring import Evidence

__all__ = ["PARTS", "FittedClassifier", "Member"]

PARTS = ("combined", "lm", "counts")


@dataclass(frozen=True)
class Member:
    """A network of a classifier, and the tokenizer whose ids it takes."""

    network: ClassifierNetwork  # encoder and head, in evaluation mode
    tokenizer: AnyTokenizer
    lm_config: LMConfig | None  # of the language model that the encoder comes from, if there is one

    @property
    def backwards(self) -> bool:
        """Whether the network processes documents from their end."""
        return self.lm_config is not None and self.lm_config.backwards


@dataclass(frozen=True)
class FittedClassifier:
    """Network and word counts, and how their probabilities are combined into one decision.

    An ensemble has `others` beside its first network: the probabilities of all are averaged.
    """

    classes: tuple[Any, ...]  # class names (C,), as the user gave them
    network: ClassifierNetwork  # encoder and head, in evaluation mode
    tokenizer: AnyTokenizer
    counts: WordCounts
    combination: Combination
    # of each part: the lowest probability at which it assigns a label (multi-label)
    thresholds: dict[str, float]
    config: ClassifierConfig
    lm_config: LMConfig | None  # of the language model that the encoder comes from, if there is one
    others: tuple[Member, ...] = ()
    mixed: bool = True  # predict with the combination; False: with the network alone
    report: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    card: dict[str, Any] = field(default_factory=dict)  # how it was trained, and on which data
    columns: dict[str, Any] = field(default_factory=dict)  # of the file that texts and labels came from
    # hashes of some training texts, to recognise them in other data
    sketch: list[int] = field(default_factory=list)
    # means and counts by which new texts are compared with those of the training
    profile: dict[str, Any] = field(default_factory=dict)
    evidence: Evidence | None = (
        None  # of the training: what the parts said of documents not learnt from; in no file
    )

    @property
    def objective(self) -> Objective:
        """Single-label, multi-label or regression."""
        return self.network.objective

    @property
    def pairs(self) -> bool:
        """Whether each text is a pair of texts, joined into one."""
        return self.network.pairs

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that can predict on their own; the first one is the default."""
        return PARTS if self.mixed else PARTS[1:]

    @property
    def members(self) -> tuple[Member, ...]:
        """All networks; of most classifiers one."""
        return (Member(self.network, self.tokenizer, self.lm_config), *self.others)

    def inference(self, device: str = "auto", precision: str = "auto") -> tuple[Inference, ...]:
        """The networks prepared for inference; keep them for later calls, because packing weights takes time."""
        most = self.config.token_budget
        return tuple(Inference(one.network, device, precision, one.backwards, most) for one in self.members)

    def probabilities(
        self, texts: list[str], parts: Sequence[str], inference: Sequence[Inference]
    ) -> dict[str, np.ndarray]:
        """Probabilities (N, C) of several parts, each computed once. Raises UsageError: an unknown part.

        `inference` is that of the networks, see `FittedClassifier.inference`.
        """
        if unknown := set(parts) - set(PARTS):
            raise UsageError(f"part: expected one of {', '.join(PARTS)}, got {unknown.pop()!r}.")
        if not texts:
            return dict.fromkeys(parts, np.zeros((0, len(self.classes))))
        proba: dict[str, np.ndarray] = {}
        # a combination with the word counts alone needs no network
        mixes = "combined" in parts and self.combination.exponent_lm != 0
        if mixes or "lm" in parts:
            proba["lm"] = self._averaged(texts, inference)
        if set(parts) & {"combined", "counts"}:
            proba["counts"] = self.counts.model_.proba_of(texts)
        if "combined" in parts:
            counts = proba["counts"]
            proba["combined"] = self.combination.combine(proba["lm"] if mixes else counts, counts)
        return {name: proba[name] for name in parts}

    def _averaged(self, texts: list[str], inference: Sequence[Inference]) -> np.ndarray:
        """Probabilities (N, C) of the networks together; texts are tokenized once for each vocabulary."""
        stores = {
            tokenizer.fingerprint: tokenized(texts, tokenizer)
            for tokenizer in {one.tokenizer.fingerprint: one.tokenizer for one in self.members}.values()
        }
        each = [
            own.probabilities(stores[one.tokenizer.fingerprint])
            for one, own in zip(self.members, inference, strict=True)
        ]
        return np.asarray(np.mean(each, axis=0)) if self.others else each[0]

    def labels_of(self, proba: np.ndarray, *, part: str | None = None) -> list[Any]:
        """The class of each row of a part's probabilities (N, C); multi-label: a tuple of those that reach the
        threshold; regression: the number.
        """
        decided = self.objective.decide(proba, self.thresholds[part or self.parts[0]])
        return self.objective.named(decided, self.classes)

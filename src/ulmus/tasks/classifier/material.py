"""What a classifier learns from, and what it is measured on, with the numbers of its documents.

Labelled documents come first, then unlabelled ones, then those of `valid`. Axes: N labelled documents, M unlabelled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ulmus.corpus.labels import Labels

__all__ = ["Material", "SoftLabels"]


@dataclass(frozen=True)
class Material:
    """What a classifier learns from, and what it is measured on."""

    texts: list[str]  # N labelled texts
    labels: Labels  # of them
    unlabeled: list[str]  # M more texts
    held: np.ndarray  # labelled documents that are held back for measuring
    judged_texts: list[str] = field(default_factory=list)  # or documents that were given for measuring
    judged: Labels | None = None
    repeated: int = 0  # documents given for measuring that are left out, being among the labelled ones

    @property
    def described(self) -> dict[str, Any]:
        """What a model file says of it: how many texts, how many of each class (C,), and the day."""
        return {
            "labelled": len(self.texts),
            "unlabeled": len(self.unlabeled),
            "label_counts": self.labels.counts().tolist(),
            "date": datetime.now(UTC).date().isoformat(),
        }

    @property
    def everything(self) -> list[str]:
        """All texts in the order of their document numbers."""
        return [*self.texts, *self.unlabeled, *self.judged_texts]

    @cached_property
    def train(self) -> np.ndarray:
        """Labelled documents that are not held back."""
        return np.setdiff1d(np.arange(len(self.texts)), self.held)

    @property
    def measured(self) -> np.ndarray:
        """Numbers of the documents to measure on."""
        first = len(self.texts) + len(self.unlabeled)
        return self.held if self.judged is None else np.arange(first, first + len(self.judged_texts))

    @property
    def truth(self) -> Labels:
        """Their labels."""
        return self.labels.rows(self.held) if self.judged is None else self.judged


class SoftLabels(NamedTuple):
    """What a teacher says of K unlabelled documents."""

    documents: np.ndarray  # (K,) of 0..M-1
    proba: np.ndarray  # (K, C)

    def some(self, chosen: np.ndarray) -> SoftLabels:
        """Those of some of the K."""
        return SoftLabels(self.documents[chosen], self.proba[chosen])

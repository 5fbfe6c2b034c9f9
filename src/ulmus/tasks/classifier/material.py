"""What a classifier learns from, and what it is measured on, with the numbers of its documents.

Labelled documents come first, then unlabelled ones, then those of `valid`. Axes: N labelled documents, M unlabelled,
K chosen ones, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ulmus.corpus.columns import as_list, as_texts, as_weights, missing, others
from ulmus.corpus.labels import Labels
from ulmus.errors import DataError, UsageError
from ulmus.evaluation.splits import held_out, repeats

__all__ = ["Material", "SoftLabels"]


@dataclass(frozen=True)
class Material:
    """Texts and labels, and which of them are held out."""

    texts: list[str]  # N labelled texts
    labels: Labels  # of them
    unlabeled: list[str]  # M more texts
    held: np.ndarray  # labelled documents of the held-out set
    judged_texts: list[str] = field(default_factory=list)  # or documents that were given for measuring
    judged: Labels | None = None
    weights: np.ndarray | None = None  # (N,) how much each labelled text counts; None: all the same
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

    @classmethod
    def of(
        cls,
        texts: Any,
        labels: Any,
        unlabeled: Any = None,
        valid: Any = None,
        *,
        sample_weight: Any = None,
        seed: int,
    ) -> Material:
        """Texts and labels checked, and a held-out set chosen where no `valid` (texts, labels) is given.

        Raises UsageError or DataError for texts or labels that cannot be used.
        """
        given = as_texts(texts)
        more = as_texts([] if unlabeled is None else unlabeled, "unlabeled")
        weights = None if sample_weight is None else as_weights(sample_weight, len(given))
        labels, without = _known(labels, len(given))
        if len(without):
            more = [*(given[i] for i in without), *more]
            given = [given[i] for i in np.setdiff1d(np.arange(len(given)), without)]
            weights = None if weights is None else np.delete(weights, without)
        known = Labels.of(labels)
        if len(given) != len(known):
            raise UsageError(f"each text needs a label: got {len(given)} texts and {len(known)} labels.")
        if len(given) < 2:
            raise DataError("expected at least two labelled texts, got one.")
        if not any(text.strip() for text in given):
            raise DataError("expected texts, got only empty ones. Check the text column.")
        if valid is None:
            return cls(
                given, known, others(more, given), held_out(known.target, seed, given)[1], weights=weights
            )
        fresh, truth, repeated = _measuring(valid, given, known)
        more = others(more, given, fresh)
        return cls(given, known, more, np.arange(0), fresh, truth, repeated=repeated, weights=weights)

    @property
    def everything(self) -> list[str]:
        """All texts in the order of their document numbers."""
        return [*self.texts, *self.unlabeled, *self.judged_texts]

    @property
    def learnt(self) -> int:
        """How many documents there are to learn from, labelled or not: N + M."""
        return len(self.texts) + len(self.unlabeled)

    @cached_property
    def train(self) -> np.ndarray:
        """Labelled documents that are not held out."""
        return np.setdiff1d(np.arange(len(self.texts)), self.held)

    @property
    def measured(self) -> np.ndarray:
        """Numbers of the documents to measure on."""
        if self.judged is None:
            return self.held
        return np.arange(self.learnt, self.learnt + len(self.judged_texts))

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


def _known(labels: Any, texts: int) -> tuple[Any, np.ndarray]:
    """The labels that are there, and the numbers of the texts that have none (None, NaN)."""
    if len(getattr(labels, "shape", (0,))) != 1:
        return labels, np.arange(0)
    rows = as_list(labels, "labels")
    without = np.flatnonzero([missing(row) for row in rows])
    if not len(without) or len(rows) != texts:
        return labels, np.arange(0)
    if len(without) == len(rows):
        raise DataError("expected labels, got only missing ones. Check the label column.")
    return [row for row in rows if not missing(row)], without


def _measuring(valid: Any, given: list[str], known: Labels) -> tuple[list[str], Labels, int]:
    """The texts of `valid` that are not `given` ones, their labels, and how many are left out for being so.

    Raises UsageError and DataError for what cannot be measured on.
    """
    texts, labels = as_texts(valid[0], "valid"), Labels.of(valid[1], known.classes, known.multi_label)
    if len(texts) != len(labels):
        raise UsageError(f"valid: got {len(texts)} texts and {len(labels)} labels.")
    fresh = np.flatnonzero(~repeats(texts, given))
    if texts and not len(fresh):
        raise DataError(
            f"valid: all {len(texts):,} texts are among those to train on, so nothing could be measured on them. "
            "Give other texts, or leave valid out: then a fifth of the labels is held out."
        )
    return [texts[i] for i in fresh], labels.rows(fresh), len(texts) - len(fresh)

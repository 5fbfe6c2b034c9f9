"""What a classifier is trained on and measured on, with the numbers of the documents.

Labelled documents come first, then unlabelled ones, then those of `valid`. Axes: N labelled documents, M unlabelled,
K selected ones, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ulmus.corpus.columns import as_groups, as_list, as_weights, missing, others
from ulmus.corpus.labels import Labels
from ulmus.corpus.numbers import Targets
from ulmus.corpus.pairs import as_documents
from ulmus.errors import DataError, UsageError
from ulmus.evaluation.splits import held_out, repeats

__all__ = ["Beside", "Material", "SoftLabels"]


@dataclass(frozen=True)
class Beside:
    """What a user may give beside each labelled text, as it came."""

    sample_weight: Any = None  # (N,) how much it counts
    groups: Any = None  # (N,) texts with the same value stay on one side of a split


@dataclass(frozen=True)
class Material:
    """Texts and labels, and which of them are held out."""

    texts: list[str]  # N labelled texts
    labels: Targets  # N labels, or numbers
    unlabeled: list[str]  # M unlabelled texts
    held_out: np.ndarray  # numbers of the labelled documents in the held-out set; empty if there is none
    valid_texts: list[str] = field(default_factory=list)  # given for measuring, instead of a held-out set
    valid_labels: Targets | None = None
    weights: np.ndarray | None = None  # (N,) weight of each labelled text; None: all the same
    repeated: int = 0  # texts of `valid` left out because they are also among the labelled ones
    groups: np.ndarray | None = (
        None  # (N,) labelled documents with the same number stay on one side of a split
    )
    pairs: bool = False  # each text is a pair, joined into one

    @property
    def summary(self) -> str:
        """One sentence: how many texts there are, of what kind, and what is to be learnt."""
        kind = "pairs of texts" if self.pairs else "texts"
        what = "numbers" if self.labels.objective.numeric else f"{len(self.labels.classes):,} classes"
        return f"{len(self.texts):,} labelled {kind}, {what}, {len(self.unlabeled):,} unlabelled {kind}."

    @property
    def described(self) -> dict[str, Any]:
        """The entry in the model file: the number of texts, of texts per class (C,), and the date."""
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
        beside: Beside,
        seed: int,
        read: Callable[[Any], Targets] = Labels.of,
    ) -> Material:
        """Check texts and labels, and choose a held-out set if no `valid` (texts, labels) is given.

        `read` turns labels into targets. Raises UsageError, DataError: unusable texts, labels, weights or groups.
        """
        given, pairs = as_documents(texts)
        more = as_documents([] if unlabeled is None else unlabeled, "unlabeled", pairs=pairs).texts
        weights = beside.sample_weight
        weights = None if weights is None else as_weights(weights, len(given))
        numbers = None if beside.groups is None else as_groups(beside.groups, len(given))
        labels, without = _known(labels, len(given))
        if len(without):
            more = [*(given[i] for i in without), *more]
            given = [given[i] for i in np.setdiff1d(np.arange(len(given)), without)]
            weights = None if weights is None else np.delete(weights, without)
            numbers = None if numbers is None else np.delete(numbers, without)
        known = read(labels)
        if len(given) != len(known):
            raise UsageError(f"each text needs a label: got {len(given)} texts and {len(known)} labels.")
        if len(given) < 2:
            raise DataError("expected at least two labelled texts, got one.")
        if not any(text.strip() for text in given):
            raise DataError("expected texts, got only empty ones. Check the text column.")
        made = cls(
            given,
            known,
            others(more, given),
            np.arange(0),
            weights=weights,
            groups=numbers,
            pairs=pairs,
        )
        if valid is None:
            return replace(made, held_out=held_out(known.target, seed, given, groups=numbers)[1])
        fresh, truth, repeated = _measuring(valid, given, known, pairs=pairs)
        return replace(
            made,
            unlabeled=others(more, given, fresh),
            valid_texts=fresh,
            valid_labels=truth,
            repeated=repeated,
        )

    @property
    def everything(self) -> list[str]:
        """All texts in the order of their document numbers."""
        return [*self.texts, *self.unlabeled, *self.valid_texts]

    @property
    def learnt(self) -> int:
        """Number of documents to learn from, labelled or not: N + M."""
        return len(self.texts) + len(self.unlabeled)

    @cached_property
    def train(self) -> np.ndarray:
        """Numbers (K,) of the labelled documents that are not held out."""
        return np.setdiff1d(np.arange(len(self.texts)), self.held_out)

    @property
    def measured(self) -> np.ndarray:
        """Numbers (K,) of the documents to measure on."""
        if self.valid_labels is None:
            return self.held_out
        return np.arange(self.learnt, self.learnt + len(self.valid_texts))

    @property
    def truth(self) -> Targets:
        """Their labels."""
        return self.labels.rows(self.held_out) if self.valid_labels is None else self.valid_labels


class SoftLabels(NamedTuple):
    """A teacher's probabilities for K unlabelled documents."""

    documents: np.ndarray  # (K,) of 0..M-1
    proba: np.ndarray  # (K, C)

    def some(self, chosen: np.ndarray) -> SoftLabels:
        """Those of the K whose indices are `chosen`, (any number,)."""
        return SoftLabels(self.documents[chosen], self.proba[chosen])


def _known(labels: Any, texts: int) -> tuple[Any, np.ndarray]:
    """The labels without the missing ones (None, NaN), and the numbers of the texts whose label is missing.

    Raises DataError: all labels are missing.
    """
    if len(getattr(labels, "shape", (0,))) != 1:
        return labels, np.arange(0)
    rows = as_list(labels, "labels")
    without = np.flatnonzero([missing(row) for row in rows])
    if not len(without) or len(rows) != texts:
        return labels, np.arange(0)
    if len(without) == len(rows):
        raise DataError("expected labels, got only missing ones. Check the label column.")
    return [row for row in rows if not missing(row)], without


def _measuring(
    valid: Any, given: list[str], known: Targets, *, pairs: bool
) -> tuple[list[str], Targets, int]:
    """The texts of `valid` that are not among the `given` ones, their labels, and the number of those left out.

    Raises UsageError, DataError: unusable texts or labels, or none left.
    """
    texts, labels = as_documents(valid[0], "valid", pairs=pairs).texts, known.like(valid[1])
    if len(texts) != len(labels):
        raise UsageError(f"valid: got {len(texts)} texts and {len(labels)} labels.")
    fresh = np.flatnonzero(~repeats(texts, given))
    if texts and not len(fresh):
        raise DataError(
            f"valid: all {len(texts):,} texts are also training texts, so scores on them would mean nothing. "
            "Give other texts, or none: then a fifth of the labels is held out."
        )
    return [texts[i] for i in fresh], labels.rows(fresh), len(texts) - len(fresh)

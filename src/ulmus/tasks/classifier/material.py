"""What a classifier is trained on and measured on, with the numbers of the documents.

Labelled documents come first, then unlabelled ones, then those of `valid`. Axes: N labelled documents, M unlabelled,
K selected ones, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ulmus.corpus.columns import as_groups, as_list, as_weights, missing, others
from ulmus.corpus.labels import Labels
from ulmus.corpus.numbers import Targets
from ulmus.corpus.pairs import as_documents
from ulmus.corpus.times import Times, as_times
from ulmus.data.store import content_key
from ulmus.errors import DataError, UsageError
from ulmus.evaluation.near_duplicates import near_duplicates
from ulmus.evaluation.splits import Together, held_out, repeats

__all__ = ["Beside", "Material", "SoftLabels", "fingerprint"]


@dataclass(frozen=True)
class Beside:
    """What a user may give beside each labelled text, as it came."""

    sample_weight: Any = None  # (N,) how much it counts
    groups: Any = None  # (N,) texts with the same value stay on one side of a split
    times: Any = None  # (N,) the newest texts are held out

    def of_labelled(
        self, documents: np.ndarray, length: int
    ) -> tuple[np.ndarray | None, np.ndarray | None, Times | None]:
        """Weights, group numbers and times of the labelled `documents` (N,), of `length` given ones.

        Raises UsageError, DataError: unusable values, or groups and times together.
        """
        if self.groups is not None and self.times is not None:
            raise UsageError(
                "groups and times: give one of them. A split holds out either whole groups or the newest texts."
            )
        weights = None if self.sample_weight is None else as_weights(self.sample_weight, length)[documents]
        groups = None if self.groups is None else as_groups(self.groups, length)[documents]
        return weights, groups, None if self.times is None else as_times(self.times, length, documents)


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
    pairs: bool = False  # each text is a pair, joined into one
    together: Together = field(
        kw_only=True
    )  # which of the N stay on one side of every split, and their times
    near: int = 0  # labelled texts that are nearly the same as another
    leaked: int = 0  # texts to measure on that are nearly the same as one of the training set
    since: str = ""  # the time of the oldest text of a held-out set of the newest ones

    @property
    def summary(self) -> str:
        """One sentence: how many texts there are, of what kind, and what is to be learnt."""
        kind = "pairs of texts" if self.pairs else "texts"
        what = "numbers" if self.labels.objective.numeric else f"{len(self.labels.classes):,} classes"
        return f"{len(self.texts):,} labelled {kind}, {what}, {len(self.unlabeled):,} unlabelled {kind}."

    @property
    def described(self) -> dict[str, Any]:
        """The entry in the model file: the number of texts, and of texts per class (C,)."""
        return {
            "labelled": len(self.texts),
            "unlabeled": len(self.unlabeled),
            "label_counts": self.labels.counts().tolist(),
        }

    @property
    def fingerprints(self) -> dict[str, str]:
        """SHA-256 of the labelled texts with their labels, of the unlabelled ones, and of those to measure on."""
        there = {"labelled": fingerprint(self.texts, self.labels)}
        if self.unlabeled:
            there["unlabeled"] = fingerprint(self.unlabeled)
        if len(self.measured):
            texts = (
                self.valid_texts if self.valid_labels is not None else [self.texts[i] for i in self.held_out]
            )
            there["measured"] = fingerprint(texts, self.truth)
        return there

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

        `read` turns labels into targets. Raises UsageError, DataError: unusable texts, labels, weights, groups or
        times.
        """
        given, pairs = as_documents(texts)
        more = as_documents([] if unlabeled is None else unlabeled, "unlabeled", pairs=pairs).texts
        labels, without = _known(labels, len(given))
        labelled = np.setdiff1d(np.arange(len(given)), without)
        weights, groups, times = beside.of_labelled(labelled, len(given))
        more = [*(given[i] for i in without), *more]
        given = [given[i] for i in labelled]
        known = read(labels)
        if len(given) != len(known):
            raise UsageError(f"each text needs a label: got {len(given)} texts and {len(known)} labels.")
        if len(given) < 2:
            raise DataError("expected at least two labelled texts, got one.")
        if not any(text.strip() for text in given):
            raise DataError("expected texts, got only empty ones. Check the text column.")
        fresh, truth, repeated = _measuring(valid, given, known, pairs=pairs)
        near = near_duplicates([*given, *fresh])
        alike, near = near[len(given) :], near[: len(given)]
        together = Together(
            near if groups is None else groups, None if times is None else times.numbers, groups is not None
        )
        held = np.arange(0) if truth is not None else held_out(known.target, seed, together)[1]
        leaked = alike < len(given) if truth is not None else np.isin(near[held], np.delete(near, held))
        return cls(
            given,
            known,
            others(more, given, fresh),
            held,
            valid_texts=fresh,
            valid_labels=truth,
            weights=weights,
            repeated=repeated,
            pairs=pairs,
            together=together,
            near=int((np.bincount(near)[near] > 1).sum()),
            leaked=int(leaked.sum()),
            since=times.oldest(held) if times is not None and len(held) else "",
        )

    @property
    def split(self) -> dict[str, Any]:
        """The entry in the report: how the texts to measure on were chosen, and what is nearly the same in them."""
        by = "time" if self.together.times is not None else "groups" if self.together.whole else "random"
        by = by if self.valid_labels is None else "given"
        since = {"since": self.since} if self.since else {}
        return {"by": by, **since, "near_duplicates": self.near, "leaked": self.leaked}

    @property
    def remarks(self) -> list[str]:
        """Sentences about the split, for the verdict."""
        said = []
        if self.since:
            said.append(f"The held-out documents are the newest ones, from {self.since} on.")
        elif self.together.times is not None and not len(self.measured):
            said.append("Settings were chosen by cross-validation over spans of time.")
        if self.leaked:
            said.append(
                f"{self.leaked:,} of the evaluation documents are nearly the same as one of the training set: "
                "the scores are too good for new documents."
            )
        return said

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


def fingerprint(texts: list[str], labels: Targets | None = None) -> str:
    """SHA-256, in hex, of texts and their labels, in order; names of classes count as text, whatever their type."""
    if labels is None:
        return content_key(None, texts=texts)
    if labels.objective.numeric:
        return content_key(labels.target.ravel().tolist(), texts=texts)
    return content_key(labels.objective.named(labels.target, list(map(str, labels.classes))), texts=texts)


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
) -> tuple[list[str], Targets | None, int]:
    """The texts of `valid` that are not among the `given` ones, their labels, and the number of those left out.

    Without `valid` no texts and no labels.

    Raises UsageError, DataError: unusable texts or labels, or none left.
    """
    if valid is None:
        return [], None, 0
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

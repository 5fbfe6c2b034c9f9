"""Labelled texts -> the documents that the trainings of an ablation learn from, and those that all are measured on.

No training sees a text that is nearly the same as one measured on, with or without a label. Subsets of the labels are
nested and stratified; the texts whose labels are left out stay, as unlabelled ones. Knows no model.
Axes: N labelled documents to learn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmus.corpus.labels import Labels
from ulmus.corpus.pairs import as_documents
from ulmus.data.store import content_key
from ulmus.errors import DataError, UsageError
from ulmus.evaluation.near_duplicates import near_duplicates, near_to
from ulmus.evaluation.splits import FEWEST_LABELS, Together, held_out
from ulmus.fields import split_pair
from ulmus.studies.subsets import nested

__all__ = ["AblationTexts"]

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class AblationTexts:
    """N labelled texts, unlabelled ones, and labelled ones to measure on; pairs of texts are joined."""

    texts: list[str]
    labels: Labels
    unlabeled: list[str]
    test_texts: list[str]
    test_labels: list[Any]  # as they were given; they may have classes that no training has
    pairs: bool
    left_out: int  # texts to learn from that are nearly the same as one to measure on

    @classmethod
    def of(cls, texts: Any, labels: Any, unlabeled: Any, test: Any, *, seed: int) -> AblationTexts:
        """`test` is (texts, labels); without it a fifth of the labelled texts, at most 2,000, is held out.

        Raises UsageError, DataError: unusable texts or labels, or too few of them.
        """
        given, pairs = as_documents(texts)
        more = as_documents([] if unlabeled is None else unlabeled, "unlabeled", pairs=pairs).texts
        known = Labels.of(labels)
        _check_lengths(given, known)
        learn = np.arange(len(given))
        if test is None:
            learn, held = held_out(known.target, seed, Together(near_duplicates(given)))
            if not len(held):
                raise DataError(
                    f"expected at least {FEWEST_LABELS} labelled texts, a fifth of which is held out, or other texts "
                    f"to measure on; got {len(given)}. On the command line, specify them with --test FILE."
                )
            held_texts, held_labels = [given[i] for i in held], named(known, held)
        else:
            held_texts, held_labels = as_documents(test[0], "test", pairs=pairs).texts, list(test[1])
            _check_lengths(held_texts, held_labels, "test: ")
        near = near_to([*(given[i] for i in learn), *more], held_texts)
        kept = learn[~near[: len(learn)]]
        if len(kept) < 2:
            raise DataError("fewer than two labelled texts are left: all others are also measured on.")
        rest = [text for text, same in zip(more, near[len(learn) :], strict=True) if not same]
        labelled = [given[i] for i in kept]
        return cls(
            labelled, known.rows(kept), rest, held_texts, held_labels, pairs=pairs, left_out=int(near.sum())
        )

    @property
    def key(self) -> str:
        """SHA-256, in hex, of all texts and labels in order."""
        everything = np.arange(len(self.texts))
        about = [named(self.labels, everything), self.test_labels, len(self.texts), len(self.unlabeled)]
        return content_key(about, texts=[*self.texts, *self.unlabeled, *self.test_texts])

    def sample(self, size: int, seed: int) -> tuple[list[Any], list[Any], list[Any]]:
        """Texts and labels of a subset, and all other texts as unlabelled ones."""
        order = nested(self.labels.target, seed)
        chosen, rest = np.sort(order[:size]), np.sort(order[size:])
        texts = self.as_given([self.texts[i] for i in chosen])
        more = self.as_given([*(self.texts[i] for i in rest), *self.unlabeled])
        return texts, named(self.labels, chosen), more

    def as_given(self, texts: list[str]) -> list[Any]:
        """Texts as an estimator takes them: pairs apart."""
        return [split_pair(text) for text in texts] if self.pairs else texts


def named(labels: Labels, documents: Numbers) -> list[Any]:
    """The labels of some documents (any number,) as they were given."""
    return labels.objective.named(labels.target[documents], labels.classes)


def _check_lengths(texts: Sequence[str], labels: Any, where: str = "") -> None:
    if len(texts) != len(labels):
        raise UsageError(f"{where}each text needs a label: got {len(texts)} texts and {len(labels)} labels.")
    if not any(text.strip() for text in texts):
        raise DataError(f"{where}expected texts, got none, or only empty ones. Check the text column.")

"""A classifier or regressor and a text -> the share of each word in the prediction, with torch or without.

The word counts' part is exact: their scores are linear in the n-grams (`linear/shares.py`). The network is asked:
the share of a token is the mean of what it changes in four places: alone, beside all the others, beside those before
it, beside those after it. These are four of the terms of its Shapley value (Shapley 1953). The shares are then adjusted
in proportion to their size, which keeps their order, to add up to what the whole text changes. That takes predictions
only, so it holds for any encoder, several networks, either direction and any tokenizer. Removing words of 200 sentences
in this order changed the network's probability more than in that of occlusion or integrated gradients, and as much as
in that of sampled Shapley values, which cost more and are random; replacing words by unknown ones favoured methods that
do so (docs/lab-notes.md). The word counts of pairs are not linear in the words, and are asked likewise.
Both parts are combined as the prediction is (`evaluation/combination.py`): its evidence is linear in theirs.
Costs: forward passes of twice as many texts as there are tokens: words if there are at most `WORDS`, else at most
`SEGMENTS` segments of whole sentences. Knows no files. Axes: N texts, U tokens, V variants, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ulmus.errors import UsageError
from ulmus.evaluation.combination import FLOOR, Combination
from ulmus.evaluation.explanation import Explanation
from ulmus.evaluation.objectives import Objective
from ulmus.fields import join_pair, split_pair
from ulmus.text.segments import segments
from ulmus.text.words import words_of_text

__all__ = ["SEGMENTS", "UNITS", "WHOLE", "WORDS", "Explainable", "explained"]

UNITS = ("auto", "word", "segment")
WORDS = 150  # a longer text is explained by segments
SEGMENTS = 32  # at most
ALONE, WITHOUT, BEFORE, AFTER = range(4)  # the variants of a text for each of its tokens
EXACT, ASKED = "exact", "mean of four marginal contributions"
WHOLE = "all"  # the part that is the prediction


class Explainable(Protocol):
    """What is asked of a model. The parts are "lm", the network, and "counts"; "all" is the prediction itself."""

    @property
    def classes(self) -> tuple[Any, ...]:
        """Class names (C,)."""

    @property
    def objective(self) -> Objective:
        """Single-label, multi-label or regression."""

    @property
    def pairs(self) -> bool:
        """Whether texts are joined pairs."""

    @property
    def combination(self) -> Combination:
        """How the parts are mixed; a part with the exponent 0 is not asked."""

    def outputs_of(self, texts: list[str], parts: Sequence[str]) -> Mapping[str, NDArray[np.float64]]:
        """Outputs (N, C) of each of the parts."""

    def labels_of(self, outputs: NDArray[np.float64]) -> list[Any]:
        """The decision for each row of outputs (N, C)."""

    def shares(self, text: str, starts: NDArray[np.int64]) -> NDArray[np.float64]:
        """What each token adds to the word counts' scores, (U, C); `starts` (U,) in characters."""


def explained(model: Explainable, documents: Sequence[str], unit: str = "auto") -> list[Explanation]:
    """An explanation of the prediction for each of N texts, or joined pairs of texts.

    `unit`: what a token is, one of `UNITS`; "word" takes time that grows with the square of the text's length.
    Raises UsageError: another unit.
    """
    if unit not in UNITS:
        raise UsageError(f"unit: expected one of {', '.join(UNITS)}, got {unit!r}.")
    proba = model.outputs_of(list(documents), (WHOLE,))[WHOLE]
    predicted = model.labels_of(proba)
    return [
        _Question(model, _Document.of(text, pair=model.pairs, unit=unit)).answer(row, label)
        for text, row, label in zip(documents, proba, predicted, strict=True)
    ]


class _Document(NamedTuple):
    """One text, or a pair of them, and its tokens."""

    text: str
    spans: list[tuple[int, int]]  # (U,) in characters
    unit: str
    second: int | None  # where the second text of a pair begins

    @classmethod
    def of(cls, document: str, *, pair: bool, unit: str) -> _Document:
        fields = split_pair(document) if pair else (document,)
        words = [words_of_text(field) for field in fields]
        if unit == "auto":
            unit = "word" if sum(map(len, words)) <= WORDS else "segment"
        spans, start = list[tuple[int, int]](), 0
        for field, own in zip(fields, words, strict=True):
            tokens = [(word.start, word.end) for word in own]
            if unit == "segment":
                tokens = segments(field, own, most=SEGMENTS // len(fields))
            spans += [(start + first, start + last) for first, last in tokens]
            start += len(field) + 1
        return cls("\n".join(fields), spans, unit, len(fields[0]) + 1 if pair else None)

    def part(self, start: int, end: int) -> str:
        """The characters from `start` to `end` as a document of their own."""
        if self.second is None:
            return self.text[start:end]
        return join_pair(
            self.text[start : min(end, self.second - 1)], self.text[max(start, self.second) : end]
        )

    def variants(self) -> list[str]:
        """Each token alone, then the text without each, then up to each, then from each on (4 U,), and nothing."""
        end = len(self.text)
        made = [self.part(*span) for span in self.spans]
        made += [self._without(*span) for span in self.spans]
        made += [self.part(0, last) for _, last in self.spans]
        made += [self.part(first, end) for first, _ in self.spans]
        return [*made, self.part(0, 0)]

    def _without(self, start: int, end: int) -> str:
        """The document without these characters, which are of one of its texts."""
        if self.second is None:
            return self.text[:start] + self.text[end:]
        first, second = self.text[: self.second - 1], self.text[self.second :]
        if start < self.second:
            return join_pair(first[:start] + first[end:], second)
        start, end = start - self.second, end - self.second
        return join_pair(first, second[:start] + second[end:])


class _Question(NamedTuple):
    """One document, to be explained."""

    model: Explainable
    document: _Document

    def answer(self, proba: np.ndarray, label: object) -> Explanation:
        """The explanation of a prediction with these probabilities (C,)."""
        model, document = self.model, self.document
        objective, combined = model.objective, model.combination
        weights = {"lm": combined.exponent_lm, "counts": combined.exponent_counts}
        used = [name for name, weight in weights.items() if weight]
        asked = [name for name in used if name == "lm" or model.pairs]
        by_segment = document.unit == "segment" and bool(document.spans)
        wanted = [*asked, WHOLE] if by_segment else asked
        variants = document.variants()
        outputs = model.outputs_of(variants, wanted) if wanted else {}
        parts = {
            name: weights[name] * (self._marginals(outputs[name]) if name in asked else self._exact())
            for name in used
        }
        scores = sum(parts.values(), np.zeros((len(document.spans), len(model.classes))))
        numbers = objective.decide(proba[None]) if objective.numeric else None
        total = objective.evidence(objective.scores(proba[None], FLOOR))[0] if numbers is None else numbers
        running = outputs[WHOLE][self._rows(BEFORE)] if by_segment else None
        if running is not None and numbers is not None:
            running = objective.decide(running)[:, None]
        return Explanation(
            text=document.text,
            spans=tuple(document.spans),
            unit=document.unit,
            scores=scores,
            base=np.asarray(total - scores.sum(axis=0), np.float64),
            classes=model.classes,
            probabilities=proba if numbers is None else numbers,
            prediction=label,
            parts=parts,
            method={name: ASKED if name in asked else EXACT for name in used},
            running=running,
            second=document.second,
            numeric=objective.numeric,
        )

    def _rows(self, kind: int) -> slice:
        """The rows of one kind of the document's variants."""
        size = len(self.document.spans)
        return slice(kind * size, (kind + 1) * size)

    def _exact(self) -> np.ndarray:
        """The word counts' shares (U, C)."""
        starts = np.array([start for start, _ in self.document.spans], np.int64)
        return np.asarray(self.model.objective.evidence(self.model.shares(self.document.text, starts)))

    def _marginals(self, proba: np.ndarray) -> np.ndarray:
        """Shares (U, C) from the probabilities (V, C) of the document's variants."""
        objective = self.model.objective
        evidence = objective.evidence(objective.scores(proba, FLOOR))
        nothing, size = evidence[-1:], len(self.document.spans)
        if not size:
            return np.zeros((0, evidence.shape[1]))
        alone, without, before, after = (evidence[self._rows(kind)] for kind in range(4))
        whole = before[-1:]
        shares = (
            (alone - nothing)
            + (whole - without)
            + np.diff(before, axis=0, prepend=nothing)
            - np.diff(after, axis=0, append=nothing)
        ) / 4
        return _adding_up(shares, whole[0] - nothing[0])


def _adding_up(shares: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Shares (U, C) changed in proportion to their size to add up to `total` (C,); their order stays the same.

    If that took more than there is, all are shifted alike.
    """
    missing, sizes = total - shares.sum(axis=0), np.abs(shares)
    factor = missing / np.maximum(sizes.sum(axis=0), np.finfo(np.float64).tiny)
    return np.asarray(
        np.where(np.abs(factor) < 1, shares + factor * sizes, shares + missing / len(shares)), np.float64
    )

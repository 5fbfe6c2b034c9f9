"""What a model says of one text: the guessed class, all probabilities, and the text in parts with their shares in it.

Two models can be asked: the quick one, whose shares are exact and cost a millisecond, and a classifier from a file,
whose explanation (`explain`) takes tens of forward passes. Axes: N texts, U tokens, C classes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulmus.labelling.quick import Trained
from ulmus.text.words import words_of_text

if TYPE_CHECKING:
    from ulmus.tasks.classifier.model import TextClassifier

__all__ = ["Guess", "ModelGuesses", "guess_of_counts"]

Floats = NDArray[np.float64]
SHOWN = 50_000  # characters of a text that are looked at
FAINT = 0.3  # of the strongest share: less is not marked
BATCH = 16  # texts that are predicted at once
KEPT = 500  # guesses of a model that are not made again


class Guess(NamedTuple):
    """A guess; `parts` are the beginning of the text, with a share of -1..1 each (0: says nothing)."""

    label: str
    probability: float
    others: tuple[tuple[str, float], ...]  # all classes with their probabilities, the most probable first
    parts: tuple[tuple[str, float], ...]


def guess_of_counts(trained: Trained, text: str) -> Guess:
    """What the quick model says."""
    text = text[:SHOWN]
    model = trained.model
    proba = model.proba_of([text])[0]
    spans = [(word.start, word.end) for word in words_of_text(text)]
    added, _ = model.shares(text, np.array([start for start, _ in spans], np.int64))
    scores = model.objective.evidence(added)[:, int(proba.argmax())] if len(spans) else np.zeros(0)
    return _guess(trained.classes, proba, text, spans, scores)


class ModelGuesses:
    """A classifier from a file: its guesses, each made once, by one thread at a time."""

    def __init__(self, model: TextClassifier, name: str) -> None:
        self.name = name
        self.classes = tuple(str(label) for label in model.fitted_.classes)
        self._model, self._lock = model, threading.Lock()
        self._made: OrderedDict[str, Guess] = OrderedDict()

    def proba(self, texts: Sequence[str]) -> Floats:
        """Probabilities (N, C) of texts; somebody who waits for a guess comes in between."""
        found = [np.zeros((0, len(self.classes)))]
        for start in range(0, len(texts), BATCH):
            with self._lock:
                found.append(np.asarray(self._model.outputs(list(texts[start : start + BATCH])), np.float64))
        return np.concatenate(found)

    def guess(self, text: str) -> Guess:
        """What the classifier says of a text, and which words or sentences say it."""
        with self._lock:
            if text not in self._made:
                (found,) = self._model.explain([text[:SHOWN]])
                spans, scores = list(found.spans), found.scores[:, found.shown]
                self._made[text] = _guess(self.classes, found.probabilities, found.text, spans, scores)
                if len(self._made) > KEPT:
                    self._made.popitem(last=False)
            return self._made[text]


def _guess(
    classes: Sequence[str], proba: Floats, text: str, spans: Sequence[tuple[int, int]], scores: Floats
) -> Guess:
    """`proba` (C,), `scores` (U,): the shares of the tokens in the evidence for the most probable class."""
    order = np.argsort(-proba, kind="stable")
    others = tuple((classes[k], float(proba[k])) for k in order)
    return Guess(others[0][0], others[0][1], others, tuple(_parts(text, spans, scores)))


def _parts(text: str, spans: Sequence[tuple[int, int]], scores: Floats) -> list[tuple[str, float]]:
    """The text, cut where a token with a share begins or ends."""
    largest = float(np.abs(scores).max(initial=0.0)) or 1.0
    parts, end = list[tuple[str, float]](), 0
    for (start, until), score in zip(spans, scores, strict=True):
        share = float(score) / largest
        if abs(share) >= FAINT:
            parts += [(text[end:start], 0.0), (text[start:until], round(share, 3))]
            end = until
    return [part for part in [*parts, (text[end:], 0.0)] if part[0]]

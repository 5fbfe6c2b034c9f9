"""One training of a study: some of the labels -> a score for each document that is measured on.

`CountTrainings` trains word counts, `WholeTrainings` all that `TextClassifier` does. Neither sees a document that is
measured on, or a label that is not among the chosen ones. Texts without a label help in every training; where there are
none, words are counted anew for each subset.
Costs: a second to some ten seconds with word counts. Knows no curve.
Axes: N labelled documents, M that are measured on.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ulmus.corpus.labels import Labels
from ulmus.corpus.numbers import Numbers, Targets
from ulmus.evaluation.objectives import Regression
from ulmus.evaluation.splits import Together
from ulmus.fields import split_pair
from ulmus.linear.learner import CountLearner
from ulmus.studies.subsets import Part

__all__ = ["CountTrainings", "StudyTexts", "Trainings", "WholeTrainings", "values_of"]

Documents = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StudyTexts:
    """What a study is about: N labelled texts, others without a label, what belongs together."""

    texts: list[str]
    labels: Targets
    unlabeled: list[str]
    together: Together
    pairs: bool

    def some(self, documents: Documents) -> list[str]:
        """The texts of some documents (any number,)."""
        return [self.texts[i] for i in documents]


class Trainings(Protocol):
    """Trains on some documents of a part and scores those that are measured on."""

    def values(self, number: int, documents: Documents, *, seed: int) -> Floats:
        """The score (M,) of each document measured on in part `number`, after training on `documents` (any number,)."""


def values_of(truth: Targets, decided: NDArray[Any]) -> Floats:
    """The score of each decision (M,), 1 at best: 1 if right; F1 of its labels if multi-label; for numbers what sums up
    to R2, with the spread of all labelled numbers.
    """
    values = truth.objective.right(truth.target, decided)
    if isinstance(truth.objective, Regression):
        return np.asarray(1 + values / truth.objective.sd**2)
    return values


class CountTrainings:
    """Word counts with LSA; n-grams, penalty and self-training are chosen anew for each training."""

    def __init__(self, study: StudyTexts, parts: Sequence[Part]) -> None:
        self._study, self._parts = study, parts
        self._counted: tuple[int, CountLearner] | None = None  # part and its counted texts

    def values(self, number: int, documents: Documents, *, seed: int) -> Floats:  # noqa: ARG002
        """The score (M,) of each document measured on. Nothing but the documents (any number,) is drawn by a seed."""
        study, part = self._study, self._parts[number]
        learner, counted = self._learner(number, np.sort(documents))
        target, classes = study.labels.target[counted], len(study.labels.classes)
        chosen = np.searchsorted(counted, np.sort(documents))
        choice = learner.choose(target, chosen, classes=classes)
        model = learner.fit(target, choice, chosen, classes=classes)
        proba = model.proba_of(study.some(part.held))
        return values_of(study.labels.rows(part.held), study.labels.objective.decide(proba))

    def _learner(self, number: int, documents: Documents) -> tuple[CountLearner, Documents]:
        """Counted texts, and the documents (any number,) that they are: those of the part, once, or the given ones."""
        study = self._study
        if not study.unlabeled:
            together = study.together.rows(documents)
            return CountLearner(study.some(documents), together=together, pairs=study.pairs), documents
        train = self._parts[number].train
        if self._counted is None or self._counted[0] != number:
            learner = CountLearner(
                study.some(train), study.unlabeled, together=study.together.rows(train), pairs=study.pairs
            )
            self._counted = (number, learner)
        return self._counted[1], train


class WholeTrainings:
    """A `TextClassifier` or `TextRegressor` with its usual settings, each with the same time."""

    def __init__(
        self, study: StudyTexts, parts: Sequence[Part], *, minutes: float | None, folder: Path | None
    ) -> None:
        self._study, self._parts, self._minutes, self._folder = study, parts, minutes, folder

    def values(self, number: int, documents: Documents, *, seed: int) -> Floats:
        """The score (M,) of each document measured on, after training on `documents` (any number,).

        With a folder a training that is stopped resumes from its checkpoint.
        """
        from ulmus.tasks.classifier.model import TextClassifier
        from ulmus.tasks.classifier.regressor import TextRegressor

        study, part = self._study, self._parts[number]
        folder = None if self._folder is None else self._folder / f"{number}-{seed}-{len(documents)}"
        kind = TextRegressor if isinstance(study.labels, Numbers) else TextClassifier
        model = kind(minutes=self._minutes, seed=seed, work_dir=folder, verbose=False)
        documents = np.sort(documents)
        groups = study.together.same[documents] if study.together.whole else None
        model.fit(self._given(documents), self._names(documents), unlabeled=self._unlabeled(), groups=groups)
        decided = _decided(study.labels, model.predict(self._given(part.held)))
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        return values_of(study.labels.rows(part.held), decided)

    def _given(self, documents: Documents) -> list[Any]:
        """Texts as an estimator takes them: pairs apart."""
        return _apart(self._study.some(documents), self._study.pairs)

    def _unlabeled(self) -> list[Any] | None:
        return _apart(self._study.unlabeled, self._study.pairs) or None

    def _names(self, documents: Documents) -> list[Any]:
        """Labels in the user's terms."""
        labels = self._study.labels
        target = labels.target[documents]
        values = target if isinstance(labels, Labels) else labels.objective.in_units(target)
        return labels.objective.named(values, labels.classes)


def _apart(texts: list[str], pairs: bool) -> list[Any]:
    return [split_pair(text) for text in texts] if pairs else texts


def _decided(labels: Targets, predicted: NDArray[Any]) -> NDArray[Any]:
    """Predictions of M documents, as names or numbers, as decisions of the objective."""
    return predicted if isinstance(labels, Numbers) else labels.like(list(predicted)).target

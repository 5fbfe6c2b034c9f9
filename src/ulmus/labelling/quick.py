"""The quick model of a labelling: word counts that learn every few answers, say what they guess, and what to ask next.

How: all texts are counted once (`CountLearner`, open-ended); learning from the labels of the moment takes a second or
so. *What to ask next* is chosen as in `studies/suggestion.py`: clusters of all texts that are still open, each weighted
by the model's doubt, and by the share of it that is new (n-grams that no labelled text has); one text of each cluster.
With fewer than `COLD` labels they are typical of clusters in which nothing is labelled.
*Accuracy* is that of a cross-validation on the texts that were drawn at random, from `FEWEST` of them on; before that
on all labelled ones, of which most were chosen because they are hard. *More labels*: the power law of learning curves
through the same folds with a quarter, half and all of their labels, in two draws.
Costs: counting 3,000 film reviews 5 s, once; learning about a second. Knows no page and no journal.
Axes: N texts, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ulmus.errors import DataError
from ulmus.evaluation.near_duplicates import near_duplicates
from ulmus.evaluation.per_class import wilson
from ulmus.evaluation.power_law import PowerLaw
from ulmus.evaluation.splits import Together, spread_folds
from ulmus.linear.count_model import CountModel
from ulmus.linear.learner import CountLearner
from ulmus.linear.selection import Choice
from ulmus.linear.self_training import topics
from ulmus.studies.curve import curve_of
from ulmus.studies.subsets import FOLDS, nested
from ulmus.studies.suggestion import central

__all__ = ["COLD", "FEWEST", "Accuracy", "Lesson", "QuickModel", "Trained"]

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]
FEWEST = 20  # labels that anything is measured on
AHEAD = 50  # texts that are chosen at once
MOST = 5_000  # texts, at most, that they are chosen from
NOVELTY = 1.0  # how much more a text of new words alone weighs
COLD = 50  # labels; with fewer a model's doubt says little, and typical texts are worth more
DRAWS = 2  # of labels for each size of the curve
MANY = 20  # times as many labels: further the power law is not asked


class Lesson(NamedTuple):
    """The labels of the moment: numbers of texts, their labels, and which were drawn at random."""

    numbers: Numbers
    labels: Sequence[str]
    drawn: NDArray[np.bool_]

    @classmethod
    def of(cls, answers: Sequence[tuple[int, str, bool]]) -> Lesson:
        """From the answers of a `Desk`."""
        numbers, labels, drawn = zip(*answers, strict=True) if answers else ((), (), ())
        return cls(np.array(numbers, np.int64), labels, np.array(drawn, bool))


class Accuracy(NamedTuple):
    """A share of texts, 0..1, its 95 % confidence interval, and on how many texts it was measured."""

    share: float
    low: float
    high: float
    texts: int
    at_random: bool  # whether they were drawn at random


@dataclass(frozen=True)
class Trained:
    """What was learnt from some labels."""

    classes: tuple[str, ...]  # C, in the order of the columns
    model: CountModel
    choice: Choice
    target: Numbers  # (N,) class numbers; of texts without a label, 0
    lesson: Lesson


class QuickModel:
    """All texts (N) counted once, to be learnt from as labels come.

    Raises DataError if there is no word in them.
    """

    def __init__(self, texts: Sequence[str], *, seed: int = 0) -> None:
        self._seed, self._n = seed, len(texts)
        self.same = near_duplicates(texts)
        self._together = Together(self.same)
        self._learner = CountLearner(texts, together=self._together, open_ended=True)
        self._lengths = np.array([max(len(text), 1) for text in texts], np.int64)

    def learn(self, lesson: Lesson) -> Trained | None:
        """Learn from these labels; None with fewer than two classes."""
        classes = tuple(sorted(set(lesson.labels)))
        if len(classes) < 2:
            return None
        place = {name: k for k, name in enumerate(classes)}
        target = np.zeros(self._n, np.int64)
        target[lesson.numbers] = [place[label] for label in lesson.labels]
        choice = self._learner.choose(target, lesson.numbers, classes=len(classes))
        model = self._learner.fit(target, choice, lesson.numbers, classes=len(classes))
        return Trained(classes, model, choice, target, lesson)

    def order(
        self,
        trained: Trained | None,
        lesson: Lesson,
        open_texts: Sequence[int],
        *,
        doubt: Callable[[Numbers], Floats] | None = None,
        most: int = MOST,
    ) -> list[int]:
        """The texts to label next, the best first: at most `AHEAD` of the open ones, chosen from `most` of them.

        `doubt` gives that of another model than the trained one about texts (K,), as (K,). Without any doubt, and as
        long as there are few labels, the texts are typical of clusters without a labelled text, large ones first.
        """
        fresh = self._fresh(lesson, np.array(open_texts, np.int64), most)
        if not len(fresh):
            return []
        view = self._learner.labelled[0 if trained is None else trained.choice.view]
        if doubt is None and trained is not None and len(lesson.numbers) >= COLD:
            doubt = partial(_doubt, trained, view.x)
        if doubt is None:
            return self._typical(fresh, lesson)
        weight = np.maximum(doubt(fresh), 1e-6) * self._novelty(view.x, lesson, fresh)
        z = topics(view.lsa[fresh])
        chosen, _ = central(z, weight, self._lengths[fresh], k=AHEAD, seed=self._seed)
        return [int(i) for i in fresh[chosen[np.argsort(-weight[chosen], kind="stable")]]]

    def _typical(self, fresh: Numbers, lesson: Lesson) -> list[int]:
        """One text of each cluster without a labelled one (Hacohen et al. 2022)."""
        known = lesson.numbers[:COLD]
        every = np.concatenate([fresh, known])
        z, even = topics(self._learner.labelled[0].lsa[every]), np.ones(len(every))
        chosen, sizes = central(z, even, self._lengths[every], k=AHEAD, seed=self._seed, known=len(known))
        return [int(i) for i in every[chosen[np.argsort(-sizes, kind="stable")]]]

    def accuracy(self, trained: Trained) -> Accuracy | None:
        """How many texts a model is right on that was not shown their labels; None with too few labels."""
        measured = self._measured(trained)
        if measured is None:
            return None
        right = self._right(trained, measured, (1.0,), draw=0)[0]
        low, high = wilson(float(right.mean()), len(right))
        return Accuracy(
            float(right.mean()), low, high, len(right), bool(trained.lesson.drawn[measured].all())
        )

    def labels_for_a_point(self, trained: Trained, waiting: Callable[[], bool] = lambda: False) -> int | None:
        """About how many more labels bring one point of accuracy; None if that cannot be said.

        `waiting` says whether another training is asked for: then this one is not finished, and says nothing.
        """
        measured, n = self._measured(trained), len(trained.lesson.numbers)
        shares = (0.25, 0.5, 1.0)
        sizes = [max(2, int(share * n * (FOLDS - 1) / FOLDS)) for share in shares]
        if measured is None or len(set(sizes)) < len(sizes):
            return None
        values = []
        for draw in range(DRAWS):
            if waiting():
                return None
            values.append(self._right(trained, measured, shares, draw=draw))
        groups = self.same[trained.lesson.numbers[measured]]
        found = curve_of(
            np.array(values), sizes=sizes, pool=sizes[-1], labels=n, groups=groups, measure="accuracy"
        )
        return _more(found.law, n)

    def _fresh(self, lesson: Lesson, open_texts: Numbers, most: int) -> Numbers:
        """One of each set of near-duplicates, none of them labelled; at most so many, at random."""
        known = np.isin(self.same[open_texts], self.same[lesson.numbers])
        _, first = np.unique(self.same[open_texts], return_index=True)
        fresh = open_texts[np.intersect1d(first, np.flatnonzero(~known))]
        rng = np.random.default_rng(self._seed + len(lesson.numbers))
        return np.sort(rng.permutation(fresh)[:most])

    def _novelty(self, x: csr_matrix, lesson: Lesson, fresh: Numbers) -> Floats:
        """1 and more, (K,), the more of each text is n-grams that no labelled text has; `x` (N, F) are all texts."""
        seen = np.bincount(x[lesson.numbers].indices, minlength=x.shape[1]) > 0
        new = x[fresh].power(2) @ (~seen).astype(np.float64)  # rows have length 1: shares
        return np.asarray(1 + NOVELTY * new)

    def _measured(self, trained: Trained) -> Numbers | None:
        """Places in the lesson of the texts that are measured on: those drawn at random, all if they are too few."""
        drawn = np.flatnonzero(trained.lesson.drawn)
        measured = drawn if len(drawn) >= FEWEST else np.arange(len(trained.lesson.numbers))
        return measured if len(measured) >= FEWEST else None

    def _right(self, trained: Trained, measured: Numbers, shares: Sequence[float], *, draw: int) -> Floats:
        """For shares (K,) of the labels of each fold: whether each measured text (M,) is right, (K, M)."""
        documents, target = trained.lesson.numbers, trained.target
        fold_of = spread_folds(
            target[documents], folds=FOLDS, seed=draw, together=self._together.rows(documents)
        )
        right = np.zeros((len(shares), len(documents)))
        for fold in np.unique(fold_of[measured]):
            train = documents[fold_of != fold]
            held = measured[fold_of[measured] == fold]
            order = train[nested(target[train], draw)]
            for k, share in enumerate(shares):
                some = order[: max(2, int(share * len(order)))]
                right[k, held] = self._guesses(trained, some, documents[held]) == target[documents[held]]
        return right[:, measured]

    def _guesses(self, trained: Trained, some: Numbers, held: Numbers) -> Numbers:
        """Class numbers (M,) of texts by a model of some of the labels; of one class alone, that class."""
        classes = len(trained.classes)
        try:
            model = self._learner.fit(trained.target, trained.choice, some, classes=classes, rounds=1)
        except DataError:
            return np.repeat(trained.target[some[:1]], len(held))
        return np.asarray(self._learner.proba(model, held).argmax(axis=1))


def _doubt(trained: Trained, x: csr_matrix, numbers: Numbers) -> Floats:
    """How undecided the model is about texts (K,) of all counted ones `x` (N, F)."""
    return np.asarray(trained.model.objective.doubt(trained.model.proba(x[numbers])))


def _more(law: PowerLaw, n: int) -> int | None:
    """How many labels beyond `n` take one point off the error, in round numbers; None if too many."""
    wanted = float(law.error(n)) - 0.01
    if wanted <= law.floor or law.scale <= 0:
        return None
    total = math.log(law.scale / (wanted - law.floor)) / law.rate  # its logarithm
    if total > math.log((1 + MANY) * n):
        return None
    more = math.exp(total) - n
    step = int(10 ** max(len(str(int(more))) - 2, 0))
    return max(round(more / step) * step, 1)

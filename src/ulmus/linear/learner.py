"""Texts counted once, and from them a word-count classifier for any labels.

    learner = CountLearner(texts, unlabeled)
    choice = learner.choose(target, classes=3)
    model = learner.fit(target, choice, classes=3); model.proba(model.features.transform(new))

Counting all texts and their LSA takes long, and sees no label; choosing and fitting come after, for all labelled
documents or some of them. Costs: 70,000 film reviews: a minute and a half to count; seconds to choose and to fit.
Knows no names of classes, no files. Targets are class numbers (N,) or zeros and ones (N, C).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ulmus.evaluation.objectives import objective_of
from ulmus.evaluation.splits import Together, same_texts, spread_folds
from ulmus.linear.count_model import CountModel, CountSettings, known_targets
from ulmus.linear.features import CountConfig, Counted, CountFeatures
from ulmus.linear.logistic import out_of_fold
from ulmus.linear.pair_features import PairFeatures
from ulmus.linear.selection import Choice, choose
from ulmus.linear.self_training import ROUNDS, by_topics, joining

__all__ = ["CountLearner"]

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]
MOST_MORE = 10_000  # texts without a label that may be labelled
STUDENT_STEPS = 100
STUDENT = 30.0  # C of word counts that learn from texts labelled by topics


class CountLearner:
    """`texts` (N) are labelled, `unlabeled` ones (M) help to weigh n-grams (idf), to relate them (LSA) and to learn.

    With `pairs` each text is a joined pair. `together`: which documents stay in one fold (by default equal texts).
    `open_ended`: labels come one after the other, so the texts beside the documents of a fit count as unlabelled.
    Raises DataError when there are no texts or nothing in them can be counted.
    """

    def __init__(
        self,
        texts: Sequence[str],
        unlabeled: Sequence[str] = (),
        *,
        config: CountConfig | None = None,
        settings: CountSettings | None = None,
        together: Together | None = None,
        pairs: bool = False,
        open_ended: bool = False,
    ) -> None:
        self.settings = settings or CountSettings()
        index = PairFeatures(config) if pairs else CountFeatures(config)
        self._n = len(texts)
        self._raw = index.index([*texts, *unlabeled])
        self.views: Sequence[CountFeatures | PairFeatures] = index.views(
            self._raw, more_texts=bool(len(unlabeled)) or open_ended
        )
        self.labelled = [view.prepared(self._raw[: self._n]) for view in self.views]
        rng = np.random.default_rng(index.config.seed)
        first = 0 if open_ended else self._n
        self._drawn = first + np.sort(rng.permutation(len(texts) + len(unlabeled) - first)[:MOST_MORE])
        self._together = together or Together(same_texts(texts))

    def choose(
        self,
        target: Numbers,
        documents: Numbers | None = None,
        *,
        classes: int,
        weight: Floats | None = None,
    ) -> Choice:
        """What suits the labels of the chosen documents (all of them where none are given)."""
        documents = np.arange(self._n) if documents is None else documents
        known, shown = known_targets(target[documents], classes)
        choice = choose(
            [view.rows(documents) for view in self.labelled],
            shown,
            classes=len(known),
            together=self._together.rows(documents),
            C=self.settings.C,
            class_weight=self.settings.of_known(known),
            weight=np.ones(len(documents)) if weight is None else weight[documents],
        )
        objective = objective_of(target)
        teachable = len(self._drawn) > 0 and not (objective.multi_label or objective.numeric)
        return replace(choice, self_train=choice.self_train and teachable)

    def fit(
        self,
        target: Numbers,
        choice: Choice,
        documents: Numbers | None = None,
        *,
        classes: int,
        weight: Floats | None = None,
        rounds: int = ROUNDS,
    ) -> CountModel:
        """The classifier of the chosen documents; `rounds` of self-training, if it is chosen.

        Raises DataError where too few classes have an example.
        """
        documents = np.arange(self._n) if documents is None else documents
        features, counted = self.views[choice.view], self.labelled[choice.view].rows(documents)
        drawn = np.setdiff1d(self._drawn, documents)
        shown, weight = target[documents], np.ones(len(documents)) if weight is None else weight[documents]
        if choice.self_train and len(drawn):
            more = features.prepared(self._raw[drawn])
            return self._self_trained(
                (features, counted, more), shown, classes=classes, weight=weight, rounds=rounds
            )
        settings = replace(self.settings, C=choice.C)
        return CountModel.fit(
            features, counted, shown, classes=classes, settings=settings, sample_weight=weight
        )

    def _self_trained(
        self,
        texts: tuple[CountFeatures | PairFeatures, Counted, Counted],
        shown: Numbers,
        *,
        classes: int,
        weight: Floats,
        rounds: int,
    ) -> CountModel:
        """The classifier of labelled documents (N) and of others that topics, then a student, label.

        `texts`: how they are counted, the labelled ones and the others.
        """
        features, counted, more = texts
        known, numbers = known_targets(shown, classes)
        more = more.rows(np.flatnonzero(more.lsa.any(axis=1)))  # of an empty text topics say nothing
        of_known = self.settings.of_known(known)
        proba = by_topics(counted.lsa, numbers, more.lsa, weight=weight, class_weight=of_known)
        for _ in range(rounds):
            joined = joining(proba, float(weight.sum()))
            model = CountModel.fit(
                features,
                counted.and_then(more.rows(joined.documents)),
                np.concatenate([shown, known[joined.target]]),
                classes=classes,
                settings=replace(self.settings, C=self.settings.C or STUDENT, steps=STUDENT_STEPS),
                sample_weight=np.concatenate([weight, joined.weight]),
            )
            proba = model.proba(more.x)[:, known]
        return model

    def out_of_fold(
        self, target: Numbers, choice: Choice, documents: Numbers, *, classes: int, seed: int = 0
    ) -> Floats:
        """Probabilities (N, C) of each of the chosen documents by a model that was not shown its label.

        For fitting combinations. A class that none of them has gets 0. What belongs together is left out together.
        """
        known, shown = known_targets(target[documents], classes)
        everything = np.array(target)

        def learn(train: Numbers, held: Numbers) -> Floats:
            # five fits, for relative weights only: one round each, at half the cost
            model = self.fit(everything, choice, documents[train], classes=classes, rounds=1)
            x = self.labelled[choice.view].x[documents[held]]
            return model.proba(x)[:, model.known]

        fold_of = spread_folds(shown, folds=5, seed=seed, together=self._together.rows(documents))
        proba = np.zeros((len(documents), classes))
        proba[:, known] = out_of_fold(shown, len(known), learn, fold_of=fold_of)
        return proba

    def proba(self, model: CountModel, documents: Numbers) -> Floats:
        """Probabilities (N, C) of labelled documents."""
        return model.proba(model.features.weighed(self._raw[documents]))

    def proba_of_more(self, model: CountModel) -> Floats:
        """Probabilities (M, C) of the texts without a label."""
        return model.proba(model.features.weighed(self._raw[self._n :]))

    def lsa_of_more(self, choice: Choice) -> NDArray[np.float32]:
        """LSA rows (M, K) of the texts without a label, in the chosen view; pairs have none: (M, 0)."""
        return self.views[choice.view].prepared(self._raw[self._n :]).lsa

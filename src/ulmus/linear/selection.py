"""Which n-grams, which penalty, and whether texts without a label may teach: chosen by cross-validation.

Candidates are the word counts of each view (`CountFeatures.views`) with each penalty, and for each view a *topic
model* (`self_training.py`), which sees no n-gram, only LSA rows scaled to length 1. Each is judged by the log loss of
documents whose labels it was not shown: with a hundred labels accuracies are too coarse to compare. Another view than
the first is taken where it is better by more than a standard error (Breiman et al. 1984, section 3.4.3). Unless words
predict better than topics by twice that, there are too few labels to weigh words, and topics may label more texts.
How: with few documents, a regression on F n-grams is one on N axes (the eigenvectors of the Gram matrix), which
costs milliseconds. At most 1,500 documents are looked at, in three folds from 500 on. What belongs together stays in
one fold.
Costs: a second with 100 labels, 5 to 20 s with thousands. Knows no names, no files. Axes: N documents, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from ulmus.evaluation.objectives import objective_of
from ulmus.evaluation.splits import Together, spread_folds
from ulmus.linear.features import Counted
from ulmus.linear.logistic import ClassWeight, out_of_fold
from ulmus.linear.regression import fit_linear, penalties
from ulmus.linear.self_training import topics

__all__ = ["Choice", "choose"]

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]
FEWEST = 20  # documents; with fewer nothing is compared
MOST = 1_500  # documents that are compared on
FEW = 500
SEED = 0  # the same labels are always given the same choice
FLOOR = 1e-4  # no probability is believed to be smaller


@dataclass(frozen=True)
class Choice:
    """What suits the labels at hand: the number of a view, C, and whether more texts may be labelled by topics."""

    view: int = 0
    C: float = 10.0
    self_train: bool = False


def choose(
    views: Sequence[Counted],
    target: Numbers,
    *,
    classes: int,
    together: Together,
    C: float | None = None,
    class_weight: ClassWeight = None,
    weight: Floats,
) -> Choice:
    """The best choice for labelled documents, given each as counted in each view.

    `target`: class numbers (N,) or zeros and ones (N, C), each of the `classes` with an example. `together`: which of
    them stay in one fold. `C`, where it is given, is not chosen. `weight` (N,): how much each document counts.
    """
    every = penalties(target)
    compared = (C,) if C is not None else every if len(target) <= FEW or len(every) > 3 else every[:2]
    fallback = Choice(C=compared[0])
    shown = _some(len(target))
    if len(np.unique(together.same[shown])) < FEWEST:
        return fallback
    weight, target = weight[shown], target[shown]
    fold_of = spread_folds(
        target, folds=5 if len(shown) <= FEW else 3, seed=SEED, together=together.rows(shown)
    )

    def loss(x: csr_matrix | Floats, penalty: float) -> Floats:
        def learn(train: Numbers, held: Numbers) -> Floats:
            objective = objective_of(target)
            known = np.flatnonzero(objective.counts(target[train], classes))
            answers = objective.among(target[train], known)
            of_known = class_weight[known] if isinstance(class_weight, np.ndarray) else class_weight
            coef, bias = fit_linear(
                x[train], answers, weight[train], C=penalty, class_weight=of_known, steps=100
            )
            return objective.probabilities(x[held] @ coef.T + bias)

        losses = _losses(target, out_of_fold(target, classes, learn, fold_of=fold_of))
        return np.asarray(losses * weight / weight.mean())

    words: dict[tuple[int, float], Floats] = {}
    themes: dict[tuple[int, float], Floats] = {}
    for number, view in enumerate(views):
        part = view.rows(shown)
        x, z = _axes(part), topics(part.lsa)
        for penalty in compared:
            words[number, penalty] = loss(x, penalty)
        for penalty in every[:2] if z.shape[1] else ():
            themes[number, penalty] = loss(z, penalty)
    return _best(words, themes, len(views))


def _best(
    words: dict[tuple[int, float], Floats], themes: dict[tuple[int, float], Floats], views: int
) -> Choice:
    def least(losses: dict[tuple[int, float], Floats], view: int) -> tuple[float, Floats]:
        mine = {penalty: loss for (number, penalty), loss in losses.items() if number == view}
        penalty = min(mine, key=lambda penalty: float(mine[penalty].mean()))
        return penalty, mine[penalty]

    both = words | {(view, -penalty): loss for (view, penalty), loss in themes.items()}
    view, lead = 0, least(both, 0)[1]
    for other in range(1, views):
        if _clearly_less(least(both, other)[1], lead):
            view, lead = other, least(both, other)[1]
    penalty, of_words = least(words, view)
    return Choice(
        view, penalty, bool(themes) and not _clearly_less(of_words, least(themes, view)[1], errors=2)
    )


def _clearly_less(these: Floats, those: Floats, *, errors: float = 1) -> bool:
    """Whether the losses (N,) are smaller on average, by more than so many standard errors."""
    gain = those - these
    return bool(gain.mean() > errors * gain.std() / np.sqrt(len(gain)))


def _some(n: int) -> Numbers:
    """Numbers of at most MOST documents, drawn at random."""
    return np.sort(np.random.default_rng(SEED).permutation(n)[:MOST])


def _axes(counted: Counted) -> csr_matrix | Floats:
    """(N, F + K) features; where N is smaller than what a row holds, turned into N axes or fewer.

    Every product of two rows stays what it was, and so does the regression.
    """
    n, held = len(counted), counted.x.nnz / len(counted) + counted.lsa.shape[1]
    if n > held:
        used = np.flatnonzero(np.bincount(counted.x.indices, minlength=counted.x.shape[1]))
        return hstack([counted.x[:, used], csr_matrix(counted.lsa)], format="csr")
    gram = np.asarray((counted.x @ counted.x.T).todense(), np.float64)
    gram += counted.lsa.astype(np.float64) @ counted.lsa.T
    values, vectors = np.linalg.eigh(gram)
    kept = values > values[-1] * 1e-9
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))


def _losses(target: Numbers, proba: Floats) -> Floats:
    """Log loss of each document (N,)."""
    objective = objective_of(target)
    scores = objective.scores(proba, FLOOR)
    return np.array([objective.loss(scores[i : i + 1], target[i : i + 1]) for i in range(len(target))])

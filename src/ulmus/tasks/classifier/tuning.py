"""Frozen features or fine-tuning?

Whether fine-tuning beats a regression on frozen features is measured: on the held-out set, or by cross-validation if
there is none. Fine-tuning on a hundred questions gains twenty points, on a hundred reviews nothing. Knows no strings.
Axes: N labelled documents, C classes, F features.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ulmus.corpus.numbers import Targets
from ulmus.evaluation.combination import calibrated_loss
from ulmus.evaluation.objective import Objective
from ulmus.evaluation.splits import Together, spread_folds
from ulmus.linear.logistic import out_of_fold
from ulmus.models.heads import LinearHead
from ulmus.tasks.budget import Budget
from ulmus.tasks.classifier.contrastive import compare
from ulmus.tasks.classifier.probe import PENALTIES, PRIOR, Probe
from ulmus.tasks.classifier.training import Training, TrainingSet
from ulmus.tasks.classifier.unfreezing import train_on_labels

__all__ = [
    "FOLDS",
    "Tuned",
    "compares",
    "cross_validated",
    "fine_tune",
    "score",
    "start_from",
    "tuned_or_frozen",
]

FOLDS = 3


@dataclass(frozen=True)
class Tuned:
    """How good frozen features and fine-tuning are: the mean score of documents that neither was trained on.

    lost: by how much the calibrated loss (nats a document) of fine-tuning is higher. The scores alone of a hundred
    documents in many classes say little: an encoder that has learnt to predict nothing but the commonest class may
    seem better than it is.
    """

    frozen: float
    tuned: float
    lost: float
    # granted to fine-tuning: with many labels, and by comparing pairs, it is better more often than so few show
    doubt: float = 0.0
    longer: bool = False  # fine-tuned for more epochs, which was better than fewer
    took: float = 0.0  # minutes of fine-tuning
    out_of_fold: np.ndarray | None = None  # (N, C) probabilities by fine-tuning, if it was cross-validated

    @property
    def helps(self) -> bool:
        """Whether fine-tuning is better."""
        return self.tuned - self.frozen + self.doubt > max(self.lost, 0.0)

    def verdict(self, objective: Objective) -> str:
        """The comparison in words."""
        how = "in cross-validation" if self.out_of_fold is not None else "on the held-out set"
        what, tuned, frozen = "Accuracy", f"{100 * self.tuned:.1f} %", f"{100 * self.frozen:.1f} %"
        if objective.numeric:
            what, tuned, frozen = "Mean squared error", f"{-self.tuned:.3g}", f"{-self.frozen:.3g}"
        return f"{what} {how}: {tuned} after fine-tuning, {frozen} with frozen features."


def start_from(training: Training, probe: Probe) -> None:
    """Make the head the regression of the probe."""
    head = training.network.head
    if isinstance(head, LinearHead):
        probe.load_into(head)


def fine_tune(training: Training, training_set: TrainingSet, labels: Targets, *, pairs: bool) -> None:
    """Train all layers on `labels` (N,), those of the documents of the set in its order, with a new head.

    With `pairs` the layers learn from pairs of documents, and a regression on their features is the head.
    """
    if pairs:
        compare(training, training_set)
        features = training.inference().features(
            training_set.store, training_set.documents, most_tokens=training.most_tokens
        )
        classes = training.network.class_weight
        start_from(
            training,
            Probe(
                features,
                labels,
                seed=training.settings.seed,
                penalties=PENALTIES,
                weights=None
                if training_set.weights is None
                else training_set.weights[training_set.documents],
                class_weight=None if classes is None else classes.numpy(force=True).astype(np.float64),
            ),
        )
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.settings.seed)
        if isinstance(training.network.head, LinearHead):
            training.network.head.restart()
    train_on_labels(training, training_set, taught=False)


def compares(training: Training, labels: Targets) -> bool:
    """Whether pairs of documents are compared: there are few labels, one a document, but several of each class."""
    c, n, network = training.config, len(labels.target), training.network
    known = int(np.count_nonzero(labels.counts()))
    single = not labels.objective.numeric and not labels.objective.multi_label and not network.pairs
    return single and known > 1 and c.pairs_each * known <= n < c.pairs_below


def cross_validated(
    training: Training,
    training_set: TrainingSet,
    labels: Targets,
    probe: Probe,
    *,
    together: Together,
) -> Tuned:
    """Fine-tune copies of the network on all but one fold of the documents, each predicting that fold.

    `labels` (N,) are those of the documents of the training set, in its order; `together` says which stay in one
    fold.
    """
    seed, target, pairs = training.settings.seed, labels.target, compares(training, labels)
    settings = dataclasses.replace(training.settings, callbacks=(), folder=None)

    def learn(train: np.ndarray, held: np.ndarray) -> np.ndarray:
        own = dataclasses.replace(
            training, network=copy.deepcopy(training.network), settings=settings, history=[]
        )
        some = dataclasses.replace(training_set, documents=training_set.documents[train])
        fine_tune(own, some, labels.rows(train), pairs=pairs)
        proba = own.inference().probabilities(
            training_set.store, training_set.documents[held], most_tokens=training.most_tokens
        )
        return proba[:, labels.objective.counts(target[train], len(labels.classes)) > 0]

    proba = out_of_fold(
        target,
        len(labels.classes),
        learn,
        fold_of=spread_folds(target, folds=FOLDS, seed=seed, together=together),
    )
    return _compared(labels, probe.out_of_fold, proba, pairs=pairs, out_of_fold=proba)


def tuned_or_frozen(
    training: Training,
    training_set: TrainingSet,
    labels: Targets,
    probe: Probe,
    *,
    truth: Targets,
    measured: np.ndarray,
    for_longer: Callable[[Tuned], float | None],
) -> Tuned:
    """Fine-tune, and go back to the probe unless the documents `measured` (N,), with labels `truth`, gain.

    More epochs are tried too, and kept if the documents' loss is lower: questions with 1,000 labels gained 2.6 points
    by four times the epochs, sentences lost half a point. `for_longer` gives the minutes for them, 0 for none and None
    for no limit, by what came of the first ones. `labels` are those of the documents of the training set.
    """
    start_from(training, probe)
    network, store, pairs = training.network, training_set.store, compares(training, labels)
    before = {key: t.clone() for key, t in network.state_dict().items()}
    frozen = training.inference().probabilities(store, measured)
    watch = Budget(None)
    fine_tune(training, training_set, labels, pairs=pairs)
    tuned = training.inference().probabilities(store, measured)
    result = dataclasses.replace(_compared(truth, frozen, tuned, pairs=pairs), took=watch.spent())
    if not pairs and (minutes := for_longer(result)) != 0:
        training.settings.say("Trying more epochs.")
        watch, after = Budget(None), {key: t.clone() for key, t in network.state_dict().items()}
        network.load_state_dict(before)
        more = dataclasses.replace(training_set, name=f"{training_set.name} longer", minutes=minutes)
        fine_tune(training.for_longer(len(labels.target)), more, labels, pairs=False)
        other = training.inference().probabilities(store, measured)
        short, long = (calibrated_loss(p, truth.target, prior_strength=PRIOR) for p in (tuned, other))
        if long < short:
            result = _compared(truth, frozen, other, pairs=pairs)
            result = dataclasses.replace(result, longer=True, took=watch.spent())
        else:
            network.load_state_dict(after)
    if not result.helps:
        network.load_state_dict(before)
    return result


def _compared(
    labels: Targets,
    frozen: np.ndarray,
    tuned: np.ndarray,
    *,
    pairs: bool,
    out_of_fold: np.ndarray | None = None,
) -> Tuned:
    """The comparison of probabilities (N, C) of documents with `labels` (N,).

    Pairs were better than frozen features nearly always, and on two thirds of a hundred labels that does not show: they
    have two standard errors of credit, and no loss counts against them, since a regression keeps their head from
    collapsing.
    """
    before, after = (calibrated_loss(p, labels.target, prior_strength=PRIOR) for p in (frozen, tuned))
    doubt = 0.0
    if pairs or out_of_fold is None:
        apart = scores(labels, tuned) - scores(labels, frozen)
        doubt = (2 if pairs else 1) * float(apart.std() / np.sqrt(len(apart)))
    lost = 0.0 if pairs else after - before
    return Tuned(score(labels, frozen), score(labels, tuned), lost, doubt, out_of_fold=out_of_fold)


def scores(labels: Targets, proba: np.ndarray) -> np.ndarray:
    """Scores (N,) of the decisions by probabilities (N, C) of documents with `labels` (N,), see `Objective.right`."""
    objective = labels.objective
    return np.asarray(objective.right(labels.target, objective.decide(proba)))


def score(labels: Targets, proba: np.ndarray) -> float:
    """Mean of the scores (N,) of the decisions by probabilities (N, C) of documents with `labels` (N,)."""
    return float(scores(labels, proba).mean())

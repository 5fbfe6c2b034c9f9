"""The steps between a pretrained encoder and a fitted classifier: learn, measure, refit; each can be read on its own.

Axes: N labelled documents, M unlabelled, K selected ones, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from ulmus.corpus.numbers import Targets
from ulmus.data.label_batches import LabelBatches
from ulmus.data.store import IdStore
from ulmus.evaluation.combination import Combination
from ulmus.linear.count_model import CountModel
from ulmus.linear.selection import Choice
from ulmus.tasks.budget import MIN_MINUTES, SHARES, TRAINING_COST, Budget
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.counting import Counts
from ulmus.tasks.classifier.material import Material, SoftLabels
from ulmus.tasks.classifier.measuring import Evidence, Measured, judged
from ulmus.tasks.classifier.probe import PENALTY, Probe
from ulmus.tasks.classifier.teaching import most_confident, start_head, teach
from ulmus.tasks.classifier.training import Training, TrainingSet, padded
from ulmus.tasks.classifier.unfreezing import train_on_labels
from ulmus.train.device import resolve_device

__all__ = ["Counted", "Fitting", "Learnt", "Probed", "Recipe"]

STUDENT = 0.25  # relative weight of a student beside its teacher without any evidence
MAX_PROBE_LABELS = 1_000  # with more, the probe adds little to the word counts and takes long
LENGTHS = (128, 256, 512, 1_024)  # tokens that documents may be truncated to when time is short


@dataclass(frozen=True)
class Recipe:
    """How to train: the parameters of a `TextClassifier` that are not settings of the run."""

    config: ClassifierConfig
    # a LanguageModel, a path, a name, a list of two, "new", "none", or None to look for an installed one
    language_model: Any = None
    encoder: str | Path | None = None  # folder of a transformer, instead of a language model
    size: str | None = None
    tokenizer: str | None = None
    class_weight: Any = None
    teach: bool = True
    mix: bool = True
    ensemble: str = "none"  # see `ensemble`
    distil: bool = False  # one network learns what those of the ensemble say together, see `distilling`


class Counted(NamedTuple):
    """Counted texts, the chosen settings, and the word-count classifiers of the labels."""

    counts: Counts
    choice: Choice
    teacher: CountModel  # fitted to the labels that are not held out
    final: CountModel  # to all labels


class Probed(NamedTuple):
    """A probe of the encoder beside word counts, on labelled documents that are not held out."""

    documents: np.ndarray  # (N,)
    labels: Targets
    probe: Probe
    p_counts: np.ndarray  # (N, C) out-of-fold probabilities of the word counts
    mix: Combination  # of the two

    def evidence(self, p_lm: np.ndarray | None = None, **choices: Any) -> Evidence:
        """What the probe, or a network with probabilities `p_lm` (N, C), shows beside the word counts."""
        shown = self.probe.out_of_fold if p_lm is None else p_lm
        return Evidence(self.documents, shown, self.p_counts, self.labels.target, **choices)


class Learnt(NamedTuple):
    """The outcome of `Fitting.learn`, which the steps after it need."""

    taught: bool  # the network learnt from soft labels
    labels_helped: bool  # training on true labels did not increase the held-out loss
    labels_minutes: float | None
    refit_minutes: float | None
    evidence: Evidence | None = None  # beside that of a held-out set
    start: dict[str, Tensor] | None = (
        None  # the weights before fine-tuning, if all labels are to start from them
    )
    longer: bool = False  # fine-tuned for more epochs

    @property
    def mix(self) -> Combination | None:
        """The mix that the evidence suggests."""
        return None if self.evidence is None else self.evidence.mix()


@dataclass(frozen=True)
class Fitting:
    """What the steps work on; of all this only the network's weights change."""

    material: Material
    recipe: Recipe
    budget: Budget
    training: Training
    store: IdStore
    counts: Counts
    choice: Choice
    teacher: CountModel
    final: CountModel
    probed: Probed | None = None  # of the encoder before training

    # -- how much the time budget allows ---------------------------------------------------------------------------

    def tokens(self, share: float) -> float:
        """Tokens of a forward pass in a share of all minutes; infinite on a GPU."""
        if resolve_device(self.training.settings.device).type != "cpu":
            return math.inf
        return self.budget.tokens(share, self.training.network.encoder.weights_per_token())

    def longest(self) -> int:
        """Tokens of a document to train on: in little time, many truncated documents teach more than few whole ones."""
        c, n, more = self.training.config, len(self.material.texts), len(self.material.unlabeled)
        if self.budget.minutes is None and c.longest <= LENGTHS[1]:
            return c.longest  # a window of a transformer
        taught = self.recipe.teach
        wanted = min(c.teach_texts * c.teach_first, c.teach_confident * more) if taught else 2 * n
        tokens = self.tokens(SHARES.teaching_tokens if taught else SHARES.labels_tokens) / TRAINING_COST
        lengths = self.store.lengths[: n + more]
        fits = [k for k in (*LENGTHS, c.longest) if np.minimum(lengths, k).mean() * wanted <= tokens]
        return min(max(fits, default=LENGTHS[0]), c.longest)

    def probe(self) -> Probed | None:
        """A probe fitted to the labels that are not held out; None if nothing uses it or there are too many labels."""
        m = self.material
        needed = self.recipe.teach or (self.recipe.mix and not len(m.measured))
        if not needed or len(m.train) > MAX_PROBE_LABELS:
            return None
        return self.probed_on(m.train)

    def probed_on(self, documents: np.ndarray, penalties: Sequence[float] = (PENALTY,)) -> Probed:
        """A probe fitted to these labelled documents (N,)."""
        labels, seed = self.material.labels.rows(documents), self.training.settings.seed
        whole = self.store.lengths[documents].sum() <= self.tokens(SHARES.head_features)
        most = None if whole else self.training.most_tokens
        features = self.training.inference().features(self.store, documents, most_tokens=most)
        classes = self.training.network.class_weight
        probe = Probe(
            features,
            labels,
            seed=seed,
            penalties=penalties,
            together=self.material.together.rows(documents),
            weights=None if self.material.weights is None else self.material.weights[documents],
            class_weight=None if classes is None else classes.numpy(force=True).astype(np.float64),
        )
        p_counts = self.counts.out_of_fold(self.material.labels, documents, self.choice, seed)
        return Probed(documents, labels, probe, p_counts, probe.mix_with(p_counts, labels.target))

    # -- the steps -------------------------------------------------------------------------------------------------

    def learn(self) -> Learnt:
        """Teach, if the recipe says so, then train on the true labels that are not held out."""
        m, c, taught = self.material, self.training.config, self.recipe.teach
        soft = None
        if taught:
            most = round(c.teach_texts * c.teach_first)
            soft = self._start_head(self._soft_labels(self.teacher, most, self.training.settings.seed))
        labels, again = self.minutes_left(taught=taught)
        evidence = self.probed.evidence() if self.probed is not None and not len(m.measured) else None
        if soft is not None:
            minutes = self.budget.of_left(SHARES.teaching)
            epochs = c.teach_epochs_for(len(soft.documents), first=True)
            # few labelled documents show how good the student is, before it learns from them
            tell = not len(m.measured) or self.labels_tell
            shown = m.train[:0] if tell else m.train
            teach(self.training, self._soft_label_set("teaching", soft, shown, minutes), epochs=epochs)
            evidence = self._of_student() if tell else None
        helped = train_on_labels(
            self.training, self.label_set("labels", m.train, labels), self._held_out(), taught=taught
        )
        return Learnt(taught, helped, labels, again, evidence)

    def measure(self, learnt: Learnt) -> Measured:
        """The mix of the two parts and the report, from documents that neither part was trained on."""
        m, evidence = self.material, learnt.evidence
        if len(m.measured):
            p_lm = self.training.inference().probabilities(self.store, m.measured)
            held = Evidence(m.measured, p_lm, self.counts_measured(), m.truth.target)
            if evidence is not None and learnt.taught:
                held = held.and_if_credible(evidence, m.labels.objective)
            elif evidence is not None:
                held = held.and_of(evidence)
            evidence = held
        return judged(evidence, m, mix=self.recipe.mix, seed=self.training.settings.seed)

    def refit(self, learnt: Learnt, combination: Combination) -> None:
        """Train the network on the held-out labels too."""
        m, c = self.material, self.training.config
        everything = np.arange(len(m.texts))
        learnt = self._in_time_left(learnt)
        if learnt.taught:
            if self._teach_again(learnt, combination) and learnt.labels_helped:
                training_set = self.label_set("all labels", everything, learnt.labels_minutes)
                train_on_labels(self.training, training_set, taught=True)
        elif len(m.held_out) and len(m.texts) <= c.give_back_most:
            targets = padded(m.labels.hot(), len(self.store))
            training_set = TrainingSet(
                "held-out labels", self.store, targets, everything, learnt.refit_minutes, self._weights
            )
            teach(self.training, training_set, rate=c.give_back)

    @property
    def labels_tell(self) -> bool:
        """Whether labelled documents may show how good the parts are, beside the held-out ones.

        Not if the texts to measure on are the user's, nor if there are so many labels that out of fold only some of
        them are learnt: word counts of all labels are better than those.
        """
        return self.material.valid_labels is None and len(self.material.train) <= MAX_PROBE_LABELS

    # -- parts of the steps ----------------------------------------------------------------------------------------

    def _in_time_left(self, learnt: Learnt) -> Learnt:
        """The same with no more minutes for `refit` than are left now that all has been measured and counted."""
        left = self.budget.left()
        if left is None or learnt.refit_minutes is None:
            return learnt
        after = (learnt.labels_minutes or 0.0) if learnt.taught and learnt.labels_helped else 0.0
        return learnt._replace(refit_minutes=max(min(learnt.refit_minutes, left - after), MIN_MINUTES))

    def minutes_left(self, *, taught: bool) -> tuple[float | None, float | None]:
        """Minutes for the true labels, and for `refit`."""
        if taught:
            return self.budget.of_left(SHARES.taught_labels), self.budget.of_left(SHARES.second_teaching)
        return self.budget.of_left(SHARES.labels), self.budget.of_left(SHARES.all_labels)

    def counts_measured(self) -> np.ndarray:
        """Probabilities (N, C) of the word counts for the documents to measure on."""
        m = self.material
        if m.valid_labels is None:
            return self.counts.of_labelled(self.teacher, m.held_out)
        return self.teacher.proba_of(m.valid_texts)

    def _teach_again(self, learnt: Learnt, combination: Combination) -> bool:
        """Teach with a teacher fitted to all labels, its soft labels mixed with the student's own predictions.

        False: half of the time that is left would go into these predictions, so nothing is taught.
        """
        c, n = self.training.config, len(self.material.texts)
        soft = self._soft_labels(self.final, c.teach_texts, self.training.settings.seed + 1)
        soft = soft.some(
            self._in_time(soft, self.tokens(SHARES.second_teaching_tokens) / (1 + TRAINING_COST))
        )
        began, minutes = self.budget.spent(), learnt.refit_minutes
        read = np.minimum(self.store.lengths[n + soft.documents], self.training.most_tokens).sum()
        if minutes is not None and 2 * self.budget.planned * read / self.tokens(1.0) > minutes:
            self.training.settings.say("There is no time to teach again.")
            return False
        p_lm = self.training.inference().probabilities(
            self.store, n + soft.documents, most_tokens=self.training.most_tokens
        )
        soft = soft._replace(proba=combination.combine(p_lm, soft.proba))  # co-training: Blum & Mitchell 1998
        left = minutes and max(minutes - (self.budget.spent() - began), MIN_MINUTES)
        labelled = np.repeat(np.arange(n), c.teach_repeat)
        training_set = self._soft_label_set("teaching again", soft, labelled, left)
        teach(
            self.training,
            training_set,
            epochs=c.teach_epochs_for(len(soft.documents), first=False),
            rate=c.give_back_taught,
        )
        return True

    def _of_student(self) -> Evidence:
        """What a student shows beside its teacher on the documents with true labels.

        The student has not been trained on these yet. Its teacher has: so the prior is the teacher's.
        """
        probed = self.probed_on(self.material.train) if self.probed is None else self.probed
        p_lm = self.training.inference().probabilities(
            self.store, probed.documents, most_tokens=self.training.most_tokens
        )
        return probed.evidence(p_lm, prior=STUDENT)

    def _soft_labels(self, teacher: CountModel, most: int, seed: int) -> SoftLabels:
        """Up to `most` unlabelled documents of which the teacher is most confident, with its probabilities."""
        labels, share = self.material.labels, self.training.config.teach_confident
        proba = self.counts.of_unlabeled(teacher)
        chosen = most_confident(proba, most=most, share=share, objective=labels.objective, seed=seed)
        return SoftLabels(chosen, proba[chosen])

    def _start_head(self, soft: SoftLabels) -> SoftLabels:
        """Start the head on the features of the documents, or of as many as there is time for.

        Returns the soft labels, with the probe's predictions mixed in for those documents if it has a positive weight.
        """
        some = self._in_time(soft, self.tokens(SHARES.head_features), whole=True)
        features = self.training.inference().features(
            self.store, len(self.material.texts) + soft.documents[some]
        )
        proba = soft.proba.copy()
        if self.probed is not None and self.probed.mix.weight > 0:
            proba[some] = self.probed.mix.combine(self.probed.probe.proba(features), proba[some])
        start_head(self.training, features, self._sharpened(proba[some]))
        return soft._replace(proba=proba)

    def _in_time(self, soft: SoftLabels, tokens: float, *, whole: bool = False) -> np.ndarray:
        """Indices of some of the K documents, drawn at random: as many as fit in `tokens`, whole or truncated."""
        drawn = np.random.default_rng(self.training.settings.seed).permutation(len(soft.documents))
        lengths = self.store.lengths[len(self.material.texts) + soft.documents[drawn]]
        read = np.cumsum(lengths if whole else np.minimum(lengths, self.training.most_tokens))
        return drawn[: max(int(np.searchsorted(read, tokens, side="right")), 2)]

    def _soft_label_set(
        self, name: str, soft: SoftLabels, labelled: np.ndarray, minutes: float | None
    ) -> TrainingSet:
        """Unlabelled documents with soft labels, and the documents `labelled` with their true labels."""
        n = len(self.material.texts)
        targets = padded(self.material.labels.hot(), len(self.store))
        targets[n + soft.documents] = self._sharpened(soft.proba)
        documents = np.concatenate([labelled, n + soft.documents])
        return TrainingSet(name, self.store, targets, documents, minutes, self._weights)

    def label_set(self, name: str, documents: np.ndarray, minutes: float | None) -> TrainingSet:
        """Labelled documents (N,) with their true labels."""
        targets = padded(self.material.labels.learnable(), len(self.store))
        return TrainingSet(name, self.store, targets, documents, minutes, self._weights)

    def _sharpened(self, proba: np.ndarray) -> np.ndarray:
        """Probabilities (K, C) as soft labels (K, C)."""
        return self.material.labels.objective.soft_labels(proba, self.training.config.teach_power)

    @cached_property
    def _weights(self) -> np.ndarray | None:
        """Weight of each document of the store, 1 for unlabelled ones; None: all the same."""
        weights = self.material.weights
        if weights is None:
            return None
        rest = np.ones(len(self.store) - len(weights))
        return np.concatenate([weights, rest]).astype(np.float32)

    def _held_out(self) -> LabelBatches | None:
        """Batches of the documents to measure on, with their labels; None if there are none."""
        m = self.material
        truth = m.truth.learnable()
        targets = np.zeros((len(self.store), *truth.shape[1:]), truth.dtype)
        targets[m.measured] = truth
        return self.training.inference().batches(self.store, m.measured, targets=targets)

"""The steps for an encoder whose features are already useful, as a transformer's are.

The head begins as a regression on frozen features. By cross-validation the labels decide what follows: teaching by word
counts where these are better than what the encoder learns from the labels alone; fine-tuning where it beats frozen
features; otherwise the regression is all. Axes: N labelled documents, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ulmus.corpus.labels import Labels
from ulmus.evaluation.combination import Combination, fit_weight
from ulmus.linear.count_model import CountModel
from ulmus.tasks.budget import SHARES, TRAINING_COST
from ulmus.tasks.classifier.probe import PENALTIES, PRIOR, Probe
from ulmus.tasks.classifier.steps import MAX_PROBE_LABELS, Fitting, Learnt, Probed
from ulmus.tasks.classifier.training import TrainingSet
from ulmus.tasks.classifier.tuning import FOLDS, Tuned, cross_validated, score, start_from, tuned_or_frozen
from ulmus.tasks.classifier.unfreezing import train_on_labels

__all__ = ["TransferFitting"]


class _Sample(NamedTuple):
    """The labelled documents that the probe is fitted to, and what is known of them."""

    documents: np.ndarray  # (N,) not held out, at most `MAX_PROBE_LABELS`
    labels: Labels
    features: np.ndarray  # (N, F)
    probe: Probe


@dataclass(frozen=True)
class TransferFitting(Fitting):
    """As `Fitting`, with a linear head."""

    def probe(self) -> Probed:
        """The probe, whose penalty is chosen by cross-validation, and its mix with the word counts."""
        sample = self._sample
        return Probed(sample.probe, sample.probe.mix_with(self._p_counts, sample.labels.target))

    def learn(self) -> Learnt:
        """Fine-tune, leave the encoder as it is, or teach, whichever is best for documents not learnt from."""
        m, say, teaches = self.material, self.training.settings.say, self.recipe.teach
        share = SHARES.labels_before_teaching if teaches else SHARES.labels
        training_set = self.label_set("labels", m.train, self.budget.of_left(share))
        if len(m.measured):
            tuned: Tuned | None = tuned_or_frozen(
                self.training, training_set, self._sample.probe, m.truth, m.measured
            )
            counts = score(m.truth, self.counts_measured())
        else:
            tuned = self._cross_validated(training_set)
            counts = score(self._sample.labels, self._p_counts)
        own = score(self._sample.labels, self._sample.probe.out_of_fold)
        if tuned is not None:
            own = max(tuned.frozen, tuned.tuned)
            say(tuned.verdict)
        if teaches and counts > own:
            say(f"Word counts teach: {100 * counts:.1f} % right, the encoder {100 * own:.1f} %.")
            return super().learn()
        return self._learnt(tuned, training_set)

    def refit(self, learnt: Learnt, combination: Combination) -> CountModel:
        """As `Fitting.refit`; frozen features get a regression on all labels instead."""
        if learnt.taught or learnt.labels_helped:
            return super().refit(learnt, combination)
        everything = np.arange(len(self.material.texts))
        if len(self.material.held_out):
            start_from(self.training, self._fitted(everything).probe)
        return self.counts.fit(self.material.labels, everything, self.choice)

    # -- parts of the steps ----------------------------------------------------------------------------------------

    def _learnt(self, tuned: Tuned | None, training_set: TrainingSet) -> Learnt:
        """Train on the labels if that helps and has not been done; how to mix the result with the word counts."""
        helps, again = tuned is not None and tuned.helps, self.budget.of_left(SHARES.all_labels)
        if len(self.material.measured):
            return Learnt(False, helps, training_set.minutes, again)
        start_from(self.training, self._sample.probe)
        mix = self.probed.mix if self.probed is not None else None
        if tuned is not None and tuned.out_of_fold is not None and helps:
            train_on_labels(self.training, training_set, taught=False)
            target = self._sample.labels.target
            mix = fit_weight(tuned.out_of_fold, self._p_counts, target, prior_strength=PRIOR)
        return Learnt(False, helps, training_set.minutes, again, mix)

    def _cross_validated(self, training_set: TrainingSet) -> Tuned | None:
        """Fine-tuning against frozen features, by cross-validation; None if there is no time for it."""
        training, sample = self.training, self._sample
        epochs = training.config.epochs_for(len(sample.documents))
        tokens = np.minimum(self.store.lengths[sample.documents], training.most_tokens).sum()
        if epochs * tokens * TRAINING_COST * (FOLDS - 1) > self.tokens(SHARES.trial_tokens):
            training.settings.say("Fine-tuning is not tried: there is no time for its cross-validation.")
            return None
        minutes = self.budget.of_left(SHARES.trial)
        trial = replace(training_set, minutes=None if minutes is None else minutes / FOLDS)
        training.settings.say("Trying fine-tuning, by cross-validation.")
        return cross_validated(training, trial, sample.labels, sample.features, sample.probe)

    def _fitted(self, documents: np.ndarray) -> _Sample:
        """The probe of these documents, or of a random `MAX_PROBE_LABELS` of them."""
        seed, training = self.training.settings.seed, self.training
        drawn = np.sort(np.random.default_rng(seed).permutation(documents)[:MAX_PROBE_LABELS])
        labels = self.material.labels.rows(drawn)
        features = training.inference().features(self.store, drawn, most_tokens=training.most_tokens)
        return _Sample(drawn, labels, features, Probe(features, labels, seed=seed, penalties=PENALTIES))

    @cached_property
    def _sample(self) -> _Sample:
        return self._fitted(self.material.train)

    @cached_property
    def _p_counts(self) -> np.ndarray:
        """Out-of-fold probabilities (N, C) of the word counts for the sample."""
        seed = self.training.settings.seed
        return self.counts.out_of_fold(self.material.labels, self._sample.documents, self.choice, seed)

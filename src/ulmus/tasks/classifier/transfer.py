"""The steps for an encoder whose features are already useful, with a linear head on them.

A regression on frozen features comes first. Documents that were not learnt from decide what follows: teaching by word
counts where these are better than what the encoder learns from the labels alone; fine-tuning where it beats frozen
features; otherwise the regression is all. Axes: N labelled documents, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from ulmus.evaluation.combination import Combination, calibrated_loss
from ulmus.tasks.budget import SHARES, TRAINING_COST
from ulmus.tasks.classifier.probe import PENALTIES, PRIOR
from ulmus.tasks.classifier.steps import MAX_PROBE_LABELS, Fitting, Learnt, Probed
from ulmus.tasks.classifier.training import TrainingSet
from ulmus.tasks.classifier.tuning import (
    FOLDS,
    Tuned,
    compares,
    cross_validated,
    fine_tune,
    score,
    start_from,
    tuned_or_frozen,
)  # fmt: skip

__all__ = ["TransferFitting"]

AGAIN = 1.3  # times the time that fine-tuning took: what fine-tuning on all labels, a fourth more, needs
FEWER = 0.6  # of many epochs that are tried, so many of them are enough on all labels
WORTH_IT = 1.5  # times the epochs, and the minutes: with fewer nothing is tried
HOPELESS = 0.05  # word counts this much better than frozen features: fine-tuning does not make up for it


@dataclass(frozen=True)
class TransferFitting(Fitting):
    """As `Fitting`, with a linear head."""

    def probe(self) -> Probed:
        """A probe whose penalty is chosen by cross-validation, fitted to a random sample if there are many labels."""
        return self._probed_on(self.material.train)

    def learn(self) -> Learnt:
        """Fine-tune, leave the encoder as it is, or teach, whichever is best for documents not learnt from."""
        m, say, teaches = self.material, self.training.settings.say, self.recipe.teach
        own = score(self._probed.labels, self._probed.probe.out_of_fold)
        counted = score(self._probed.labels, self._probed.p_counts)
        if teaches and counted > own + HOPELESS:
            say("Word counts teach: they are much better than frozen features.")
            return self._taught(self._weights_now())
        few = len(m.texts) <= self.training.config.give_back_most
        share = SHARES.tuning if few or not len(m.held_out) else SHARES.tuning_alone
        share = SHARES.labels_before_teaching if teaches and counted > own else share
        training_set = self.label_set("labels", m.train, self.budget.of_left(share))
        start = self._weights_now()
        before: dict[str, Tensor] | None = None
        tuned: Tuned | None
        if len(m.measured):
            if self.training.config.anew and few and len(m.held_out):
                before = start
            found = tuned_or_frozen(
                self.training,
                training_set,
                m.labels.rows(m.train),
                self._probed.probe,
                truth=m.truth,
                measured=m.measured,
                for_longer=lambda short: self._for_longer(
                    short.took,
                    anew=before is not None,
                    teaches=teaches and self._ahead(counted - own, short) > 0,
                ),
            )
            tuned, ahead = found, self._ahead(counted - own, found)
        else:
            tuned = self._cross_validated(training_set)
            ahead = counted - (own if tuned is None else max(tuned.frozen, tuned.tuned))
        if tuned is not None:
            say(tuned.verdict(m.labels.objective))
        if teaches and ahead > 0:
            say("Word counts teach: they are better than what the encoder learns from the labels alone.")
            return self._taught(start)
        learnt = self._learnt(tuned, training_set)
        if before is None or tuned is None:
            return learnt
        needed = (FEWER if tuned.longer else 1) * AGAIN * tuned.took
        enough = learnt.refit_minutes is None or learnt.refit_minutes > needed
        return learnt._replace(start=before if enough else None, longer=tuned.longer)

    def refit(self, learnt: Learnt, combination: Combination) -> None:
        """As `Fitting.refit`; frozen features get a regression on all labels instead."""
        everything = np.arange(len(self.material.texts))
        if learnt.labels_helped and not learnt.taught and learnt.start is not None:
            self.training.network.load_state_dict(learnt.start)
            labels = self.material.labels
            pairs = compares(self.training, labels.rows(self.material.train))  # as what was measured
            training_set = self.label_set("all labels", everything, self._in_time_left(learnt).refit_minutes)
            training = self.training.for_longer(len(everything)) if learnt.longer else self.training
            fine_tune(training, training_set, labels, pairs=pairs)
        elif learnt.taught or learnt.labels_helped:
            super().refit(learnt, combination)
        elif len(self.material.held_out):
            start_from(self.training, self._probed_on(everything).probe)

    # -- parts of the steps ----------------------------------------------------------------------------------------

    def _weights_now(self) -> dict[str, Tensor]:
        """A copy of the network's weights."""
        return {key: t.clone() for key, t in self.training.network.state_dict().items()}

    def _taught(self, start: dict[str, Tensor]) -> Learnt:
        """Teach; frozen features of the encoder with the weights `start` stay where they are better.

        In few minutes they may be. Documents to measure on say so, by their calibrated loss; without any, nothing does.
        """
        learnt, m, training = super().learn(), self.material, self.training
        if not len(m.measured):
            return learnt
        after, student = self._weights_now(), training.inference().probabilities(self.store, m.measured)
        training.network.load_state_dict(start)
        start_from(training, self._probed.probe)
        frozen = training.inference().probabilities(self.store, m.measured)
        one, other = (calibrated_loss(p, m.truth.target, prior_strength=PRIOR) for p in (frozen, student))
        if one < other:
            training.settings.say("Frozen features are better than what was taught.")
            beside = self._probed.evidence() if self.labels_tell else None
            return Learnt(False, False, learnt.labels_minutes, learnt.refit_minutes, beside)
        training.network.load_state_dict(after)
        return learnt

    def _ahead(self, ahead: float, tuned: Tuned) -> float:
        """By how much word counts are better than what the encoder learns from labels.

        They are `ahead` of frozen features by so much out of fold. Those documents and the held-out ones compare them
        with frozen features; what fine-tuning adds to these, the held-out ones alone say.
        """
        folds, held = len(self._probed.documents) * self.labels_tell, len(self.material.measured)
        measured = score(self.material.truth, self.counts_measured()) - tuned.frozen
        return (folds * ahead + held * measured) / (folds + held) - max(tuned.tuned - tuned.frozen, 0.0)

    def _for_longer(self, took: float, *, anew: bool, teaches: bool) -> float | None:
        """Minutes to fine-tune for more epochs in, after fewer `took` so many; 0: there is no time; None: no limit.

        `anew`: all labels are going to be learnt from the beginning, too. `teaches`: the minutes are for teaching.
        """
        c, documents = self.training.config, self.material.train
        epochs = c.epochs_for(len(documents))
        times = c.for_longer(len(documents)).epochs_for(len(documents)) / epochs
        altogether = times * (1 + AGAIN) if anew else times
        if teaches or times < WORTH_IT:
            return 0.0
        left = self.budget.left()
        if left is None:
            read = np.minimum(self.store.lengths[documents], self.training.most_tokens).sum()
            tokens = (1 + altogether) * read * epochs * TRAINING_COST
            return None if tokens <= self.tokens(SHARES.labels_tokens) else 0.0
        minutes = 0.95 * left * times / altogether
        return minutes if minutes > WORTH_IT * took else 0.0

    def _learnt(self, tuned: Tuned | None, training_set: TrainingSet) -> Learnt:
        """Train on the labels if that helps and has not been done; how to mix the result with the word counts."""
        helps, again = tuned is not None and tuned.helps, self.budget.of_left(SHARES.rest)
        if len(self.material.measured):
            beside = self._probed.evidence() if self.labels_tell and not helps else None
            return Learnt(False, helps, training_set.minutes, again, beside)
        shown = None  # the probe's probabilities
        if tuned is None or tuned.out_of_fold is None or not helps:
            start_from(self.training, self._probed.probe)
        else:
            labels = self._probed.labels
            whole = replace(training_set, minutes=self.budget.of_left(SHARES.labels))
            fine_tune(self.training, whole, labels, pairs=compares(self.training, labels))
            shown = tuned.out_of_fold
        return Learnt(False, helps, training_set.minutes, again, self._probed.evidence(shown))

    def _cross_validated(self, training_set: TrainingSet) -> Tuned | None:
        """Fine-tuning against frozen features, by cross-validation; None if there is no time for it."""
        training, probed = self.training, self._probed
        epochs = training.config.epochs_for(len(probed.documents))
        tokens = np.minimum(self.store.lengths[probed.documents], training.most_tokens).sum()
        if epochs * tokens * TRAINING_COST * (FOLDS - 1) > self.tokens(SHARES.trial_tokens):
            training.settings.say("Fine-tuning is not tried: there is no time for its cross-validation.")
            return None
        minutes = self.budget.of_left(SHARES.trial)
        trial = replace(training_set, minutes=None if minutes is None else minutes / FOLDS)
        training.settings.say("Trying fine-tuning, by cross-validation.")
        together = self.material.together.rows(probed.documents)
        return cross_validated(training, trial, probed.labels, probed.probe, together=together)

    def _probed_on(self, documents: np.ndarray) -> Probed:
        drawn = np.random.default_rng(self.training.settings.seed).permutation(documents)
        return self.probed_on(np.sort(drawn[:MAX_PROBE_LABELS]), PENALTIES)

    @property
    def _probed(self) -> Probed:
        """The probe that `start` made of the encoder before it was trained."""
        return self.probed or self.probe()

"""One `TextClassifier.fit`, step by step; each step is a function or method that can be read on its own.

    count     word counts of all texts, and the teacher: a word-count model fitted to the labels that are not held out
    start     a language model's encoder with a new head, and a linear probe of the encoder
    learn     soft labels for unlabelled texts (if there are enough) by teacher and probe; then gradual unfreezing on
              true labels
    measure   mix language model and word counts on the held-out set; report
    refit     teaching and true labels once more, now with the held-out labels, a teacher fitted to all labels, and the
              student's own predictions mixed into the soft labels

`fit` does all of it. Axes: N labelled documents, M unlabelled, K selected ones, C classes.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch

from ulmus.corpus.checks import doubts
from ulmus.corpus.numbers import Targets
from ulmus.data.label_batches import LabelBatches
from ulmus.data.store import IdStore
from ulmus.evaluation.combination import Combination
from ulmus.evaluation.splits import sketch
from ulmus.linear.count_model import CountModel
from ulmus.linear.selection import Choice
from ulmus.models.heads import ClassifierHead
from ulmus.models.pairs import document_width
from ulmus.tasks.budget import MIN_MINUTES, SHARES, TRAINING_COST, Budget
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.counting import Counts
from ulmus.tasks.classifier.fitted import FittedClassifier
from ulmus.tasks.classifier.material import Material, SoftLabels
from ulmus.tasks.classifier.measuring import Measured, measure, not_measured
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.classifier.probe import Probe
from ulmus.tasks.classifier.teaching import most_confident, start_head, teach
from ulmus.tasks.classifier.training import Training, TrainingSet, padded
from ulmus.tasks.classifier.unfreezing import train_on_labels
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.language_model.config import lm_config
from ulmus.tasks.language_model.fitted import FittedLanguageModel
from ulmus.tasks.language_model.selection import matching_model
from ulmus.tasks.language_model.start import sample_of, starting_model
from ulmus.tasks.settings import RunSettings
from ulmus.tasks.word_counts import WordCounts, named_weights
from ulmus.train.device import resolve_device

__all__ = ["Fitting", "Recipe", "count", "fit", "start"]

MAX_PROBE_LABELS = 1_000  # with more, the probe adds little to the word counts and takes long
LENGTHS = (128, 256, 512, 1_024)  # tokens that documents may be truncated to when time is short


@dataclass(frozen=True)
class Recipe:
    """How to train: the parameters of a `TextClassifier` that are not settings of the run."""

    config: ClassifierConfig
    # a LanguageModel, a path, a name, "new", "none", or None to look for an installed one
    language_model: Any = None
    size: str | None = None
    tokenizer: str | None = None
    class_weight: Any = None
    teach: bool = True
    mix: bool = True


class Counted(NamedTuple):
    """Counted texts, the chosen settings, and the teacher: word counts fitted to the labels that are not held out."""

    counts: Counts
    choice: Choice
    teacher: CountModel


class Probed(NamedTuple):
    """A probe of the encoder, and its best mix with the word counts."""

    probe: Probe
    mix: Combination


class Learnt(NamedTuple):
    """The outcome of `Fitting.learn`, which `Fitting.refit` needs."""

    labels_helped: bool  # training on true labels did not increase the held-out loss
    labels_minutes: float | None
    refit_minutes: float | None


def fit(material: Material, recipe: Recipe, settings: RunSettings) -> FittedClassifier:
    """All steps, within the time budget of the settings. Raises UsageError, DataError, ConfigError, BundleError."""
    budget = Budget(settings.minutes)
    m, labels = material, material.labels
    settings.say(m.summary)
    for doubt in doubts(m.texts, labels):
        settings.say(f"Warning: {doubt}")
    settings.say("Counting words.")
    counted = count(m, recipe)
    texts = RunTexts(m.everything, settings.folder, learn=m.learnt, verbose=settings.verbose)
    language_model = _language_model(texts, recipe, settings, budget)
    fitting = start(m, recipe, language_model, texts, settings, budget=budget, counted=counted)
    learnt = fitting.learn()
    measured = fitting.measure()
    final = fitting.refit(learnt, measured.combination)
    spent = {
        "language_model": language_model.metrics,
        "minutes": round(budget.spent(), 2),
        "trained_on": m.described,
    }
    return FittedClassifier(
        classes=labels.classes,
        network=fitting.training.network.eval(),
        tokenizer=language_model.tokenizer,
        counts=WordCounts.of(final, labels.classes),
        combination=measured.combination,
        thresholds=measured.thresholds,
        config=recipe.config,
        lm_config=language_model.config,
        mixed=recipe.mix,
        report=measured.report | spent,
        history=fitting.training.history,
        sketch=sketch(m.texts),
    )


def count(material: Material, recipe: Recipe) -> Counted:
    """Count the words of all texts, choose the settings of the counts by cross-validation, and fit the teacher.

    Raises UsageError: an unusable class_weight.
    """
    weights = named_weights(recipe.class_weight, material.labels.classes)
    counts = Counts(
        material.texts,
        material.unlabeled,
        class_weight=weights,
        weights=material.weights,
        groups=material.groups,
        pairs=material.pairs,
    )
    choice = counts.choose(material.labels, material.train)
    return Counted(counts, choice, counts.fit(material.labels, material.train, choice))


def _language_model(
    texts: RunTexts, recipe: Recipe, settings: RunSettings, budget: Budget
) -> FittedLanguageModel:
    """The language model that provides the encoder: as given, fine-tuned, newly trained, or with random weights."""
    given, config = recipe.language_model, recipe.config.language_model
    if given is None and config is None:
        sample = sample_of(texts.to_learn)
        given = matching_model(sample, kind=recipe.tokenizer, size=recipe.size, say=settings.say)
    config = config or lm_config(recipe.size or "small", kind=recipe.tokenizer or "word")
    own = dataclasses.replace(settings, callbacks=(), minutes=budget.of_left(SHARES.language_model))
    return starting_model(given, config, texts, own, tune=recipe.config.tune)


def start(
    material: Material,
    recipe: Recipe,
    language_model: FittedLanguageModel,
    texts: RunTexts,
    settings: RunSettings,
    *,
    budget: Budget,
    counted: Counted,
) -> Fitting:
    """A classifier network on a copy of the language model's encoder, and the ids of all texts."""
    c, labels = recipe.config, material.labels
    encoder = copy.deepcopy(language_model.network.encoder)
    encoder.set_dropouts(c.dropouts)
    width = document_width(encoder.config, pairs=material.pairs)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        head = ClassifierHead(width, len(labels.classes), hidden=c.head_hidden, drops=c.head_dropouts)
    network = ClassifierNetwork(
        encoder,
        head,
        max_len=c.max_len,
        objective=labels.objective,
        class_weight=_class_weights(labels, recipe.class_weight),
        pairs=material.pairs,
    )
    training = Training(network, c, settings, backwards=language_model.config.backwards)
    fitting = Fitting(material, recipe, budget, training, texts.ids(language_model.tokenizer), *counted)
    fitting = dataclasses.replace(fitting, training=dataclasses.replace(training, longest=fitting.longest()))
    return dataclasses.replace(fitting, probed=fitting.probe())


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
    probed: Probed | None = None  # of the encoder before training

    # -- how much the time budget allows ---------------------------------------------------------------------------

    def tokens(self, share: float) -> float:
        """Tokens of a forward pass in a share of all minutes; infinite on a GPU and without a budget."""
        if resolve_device(self.training.settings.device).type != "cpu":
            return math.inf
        return self.budget.tokens(share, self.training.network.encoder.weights_per_token())

    def longest(self) -> int:
        """Tokens of a document to train on: in little time, many truncated documents teach more than few whole ones."""
        c, n, more = self.training.config, len(self.material.texts), len(self.material.unlabeled)
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
        labels, seed = m.labels.rows(m.train), self.training.settings.seed
        whole = self.store.lengths[m.train].sum() <= self.tokens(SHARES.head_features)
        most = None if whole else self.training.most_tokens
        features = self.training.inference().features(self.store, m.train, most_tokens=most)
        groups = None if m.groups is None else m.groups[m.train]
        probe = Probe(features, labels, seed=seed, groups=groups)
        p_counts = self.counts.out_of_fold(m.labels, m.train, self.choice, seed)
        return Probed(probe, probe.mix_with(p_counts, labels.target))

    # -- the steps -------------------------------------------------------------------------------------------------

    def learn(self) -> Learnt:
        """Teach, if the recipe says so, then train on the true labels that are not held out."""
        m, c, taught = self.material, self.training.config, self.recipe.teach
        soft = None
        if taught:
            most = round(c.teach_texts * c.teach_first)
            soft = self._start_head(self._soft_labels(self.teacher, most, self.training.settings.seed))
        labels, again = self._minutes_left()
        if soft is not None:
            minutes = self.budget.of_left(SHARES.teaching)
            epochs = c.teach_epochs_for(len(soft.documents), first=True)
            teach(self.training, self._soft_label_set("teaching", soft, m.train, minutes), epochs=epochs)
        helped = train_on_labels(
            self.training, self._label_set("labels", m.train, labels), self._held_out(), taught=taught
        )
        return Learnt(helped, labels, again)

    def measure(self) -> Measured:
        """The mix of the two parts and the report, from documents that neither part was trained on."""
        m, mix = self.material, self.recipe.mix
        if not len(m.measured):
            # a student and its teacher are mixed half and half
            prior = self.probed.mix if self.probed is not None and not self.recipe.teach else None
            return not_measured(prior or Combination(objective=m.labels.objective), mix=mix)
        p_lm = self.training.inference().probabilities(self.store, m.measured)
        if m.valid_labels is None:
            p_counts = self.counts.of_labelled(self.teacher, m.held_out)
        else:
            p_counts = self.teacher.proba_of(m.valid_texts)
        return measure(p_lm, p_counts, m, mix=mix, seed=self.training.settings.seed)

    def refit(self, learnt: Learnt, combination: Combination) -> CountModel:
        """Train the network on the held-out labels too; return the word-count model fitted to all labels."""
        m, c = self.material, self.training.config
        everything = np.arange(len(m.texts))
        final = self.counts.fit(m.labels, everything, self.choice)
        if self.recipe.teach:
            self._teach_again(final, learnt, combination)
            if learnt.labels_helped:
                training_set = self._label_set("all labels", everything, learnt.labels_minutes)
                train_on_labels(self.training, training_set, taught=True)
        elif len(m.held_out) and len(m.texts) <= c.give_back_most:
            targets = padded(m.labels.hot(), len(self.store))
            training_set = TrainingSet(
                "held-out labels", self.store, targets, everything, learnt.refit_minutes, self._weights
            )
            teach(self.training, training_set, rate=c.give_back)
        return final

    # -- parts of the steps ----------------------------------------------------------------------------------------

    def _minutes_left(self) -> tuple[float | None, float | None]:
        """Minutes for the true labels, and for `refit`."""
        if self.recipe.teach:
            return self.budget.of_left(SHARES.taught_labels), self.budget.of_left(SHARES.second_teaching)
        return self.budget.of_left(SHARES.labels), self.budget.of_left(SHARES.all_labels)

    def _teach_again(self, final: CountModel, learnt: Learnt, combination: Combination) -> None:
        """Teach with a teacher fitted to all labels, its soft labels mixed with the student's own predictions."""
        c, n = self.training.config, len(self.material.texts)
        soft = self._soft_labels(final, c.teach_texts, self.training.settings.seed + 1)
        soft = soft.some(
            self._in_time(soft, self.tokens(SHARES.second_teaching_tokens) / (1 + TRAINING_COST))
        )
        began, minutes = self.budget.spent(), learnt.refit_minutes
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

    def _label_set(self, name: str, documents: np.ndarray, minutes: float | None) -> TrainingSet:
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


def _class_weights(labels: Targets, class_weight: Any) -> torch.Tensor | None:
    """Weights of the classes (C,): given by name, or inverse to their frequency, as scikit-learn's "balanced"."""
    weights = named_weights(class_weight, labels.classes)
    if weights is None:
        return None
    if isinstance(weights, str):
        weights = np.clip(labels.objective.balanced(labels.target, len(labels.classes)), 0.01, 100.0)
    return torch.tensor(weights, dtype=torch.float32)

"""One `TextClassifier.fit`, step by step; each step is a function or method that can be read on its own.

    count          word counts of all texts, and the teacher: word counts fitted to the labels that are not held out
    start          a language model's encoder with a new head, and a linear probe of what the encoder knows already
    learn          soft labels for unlabelled texts (where there are enough), by teacher and probe; then gradual
                   unfreezing on true labels
    judge          weigh language model and word counts on the held-out set; report
    learn_again    teaching and true labels once more, with the held-out ones, a teacher that has seen them, and the
                   student's own opinion

`fit` is all of it. Axes: N labelled documents, M unlabelled, K chosen ones, C classes.
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
from ulmus.corpus.labels import Labels
from ulmus.data.label_batches import LabelBatches
from ulmus.data.store import IdStore
from ulmus.evaluation.combination import Combination, counts_alone, fit_weight
from ulmus.evaluation.comparison import compare
from ulmus.evaluation.per_class import caveats
from ulmus.evaluation.splits import sketch
from ulmus.linear.count_model import CountModel
from ulmus.models.heads import ClassifierHead
from ulmus.tasks.budget import SHARES, TRAIN, Budget
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.counting import Counts
from ulmus.tasks.classifier.fitted import PARTS, FittedClassifier
from ulmus.tasks.classifier.material import Material, SoftLabels
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.classifier.probe import Probe
from ulmus.tasks.classifier.teaching import most_confident, start_head, teach
from ulmus.tasks.classifier.training import Lesson, Run, padded
from ulmus.tasks.classifier.unfreezing import true_labels
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.language_model.config import lm_config
from ulmus.tasks.language_model.fitted import FittedLanguageModel
from ulmus.tasks.language_model.selection import familiar
from ulmus.tasks.language_model.start import sample_of, starting_model
from ulmus.tasks.settings import RunSettings
from ulmus.tasks.word_counts import WordCounts, named_weights
from ulmus.train.device import resolve_device

__all__ = ["Fitting", "Recipe", "count", "fit", "start"]

PROBE_MOST = 1_000  # labels; with more the probe has little to add to the word counts, and takes long
LENGTHS = (128, 256, 512, 1_024)  # tokens that documents may be truncated to, where time is short
NOT_MEASURED = "Too few labels for a held-out set; no scores. Give --valid (valid=) to measure."


@dataclass(frozen=True)
class Recipe:
    """What to do with the material: the choices of a `TextClassifier`."""

    config: ClassifierConfig
    language_model: Any = (
        None  # a LanguageModel, a path, a name, "new", "none", or None to look for an installed one
    )
    size: str | None = None
    tokenizer: str | None = None
    class_weight: Any = None
    teach: bool = True
    mix: bool = True


class Probed(NamedTuple):
    """A probe of the encoder, and the mix that suits it beside the word counts."""

    probe: Probe
    mix: Combination


class Learnt(NamedTuple):
    """What is known when the labels that are not held out have been learnt."""

    labels_helped: bool  # training on them did not make the held-out loss worse
    labels_minutes: float | None
    again_minutes: float | None


class Judged(NamedTuple):
    """How to mix the parts, and what they are worth."""

    combination: Combination
    thresholds: dict[str, float]
    report: dict[str, Any]


def fit(material: Material, recipe: Recipe, settings: RunSettings) -> FittedClassifier:
    """All steps, within the minutes of the settings."""
    budget = Budget(settings.minutes)
    m, labels = material, material.labels
    settings.say(
        f"{len(m.texts):,} labelled texts of {len(labels.classes)} classes, {len(m.unlabeled):,} unlabelled."
    )
    for doubt in doubts(m.texts, labels):
        settings.say(f"Warning: {doubt}")
    settings.say("Counting words.")
    counts, teacher = count(m, recipe)
    texts = RunTexts(m.everything, settings.folder, learn=m.learnt, verbose=settings.verbose)
    language_model = _language_model(texts, recipe, settings, budget)
    fitting = start(m, recipe, language_model, texts, settings, budget=budget, counted=(counts, teacher))
    learnt = fitting.learn()
    judged = fitting.judge()
    final = fitting.learn_again(learnt, judged.combination)
    spent = {
        "language_model": language_model.metrics,
        "minutes": round(budget.spent(), 2),
        "trained_on": m.described,
    }
    return FittedClassifier(
        classes=labels.classes,
        network=fitting.run.network.eval(),
        tokenizer=language_model.tokenizer,
        counts=WordCounts.of(final, labels.classes),
        combination=judged.combination,
        thresholds=judged.thresholds,
        config=recipe.config,
        lm_config=language_model.config,
        mixed=recipe.mix,
        report=judged.report | spent,
        history=fitting.run.history,
        sketch=sketch(m.texts),
    )


def count(material: Material, recipe: Recipe) -> tuple[Counts, CountModel]:
    """Count the words of all texts; fit the teacher."""
    weights = named_weights(recipe.class_weight, material.labels.classes)
    counts = Counts(material.texts, material.unlabeled, weights, material.weights)
    return counts, counts.fit(material.labels, material.train)


def _language_model(
    texts: RunTexts, recipe: Recipe, settings: RunSettings, budget: Budget
) -> FittedLanguageModel:
    """The language model whose encoder the classifier takes: given, fine-tuned, trained, or with random weights."""
    given, config = recipe.language_model, recipe.config.language_model
    if given is None and config is None:
        sample = sample_of(texts.to_learn)
        given = familiar(sample, kind=recipe.tokenizer, size=recipe.size, say=settings.say)
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
    counted: tuple[Counts, CountModel],
) -> Fitting:
    """A classifier network on the language model's encoder, and the ids of all texts."""
    c, labels = recipe.config, material.labels
    encoder = copy.deepcopy(language_model.network.encoder)
    encoder.set_dropouts(c.dropouts)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        head = ClassifierHead(
            encoder.config.pooled(), len(labels.classes), hidden=c.head_hidden, drops=c.head_dropouts
        )
    network = ClassifierNetwork(
        encoder,
        head,
        max_len=c.max_len,
        objective=labels.objective,
        class_weight=_class_weights(labels, recipe.class_weight),
    )
    run = Run(network, c, settings, backwards=language_model.config.backwards)
    fitting = Fitting(material, recipe, budget, run, texts.ids(language_model.tokenizer), *counted)
    fitting = dataclasses.replace(fitting, run=dataclasses.replace(run, longest=fitting.longest()))
    return dataclasses.replace(fitting, probed=fitting.probe())


@dataclass(frozen=True)
class Fitting:
    """What the steps work on; only the weights of the network change."""

    material: Material
    recipe: Recipe
    budget: Budget
    run: Run
    store: IdStore
    counts: Counts
    teacher: CountModel
    probed: Probed | None = None  # what the encoder knew before it learnt

    # -- how much can be read --------------------------------------------------------------------------------------

    def tokens(self, share: float) -> float:
        """Tokens that the encoder can read in a share of all minutes."""
        if resolve_device(self.run.settings.device).type != "cpu":
            return math.inf
        return self.budget.tokens(share, self.run.network.encoder.weights_per_token())

    def longest(self) -> int:
        """Tokens of a document to train on: in few minutes, many documents in part teach more than few whole ones."""
        c, n, more = self.run.config, len(self.material.texts), len(self.material.unlabeled)
        taught = self.recipe.teach
        wanted = min(c.teach_texts * c.teach_first, c.teach_confident * more) if taught else 2 * n
        tokens = self.tokens(SHARES.teaching_tokens if taught else SHARES.labels_tokens) / TRAIN
        lengths = self.store.lengths[: n + more]
        fits = [k for k in (*LENGTHS, c.longest) if np.minimum(lengths, k).mean() * wanted <= tokens]
        return min(max(fits, default=LENGTHS[0]), c.longest)

    def probe(self) -> Probed | None:
        """What the encoder knows of the labels that are not held out; None where nobody asks."""
        m = self.material
        asked = self.recipe.teach or (self.recipe.mix and not len(m.measured))
        if not asked or len(m.train) > PROBE_MOST:
            return None
        labels, seed = m.labels.rows(m.train), self.run.settings.seed
        whole = self.store.lengths[m.train].sum() <= self.tokens(SHARES.first_look)
        most = None if whole else self.run.most_tokens
        features = self.run.inference().features(self.store, m.train, most_tokens=most)
        probe = Probe(features, labels, seed=seed)
        return Probed(probe, probe.beside(self.counts.out_of_fold(m.labels, m.train, seed), labels.target))

    # -- the steps -------------------------------------------------------------------------------------------------

    def learn(self) -> Learnt:
        """Teach where there is something to teach with, then train on the true labels that are not held out."""
        m, c, taught = self.material, self.run.config, self.recipe.teach
        soft = None
        if taught:
            most = round(c.teach_texts * c.teach_first)
            soft = self._first_look(self._soft_labels(self.teacher, most, self.run.settings.seed))
        labels, again = self._spare()
        if soft is not None:
            minutes = self.budget.of_left(SHARES.teaching)
            epochs = c.teach_epochs_for(len(soft.documents), first=True)
            teach(self.run, self._soft_lesson("teaching", soft, m.train, minutes), epochs=epochs)
        helped = true_labels(
            self.run, self._true_lesson("labels", m.train, labels), self._held_out(), taught=taught
        )
        return Learnt(helped, labels, again)

    def judge(self) -> Judged:
        """The weights of the two parts, from documents that neither was trained on; the report of all three.

        Where the mix is worse than the word counts in it, the word counts predict alone.
        """
        m, seed = self.material, self.run.settings.seed
        found = Combination(multi_label=m.labels.multi_label)
        thresholds = dict.fromkeys(PARTS, 0.5)
        report: dict[str, Any] = {"verdict": NOT_MEASURED}
        if self.probed is not None and not self.recipe.teach:
            found = self.probed.mix  # (a student's are half and half)
        if len(m.measured):
            p_lm = self.run.inference().probabilities(self.store, m.measured)
            x = self.counts.labelled.x[m.held] if m.judged is None else None
            x = self.counts.features.transform(m.judged_texts) if x is None else x
            p_counts = self.teacher.proba(x)
            found = fit_weight(p_lm, p_counts, m.truth.target)
            parts = {"lm": p_lm, "counts": p_counts}
            if self.recipe.mix:
                parts["combined"] = found.combine(p_lm, p_counts)
            objective = m.labels.objective
            thresholds |= {name: objective.best_threshold(m.truth.target, p) for name, p in parts.items()}
            report = compare(m.truth.target, parts, thresholds, seed)
            if self.recipe.mix and report["gain"]["difference"] < 0:
                found, thresholds["combined"] = counts_alone(found), thresholds["counts"]
                report |= {"mixed": report["combined"], "combined": report["counts"]}
                report["verdict"] += " The model predicts with word counts alone."
            report |= caveats(report["verdict"], m.truth.target, m.truth.classes, m.repeated)
        report["weight"] = found.weight if self.recipe.mix else 1.0
        return Judged(found, thresholds, report)

    def learn_again(self, learnt: Learnt, combination: Combination) -> CountModel:
        """Learn from the held-out labels too; the word counts of all labels."""
        m, c = self.material, self.run.config
        everything = np.arange(len(m.texts))
        final = self.counts.fit(m.labels, everything)
        if self.recipe.teach:
            self._teach_again(final, learnt, combination)
            if learnt.labels_helped:
                lesson = self._true_lesson("all labels", everything, learnt.labels_minutes)
                true_labels(self.run, lesson, taught=True)
        elif len(m.held) and len(m.texts) <= c.give_back_most:
            targets = padded(m.labels.hot(), len(self.store))
            lesson = Lesson(
                "held-out labels", self.store, targets, everything, learnt.again_minutes, self._weights
            )
            teach(self.run, lesson, rate=c.give_back)
        return final

    # -- pieces of the steps -----------------------------------------------------------------------------------------

    def _spare(self) -> tuple[float | None, float | None]:
        """Minutes for the true labels, and for learning again."""
        if self.recipe.teach:
            return self.budget.of_left(SHARES.taught_labels), self.budget.of_left(SHARES.teaching_again)
        return self.budget.of_left(SHARES.labels), self.budget.of_left(SHARES.all_labels)

    def _teach_again(self, final: CountModel, learnt: Learnt, combination: Combination) -> None:
        """Teach with a teacher that has seen all labels, mixed with the student's own opinion."""
        c, n = self.run.config, len(self.material.texts)
        soft = self._soft_labels(final, c.teach_texts, self.run.settings.seed + 1)
        soft = soft.some(self._in_time(soft, self.tokens(SHARES.teaching_again_tokens) / (1 + TRAIN)))
        began, minutes = self.budget.spent(), learnt.again_minutes
        p_lm = self.run.inference().probabilities(
            self.store, n + soft.documents, most_tokens=self.run.most_tokens
        )
        soft = soft._replace(proba=combination.combine(p_lm, soft.proba))  # co-training: Blum & Mitchell 1998
        left = minutes and max(minutes - (self.budget.spent() - began), 0.05)
        labelled = np.repeat(np.arange(n), c.teach_repeat)
        lesson = self._soft_lesson("teaching again", soft, labelled, left)
        teach(
            self.run,
            lesson,
            epochs=c.teach_epochs_for(len(soft.documents), first=False),
            rate=c.give_back_taught,
        )

    def _soft_labels(self, teacher: CountModel, most: int, seed: int) -> SoftLabels:
        """Unlabelled documents, drawn from those of which the teacher is most confident, and what it says of them."""
        labels, share = self.material.labels, self.run.config.teach_confident
        proba = teacher.proba(self._unlabeled_counts)
        chosen = most_confident(proba, most=most, share=share, objective=labels.objective, seed=seed)
        return SoftLabels(chosen, proba[chosen])

    def _first_look(self, soft: SoftLabels) -> SoftLabels:
        """Read the documents once, or as many as there is time for; the head learns from what the encoder made of them.

        Where the probe has a say, it is mixed into their soft labels first.
        """
        some = self._in_time(soft, self.tokens(SHARES.first_look), whole=True)
        features = self.run.inference().features(self.store, len(self.material.texts) + soft.documents[some])
        proba = soft.proba.copy()
        if self.probed is not None and self.probed.mix.weight > 0:
            proba[some] = self.probed.mix.combine(self.probed.probe.proba(features), proba[some])
        start_head(self.run, features, self._sharpened(proba[some]))
        return soft._replace(proba=proba)

    def _in_time(self, soft: SoftLabels, tokens: float, *, whole: bool = False) -> np.ndarray:
        """Some of the K documents, drawn at random: as many as can be read, whole or as training does."""
        drawn = np.random.default_rng(self.run.settings.seed).permutation(len(soft.documents))
        lengths = self.store.lengths[len(self.material.texts) + soft.documents[drawn]]
        read = np.cumsum(lengths if whole else np.minimum(lengths, self.run.most_tokens))
        return drawn[: max(int(np.searchsorted(read, tokens, side="right")), 2)]

    def _soft_lesson(
        self, name: str, soft: SoftLabels, labelled: np.ndarray, minutes: float | None
    ) -> Lesson:
        """Soft labels of unlabelled documents, and the true labels of `labelled` ones."""
        n = len(self.material.texts)
        targets = padded(self.material.labels.hot(), len(self.store))
        targets[n + soft.documents] = self._sharpened(soft.proba)
        documents = np.concatenate([labelled, n + soft.documents])
        return Lesson(name, self.store, targets, documents, minutes, self._weights)

    def _true_lesson(self, name: str, documents: np.ndarray, minutes: float | None) -> Lesson:
        targets = padded(self.material.labels.learnable(), len(self.store))
        return Lesson(name, self.store, targets, documents, minutes, self._weights)

    def _sharpened(self, proba: np.ndarray) -> np.ndarray:
        """Probabilities (K, C) as soft labels (K, C)."""
        return self.material.labels.objective.soft_labels(proba, self.run.config.teach_power)

    @cached_property
    def _weights(self) -> np.ndarray | None:
        """How much each document of the store counts; unlabelled ones count 1."""
        weights = self.material.weights
        if weights is None:
            return None
        rest = np.ones(len(self.store) - len(weights))
        return np.concatenate([weights, rest]).astype(np.float32)

    @cached_property
    def _unlabeled_counts(self) -> Any:
        """Counted unlabelled texts (M, n-grams)."""
        return self.counts.features.transform(self.material.unlabeled)

    def _held_out(self) -> LabelBatches | None:
        """The documents to measure on, with their labels."""
        m = self.material
        truth = m.truth.learnable()
        targets = np.zeros((len(self.store), *truth.shape[1:]), truth.dtype)
        targets[m.measured] = truth
        return self.run.inference().batches(self.store, m.measured, targets=targets)


def _class_weights(labels: Labels, class_weight: Any) -> torch.Tensor | None:
    """Weights of the classes (C,): given by name, or such that all weigh the same, as scikit-learn's "balanced"."""
    weights = named_weights(class_weight, labels.classes)
    if weights is None:
        return None
    if isinstance(weights, str):
        weights = np.clip(labels.objective.balanced(labels.target, len(labels.classes)), 0.01, 100.0)
    return torch.tensor(weights, dtype=torch.float32)

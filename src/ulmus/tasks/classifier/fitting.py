"""One `TextClassifier.fit`, step by step; each step is a function or method that can be read on its own.

    count     word counts of all texts, and the teacher: a word-count model fitted to the labels that are not held out
    start     a language model's encoder with a new head, and a linear probe of the encoder
    learn     whichever is best for documents not learnt from: a regression on frozen features, fine-tuning on the true
              labels, or first soft labels for unlabelled texts by teacher and probe
    measure   mix language model and word counts on the held-out set; report
    refit     teaching and true labels once more, now with the held-out labels, a teacher fitted to all labels, and the
              student's own predictions mixed into the soft labels

`fit` does all of it. Axes: N labelled documents, M unlabelled, K selected ones, C classes.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from typing import Any

import numpy as np
import torch

from ulmus.corpus.checks import doubts
from ulmus.corpus.numbers import Targets
from ulmus.evaluation.splits import sketch
from ulmus.models.heads import LinearHead, make_head
from ulmus.models.pairs import document_width
from ulmus.tasks.budget import SHARES, Budget
from ulmus.tasks.circumstances import circumstances
from ulmus.tasks.classifier.counting import Counts
from ulmus.tasks.classifier.fitted import FittedClassifier
from ulmus.tasks.classifier.material import Material
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.classifier.steps import Counted, Fitting, Recipe
from ulmus.tasks.classifier.training import Training
from ulmus.tasks.classifier.transfer import TransferFitting
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.language_model.config import lm_config
from ulmus.tasks.language_model.fitted import FittedLanguageModel
from ulmus.tasks.language_model.selection import matching_model
from ulmus.tasks.language_model.start import sample_of, starting_model
from ulmus.tasks.pretrained import Pretrained, open_checkpoint
from ulmus.tasks.settings import RunSettings
from ulmus.tasks.word_counts import WordCounts, named_weights

__all__ = ["Fitting", "Recipe", "count", "fit", "start"]


def fit(material: Material, recipe: Recipe, settings: RunSettings) -> FittedClassifier:
    """All steps, within the time budget of the settings. Raises UsageError, DataError, ConfigError, BundleError."""
    budget = Budget(settings.minutes)
    m, labels = material, material.labels
    settings.say(m.summary)
    if m.near:
        settings.say(f"{m.near:,} labelled texts are nearly the same as another; {_kept(m)}.")
    for doubt in doubts(m.texts, labels):
        settings.say(f"Warning: {doubt}")
    settings.say("Counting words.")
    counted = count(m, recipe)
    texts = RunTexts(m.everything, settings.folder, learn=m.learnt, verbose=settings.verbose)
    if recipe.encoder is None:
        pretrained = Pretrained.of(_language_model(texts, recipe, settings, budget))
    else:
        pretrained = open_checkpoint(recipe.encoder)
    fitting = start(m, recipe, pretrained, texts, settings, budget=budget, counted=counted)
    windows = _windows(fitting)
    learnt = fitting.learn()
    measured = fitting.measure(learnt)
    network = fitting.training.network
    before = _digest(network)
    final = fitting.refit(learnt, measured.combination)
    made = circumstances(settings, minutes=budget.spent())
    described = {
        "language_model": pretrained.metrics,
        # which parts were trained once more after they were measured
        "refit": {"lm": _digest(network) != before, "counts": bool(len(m.held_out))},
        "minutes": made["minutes"],
        "trained_on": m.described,
    } | windows
    return FittedClassifier(
        classes=labels.classes,
        network=network.eval(),
        tokenizer=pretrained.tokenizer,
        counts=WordCounts.of(final, labels.classes),
        combination=measured.combination,
        thresholds=measured.thresholds,
        config=recipe.config,
        lm_config=pretrained.lm_config,
        mixed=recipe.mix,
        report=measured.report | described,
        history=fitting.training.history,
        card={"data": m.fingerprints} | made,
        sketch=sketch(m.texts),
    )


def _digest(network: torch.nn.Module) -> str:
    """SHA-256 of the weights, in hex."""
    digest = hashlib.sha256()
    for weight in network.state_dict().values():
        digest.update(weight.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def _kept(m: Material) -> str:
    """What becomes of texts that are nearly the same, in words."""
    if m.together.whole:
        return "the groups alone decide which of them are kept on one side of a split"
    return "these are kept on one side of every split"


def _windows(fitting: Fitting) -> dict[str, Any]:
    """Of a transformer: how many documents are longer than a window, and how many windows they take. Says so."""
    lengths = fitting.store.lengths
    windows = fitting.training.network.encoder.config.windows(lengths)
    several = windows > 1
    if not several.any():
        return {}
    cut = int((lengths > fitting.training.most_tokens).sum())
    fitting.training.settings.say(
        f"{several.sum():,} of {len(lengths):,} texts are longer than a window of the encoder and are encoded in "
        f"{windows[several].sum():,} overlapping ones; training reads at most {fitting.training.most_tokens:,} tokens "
        f"of a text, from its head and its tail ({cut:,} are longer)."
    )
    return {"windows": {"texts": int(several.sum()), "windows": int(windows[several].sum())}}


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
        together=material.together,
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
    pretrained: Pretrained,
    texts: RunTexts,
    settings: RunSettings,
    *,
    budget: Budget,
    counted: Counted,
) -> Fitting:
    """A classifier network on a copy of the pretrained encoder, and the ids of all texts."""
    c, labels = recipe.config, material.labels
    encoder = copy.deepcopy(pretrained.encoder)
    encoder.set_dropouts(c.dropouts)
    width = document_width(encoder.config, pairs=material.pairs)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        head = make_head(width, len(labels.classes), hidden=c.head_hidden, drops=c.head_dropouts)
    network = ClassifierNetwork(
        encoder,
        head,
        max_len=c.max_len,
        objective=labels.objective,
        class_weight=_class_weights(labels, recipe.class_weight),
        pairs=material.pairs,
    )
    training = Training(network, c, settings, backwards=pretrained.backwards)
    steps = TransferFitting if isinstance(head, LinearHead) else Fitting
    fitting = steps(material, recipe, budget, training, texts.ids(pretrained.tokenizer), *counted)
    fitting = dataclasses.replace(fitting, training=dataclasses.replace(training, longest=fitting.longest()))
    return dataclasses.replace(fitting, probed=fitting.probe())


def _class_weights(labels: Targets, class_weight: Any) -> torch.Tensor | None:
    """Weights of the classes (C,): given by name, or inverse to their frequency, as scikit-learn's "balanced"."""
    weights = named_weights(class_weight, labels.classes)
    if weights is None:
        return None
    if isinstance(weights, str):
        weights = np.clip(labels.objective.balanced(labels.target, len(labels.classes)), 0.01, 100.0)
    return torch.tensor(weights, dtype=torch.float32)

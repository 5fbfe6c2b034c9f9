"""One `TextClassifier.fit`, step by step; each step is a function or method that can be read on its own.

    count     word counts of all texts, and the teacher: a word-count model fitted to the labels that are not held out
    start     a language model's encoder with a new head, and a linear probe of the encoder
    learn     whichever is best for documents not learnt from: a regression on frozen features, fine-tuning on the true
              labels, or first soft labels for unlabelled texts by teacher and probe
    measure   mix language model and word counts on the held-out set; report
    refit     if the network predicts: teaching and true labels once more, now with the held-out labels, a teacher
              fitted to all labels, and the student's own predictions mixed into the soft labels

`train` does this for one network, `fit` for all of an ensemble.
Axes: N labelled documents, M unlabelled, K selected ones, C classes.
"""

from __future__ import annotations

import copy
import hashlib
import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ulmus.corpus.checks import doubts
from ulmus.corpus.numbers import Targets
from ulmus.evaluation.combination import Combination
from ulmus.evaluation.splits import FEWEST_LABELS, sketch
from ulmus.models.encoder import Encoder
from ulmus.models.heads import LinearHead, make_head
from ulmus.models.pairs import document_width
from ulmus.tasks.budget import SHARES, TRAINING_COST, Budget
from ulmus.tasks.circumstances import circumstances
from ulmus.tasks.classifier.counting import Counts
from ulmus.tasks.classifier.distilling import Distilling
from ulmus.tasks.classifier.drift import profile
from ulmus.tasks.classifier.ensemble import Ensemble, Start
from ulmus.tasks.classifier.fitted import PARTS, FittedClassifier, Member
from ulmus.tasks.classifier.material import Material
from ulmus.tasks.classifier.measuring import averaged, judged
from ulmus.tasks.classifier.members import Done, Outcome, Trained, train_in_turn
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.classifier.plan import Plan
from ulmus.tasks.classifier.steps import Counted, Fitting, Recipe
from ulmus.tasks.classifier.training import Training
from ulmus.tasks.classifier.transfer import TransferFitting
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.language_model.config import lm_config
from ulmus.tasks.language_model.fitted import FittedLanguageModel
from ulmus.tasks.language_model.network import build
from ulmus.tasks.language_model.start import opened, sample_of, starting_model
from ulmus.tasks.pretrained import Pretrained, open_checkpoint
from ulmus.tasks.settings import RunSettings
from ulmus.tasks.word_counts import WordCounts, named_weights
from ulmus.train.device import resolve_device

__all__ = ["Fitting", "Recipe", "count", "fit", "start", "train"]


def fit(material: Material, recipe: Recipe, settings: RunSettings) -> FittedClassifier:
    """All steps, within the time budget of the settings. Raises UsageError, DataError, ConfigError, BundleError."""
    budget, ensemble = Budget(settings.minutes), Ensemble.of(recipe.ensemble)
    m, labels = material, material.labels
    settings.say(m.summary)
    if m.near:
        settings.say(f"{m.near:,} labelled texts are nearly the same as another; {_kept(m)}.")
    for doubt in doubts(m.texts, labels):
        settings.say(f"Warning: {doubt}")
    if ensemble.name == "auto" and len(m.texts) >= FEWEST_LABELS:
        ensemble = Ensemble.of("none")
    texts = RunTexts(m.everything, settings.folder, learn=m.learnt, verbose=settings.verbose)
    starts = _starts(ensemble, recipe, texts, settings)
    ready = _ready(starts[0], recipe)
    if (
        settings.verbose and resolve_device(settings.device).type == "cpu"
    ):  # how long a GPU takes is not known
        settings.say(
            _plan(m, recipe, budget, starts[0], ready).text(
                ensemble.networks + recipe.distil if ensemble.name != "auto" else 1
            )
        )
    settings.say("Counting words.")
    counted = count(m, recipe)
    encoders: list[Pretrained] = []

    def open_start(begin: Start, own: RunSettings, part: Budget) -> Pretrained:
        known = ready if begin is starts[0] else _ready(begin, recipe)
        encoders.append(_trained(begin, known, recipe, texts, own, part))
        return encoders[-1]

    networks = train_in_turn(
        ensemble,
        starts,
        settings,
        budget,
        open_start=open_start,
        train=lambda pretrained, own, part: train(
            start(m, recipe, pretrained, texts, own, budget=part, counted=counted), pretrained
        ),
        more=int(recipe.distil),
    )
    if recipe.distil:
        alone = replace(recipe, ensemble="none", distil=False, teach=len(networks) > 1 or recipe.teach)
        steps = start(m, alone, encoders[0], texts, settings, budget=budget, counted=counted)
        networks, recipe = [_distilled(networks, steps, encoders[0], texts, recipe)], alone
    return _fitted(networks, m, recipe, settings, minutes=budget.spent())


def _distilled(
    networks: list[Trained], fitting: Fitting, pretrained: Pretrained, texts: RunTexts, recipe: Recipe
) -> Trained:
    """One network, by the steps of `fitting`, that has learnt what the `networks` say together.

    If there is only one, that is trained as without distillation: it has not learnt the held-out labels, see `train`.
    """
    m, settings = fitting.material, fitting.training.settings
    if len(networks) == 1:
        settings.say(
            "There is one network, so nothing is distilled; it is trained as one without distillation."
        )
        return train(fitting, pretrained)
    evidence = averaged([one.measured.evidence for one in networks])
    together = judged(evidence, m, mix=recipe.mix, seed=settings.seed)
    mix = together.combination if recipe.mix else Combination(1.0, 1.0, 0.0, m.labels.objective)
    taught = Distilling.of(fitting, [one.member for one in networks], mix, texts)
    student = train(taught, pretrained)
    scores = {part: together.report[part] for part in PARTS if part in together.report}
    about = {"distilled": {"choice": recipe.ensemble, "networks": len(networks)} | scores}
    return student._replace(about=student.about | about)


def _starts(ensemble: Ensemble, recipe: Recipe, texts: RunTexts, settings: RunSettings) -> list[Start]:
    """What each network starts from. Raises ConfigError: the second of two language models is missing."""
    if recipe.encoder is not None:
        return [Start(recipe.encoder)]
    return ensemble.starts(
        recipe.language_model,
        recipe.config.language_model,
        lambda: sample_of(texts.to_learn),
        kind=recipe.tokenizer,
        size=recipe.size,
        say=settings.say,
    )


def train(fitting: Fitting, pretrained: Pretrained) -> Trained:
    """One network, by the steps of `fitting`, to the weights that predict; or as the work folder has kept it.

    A network that others learn from is not trained on the held-out labels, or these would show too much.
    """
    m, recipe, settings = fitting.material, fitting.recipe, fitting.training.settings
    windows, network = _windows(fitting), fitting.training.network
    done = Done.of(fitting) if recipe.ensemble != "none" else Done(None)
    if (kept := done.read(network)) is not None:
        evidence, outcome = kept
        measured = judged(evidence, m, mix=recipe.mix, seed=settings.seed)
    else:
        learnt = fitting.learn()
        measured = fitting.measure(learnt)
        before = _digest(network)
        predicts = measured.combination.weight > 0 or recipe.ensemble != "none" or not recipe.mix
        if predicts and not recipe.distil:
            fitting.refit(learnt, measured.combination)
        changed, refit = learnt.taught or learnt.labels_helped, _digest(network) != before
        outcome = Outcome(changed, refit, fitting.training.history)
        done.write(network, measured.evidence, outcome)
    member = Member(network.eval(), pretrained.tokenizer, pretrained.lm_config)
    return Trained(member, fitting.final, measured, outcome, pretrained.metrics, windows)


def _fitted(
    networks: list[Trained], m: Material, recipe: Recipe, settings: RunSettings, *, minutes: float
) -> FittedClassifier:
    """The classifier of these networks, measured together."""
    first, several = networks[0], len(networks) > 1
    measured, history = first.measured, first.outcome.history
    if several:
        evidence = averaged([one.measured.evidence for one in networks])
        measured = judged(evidence, m, mix=recipe.mix, seed=settings.seed)
        history = [
            row | {"network": nth} for nth, one in enumerate(networks, 1) for row in one.outcome.history
        ]
    made = circumstances(settings, minutes=minutes)
    described = {
        "language_model": first.metrics,
        # which parts were trained once more after they were measured
        "refit": {"lm": any(one.outcome.refit for one in networks), "counts": bool(len(m.held_out))},
        "minutes": made["minutes"],
        "trained_on": m.described,
    }
    if recipe.ensemble != "none":
        described["ensemble"] = {
            "choice": recipe.ensemble,
            "networks": [
                {"seed": one.seed, "language_model": one.name, "lm": one.measured.report.get("lm", {})}
                for one in networks
            ],
        }
    fitted = FittedClassifier(
        classes=m.labels.classes,
        network=first.member.network,
        tokenizer=first.member.tokenizer,
        counts=WordCounts.of(first.counts, m.labels.classes),
        combination=measured.combination,
        thresholds=measured.thresholds,
        config=recipe.config,
        lm_config=first.member.lm_config,
        others=tuple(one.member for one in networks[1:]),
        mixed=recipe.mix,
        report=measured.report | described | first.about,
        history=history,
        card={"data": m.fingerprints} | made,
        sketch=sketch(m.texts),
        evidence=measured.evidence,
    )
    return replace(fitted, profile=profile(fitted, m, seed=settings.seed))


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
    """Count the words of all texts, choose the settings of the counts by cross-validation, and fit them.

    All labels are fitted now, not at the end: no training then ends too late because this takes longer than expected.

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
    teacher = counts.fit(material.labels, material.train, choice)
    everything = np.arange(len(material.texts))
    final = counts.fit(material.labels, everything, choice) if len(material.held_out) else teacher
    return Counted(counts, choice, teacher, final)


def _ready(begin: Start, recipe: Recipe) -> FittedLanguageModel | Pretrained | None:
    """The language model, or the transformer's encoder, that there is a file of; None: it has to be made."""
    if recipe.encoder is not None:
        return open_checkpoint(recipe.encoder)
    return None if begin.given is None or _named(begin.given, "new", "none") else opened(begin.given)


def _named(given: Any, *names: str) -> bool:
    return isinstance(given, str) and given in names


def _plan(
    material: Material,
    recipe: Recipe,
    budget: Budget,
    begin: Start,
    ready: FittedLanguageModel | Pretrained | None,
) -> Plan:
    """What is going to be done, for one network that begins with `ready`."""
    config = ready.config if isinstance(ready, FittedLanguageModel) else begin.config or lm_config()
    if ready is None:
        encoder: Encoder = build(config, 2, seed=0).encoder
    else:
        encoder = (ready if isinstance(ready, Pretrained) else Pretrained.of(ready)).encoder
    none = isinstance(ready, Pretrained) or _named(begin.given, "none")
    tuning = isinstance(ready, FittedLanguageModel)
    none = none or (tuning and recipe.config.tune == "none")

    def epochs(tokens: float) -> float:
        return 0 if none else config.epochs_for(int(tokens), tuning=tuning) + SHARES.new_words * tuning

    return Plan.of(
        material,
        recipe.config,
        budget,
        weights=encoder.weights_per_token(),
        tokenizer=None if ready is None else ready.tokenizer,
        epochs=epochs,
        teach=recipe.teach,
    )


def _trained(
    begin: Start,
    ready: FittedLanguageModel | Pretrained | None,
    recipe: Recipe,
    texts: RunTexts,
    settings: RunSettings,
    budget: Budget,
) -> Pretrained:
    """The pretrained encoder: a transformer's, or that of a language model as given, fine-tuned, newly trained, or with
    random weights.
    """
    if isinstance(ready, Pretrained):
        return ready
    config, most = begin.config or lm_config(), math.inf
    if budget.minutes is None and resolve_device(settings.device).type == "cpu":
        weights = (ready.network if ready else build(config, 2, seed=0)).encoder.weights_per_token()
        most = budget.tokens(SHARES.language_model, weights) / TRAINING_COST
    minutes = budget.of_left(SHARES.language_model)
    own = replace(settings, callbacks=(), minutes=minutes, lm_tokens=most)
    given = begin.given if ready is None else ready
    return Pretrained.of(starting_model(given, config, texts, own, tune=recipe.config.tune))


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
    fitting = replace(fitting, training=replace(training, longest=fitting.longest()))
    return replace(fitting, probed=fitting.probe())


def _class_weights(labels: Targets, class_weight: Any) -> torch.Tensor | None:
    """Weights of the classes (C,): given by name, or inverse to their frequency, as scikit-learn's "balanced"."""
    weights = named_weights(class_weight, labels.classes)
    if weights is None:
        return None
    if isinstance(weights, str):
        weights = np.clip(labels.objective.balanced(labels.target, len(labels.classes)), 0.01, 100.0)
    return torch.tensor(weights, dtype=torch.float32)

"""The steps of a fit by hand: the numbers of the documents, and the result of each step."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from ulmus.corpus.labels import Labels
from ulmus.evaluation.combination import Combination
from ulmus.evaluation.splits import Together
from ulmus.tasks.budget import Budget
from ulmus.tasks.classifier.fitted import PARTS
from ulmus.tasks.classifier.fitting import Fitting, Recipe, count, start, train
from ulmus.tasks.classifier.inference import Inference
from ulmus.tasks.classifier.material import Material
from ulmus.tasks.classifier.measuring import Evidence, Measured, measure
from ulmus.tasks.classifier.steps import Learnt
from ulmus.tasks.classifier.tuning import Tuned, score
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.tasks.pretrained import Pretrained
from ulmus.tasks.settings import RunSettings

APART = Together.nothing(60)


@pytest.fixture
def material(corpus: Any) -> Material:
    """60 labelled texts of which every fifth is held out, and 120 unlabelled ones."""
    return Material(
        corpus.texts[:60],
        Labels.of(corpus.labels[:60]),
        corpus.unlabeled,
        np.arange(0, 60, 5),
        together=APART,
    )


def test_documents_are_numbered_labelled_unlabelled_valid(corpus: Any, material: Material) -> None:
    """Held-out documents are measured on and not trained on; those of `valid` come after all others."""
    assert len(material.everything) == 180
    assert set(material.train) == set(range(60)) - set(material.held_out)
    assert material.measured.tolist() == material.held_out.tolist()
    assert material.truth.target.tolist() == material.labels.target[material.held_out].tolist()
    valid_labels = Labels.of(corpus.test_labels)
    other = Material(
        material.texts,
        material.labels,
        material.unlabeled,
        material.held_out[:0],
        corpus.test_texts,
        valid_labels,
        together=APART,
    )
    assert other.measured.tolist() == list(range(180, 240))
    assert other.truth is valid_labels
    assert other.everything[180:] == corpus.test_texts
    assert len(other.train) == 60


SETTINGS = RunSettings(device="cpu", precision="float32")


def started(
    material: Material, config: Any, language_model: LanguageModel, minutes: float | None = None
) -> Fitting:
    """Everything up to the first training."""
    recipe = Recipe(config)
    texts = RunTexts(material.everything, learn=material.learnt)
    return start(
        material,
        recipe,
        Pretrained.of(language_model.fitted_),
        texts,
        SETTINGS,
        budget=Budget(minutes),
        counted=count(material, recipe),
    )


def test_every_step_can_be_made_by_hand(
    material: Material, settings: Any, language_model: LanguageModel
) -> None:
    """count, start, learn, measure, refit: each returns what the next one needs."""
    fitting = started(material, settings, language_model)
    assert fitting.teacher.objective.name == "single-label"
    assert len(fitting.store) == 180
    assert fitting.training.network.classes == 3
    learnt = fitting.learn()
    assert [row["stage"] for row in fitting.training.history] == ["teaching", "all layers"]
    measured = fitting.measure(learnt)
    assert 0 <= measured.combination.weight <= 1
    assert measured.report["n"] == 12
    fitting.refit(learnt, measured.combination)
    assert fitting.training.history[2]["stage"] == "teaching again"
    assert fitting.final is not fitting.teacher


def test_a_head_with_a_hidden_layer_is_unfrozen_from_the_top(
    material: Material, settings: Any, language_model: LanguageModel
) -> None:
    """Howard & Ruder 2018, section 3.3, for those who ask for it."""
    config = dataclasses.replace(settings, head_hidden=8, head_epochs=1, top_epochs=1)
    fitting = started(material, config, language_model)
    fitting.learn()
    stages = [row["stage"] for row in fitting.training.history]
    assert stages == ["teaching", "head", "head and top layer", "all layers"]


def test_a_mix_that_gains_nothing_beside_a_worse_network_is_not_used(material: Material) -> None:
    """Decisions like those of the word counts, and a network that is worse alone: the counts predict."""
    target = material.truth.target
    counts, network = np.full((2, 12, 3), 0.02)
    counts[np.arange(12), target] = 0.96
    network[np.arange(12), np.where(np.arange(12) % 2, target, (target + 1) % 3)] = 0.96
    evidence = Evidence(material.measured, network, counts, target)
    measured = measure(evidence, material, mix=True, seed=0)
    assert measured.report["gain"]["difference"] == 0
    assert measured.combination.exponent_lm == 0
    assert "word counts alone" in measured.report["verdict"]


@pytest.mark.parametrize("good", [False, True])
def test_a_student_is_weighed_by_what_it_shows(
    material: Material,
    settings: Any,
    language_model: LanguageModel,
    monkeypatch: pytest.MonkeyPatch,
    good: bool,
) -> None:
    """Without a held-out set the mix depends on how good a student of the word counts is, on labels not yet learnt."""
    everything = dataclasses.replace(material, held_out=material.held_out[:0])
    fitting = started(everything, dataclasses.replace(settings, head_hidden=8), language_model)
    target = everything.labels.target if good else (everything.labels.target + 1) % 3
    shown = np.eye(3)[target] * 0.94 + 0.02
    monkeypatch.setattr(Inference, "probabilities", lambda *_, **__: shown)
    learnt = fitting.learn()
    assert learnt.mix is not None
    assert learnt.mix.weight > 0.2 if good else learnt.mix.weight < 0.1


def test_the_teacher_never_sees_what_is_held_out(material: Material, settings: Any) -> None:
    """Other labels of held-out documents change neither the teacher nor its soft labels."""

    def weights(m: Material) -> np.ndarray:
        return np.asarray(count(m, Recipe(settings)).teacher.weights)

    target = material.labels.target.copy()
    target[material.held_out] = (target[material.held_out] + 1) % 3
    turned = Material(
        material.texts,
        Labels(material.labels.classes, target, False),
        material.unlabeled,
        material.held_out,
        together=APART,
    )
    np.testing.assert_array_equal(weights(material), weights(turned))


@pytest.mark.parametrize(("minutes", "expected"), [(None, 2_000), (1_000_000, 2_000), (1e-7, 128)])
def test_long_documents_are_truncated_if_time_is_short(
    corpus: Any, settings: Any, language_model: LanguageModel, minutes: float | None, expected: int
) -> None:
    """If a time budget is too short for whole long documents, they are truncated; otherwise they are not."""
    texts = [" ".join([text] * 60) for text in corpus.texts[:30]]
    m = Material(texts, Labels.of(corpus.labels[:30]), texts * 3, np.arange(0), together=Together.nothing(30))
    fitting = started(m, dataclasses.replace(settings, longest=2_000), language_model, minutes)
    assert fitting.store.lengths.max() > 128
    assert fitting.training.most_tokens == expected


def test_a_mix_that_is_worse_than_the_counts_is_not_used(
    material: Material, settings: Any, language_model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the mix scores lower, the model predicts with the word counts alone, and the report says so."""
    fitting = started(material, settings, language_model)
    wrong = (material.truth.target + 1) % 3  # a mix that is sure of a wrong class
    sure = np.eye(3)[wrong] * 0.98 + 0.01
    monkeypatch.setattr(Combination, "combine", lambda *_: sure)
    measured = fitting.measure(Learnt(True, True, None, None))
    assert measured.report["gain"]["difference"] < 0
    assert measured.report["combined"] == measured.report["counts"] != measured.report["mixed"]
    assert measured.combination.weight == 0
    assert measured.report["verdict"].endswith("The model predicts with word counts alone.")


@pytest.mark.parametrize(("taught", "expected"), [(False, 2.0), (True, 1.5)])
def test_what_is_learnt_at_the_end_has_no_more_minutes_than_are_left(
    material: Material,
    settings: Any,
    language_model: LanguageModel,
    monkeypatch: pytest.MonkeyPatch,
    taught: bool,
    expected: float,
) -> None:
    """Measuring and counting took longer than was reckoned; after teaching, the true labels keep their minutes."""
    fitting, given = started(material, settings, language_model, minutes=9), []
    monkeypatch.setattr(fitting.budget, "left", lambda: 2.0)
    monkeypatch.setattr(
        "ulmus.tasks.classifier.steps.teach", lambda _, training_set, **__: given.append(training_set.minutes)
    )
    fitting.refit(Learnt(taught, True, 0.5, 8.0), Combination())
    assert given[0] == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize(("weight", "again"), [(0.0, False), (0.5, True)])
def test_a_network_that_does_not_predict_is_not_trained_once_more(
    material: Material,
    settings: Any,
    language_model: LanguageModel,
    monkeypatch: pytest.MonkeyPatch,
    weight: float,
    again: bool,
) -> None:
    """Teaching again takes minutes, which change nothing where the word counts predict alone."""
    recipe = Recipe(settings)
    texts = RunTexts(material.everything, learn=material.learnt)

    def judged(*_: Any, **__: Any) -> Any:
        return Measured(Combination(weight), dict.fromkeys(PARTS, 0.5), {"verdict": ""})

    monkeypatch.setattr("ulmus.tasks.classifier.steps.judged", judged)
    pretrained = Pretrained.of(language_model.fitted_)
    counted = count(material, recipe)
    steps = start(material, recipe, pretrained, texts, SETTINGS, budget=Budget(None), counted=counted)
    done = train(steps, pretrained)
    stages = {row["stage"] for row in done.outcome.history}
    assert ("teaching again" in stages) == again
    assert done.outcome.refit == again


def test_word_counts_without_a_held_out_set_are_fitted_once(material: Material, settings: Any) -> None:
    """There are no more labels for them to learn from; with a held-out set there are."""
    assert count(material, Recipe(settings)).final is not count(material, Recipe(settings)).teacher
    none = dataclasses.replace(material, held_out=material.held_out[:0])
    counted = count(none, Recipe(settings))
    assert counted.final is counted.teacher


def test_evidence_beside_the_held_out_set_counts_too(material: Material) -> None:
    """Twelve held-out documents see no gain of a network that labels 48 others better than the word counts do."""
    other = np.setdiff1d(np.arange(60), material.measured)
    target, others = material.truth.target, material.labels.target[other]
    right = np.full((60, 3), 0.1)
    right[np.arange(60), material.labels.target] = 0.8
    wrong = np.roll(right, 1, axis=1)
    unsure = 0.6 * right + 0.4 * wrong
    unsure[other[::2]] = (0.4 * right + 0.6 * wrong)[other[::2]]
    held = Evidence(material.measured, wrong[material.measured], unsure[material.measured], target)
    alone = measure(held, material, mix=True, seed=0)
    assert alone.combination.weight == 0
    both = measure(
        held.and_of(Evidence(other, right[other], unsure[other], others)), material, mix=True, seed=0
    )
    assert both.combination.weight > 0
    assert both.report["n"] == 12
    assert both.report["gain"]["difference"] > 0
    assert "60 documents" in both.report["verdict"]


def test_labels_that_a_teacher_has_passed_on_are_no_evidence(material: Material) -> None:
    """A network that is right on all labels its teacher knew, and no better than counts on the held-out ones."""
    target, measured = material.labels.target, material.measured
    right = np.full((60, 3), 0.1)
    right[np.arange(60), target] = 0.8
    wrong, other = np.roll(right, 1, axis=1), np.setdiff1d(np.arange(60), measured)
    half = np.where(np.arange(60)[:, None] % 2, right, wrong)
    held = Evidence(measured, half[measured], half[measured], target[measured])
    passed_on = Evidence(other, right[other], half[other], target[other])
    equal = passed_on._replace(p_lm=half[other])
    objective = material.labels.objective
    assert held.and_if_credible(passed_on, objective) is held
    assert len(held.and_if_credible(equal, objective).documents) == 60


@pytest.mark.parametrize(("ahead", "teaches"), [(0.4, True), (-0.2, False)])
def test_whether_counts_teach_is_decided_on_all_documents(
    material: Material,
    settings: Any,
    language_model: LanguageModel,
    monkeypatch: pytest.MonkeyPatch,
    ahead: float,
    teaches: bool,
) -> None:
    """Twelve held-out documents, of which a fine-tuned network happens to get more right than the word counts, do not
    outweigh 48 others where the counts are far ahead of what the network was before."""
    fitting = started(material, dataclasses.replace(settings, longer=1.0), language_model)
    held, right = len(material.measured), material.truth.target
    counts = np.full((held, 3), 0.1)
    counts[np.arange(held), np.where(np.arange(held) < 9, right, (right + 1) % 3)] = 0.8
    out_of_fold = iter([0.5, 0.5 + ahead])  # scores of frozen features, then of the counts

    def scored(labels: Labels, proba: np.ndarray) -> float:
        return next(out_of_fold, None) or score(labels, proba)

    step = "ulmus.tasks.classifier.transfer."
    found = Tuned(frozen=0.75, tuned=0.85, lost=0.0)
    monkeypatch.setattr(type(fitting), "counts_measured", lambda _: counts)
    monkeypatch.setattr(step + "tuned_or_frozen", lambda *_, **__: found)
    monkeypatch.setattr(step + "score", scored)
    monkeypatch.setattr(step + "HOPELESS", 1.0)
    assert fitting.learn().taught == teaches


@pytest.mark.parametrize("better", [True, False])
def test_frozen_features_stay_where_they_are_better_than_what_was_taught(
    material: Material,
    settings: Any,
    language_model: LanguageModel,
    monkeypatch: pytest.MonkeyPatch,
    better: bool,
) -> None:
    """In little time a network learns less from the word counts than it knew: the held-out loss says so."""
    fitting = started(material, settings, language_model)
    before = {key: t.clone() for key, t in fitting.training.network.encoder.state_dict().items()}
    losses = iter([0.5, 0.6 if better else 0.4])  # of frozen features, then of the student
    step = "ulmus.tasks.classifier.transfer."
    monkeypatch.setattr(step + "calibrated_loss", lambda *_, **__: next(losses))
    monkeypatch.setattr(step + "HOPELESS", -1.0)
    learnt = fitting.learn()
    assert learnt.taught != better
    after = fitting.training.network.encoder.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before) == better


def test_nothing_is_taught_again_where_predictions_take_half_of_the_time_left(
    material: Material, settings: Any, language_model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run ends in its minutes: the soft labels need the network's predictions, and nobody would learn from them."""
    fitting, taught = started(material, settings, language_model, minutes=9), list[str]()
    monkeypatch.setattr(
        "ulmus.tasks.classifier.steps.teach", lambda _, training_set, **__: taught.append(training_set.name)
    )
    monkeypatch.setattr(type(fitting), "tokens", lambda _, share: share * 1e5)
    for left in (0.01, 5.0):
        monkeypatch.setattr(fitting.budget, "left", lambda left=left: left)
        fitting.refit(Learnt(True, False, 0.5, 8.0), Combination())
        assert taught == ["teaching again"] * (left > 1)


def test_with_many_labels_the_held_out_set_tells_alone(
    material: Material, settings: Any, language_model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of fold only some of the labels would be learnt, and word counts of all are better than that; texts of the
    user's own to measure on are not mixed with others either."""
    fitting = started(material, settings, language_model)
    assert fitting.labels_tell
    valid = dataclasses.replace(material, valid_texts=material.texts, valid_labels=material.labels)
    assert not dataclasses.replace(fitting, material=valid).labels_tell
    monkeypatch.setattr("ulmus.tasks.classifier.steps.MAX_PROBE_LABELS", 20)
    assert not fitting.labels_tell
    learnt = fitting.learn()
    assert learnt.evidence is None

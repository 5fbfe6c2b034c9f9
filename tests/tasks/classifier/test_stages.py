"""The classifier's trainings one by one: the recipe, soft labels, and what each stage may change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ulmus.corpus.labels import Labels
from ulmus.data.label_batches import LabelBatches
from ulmus.data.store import IdStore
from ulmus.evaluation.objectives import MULTI_LABEL, SINGLE_LABEL, Objective
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.inference import Inference
from ulmus.tasks.classifier.teaching import most_confident, start_head, teach
from ulmus.tasks.classifier.training import Lesson, Run, padded
from ulmus.tasks.classifier.unfreezing import label_stages, true_labels
from ulmus.tasks.settings import RunSettings
from ulmus.train.callbacks import Callback, RunState

Make = Callable[..., Any]
N = 48


@pytest.fixture
def store() -> IdStore:
    """48 documents of 1 to 30 ids; the first real one says the class."""
    rng = np.random.default_rng(0)
    documents = [rng.integers(50, 200, rng.integers(1, 30)).astype(np.int32) for _ in range(N)]
    return IdStore.from_arrays([np.concatenate([[i % 3 + 9], ids]) for i, ids in enumerate(documents)])


@pytest.fixture
def labels() -> Labels:
    """Three classes in turn."""
    return Labels.of([i % 3 for i in range(N)])


@pytest.fixture
def run(make_classifier_network: Make, settings: ClassifierConfig) -> Run:
    """A fresh run on a small network."""
    return Run(make_classifier_network(max_len=12), settings, RunSettings(device="cpu", precision="float32"))


def test_unfreezing_is_gradual_from_the_top() -> None:
    """Head, head and top layer, everything; each lower group at 1/2.6 of the rate (Howard & Ruder 2018, 3.3)."""
    stages = label_stages(ClassifierConfig(), 1_000, taught=False)
    assert [(s.name, s.unfreeze, s.epochs) for s in stages] == [
        ("head", 1, 1),
        ("head and top layer", 2, 1),
        ("all layers", None, 8),
    ]
    assert {s.factor for s in stages} == {2.6}
    assert {s.schedule.name for s in stages} == {"one_cycle"}


def test_after_teaching_there_are_fewer_epochs_at_lower_rates() -> None:
    """The head knows the classes already."""
    config = ClassifierConfig()
    plain, taught = (label_stages(config, 100, taught=t) for t in (False, True))
    assert taught[-1].epochs <= 2 < plain[-1].epochs
    for one, other in zip(plain, taught, strict=True):
        assert other.schedule.peak == pytest.approx(config.after_teaching * one.schedule.peak)


def test_minutes_are_shared_out_among_the_stages() -> None:
    """All of them, no more."""
    stages = label_stages(ClassifierConfig(), 100, taught=False, minutes=10)
    assert sum(s.minutes or 0 for s in stages) == pytest.approx(10)


def test_few_labels_are_read_more_often() -> None:
    """Unless the config says how often."""
    found = [ClassifierConfig().epochs_for(n) for n in (10, 800, 3_000, 10_000, 100_000)]
    assert found == sorted(found, reverse=True)
    assert {replace(ClassifierConfig(), all_epochs=7).epochs_for(n) for n in (10, 10_000)} == {7}


class Watch(Callback):
    """Which parameters moved in each stage."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.network = network
        self.before: dict[str, torch.Tensor] = {}
        self.moved: dict[str, set[str]] = {}

    def stage_started(self, state: RunState) -> None:
        """Note the weights."""
        self.before = {name: p.detach().clone() for name, p in self.network.named_parameters()}

    def epoch_ended(self, state: RunState, row: dict[str, Any]) -> None:
        """Compare."""
        changed = {n for n, p in self.network.named_parameters() if not torch.equal(p, self.before[n])}
        self.moved[state.stage.name] = changed


def test_each_stage_moves_what_it_says_and_nothing_else(run: Run, store: IdStore, labels: Labels) -> None:
    """Frozen groups stay as they are to the last bit; in the last stage everything moves."""
    watch = Watch(run.network)
    run = replace(run, settings=replace(run.settings, callbacks=(watch,)))
    true_labels(run, Lesson("labels", store, labels.target, np.arange(N)), taught=False)
    names = {name for name, _ in run.network.named_parameters()}
    head = {name for name in names if name.startswith("head")}
    top = {name for name in names if name.startswith("encoder.layers.1")}
    assert watch.moved["head"] == head
    assert watch.moved["head and top layer"] == head | top
    assert watch.moved["all layers"] == names
    assert [row["stage"] for row in run.history] == ["head", "head and top layer", "all layers"]


def test_training_on_true_labels_learns_them(run: Run, store: IdStore, labels: Labels) -> None:
    """What the first token says is found out, by probabilities in the order of the documents."""
    run = replace(run, config=replace(run.config, all_epochs=40, all_peak=0.05))
    true_labels(run, Lesson("labels", store, labels.target, np.arange(N)), taught=False)
    proba = run.inference().probabilities(store)
    assert proba.shape == (N, 3)
    np.testing.assert_allclose(proba.sum(1), 1, atol=1e-9)
    assert (proba.argmax(1) == labels.target).mean() > 0.9
    chosen = np.array([5, 3, 40])
    np.testing.assert_allclose(run.inference().probabilities(store, chosen), proba[chosen], atol=1e-5)
    assert run.inference().probabilities(store, chosen[:0]).shape == (0, 3)


def test_the_head_alone_learns_from_features_that_were_read_once(
    run: Run, store: IdStore, labels: Labels
) -> None:
    """Class numbers or soft labels; no weight of the encoder moves."""
    before = {name: p.detach().clone() for name, p in run.network.encoder.named_parameters()}
    run = replace(run, config=replace(run.config, start_epochs=60))
    features = run.inference().features(store, np.arange(N))
    start_head(run, features, (0.1 / 3 + 0.9 * labels.hot()).astype(np.float32))
    assert (run.inference().probabilities(store).argmax(1) == labels.target).mean() > 0.8
    assert all(torch.equal(p, before[name]) for name, p in run.network.encoder.named_parameters())


def test_documents_can_be_read_in_part(run: Run, store: IdStore) -> None:
    """Cut as in training, a long one has other features and probabilities; a short one has the same."""
    short = np.flatnonzero(store.lengths <= 8)
    long = np.flatnonzero(store.lengths > 16)
    whole, part = (run.inference().probabilities(store, most_tokens=most) for most in (None, 8))
    np.testing.assert_allclose(whole[short], part[short], atol=1e-6)
    assert (np.abs(whole[long] - part[long]).max(1) > 1e-6).all()


def test_teaching_learns_soft_labels(run: Run, store: IdStore, labels: Labels) -> None:
    """Soft targets of all documents, some documents to read, which may come several times."""
    soft = 0.1 / 3 + 0.9 * labels.hot()
    documents = np.concatenate([np.arange(N), np.arange(10)])
    teach(run, Lesson("teaching", store, soft, documents), epochs=40)
    assert (run.inference().probabilities(store).argmax(1) == labels.target).mean() > 0.8
    assert run.history[-1]["train_loss"] < run.history[0]["train_loss"]


def test_the_best_evaluation_is_kept(run: Run, store: IdStore, labels: Labels) -> None:
    """With documents to measure on, the weights after training are those of the lowest loss of the last stage."""
    valid = run.inference().batches(store, np.arange(30, N), targets=padded(labels.target, N))
    run = replace(run, config=replace(run.config, all_epochs=12, all_peak=0.2))
    lesson = Lesson("labels", store, labels.target, np.arange(30))
    best = run.train(lesson, label_stages(run.config, 30, taught=False), valid)
    proba = run.inference().probabilities(store, np.arange(30, N))
    loss = -np.log(proba[np.arange(N - 30), labels.target[30:]]).mean()
    assert loss == pytest.approx(best, rel=1e-4)
    losses = [row["loss"] for row in run.history if row["stage"] == "all layers"]
    assert best == min(losses)


def test_multi_label_probabilities_are_independent(
    make_classifier_network: Make, settings: Any, store: IdStore
) -> None:
    """Each between 0 and 1, rows need not sum to 1."""
    proba = Inference(make_classifier_network(objective=MULTI_LABEL), device="cpu").probabilities(store)
    assert ((proba > 0) & (proba < 1)).all()
    assert abs(proba.sum(1) - 1).max() > 0.01


def test_batches_are_small_where_documents_are_few(run: Run, store: IdStore) -> None:
    """So that an epoch has some steps; judging reads whole documents, training at most `longest` tokens."""

    def batches(documents: np.ndarray) -> LabelBatches:
        return run.batches(Lesson("labels", store, np.zeros(N, np.int64), documents))

    assert [batches(np.arange(n)).batch_size for n in (8, N)] == [8, 8]
    assert batches(np.resize(np.arange(N), 10_000)).batch_size == run.config.batch_size
    assert batches(np.arange(N)).max_tokens == run.config.longest
    judging = run.inference().batches(store, np.arange(N))
    assert judging is not None
    assert judging.max_tokens is None
    assert run.inference().batches(store, np.arange(0)) is None


probas = arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(2, 5)), elements=st.floats(0.001, 1))


@given(probas, st.floats(0.5, 4))
def test_soft_labels_are_probabilities_sharpened(raw: np.ndarray, power: float) -> None:
    """Rows sum to 1; power 1 changes nothing; what one document has more of than another it still has more of."""
    proba = raw / raw.sum(1, keepdims=True)
    soft = SINGLE_LABEL.soft_labels(proba, power)
    assert soft.dtype == np.float32
    np.testing.assert_allclose(soft.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(SINGLE_LABEL.soft_labels(proba, 1.0), proba, atol=1e-6)
    order = np.argsort(proba[:, 0] / proba[:, 1])
    odds = (np.maximum(soft[:, 0], 1e-30) / np.maximum(soft[:, 1], 1e-30))[order]
    assert (odds[1:] >= odds[:-1] * (1 - 1e-3)).all()
    many = MULTI_LABEL.soft_labels(proba, power)
    assert ((many >= 0) & (many <= 1)).all()
    assert (np.diff(many[:, 0][np.argsort(proba[:, 0])]) >= -1e-6).all()


@pytest.mark.parametrize("objective", [SINGLE_LABEL, MULTI_LABEL])
def test_sharpening_lets_no_class_swallow_another(objective: Objective) -> None:
    """Where the teacher knows little and one class is frequent, all leans to it; its share does not grow by that."""
    rng = np.random.default_rng(0)
    yes = np.clip(rng.normal(0.68, 0.1, 500), 0.01, 0.99)
    proba = np.stack([yes, 1 - yes], axis=1)
    plain = proba**2 / (proba**2 + (1 - proba) ** 2)
    soft = objective.soft_labels(proba, 2.0)
    assert plain.mean(0)[0] > 0.78
    np.testing.assert_allclose(soft.mean(0), proba.mean(0), atol=1e-3)
    assert soft.std() > proba.std()


def test_documents_are_drawn_from_the_share_of_which_the_teacher_is_most_confident() -> None:
    """Seeded, without repetition, in order, never more than there are."""
    proba = np.linspace(0.5, 1, 100)
    two = np.stack([proba, 1 - proba], axis=1)
    chosen = most_confident(two, most=30, share=0.5, objective=SINGLE_LABEL, seed=0)
    assert len(chosen) == len(set(chosen.tolist())) == 30
    assert chosen.min() >= 50
    assert np.array_equal(chosen, np.sort(chosen))
    assert np.array_equal(chosen, most_confident(two, most=30, share=0.5, objective=SINGLE_LABEL, seed=0))
    assert not np.array_equal(chosen, most_confident(two, most=30, share=0.5, objective=SINGLE_LABEL, seed=1))
    assert len(most_confident(two, most=1_000, share=0.8, objective=SINGLE_LABEL, seed=0)) == 80
    assert len(most_confident(two[:1], most=10, share=0.1, objective=SINGLE_LABEL, seed=0)) == 1
    rare = np.concatenate([np.tile([0.9, 0.1], (80, 1)), np.tile([0.4, 0.6], (20, 1))])
    assert (most_confident(rare, most=100, share=0.5, objective=SINGLE_LABEL, seed=0) >= 80).sum() == 10
    many = most_confident(np.stack([1 - proba, proba], 1), most=30, share=0.5, objective=MULTI_LABEL, seed=0)
    assert many.min() >= 50


def test_padding_of_targets_adds_rows_that_nobody_reads() -> None:
    """One row for each document of the store."""
    assert padded(np.array([1, 2]), 4).tolist() == [1, 2, 0, 0]
    assert padded(np.ones((2, 3), np.float32), 3).shape == (3, 3)

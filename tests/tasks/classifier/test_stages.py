"""The classifier's trainings one by one: stages, soft labels, and which layers each stage trains."""

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
from ulmus.tasks.classifier.probe import Probe
from ulmus.tasks.classifier.teaching import most_confident, start_head, teach
from ulmus.tasks.classifier.training import Training, TrainingSet, padded
from ulmus.tasks.classifier.tuning import tuned_or_frozen
from ulmus.tasks.classifier.unfreezing import label_stages, train_on_labels
from ulmus.tasks.settings import RunSettings
from ulmus.train.callbacks import Callback, RunState

Make = Callable[..., Any]
N = 48


@pytest.fixture
def store() -> IdStore:
    """48 documents of 1 to 30 ids; the first id determines the class."""
    rng = np.random.default_rng(0)
    documents = [rng.integers(50, 200, rng.integers(1, 30)).astype(np.int32) for _ in range(N)]
    return IdStore.from_arrays([np.concatenate([[i % 3 + 9], ids]) for i, ids in enumerate(documents)])


@pytest.fixture
def labels() -> Labels:
    """Three classes in turn."""
    return Labels.of([i % 3 for i in range(N)])


@pytest.fixture
def training(make_classifier_network: Make, settings: ClassifierConfig) -> Training:
    """A training of a small network."""
    return Training(
        make_classifier_network(max_len=12), settings, RunSettings(device="cpu", precision="float32")
    )


def test_unfreezing_is_gradual_from_the_top() -> None:
    """Head, head and top layer, all layers; each lower group at 1/2.6 of the rate (Howard & Ruder 2018, 3.3)."""
    config = ClassifierConfig(head_epochs=1, top_epochs=1, all_epochs=8, factor=2.6)
    stages = label_stages(config, 1_000, taught=False)
    assert [(s.name, s.unfreeze, s.epochs) for s in stages] == [
        ("head", 1, 1),
        ("head and top layer", 2, 1),
        ("all layers", None, 8),
    ]
    assert {s.factor for s in stages} == {2.6}
    assert {s.schedule.name for s in stages} == {"slanted_triangular"}
    assert [s.name for s in label_stages(ClassifierConfig(), 1_000, taught=False)] == ["all layers"]


def test_after_teaching_there_are_fewer_epochs_at_lower_rates() -> None:
    """The head knows the classes already."""
    config = ClassifierConfig()
    plain, taught = (label_stages(config, 100, taught=t) for t in (False, True))
    assert taught[-1].epochs <= 2 < plain[-1].epochs
    for one, other in zip(plain, taught, strict=True):
        assert other.schedule.peak == pytest.approx(config.after_teaching * one.schedule.peak)


def test_minutes_are_distributed_over_the_stages() -> None:
    """The stages use all minutes and no more."""
    stages = label_stages(ClassifierConfig(), 100, taught=False, minutes=10)
    assert sum(s.minutes or 0 for s in stages) == pytest.approx(10)


def test_few_labels_train_for_more_epochs() -> None:
    """Unless the config sets the number of epochs."""
    epochs = [ClassifierConfig().epochs_for(n) for n in (10, 500, 3_000, 10_000, 100_000)]
    assert epochs == sorted(epochs, reverse=True)
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


def test_each_stage_trains_its_layers_and_nothing_else(
    training: Training, store: IdStore, labels: Labels
) -> None:
    """Frozen groups do not change by a bit; in the last stage all layers train."""
    watch = Watch(training.network)
    gradual = replace(training.config, head_epochs=1, top_epochs=1)
    training = replace(training, settings=replace(training.settings, callbacks=(watch,)), config=gradual)
    train_on_labels(training, TrainingSet("labels", store, labels.target, np.arange(N)), taught=False)
    names = {name for name, _ in training.network.named_parameters()}
    head = {name for name in names if name.startswith("head")}
    top = {name for name in names if name.startswith("encoder.layers.1")}
    assert watch.moved["head"] == head
    assert watch.moved["head and top layer"] == head | top
    assert watch.moved["all layers"] == names
    assert [row["stage"] for row in training.history] == ["head", "head and top layer", "all layers"]


def test_training_on_true_labels_learns_them(training: Training, store: IdStore, labels: Labels) -> None:
    """The class that the first token determines is learnt; probabilities come in the order of the documents."""
    training = replace(training, config=replace(training.config, all_epochs=40, all_peak=0.05))
    train_on_labels(training, TrainingSet("labels", store, labels.target, np.arange(N)), taught=False)
    proba = training.inference().probabilities(store)
    assert proba.shape == (N, 3)
    np.testing.assert_allclose(proba.sum(1), 1, atol=1e-9)
    assert (proba.argmax(1) == labels.target).mean() > 0.9
    chosen = np.array([5, 3, 40])
    np.testing.assert_allclose(training.inference().probabilities(store, chosen), proba[chosen], atol=1e-5)
    assert training.inference().probabilities(store, chosen[:0]).shape == (0, 3)


def test_the_head_alone_trains_on_precomputed_features(
    training: Training, store: IdStore, labels: Labels
) -> None:
    """With soft labels; no weight of the encoder changes."""
    before = {name: p.detach().clone() for name, p in training.network.encoder.named_parameters()}
    training = replace(training, config=replace(training.config, start_epochs=60))
    features = training.inference().features(store, np.arange(N))
    start_head(training, features, (0.1 / 3 + 0.9 * labels.hot()).astype(np.float32))
    assert (training.inference().probabilities(store).argmax(1) == labels.target).mean() > 0.8
    assert all(torch.equal(p, before[name]) for name, p in training.network.encoder.named_parameters())


def test_documents_can_be_truncated(training: Training, store: IdStore) -> None:
    """Truncated as in training, long documents have other probabilities and short ones the same."""
    short = np.flatnonzero(store.lengths <= 8)
    long = np.flatnonzero(store.lengths > 16)
    whole, part = (training.inference().probabilities(store, most_tokens=most) for most in (None, 8))
    np.testing.assert_allclose(whole[short], part[short], atol=1e-6)
    assert (np.abs(whole[long] - part[long]).max(1) > 1e-6).all()


def test_teaching_learns_soft_labels(training: Training, store: IdStore, labels: Labels) -> None:
    """Soft labels of all documents, of which some are used, perhaps several times."""
    soft = 0.1 / 3 + 0.9 * labels.hot()
    documents = np.concatenate([np.arange(N), np.arange(10)])
    teach(training, TrainingSet("teaching", store, soft, documents), epochs=40)
    assert (training.inference().probabilities(store).argmax(1) == labels.target).mean() > 0.8
    assert training.history[-1]["train_loss"] < training.history[0]["train_loss"]


def test_the_best_evaluation_is_kept(training: Training, store: IdStore, labels: Labels) -> None:
    """With evaluation documents, the weights after training are those with the lowest loss of the last stage."""
    valid = training.inference().batches(store, np.arange(30, N), targets=padded(labels.target, N))
    training = replace(training, config=replace(training.config, all_epochs=12, all_peak=0.2))
    training_set = TrainingSet("labels", store, labels.target, np.arange(30))
    best = training.run(training_set, label_stages(training.config, 30, taught=False), valid)
    proba = training.inference().probabilities(store, np.arange(30, N))
    loss = -np.log(proba[np.arange(N - 30), labels.target[30:]]).mean()
    assert loss == pytest.approx(best, rel=1e-4)
    losses = [row["loss"] for row in training.history if row["stage"] == "all layers"]
    assert best == min(losses)


def test_multi_label_probabilities_are_independent(
    make_classifier_network: Make, settings: Any, store: IdStore
) -> None:
    """Each between 0 and 1, rows need not sum to 1."""
    proba = Inference(make_classifier_network(objective=MULTI_LABEL), device="cpu").probabilities(store)
    assert ((proba > 0) & (proba < 1)).all()
    assert abs(proba.sum(1) - 1).max() > 0.01


def test_batches_are_small_where_documents_are_few(training: Training, store: IdStore) -> None:
    """So that an epoch has several steps; inference uses whole documents, training at most `longest` tokens."""

    def batches(documents: np.ndarray) -> LabelBatches:
        return training.batches(TrainingSet("labels", store, np.zeros(N, np.int64), documents))

    assert [batches(np.arange(n)).batch_size for n in (8, N)] == [8, 8]
    assert batches(np.resize(np.arange(N), 10_000)).batch_size == training.config.batch_size
    assert batches(np.arange(N)).max_tokens == training.config.longest
    inference = training.inference().batches(store, np.arange(N))
    assert inference is not None
    assert inference.max_tokens is None
    assert training.inference().batches(store, np.arange(0)) is None


probas = arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(2, 5)), elements=st.floats(0.001, 1))


@given(probas, st.floats(0.5, 4))
def test_soft_labels_are_probabilities_sharpened(raw: np.ndarray, power: float) -> None:
    """Rows sum to 1; power 1 changes nothing; the order of documents by the odds of a class is kept."""
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
def test_sharpening_keeps_class_frequencies(objective: Objective) -> None:
    """With an uncertain teacher and a frequent class, sharpening does not raise the frequency of that class."""
    rng = np.random.default_rng(0)
    yes = np.clip(rng.normal(0.68, 0.1, 500), 0.01, 0.99)
    proba = np.stack([yes, 1 - yes], axis=1)
    plain = proba**2 / (proba**2 + (1 - proba) ** 2)
    soft = objective.soft_labels(proba, 2.0)
    assert plain.mean(0)[0] > 0.78
    np.testing.assert_allclose(soft.mean(0), proba.mean(0), atol=1e-3)
    assert soft.std() > proba.std()


def test_documents_are_drawn_from_those_of_which_the_teacher_is_most_confident() -> None:
    """Seeded, without repetition, in ascending order, never more than there are."""
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


def test_padding_of_targets_adds_unused_rows() -> None:
    """One row for each document of the store."""
    assert padded(np.array([1, 2]), 4).tolist() == [1, 2, 0, 0]
    assert padded(np.ones((2, 3), np.float32), 3).shape == (3, 3)


def test_more_epochs_are_so_many_times_those_of_the_config() -> None:
    """In batches of twice the size, and never more than most_epochs, or than there would be anyway."""
    config = ClassifierConfig()
    longer = config.for_longer(1_000)
    assert config.epochs_for(1_000) == 4
    assert longer.epochs_for(1_000) == 16
    assert longer.batch_for(1_000) == pytest.approx(2 * config.batch_for(1_000), abs=1)
    assert config.for_longer(100).epochs_for(100) == config.most_epochs
    assert ClassifierConfig(longer=1.0).for_longer(1_000).epochs_for(1_000) == 4
    assert ClassifierConfig(all_epochs=40).for_longer(1_000).epochs_for(1_000) == 40


@pytest.mark.parametrize(("needed", "minutes", "kept"), [(8, None, True), (1, None, False), (8, 0.0, False)])
def test_more_epochs_are_kept_where_they_lower_the_loss(
    training: Training,
    store: IdStore,
    labels: Labels,
    monkeypatch: pytest.MonkeyPatch,
    needed: int,
    minutes: float | None,
    kept: bool,
) -> None:
    """Of two trainings the one with the lower loss on documents not learnt from stays, with the minutes that it took;
    where there are no minutes for more epochs, there is one training."""
    training = replace(training, config=replace(training.config, all_epochs=2, pairs_below=0, head_hidden=0))
    train, measured = np.arange(0, 36), np.arange(36, N)
    ran: list[int] = []
    right = [False]

    def train_for(own: Training, _: Any, __: Labels, **___: Any) -> None:
        """A network that is right after the epochs that are `needed` only."""
        ran.append(own.config.epochs_for(36))
        right.append(ran[-1] == needed or (needed == 1 and ran[-1] == 2))

    def probabilities(_: Inference, __: IdStore, documents: np.ndarray, **___: Any) -> np.ndarray:
        proba = np.full((len(documents), 3), 0.1 if right[-1] else 1 / 3)
        proba[np.arange(len(documents)), labels.target[documents]] = 0.8 if right[-1] else 1 / 3
        return proba

    monkeypatch.setattr("ulmus.tasks.classifier.tuning.fine_tune", train_for)
    monkeypatch.setattr(Inference, "probabilities", probabilities)
    features = training.inference().features(store, train)
    tuned = tuned_or_frozen(
        training,
        TrainingSet("labels", store, padded(labels.learnable(), N), train),
        labels.rows(train),
        Probe(features, labels.rows(train), seed=0),
        truth=labels.rows(measured),
        measured=measured,
        for_longer=lambda _: minutes,
    )
    assert tuned.longer == kept
    assert ran == ([2] if minutes == 0 else [2, 8])
    assert tuned.took >= 0

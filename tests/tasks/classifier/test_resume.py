"""Stopped by Ctrl-C and called again: what resumes, to which weights, and which runs are kept apart."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ulmus.errors import UsageError
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.train.schedules import Schedule

FitLM = Callable[..., LanguageModel]
Fit = Callable[..., TextClassifier]
StopAt = Callable[..., Any]


def same(one: Any, other: Any) -> bool:
    """Whether two models are equal to the last bit."""
    mine, theirs = one.network_.state_dict(), other.network_.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(t, theirs[name]) for name, t in mine.items())


@pytest.mark.parametrize("step", [1, 3, 8])
def test_a_stopped_fit_resumes_to_the_same_weights(
    step: int, corpus: Any, make_lm: FitLM, stop_at: StopAt, tmp_path: Path
) -> None:
    """Ctrl-C after some steps, the same call again: every weight is that of a run never stopped."""
    expected = make_lm(stop_at()).fit(corpus.texts[:60])
    total = expected.callbacks[0].steps  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        make_lm(stop_at(step), work_dir=tmp_path).fit(corpus.texts[:60])
    rest = stop_at()
    resumed = make_lm(rest, work_dir=tmp_path).fit(corpus.texts[:60])
    assert rest.steps == total - step
    assert same(resumed, expected)
    assert resumed.metrics_ == expected.metrics_
    assert [row["train_loss"] for row in resumed.history_] == [row["train_loss"] for row in expected.history_]


def test_a_stopped_fine_tune_resumes_to_the_same_weights(
    corpus: Any, make_lm: FitLM, stop_at: StopAt, tmp_path: Path
) -> None:
    """Also with the same object, as when a notebook cell is run again."""
    expected = make_lm(epochs=1).fit(corpus.texts[:40]).fine_tune(corpus.unlabeled)
    model = make_lm(epochs=1, work_dir=tmp_path).fit(corpus.texts[:40])
    model.callbacks.append(stop_at(5))
    with pytest.raises(KeyboardInterrupt):
        model.fine_tune(corpus.unlabeled)
    model.callbacks.clear()
    assert same(model.fine_tune(corpus.unlabeled), expected)


def test_a_run_may_resume_with_more_time(
    corpus: Any, make_lm: FitLM, stop_at: StopAt, tmp_path: Path
) -> None:
    """The budget is not part of a run's identity."""
    stopped = make_lm(stop_at(3), work_dir=tmp_path)
    stopped.minutes = 50
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(corpus.texts[:60])
    rest = stop_at()
    again = make_lm(rest, work_dir=tmp_path)
    again.minutes = 80
    again.fit(corpus.texts[:60])
    whole = stop_at()
    make_lm(whole).fit(corpus.texts[:60])
    assert rest.steps == whole.steps - 3


CONSTANT = {"schedule": Schedule("constant", peak=1e-2, warmup_steps=4), "epochs": 50}


def decayed(
    make_lm: FitLM, callback: Any, folder: Path | None, texts: list[str], steps: int
) -> LanguageModel:
    """The run in `folder` from its checkpoint on, with a learning rate that decays to 0 in so many steps."""
    model = make_lm(callback, work_dir=folder, **CONSTANT)
    model.decay_steps = steps
    return model.fit(texts)


@pytest.fixture
def begun(corpus: Any, make_lm: FitLM, stop_at: StopAt, tmp_path: Path) -> Path:
    """The work folder of a run at a constant rate that was stopped after 7 steps."""
    with pytest.raises(KeyboardInterrupt):
        make_lm(stop_at(7), work_dir=tmp_path / "work", **CONSTANT).fit(corpus.texts[:60])
    return tmp_path / "work"


def test_a_decay_branches_off_a_run_and_leaves_it_alone(
    corpus: Any, make_lm: FitLM, stop_at: StopAt, begun: Path
) -> None:
    """So many steps from the checkpoint, which is not changed; the next decay starts from the run as it is then."""
    before = {path.name: path.read_bytes() for path in begun.glob("*.checkpoint")}
    short, again = stop_at(), stop_at()
    model = decayed(make_lm, short, begun, corpus.texts[:60], 20)
    assert short.steps == 20
    assert model.history_[-1]["steps"] == 27
    assert model.history_[-1]["lr"] == pytest.approx(1e-2 * (1 - (19 / 20) ** 0.5))
    assert {path.name: path.read_bytes() for path in begun.glob("*.checkpoint")} == before
    with pytest.raises(KeyboardInterrupt):
        make_lm(stop_at(3), work_dir=begun, **CONSTANT).fit(corpus.texts[:60])
    assert decayed(make_lm, again, begun, corpus.texts[:60], 5).history_[-1]["steps"] == 15
    assert again.steps == 5


def test_a_stopped_decay_resumes_to_the_same_weights(
    corpus: Any, make_lm: FitLM, stop_at: StopAt, begun: Path, tmp_path: Path
) -> None:
    """Also if the run itself has been resumed meanwhile."""
    shutil.copytree(begun, tmp_path / "other")
    expected = decayed(make_lm, stop_at(), tmp_path / "other", corpus.texts[:60], 20)
    with pytest.raises(KeyboardInterrupt):
        decayed(make_lm, stop_at(6), begun, corpus.texts[:60], 20)
    with pytest.raises(KeyboardInterrupt):
        make_lm(stop_at(3), work_dir=begun, **CONSTANT).fit(corpus.texts[:60])
    rest = stop_at()
    assert same(decayed(make_lm, rest, begun, corpus.texts[:60], 20), expected)
    assert rest.steps == 14


def test_a_decay_needs_the_checkpoint_of_a_run_under_way(
    corpus: Any, make_lm: FitLM, stop_at: StopAt, tmp_path: Path
) -> None:
    """Without a folder, with an empty one, or after the end: an error that says what to do."""
    for folder, message in (
        (None, "specify the work folder"),
        (tmp_path, "start the run without a decay first"),
    ):
        with pytest.raises(UsageError, match=message):
            decayed(make_lm, stop_at(), folder, corpus.texts[:60], 20)
    make_lm(work_dir=tmp_path, epochs=1).fit(corpus.texts[:60])
    ended = make_lm(work_dir=tmp_path, epochs=1)
    ended.decay_steps = 3
    with pytest.raises(UsageError, match="more epochs or minutes"):
        ended.fit(corpus.texts[:60])


def test_a_finished_run_is_neither_trained_nor_tokenized_again(
    corpus: Any, make_lm: FitLM, stop_at: StopAt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same call with the same work folder takes no step, does not tokenize, and gives the same model."""
    one = make_lm(work_dir=tmp_path).fit(corpus.texts[:40])
    steps = stop_at()

    def fail(*arguments: Any) -> Any:
        raise AssertionError("a text was tokenized again")

    monkeypatch.setattr("ulmus.tasks.ids.Tokenizer.encode_batch", fail)
    monkeypatch.setattr("ulmus.tasks.ids.Tokenizer.train", fail)
    other = make_lm(steps, work_dir=tmp_path).fit(corpus.texts[:40])
    assert steps.steps == 0
    assert same(one, other)


@pytest.mark.parametrize("change", ["texts", "seed", "regularisation", "valid"])
def test_one_work_folder_serves_different_runs(
    change: str, corpus: Any, make_lm: FitLM, stop_at: StopAt, tmp_path: Path
) -> None:
    """Another run in the same folder trains what it would have trained in its own: checkpoints are not mixed up."""
    texts, how, valid = list(corpus.texts[:40]), {}, None
    make_lm(epochs=1, work_dir=tmp_path).fit(texts)
    if change == "texts":
        texts[3], texts[5] = texts[5], texts[3]  # as many tokens as before
    elif change == "valid":
        valid = corpus.test_texts
    else:
        how = {"seed": 1} if change == "seed" else {"alpha": 0.0}
    expected = make_lm(epochs=1, **how).fit(texts, valid=valid)
    assert same(make_lm(epochs=1, work_dir=tmp_path, **how).fit(texts, valid=valid), expected)


# -- the classifier ------------------------------------------------------------------------------------------------


def small_fit(model: TextClassifier, corpus: Any) -> TextClassifier:
    """All stages: language model, teaching, labels, teaching again."""
    return model.fit(
        corpus.texts[:40], corpus.labels[:40], corpus.unlabeled, (corpus.test_texts, corpus.test_labels)
    )


@pytest.mark.parametrize("part", [0.02, 0.5, 0.9, 0.97])
def test_a_stopped_classifier_resumes_to_the_same_weights(
    part: float, corpus: Any, make: Fit, stop_at: StopAt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in any of its trainings, the language model's too: every weight is that of a run never stopped."""
    watched: list[Any] = []
    original = LanguageModel.__init__

    def with_callback(self: LanguageModel, *given: Any, **named: Any) -> None:
        original(self, *given, **named)
        self.callbacks += watched

    monkeypatch.setattr(LanguageModel, "__init__", with_callback)

    def fitted(step: int | None, folder: Path | None) -> tuple[TextClassifier, int]:
        counter = stop_at(step)
        watched[:] = [counter]
        model = make(language_model=None, work_dir=folder)
        model.callbacks = [counter]
        return small_fit(model, corpus), counter.steps

    expected, steps = fitted(None, None)
    stop = max(1, int(part * steps))
    with pytest.raises(KeyboardInterrupt):
        fitted(stop, tmp_path)
    resumed, rest = fitted(None, tmp_path)
    assert rest == steps - stop
    assert same(resumed, expected)
    assert np.array_equal(resumed.predict_proba(corpus.test_texts), expected.predict_proba(corpus.test_texts))
    assert [row["stage"] for row in resumed.history_] == [row["stage"] for row in expected.history_]


def test_a_classifier_with_a_time_budget_resumes_too(
    corpus: Any, make: Fit, stop_at: StopAt, tmp_path: Path
) -> None:
    """The time left differs from call to call; the run is the same."""

    def fitted(step: int | None) -> int:
        counter = stop_at(step)
        model = make(minutes=30, work_dir=tmp_path)
        model.callbacks = [counter]
        small_fit(model, corpus)
        return int(counter.steps)

    with pytest.raises(KeyboardInterrupt):
        fitted(3)
    rest = fitted(None)
    assert fitted(None) == 0  # all is done
    assert rest > 0


@pytest.mark.parametrize("change", ["labels", "settings", "class_weight", "language model"])
def test_one_work_folder_serves_different_classifiers(
    change: str, corpus: Any, make: Fit, make_lm: FitLM, tmp_path: Path
) -> None:
    """The same texts with other labels or settings are trained from the beginning, as in a folder of their own."""
    labels, how = list(corpus.labels[:24]), {}
    make(work_dir=tmp_path).fit(corpus.texts[:24], labels)
    if change == "labels":
        labels[2], labels[1] = labels[1], labels[2]
    elif change == "settings":
        how = {"seed": 4}
    elif change == "class_weight":
        labels[3] = labels[1]
        make(work_dir=tmp_path).fit(corpus.texts[:24], labels)
        how = {"class_weight": "balanced"}
    else:
        how = {"language_model": make_lm(epochs=1).fit(corpus.texts)}
    expected = make(**how).fit(corpus.texts[:24], labels)
    assert same(make(work_dir=tmp_path, **how).fit(corpus.texts[:24], labels), expected)

"""Curves for TensorBoard, read back with its own reader."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ulmus.errors import MissingExtra, StorageError
from ulmus.train.loop import LoopConfig, Trainer
from ulmus.train.protocol import Stage
from ulmus.train.tensorboard import TensorBoard

pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")


@pytest.fixture
def run(new_model, new_batches):
    """`run(callback)` trains two stages with it; the history."""

    def train(callback):
        return Trainer(
            new_model(),
            [Stage("head", epochs=1, unfreeze=1), Stage("all layers", epochs=2)],
            train=new_batches(3),
            valid=new_batches(2),
            config=LoopConfig(device="cpu"),
            callbacks=[callback],
        ).run()

    return train


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by tag, as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # those of TensorBoard's reader
def test_stages_follow_each_other_and_epochs_have_the_scores_of_the_history(run, tmp_path):
    """Losses and rates by step of the whole run, scores by epoch."""
    history = run(TensorBoard(tmp_path / "board", every_s=0))
    found = curves(tmp_path / "board")
    assert [step for step, _ in found["head/loss"]] == [1, 2, 3]
    assert [step for step, _ in found["all layers/lr"]] == [4, 5, 6, 7, 8, 9]
    assert [step for step, _ in found["all layers/valid_loss"]] == [6, 9]
    shown = [value for name in ("head", "all layers") for _, value in found[f"{name}/valid_loss"]]
    assert shown == pytest.approx([row["loss"] for row in history.rows], rel=1e-6)
    assert "all layers/train_loss" in found


def test_a_folder_that_cannot_be_written_is_an_error(run, tmp_path):
    """The message names it."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        run(TensorBoard(tmp_path / "file" / "board"))


def test_without_the_extra_the_error_names_it(monkeypatch, tmp_path):
    """Before anything is trained."""
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtra, match=r"pip install 'ulmus\[tensorboard\]'"):
        TensorBoard(tmp_path)

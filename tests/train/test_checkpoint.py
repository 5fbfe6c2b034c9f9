"""A run that was stopped, killed or failed resumes where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from ulmus.errors import ConfigError, DataError, StorageError
from ulmus.train.callbacks import Callback, RunState
from ulmus.train.checkpoint import CheckpointFile, load_model, model_tensors
from ulmus.train.loop import History, Interrupted, LoopConfig, Stage, Trainer
from ulmus.train.schedules import Schedule

STAGES = [
    Stage("head", epochs=1, schedule=Schedule("slanted_triangular", 0.05), unfreeze=1),
    Stage("all", epochs=2),
]
CONFIG = LoopConfig(device="cpu", clip=1.0, ema=0.8, keep_best=True)
NT_ASGD = LoopConfig(device="cpu", optimizer="sgd", nt_asgd=0)
STEPS = 10  # 4 in the first stage, 2 x 3 in the second
ALWAYS = patch.object(CheckpointFile, "due", lambda _self: True)


class _KilledError(BaseException):
    """Stands for kill -9: nothing is saved on the way out."""


class _At(Callback):
    """Does something after the k-th step of the run."""

    def __init__(self, k: int, act: Callable[[], Any]) -> None:
        self.left, self.act = k, act

    def step_ended(self, state: RunState) -> None:
        self.left -= 1
        if self.left == 0:
            self.act()


def _kill() -> None:
    raise _KilledError


def _ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="session")
def train(new_model, new_batches):
    """`train(path, *callbacks, config=...)` -> (weights, history rows without their seconds)."""

    def run(path: Path | None, *callbacks: Callback, **changes: Any) -> tuple[Any, History]:
        model = changes.pop("model", None) or new_model()
        batches = [new_batches(4), new_batches(3, seed=1)]
        given = {"train": batches, "valid": [None, new_batches(2, seed=2)], "config": CONFIG} | changes
        stages = given.pop("stages", STAGES)
        history = Trainer(model, stages, callbacks=callbacks, checkpoint=path, **given).run()
        return model, history

    return run


@pytest.fixture(scope="session")
def outcome(weights):
    """What two runs must have in common: weights, and history but for the time it took."""

    def of(model: Any, history: History) -> tuple[Any, list[dict[str, Any]], float | None]:
        rows = [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows]
        return weights(model), rows, history.best

    return of


def _equal(a: Any, b: Any) -> bool:
    return a[1:] == b[1:] and a[0].keys() == b[0].keys() and all(torch.equal(a[0][k], b[0][k]) for k in a[0])


@settings(max_examples=20, deadline=None)
@example([8, 8, 5], NT_ASGD)  # (the last time when averaging has begun)
@given(st.lists(st.integers(1, STEPS), min_size=1, max_size=3), st.sampled_from([CONFIG, NT_ASGD]))
def test_a_run_killed_anywhere_ends_with_the_same_weights(train, outcome, kills, config):
    """Killed after any steps, any number of times, resumed: weights and history are those of one go, bit by bit."""
    stages = (
        STAGES
        if config is CONFIG
        else [STAGES[0], Stage("all", epochs=6, schedule=Schedule("constant", 1.0))]
    )
    with tempfile.TemporaryDirectory() as folder, ALWAYS:
        path = Path(folder) / "run.checkpoint"
        for k in kills:
            try:
                train(path, _At(k, _kill), config=config, stages=stages)
            except _KilledError:
                continue
        again, whole = (outcome(*train(where, config=config, stages=stages)) for where in (path, None))
        assert _equal(again, whole)


def test_kill_9_loses_nothing_but_the_step_under_way(train, outcome, tmp_path):
    """A process that is killed leaves a checkpoint from which another process resumes."""
    script = f"""if True:
        import os, runpy, signal, sys
        import torch
        from unittest.mock import patch
        torch.set_num_threads(1)
        here = {str(Path(__file__).parent)!r}
        tiny = runpy.run_path(here + "/conftest.py")
        mine = runpy.run_path(here + "/test_checkpoint.py")
        model, batches = tiny["_new_model"](), tiny["TinyBatches"]
        at = mine["_At"](7, lambda: os.kill(os.getpid(), signal.SIGKILL))
        with mine["ALWAYS"]:
            mine["Trainer"](
                model, mine["STAGES"], train=[batches(4), batches(3, seed=1)],
                valid=[None, batches(2, seed=2)], config=mine["CONFIG"], callbacks=[at], checkpoint=sys.argv[1],
            ).run()
    """
    path = tmp_path / "run.checkpoint"
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert [file.name for file in tmp_path.iterdir()] == ["run.checkpoint"]
    assert _equal(outcome(*train(path)), outcome(*train(None)))


def test_ctrl_c_saves_and_says_how_to_go_on(train, outcome, tmp_path):
    """The current step is finished and saved, the message names the file, and the next run resumes from it."""
    path = tmp_path / "run.checkpoint"
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match=r"run\.checkpoint\. Run the same command again to resume"):
        train(path, _At(6, _ctrl_c))
    assert signal.getsignal(signal.SIGINT) is handler
    steps: list[int] = []
    rest = _At(0, lambda: None)
    rest.step_ended = lambda state: steps.append(state.total_steps)  # type: ignore[method-assign]
    assert _equal(outcome(*train(path, rest)), outcome(*train(None)))
    assert steps == [3, 4, 5, 6]


def test_ctrl_c_during_an_evaluation_loses_nothing(train, outcome, new_batches, tmp_path):
    """A run stopped during an evaluation resumes with that evaluation; the model's own weights are saved."""

    class Stopping(type(new_batches(1))):  # type: ignore[misc]
        def __iter__(self):
            for batch in super().__iter__():
                _ctrl_c()
                yield batch

    path = tmp_path / "run.checkpoint"
    with pytest.raises(Interrupted):
        train(path, valid=[None, Stopping(2, seed=2)])
    assert _equal(outcome(*train(path)), outcome(*train(None)))


def test_ctrl_c_at_the_very_end_is_not_swallowed(train, outcome, tmp_path, monkeypatch):
    """Pressed after the last step, it still stops the program; all is saved."""
    path = tmp_path / "run.checkpoint"
    monkeypatch.setattr("ulmus.train.loop.StageRun.close", lambda _run: _ctrl_c())
    with pytest.raises(Interrupted):
        train(path)
    monkeypatch.undo()
    assert len(train(path)[1].rows) == 3


def test_stopped_in_the_last_evaluation_of_a_time_budget_that_evaluation_is_made_up_for(
    train, new_batches, tmp_path, monkeypatch
):
    """The time may be up: an epoch under way is still brought to its end."""
    path, stages = tmp_path / "run.checkpoint", [Stage("all", epochs=9, minutes=1)]
    ours = {"stages": stages, "train": [new_batches(4)], "valid": [new_batches(2)]}

    def stop(_run: Any, **_asked: Any) -> Any:
        raise Interrupted

    monkeypatch.setattr("ulmus.train.stage.StageRun.elapsed_s", lambda run: 20.0 * run.state.total_steps)
    with monkeypatch.context() as patched:
        patched.setattr("ulmus.train.stage.StageRun.validate", stop)
        with pytest.raises(Interrupted):
            train(path, **ours)
    rows = train(path, _At(1, _kill), **ours)[1].rows
    assert [row["steps"] for row in rows] == [3]
    assert "loss" in rows[0]


def test_a_programs_own_sigterm_handler_has_the_last_word(train, tmp_path):
    """SIGTERM saves too; then the handler that was there before decides how to end."""
    path = tmp_path / "run.checkpoint"

    def own(_number: int, _frame: Any) -> None:
        raise _KilledError

    before = signal.signal(signal.SIGTERM, own)
    try:
        with pytest.raises(_KilledError):
            train(path, _At(2, lambda: os.kill(os.getpid(), signal.SIGTERM)))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert path.exists()


def test_a_second_ctrl_c_does_not_wait(train, tmp_path):
    """Who presses twice is not kept waiting for the step and the checkpoint."""
    with pytest.raises(KeyboardInterrupt) as caught:
        train(tmp_path / "run.checkpoint", _At(2, lambda: (_ctrl_c(), _ctrl_c())))
    assert not isinstance(caught.value, Interrupted)


def test_a_finished_run_is_not_trained_again(train, outcome, tmp_path):
    """The same call gives weights and history from the checkpoint, without one step."""
    path = tmp_path / "run.checkpoint"
    first = train(path)
    again = train(path, _At(1, _kill))
    assert _equal(outcome(*again), outcome(*first))


def test_a_checkpoint_can_be_removed_at_the_end(train, tmp_path):
    """With keep_checkpoint=False nothing is left behind."""
    train(tmp_path / "run.checkpoint", config=LoopConfig(device="cpu", keep_checkpoint=False))
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_plain_safetensors_with_shared_weights_once(train, tmp_path):
    """Any safetensors reader opens it; no pickle is in it, and a tied weight takes its place once."""
    path = tmp_path / "run.checkpoint"
    with ALWAYS, pytest.raises(_KilledError):
        train(path, _At(9, _kill))
    with safe_open(path, "pt") as file:
        names = set(file.keys())
    parts = {name.split(".")[0] for name in names}
    assert parts == {"model", "optim", "average", "best", "carried", "rng", "run"}
    assert "model.low.weight" in names
    assert "model.alias.weight" not in names


@pytest.mark.parametrize(
    ("changes", "different"),
    [
        ({"stages": [STAGES[0], Stage("all", epochs=3)]}, "the stages"),
        ({"config": LoopConfig(device="cpu", seed=1)}, "the settings of the loop"),
        ({"model": torch.nn.Linear(1, 1)}, "the model"),
    ],
)
def test_another_runs_checkpoint_is_refused(train, tmp_path, changes, different):
    """The message says what differs and what to do, and the file stays."""
    path = tmp_path / "run.checkpoint"
    train(path)
    with pytest.raises(ConfigError, match=rf"different: {different}\).*delete it to start over"):
        train(path, **changes)
    assert path.exists()


def test_other_training_batches_are_refused(train, new_batches, tmp_path):
    """A position in batches with other settings has no meaning."""
    path = tmp_path / "run.checkpoint"
    train(path)
    with pytest.raises(ConfigError, match="different: the training batches"):
        train(path, train=[new_batches(4), new_batches(5)])


def test_what_changes_no_result_may_change(train, tmp_path):
    """How often a checkpoint is written is not part of what it must match."""
    path = tmp_path / "run.checkpoint"
    train(path, config=LoopConfig(device="cpu", checkpoint_every_s=1))
    train(path, _At(1, _kill), config=LoopConfig(device="cpu", checkpoint_every_s=2))


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b[:0], lambda b: b"\x80\x04N." + b[4:]]
)
def test_a_damaged_checkpoint_is_a_clear_error(train, tmp_path, damage):
    """Cut short, emptied or overwritten: DataError, and nothing in the file is run."""
    path = tmp_path / "run.checkpoint"
    train(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match="not a checkpoint or is damaged"):
        train(path)


def test_a_full_disk_does_not_end_the_training(train, outcome, tmp_path, monkeypatch):
    """Where a checkpoint cannot be written any more, a warning says so and the run comes to its end."""

    def full(path: Path) -> None:
        raise StorageError(f"Cannot write {path}: the disk is full.")

    monkeypatch.setattr("ulmus.train.checkpoint.whole_file", full)
    with pytest.warns(RuntimeWarning, match="continues without a new checkpoint.*the disk is full"):
        done = train(tmp_path / "run.checkpoint")
    assert _equal(outcome(*done), outcome(*train(None)))


def test_a_place_that_cannot_be_written_is_refused_before_training(train, tmp_path):
    """Not after the first hour."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        train(tmp_path / "file" / "run.checkpoint", _At(1, _kill))


def test_checkpoints_take_no_more_than_their_share_of_the_time(tmp_path, monkeypatch):
    """A write that took a second is not repeated within 50, whatever `every_s` says."""
    now = [0.0]
    monkeypatch.setattr("ulmus.train.checkpoint.time.monotonic", lambda: now[0])
    file = CheckpointFile(tmp_path / "c", every_s=10.0)
    now[0] = 11.0
    assert file.due()

    def slow(tensors: Any) -> list[bytes]:
        now[0] += 0.5  # (twice: for the checksum, and to be written)
        return [b""]

    monkeypatch.setattr("ulmus.train.checkpoint.pack", slow)
    file.write({}, {})
    now[0] += 49.0
    assert not file.due()
    now[0] += 2.0
    assert file.due()


def test_bfloat16_weights_survive(new_model, tmp_path):
    """numpy has no bfloat16, the file has."""
    model, other = new_model().bfloat16(), new_model(seed=1).bfloat16()
    file = CheckpointFile(tmp_path / "c", every_s=0)
    file.write({f"model.{name}": t for name, t in model_tensors(model).items()}, {"identity": {}})
    saved = file.read({})
    assert saved is not None
    load_model(other, saved.part("model"))
    assert torch.equal(model.low.weight, other.low.weight)

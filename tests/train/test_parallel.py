"""Several processes train as one: each takes a part of every batch."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ulmus.data.label_batches import LabelBatches
from ulmus.data.lm_batches import LMBatches
from ulmus.data.store import IdStore
from ulmus.models.awd_lstm import AWDLSTM
from ulmus.models.encoder import Dropouts, EncoderConfig
from ulmus.models.heads import ClassifierHead, TiedDecoder
from ulmus.tasks.classifier.contrastive import ContrastiveNetwork
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.language_model.network import LMNetwork
from ulmus.train.callbacks import Callback, JsonLog
from ulmus.train.loop import Interrupted, LoopConfig, Stage, Step, Trainer
from ulmus.train.schedules import Schedule

LaunchTwo = Callable[..., list[subprocess.CompletedProcess[str]]]
NO_DROPOUT = Dropouts(mult=0.0)
SCRIPT = "import runpy, sys; runpy.run_path(sys.argv[1])[sys.argv[2]](*sys.argv[3:])"
CONFIG = LoopConfig(device="cpu", clip=1.0)


class RowModel(nn.Module):
    """A linear model with a carried state per row, and a loss that is a weighted mean; batch norm if wanted."""

    def __init__(self, norm: bool) -> None:
        super().__init__()
        self.low, self.top = nn.Linear(4, 8), nn.Linear(8, 3)
        self.norm = nn.BatchNorm1d(8) if norm else nn.Identity()
        self.hidden: Tensor | None = None

    def forward(self, batch: tuple[Tensor, Tensor, Tensor]) -> Step:
        """Numbers (B, 4), classes (B,), weights (B,)."""
        x, y, rows = batch
        h = torch.tanh(self.low(x))
        if self.hidden is not None and len(self.hidden) == len(h):
            h = h + 0.5 * self.hidden
        self.hidden = h.detach()
        each = nn.functional.cross_entropy(self.top(self.norm(h)), y, reduction="none")
        return Step((each * rows).sum() / rows.sum(), each.mean().detach(), len(y), weight=rows.sum())

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Two groups."""
        return [[*self.low.parameters(), *self.norm.parameters()], list(self.top.parameters())]

    def reset(self) -> None:
        """Forget the state."""
        self.hidden = None

    def carried(self) -> dict[str, Tensor]:
        """The state by name."""
        return {} if self.hidden is None else {"hidden": self.hidden}

    def carry(self, tensors: dict[str, Tensor]) -> None:
        """Restore it."""
        self.hidden = tensors.get("hidden")


class StopAt(Callback):
    """Sends this process a signal after a step of the run."""

    def __init__(self, step: int) -> None:
        self.step = step

    def step_ended(self, state: Any) -> None:
        """Ask to stop."""
        if state.total_steps == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def rows_run(folder: str, name: str, *, norm: bool = True, size: int = 7, stop_at: int = 0) -> dict[str, Any]:
    """Train a RowModel on batches of an odd size; the weights, statistics and losses."""
    tiny = runpy.run_path(str(Path(__file__).parent / "conftest.py"))["TinyBatches"]

    class Weighted(tiny):  # type: ignore[misc, valid-type]
        def __iter__(self):
            for x, y in super().__iter__():
                yield x, y, (0.1 + np.abs(x[:, 0])).astype(np.float32)

    torch.manual_seed(0)
    model = RowModel(norm)
    stages = [
        Stage("top", unfreeze=1),
        Stage("all", epochs=2, schedule=Schedule("one_cycle", 0.05), minutes=60),
    ]
    callbacks = [JsonLog(f"{folder}/{name}.jsonl", every_s=0), *([StopAt(stop_at)] if stop_at else [])]
    trainer = Trainer(
        model,
        stages,
        train=Weighted(5, size),
        valid=Weighted(4, size, seed=1),
        config=CONFIG,
        callbacks=callbacks,
        checkpoint=f"{folder}/{name}.checkpoint",
    )
    return _results(model, trainer.run().rows)


def classifier_run() -> dict[str, Any]:
    """Train a classifier with batch norm, class weights and document weights on documents of many lengths."""
    rng = np.random.default_rng(0)
    store = IdStore.from_arrays([rng.integers(5, 40, n) for n in rng.integers(1, 40, 23)])
    torch.manual_seed(0)
    encoder = AWDLSTM(EncoderConfig(40, embedding=6, hidden=8, layers=2), NO_DROPOUT)
    head = ClassifierHead(encoder.config.pooled(), 3, drops=(0.0, 0.0))
    weight = torch.tensor([1.0, 2.0, 0.5])
    network = ClassifierNetwork(encoder, head, max_len=16, class_weight=weight)
    targets, weights = rng.integers(0, 3, 23), rng.uniform(0.2, 3, 23).astype(np.float32)
    train = LabelBatches(store, targets, batch_size=6, shuffle=True, weights=weights)
    valid = LabelBatches(store, targets, batch_size=3)
    stages = [Stage("head", unfreeze=1), Stage("all", schedule=Schedule(peak=0.01))]
    return _results(network, Trainer(network, stages, train=train, valid=valid, config=CONFIG).run().rows)


def pairs_run() -> dict[str, Any]:
    """Compare pairs of weighted documents; some batches have fewer documents than there are processes."""
    rng = np.random.default_rng(0)
    store = IdStore.from_arrays([rng.integers(5, 40, n) for n in rng.integers(1, 40, 23)])
    torch.manual_seed(0)
    encoder = AWDLSTM(EncoderConfig(40, embedding=6, hidden=8, layers=2), NO_DROPOUT)
    head = ClassifierHead(encoder.config.pooled(), 3, drops=(0.0, 0.0))
    network = ContrastiveNetwork(ClassifierNetwork(encoder, head, max_len=16))
    targets, weights = rng.integers(0, 3, 23), rng.uniform(0.2, 3, 23).astype(np.float32)
    train = LabelBatches(store, targets, batch_size=5, shuffle=True, alike=False, weights=weights)
    stages = [Stage("pairs", epochs=2, schedule=Schedule(peak=0.01))]
    return _results(network, Trainer(network, stages, train=train, config=CONFIG).run().rows)


def language_model_run() -> dict[str, Any]:
    """Train a language model with an adaptive softmax, regularisation and random BPTT."""
    rng = np.random.default_rng(0)
    store = IdStore.from_arrays([rng.integers(5, 40, 50) for _ in range(20)])
    torch.manual_seed(0)
    encoder = AWDLSTM(EncoderConfig(40, embedding=6, hidden=8, layers=2), NO_DROPOUT)
    network = LMNetwork(encoder, TiedDecoder(40, 6, (10, 20)))
    train = LMBatches(store, batch_size=5, bptt=12)
    valid = LMBatches(store, batch_size=1, bptt=12, random_bptt=False)
    stages = [Stage("all", epochs=2, schedule=Schedule(peak=0.01))]
    return _results(network, Trainer(network, stages, train=train, valid=valid, config=CONFIG).run().rows)


def _results(model: nn.Module, rows: list[dict[str, Any]]) -> dict[str, Any]:
    losses = {
        f"{name} {k}": row[name]
        for k, row in enumerate(rows)
        for name in ("train_loss", "loss", "seen", "n")
        if name in row
    }
    return losses | {name: t.numpy() for name, t in model.state_dict().items()}


def everything(folder: str) -> None:
    """What each process of the fixture does: all runs, the last one stopped and resumed."""
    torch.set_num_threads(1)
    rank = os.environ["RANK"]
    results = {
        "norm": rows_run(folder, "norm"),
        "single": rows_run(folder, "single", norm=False, size=1),
        "classifier": classifier_run(),
        "pairs": pairs_run(),
        "language model": language_model_run(),
    }
    for name in ("stopped", "left"):
        try:
            rows_run(folder, name, stop_at=3)
        except Interrupted:
            results[name] = {"stopped": 1}
    results["resumed"] = rows_run(folder, "stopped")
    for name, values in results.items():
        np.savez(f"{folder}/{name}-{rank}.npz", **values)


def one_dies(folder: str) -> None:
    """The second process ends in the middle of a run."""
    from ulmus.errors import UlmusError

    if os.environ["RANK"] == "1":
        Trainer._after_step = lambda *_: os._exit(3)  # type: ignore[method-assign]
    try:
        rows_run(folder, "dies")
    except UlmusError as error:
        Path(folder, "error").write_text(str(error))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, launch_two: LaunchTwo) -> Path:
    """The folder with the results of two processes."""
    folder = tmp_path_factory.mktemp("two")
    done = launch_two(SCRIPT, __file__, "everything", folder)
    assert [process.returncode for process in done] == [0, 0], "\n".join(process.stderr for process in done)
    return folder


def check_equal(folder: Path, name: str, expected: dict[str, Any]) -> None:
    """Both processes have the same weights to the last bit, and those of one process up to rounding."""
    first, second = (np.load(folder / f"{name}-{rank}.npz") for rank in range(2))
    assert set(first.files) == set(expected)
    for key in first.files:
        assert np.array_equal(first[key], second[key]), key
        np.testing.assert_allclose(first[key], expected[key], atol=2e-5, err_msg=key)


def test_two_processes_train_as_one_with_batch_norm_and_weighted_losses(two: Path, tmp_path: Path):
    """Weights, running statistics, losses and evaluations of odd batches are those of one process, up to rounding."""
    check_equal(two, "norm", rows_run(str(tmp_path), "norm"))


def test_a_process_without_a_row_of_a_batch_changes_nothing(two: Path, tmp_path: Path):
    """Batches of one row give two processes the result of one."""
    check_equal(two, "single", rows_run(str(tmp_path), "single", norm=False, size=1))


def test_a_classifier_trains_the_same_in_two_processes(two: Path):
    """Class weights, document weights and documents of many lengths, frozen and all layers."""
    check_equal(two, "classifier", classifier_run())


def test_pairs_of_a_whole_batch_count_in_two_processes(two: Path):
    """Each process compares its documents with those of the other one, too."""
    check_equal(two, "pairs", pairs_run())


def test_a_language_model_trains_the_same_in_two_processes(two: Path):
    """Streams keep their state, the adaptive softmax and the regularisation are those of the whole batch."""
    check_equal(two, "language model", language_model_run())


def test_a_stopped_run_resumes_exactly_in_two_processes(two: Path, tmp_path: Path):
    """A signal to one process stops both behind the same step; resumed, they end as if never stopped."""
    assert all((two / f"stopped-{rank}.npz").exists() for rank in range(2))
    check_equal(two, "resumed", rows_run(str(tmp_path), "norm"))


def test_a_checkpoint_of_two_processes_resumes_in_one(two: Path, tmp_path: Path):
    """One process ends with the weights that two would have had."""
    resumed = rows_run(str(two), "left")
    expected = rows_run(str(tmp_path), "norm")
    for key, value in expected.items():
        np.testing.assert_allclose(resumed[key], value, atol=2e-5, err_msg=key)


def test_only_the_first_process_writes(two: Path):
    """Each step stands in the log once, and a run has one checkpoint file."""
    events = [json.loads(line) for line in (two / "norm.jsonl").read_text().splitlines()]
    steps = [(event["stage"], event["step"]) for event in events if event["event"] == "step"]
    assert steps == [("top", k + 1) for k in range(5)] + [("all", k + 1) for k in range(10)]
    assert len(list(two.glob("norm.checkpoint*"))) == 1


def test_a_process_that_dies_stops_the_others(tmp_path: Path, launch_two: LaunchTwo):
    """The other process ends with an error that says so, instead of waiting."""
    done = launch_two(SCRIPT, __file__, "one_dies", tmp_path)
    assert [process.returncode for process in done] == [0, 3], done
    assert "Another process of this run ended" in (tmp_path / "error").read_text()

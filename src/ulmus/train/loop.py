"""THE training loop: stages in order, each with its epochs, evaluations and rows of history.

    Trainer(model, [Stage("head", epochs=1, unfreeze=1), Stage("all", epochs=3)], train=batches, valid=held_out).run()

`train` and `valid` serve all stages, or are lists with one entry per stage. A run begins at the current epoch of its
training batches and leaves them at the one after its last: a second `Trainer` with the same batches uses another order
and other dropout masks. One process or several (`processes`), CPU or cuda, float32, bf16 or fp16: the same code. With a
`checkpoint` path a run that was stopped or killed resumes from there and ends with the same weights to the last bit (on
a CPU, without a time budget, in as many processes as before). Knows no text and no model class: `protocol` states what
it requires of them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import torch

from ulmus.errors import ConfigError
from ulmus.train.callbacks import Callback
from ulmus.train.checkpoint import CheckpointFile, Saved, load_model, model_tensors
from ulmus.train.device import open_accelerator, resolve_device, resolve_precision, reuse_memory
from ulmus.train.evaluate import Evaluation, evaluate
from ulmus.train.interrupt import Interrupted, graceful
from ulmus.train.processes import processes
from ulmus.train.protocol import Batches, Carries, LoopConfig, Stage, Step, Trainable
from ulmus.train.stage import StageRun
from ulmus.train.state import RunState

__all__ = [
    "Batches", "Carries", "Evaluation", "History", "Interrupted", "LoopConfig", "Stage", "Step", "Trainable",
    "Trainer", "evaluate",
]  # fmt: skip

PROCESS_SEED, EPOCH_SEED = 1_000_003, 1_000_000_007  # far from the seeds of stages and from each other
# settings that may differ when a run is resumed, because they do not affect its result
FREE = {"device", "checkpoint_every_s", "keep_checkpoint"}


@dataclass
class History:
    """One row per epoch: stage, epoch, steps, seen, train_loss, lr, seconds.

    With validation batches also loss (nll in nats), n, and the columns that callbacks measure.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    best: float | None = None  # best value of the monitored column in the last stage that had one


class Trainer:
    """Trains a model stage by stage; `run` returns the history and leaves the model on its device.

    Raises ConfigError when there is no stage, the number of batches does not match the stages, or a setting needs
    validation batches and there are none.
    """

    def __init__(
        self,
        model: Any,
        stages: Sequence[Stage],
        *,
        train: Batches | Sequence[Batches],
        valid: Batches | Sequence[Batches | None] | None = None,
        config: LoopConfig | None = None,
        callbacks: Sequence[Callback] = (),
        checkpoint: str | Path | None = None,
    ) -> None:
        if not stages:
            raise ConfigError("stages: expected at least one, got none.")
        self.model, self.stages = model, list(stages)
        self.config = config = config or LoopConfig()
        self.train, self.valid = _each(train, len(stages), "train"), _each(valid, len(stages), "valid")
        validates = config.keep_best or config.patience or config.nt_asgd is not None
        if validates and not any(v is not None for v in self.valid):
            raise ConfigError("keep_best, patience and nt_asgd need validation batches, but there are none.")
        self.callbacks = list(callbacks)
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.history = History()

    def run(self) -> History:
        """Run all stages, or resume at the position of a checkpoint.

        Raises Interrupted after Ctrl-C or SIGTERM (a checkpoint is written first), UlmusError when the loss is no
        longer finite, ConfigError when the checkpoint belongs to another run, DataError when it is damaged or there is
        nothing to train on, StorageError when it cannot be written.
        """
        reuse_memory()
        self._processes = processes()
        device = resolve_device(self.config.device)
        self._accelerator = open_accelerator(device, resolve_precision(self.config.precision, device))
        self.model.to(self._accelerator.device)
        self._callbacks = self.callbacks if self._processes.first else []
        own = self._identity()
        self._processes.check_same(self._processes.from_first(lambda: own) == own, "model, batches or stages")
        self._processes.copy_first(list(model_tensors(self.model).values()))
        self._file = self._checkpoint_file()
        saved = self._file.read(own) if self._file else None
        # the epoch of each stage's batches at the start
        self._epochs = [batches.epoch for batches in self.train]
        first = self._resume(saved) if saved else 0
        with self._own_rng(), graceful(enabled=self._file is not None) as self._stop:
            try:
                for index in range(first, len(self.stages)):
                    self._run_stage(index, saved if index == first else None)
                    self._save(None, stage=index + 1)
                    if self._stop.wanted:
                        self._stop.stop(self._how_to_resume())
            finally:
                for callback in self._callbacks:
                    callback.run_ended()
        self._processes.wait()  # all have read the checkpoint
        for batches, epoch in zip(self.train, self._epochs, strict=True):
            batches.set_epoch(epoch + sum(stage.epochs for stage in self.stages))
        if self._file and not self.config.keep_checkpoint and self._processes.first:
            self._file.remove()
        return self.history

    def _run_stage(self, index: int, saved: Saved | None) -> None:
        seed = 1000 * self.config.seed + index + EPOCH_SEED * self._epochs[index]
        torch.manual_seed(seed + PROCESS_SEED * self._processes.rank)
        run = StageRun(
            self.model,
            RunState(self.stages[index], index, len(self.stages)),
            train=self.train[index],
            valid=self.valid[index],
            config=self.config,
            accelerator=self._accelerator,
        )
        if saved and saved.run["stage_run"]:
            run.load(saved)
        for callback in self._callbacks:
            callback.stage_started(run.state)
        while not run.is_over():
            self._run_epoch(run)
        if run.time_is_up():
            run.state.pct = 1.0
        for callback in self._callbacks:
            callback.stage_ended(run.state)
        run.close()
        self.history.best = self.history.best if run.best.value is None else run.best.value

    def _run_epoch(self, run: StageRun) -> None:
        state = run.state
        if state.step == 0:
            state.start_epoch()
            self.model.reset()
            # epochs count through the whole run, so that stages that share batches keep shuffling them
            before = self._epochs[state.stage_index] + sum(s.epochs for s in self.stages[: state.stage_index])
            run.train.set_epoch(before + state.epoch)
        if not state.epoch_done:
            run.epoch(lambda: self._after_step(run))
        row = self._finish_epoch(run)
        state.epoch += 1
        state.step, state.epoch_done = 0, False
        self.history.rows.append(row)
        for callback in self._callbacks:
            callback.epoch_ended(state, row)

    def _after_step(self, run: StageRun) -> None:
        for callback in self._callbacks:
            callback.step_ended(run.state)
        if self._file is None:
            return
        stop, due = self._processes.sum([self._stop.wanted, self._processes.first and self._file.due()])
        if stop:
            self._interrupt(run)
        elif due:
            self._save(run, stage=run.state.stage_index)

    def _finish_epoch(self, run: StageRun) -> dict[str, Any]:
        """Evaluate if that is due; returns the row of the epoch that ended."""
        state = run.state
        row: dict[str, Any] = {
            "stage": state.stage.name,
            "epoch": state.epoch + 1,
            "steps": state.total_steps,
            "seen": state.total_count,
            "train_loss": state.epoch_loss(),
            "lr": state.lr,
        }
        if run.evaluation_due():
            try:
                with run.evaluation_weights():
                    row |= self._evaluate(run)
            except Interrupted:
                self._interrupt(run)
            # only after an evaluation: otherwise the clock would end the stage
            state.elapsed_s = run.elapsed_s()
        return row | {"seconds": state.elapsed_s}

    def _evaluate(self, run: StageRun) -> dict[str, Any]:
        """Validate: the columns that this adds to the row. The best weights are kept if the config asks for it."""
        measures = any(type(c).measure is not Callback.measure for c in self._callbacks)
        collect = self._processes.from_first(lambda: measures)
        evaluation = run.validate(collect=collect, between=self._stop_evaluating)
        columns: dict[str, Any] = {"loss": evaluation["loss"], "n": evaluation["n"]}
        for callback in self._callbacks if collect else ():
            measured = callback.measure(evaluation["outputs"], evaluation["targets"])
            columns |= {name: float(value) for name, value in measured.items()}
        monitor = self.config.monitor
        columns = self._processes.from_first(lambda: columns)
        if monitor not in columns:
            raise ConfigError(f"monitor: expected one of {', '.join(columns)}, got {monitor!r}.")
        run.best.update(columns[monitor], self.model)
        return columns

    def _stop_evaluating(self) -> None:
        if self._processes.sum([self._stop.wanted])[0]:
            raise Interrupted

    def _interrupt(self, run: StageRun) -> NoReturn:
        self._save(run, stage=run.state.stage_index, must=True)
        self._stop.stop(self._how_to_resume())

    def _how_to_resume(self) -> str:
        return f"All steps so far are saved in {self.checkpoint}. Run the same command again to resume."

    def _save(self, run: StageRun | None, *, stage: int, must: bool = False) -> None:
        """Write the checkpoint: within a stage, or (run None) at the start of `stage`."""
        if self._file is None:
            return
        tensors, position = run.save() if run else (_named_model(self.model), None)
        history = {"rows": self.history.rows, "best": self.history.best}
        if not self._processes.first:
            return
        write = self._file.write if must else self._file.try_write
        where = {"identity": self._identity(), "stage": stage, "history": history, "stage_run": position}
        write(tensors, where | {"epochs": self._epochs})

    def _resume(self, saved: Saved) -> int:
        """Load weights and history; returns the index of the stage at which to resume."""
        self.history, self._epochs = History(**saved.run["history"]), saved.run["epochs"]
        load_model(self.model, saved.part("model"))
        return int(saved.run["stage"])

    def _checkpoint_file(self) -> CheckpointFile | None:
        """The checkpoint file, known to be writable; all processes read it, the first one writes it."""
        path = self._processes.from_first(lambda: None if self.checkpoint is None else str(self.checkpoint))
        if path is None:
            return None
        file = CheckpointFile(Path(path), every_s=self.config.checkpoint_every_s)
        if self._processes.first:
            file.check()
        return file

    def _identity(self) -> dict[str, str]:
        """Short digests of all that must be the same when a run is resumed; its time budget is not part of it."""
        config = {k: v for k, v in dataclasses.asdict(self.config).items() if k not in FREE}
        model = [(name, list(t.shape), str(t.dtype)) for name, t in model_tensors(self.model).items()]
        batches = [getattr(b, "settings", lambda: None)() for b in self.train]
        parts = {
            "the stages": [
                dataclasses.asdict(stage) | {"minutes": None, "decay_steps": None} for stage in self.stages
            ],
            "the settings of the loop": config,
            "the model": model,
            "the training batches": batches,
        }
        return {
            name: hashlib.sha256(json.dumps(p, default=str).encode()).hexdigest()[:16]
            for name, p in parts.items()
        }

    def _own_rng(self) -> AbstractContextManager[None]:
        """Inside the block torch's random state belongs to the run; afterwards the caller's is restored."""
        device = self._accelerator.device
        return torch.random.fork_rng([device.index or 0] if device.type == "cuda" else [])


def _named_model(model: Any) -> dict[str, torch.Tensor]:
    return {f"model.{name}": t for name, t in model_tensors(model).items()}


def _each(batches: Any, stages: int, name: str) -> list[Any]:
    """One entry per stage, from a single one or a list. Raises ConfigError for a list of another length."""
    if not isinstance(batches, list | tuple):
        return [batches] * stages
    if len(batches) != stages:
        raise ConfigError(f"{name}: expected one entry for each of the {stages} stages, got {len(batches)}.")
    return list(batches)

"""One stage of a run: its optimizer, its epochs, its clock. `loop.Trainer` runs the stages one after another.

Per step: set rates, move the batch, forward under autocast, backward, clip, optimizer step, zero gradients. Nothing is
read back from the device, except every 50 steps to check that the loss is finite. Knows no files and no other stage.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import torch
from torch import Tensor

from ulmus.errors import DataError, UlmusError
from ulmus.train.best import Best
from ulmus.train.checkpoint import Saved, load_model, model_tensors
from ulmus.train.device import autocast, resolve_precision, to_device
from ulmus.train.evaluate import Evaluation, evaluate
from ulmus.train.optim import (
    WeightAverage,
    check_groups,
    freeze_to,
    load_optimizer,
    make_optimizer,
    optimizer_tensors,
    set_rates,
)
from ulmus.train.processes import processes
from ulmus.train.protocol import Carries, LoopConfig
from ulmus.train.schedules import cooldown
from ulmus.train.state import RunState

__all__ = ["StageRun"]

CHECK_EVERY = 50  # steps between two checks that the loss is finite
SETTLED = 20  # steps after which the time per step is known well enough for planning
EVALUATION_SHARE = 0.1  # largest fraction of a time budget spent on evaluations between epochs
FORWARD_SHARE = 0.4  # estimated fraction of a step taken by the forward pass, until an evaluation is measured


class StageRun:
    """The optimizer, average, clock and position of one stage; a new one for each, with an empty optimizer state."""

    def __init__(
        self,
        model: Any,
        state: RunState,
        *,
        train: Any,
        valid: Any | None,
        config: LoopConfig,
        accelerator: Any,
    ) -> None:
        self.model, self.state, self.train, self.valid = model, state, train, valid
        self.config, self.accelerator = config, accelerator
        self.device = accelerator.device
        self.processes = processes()
        self.precision = resolve_precision(config.precision, self.device)
        stage = state.stage
        groups = check_groups(model, model.layer_groups())
        freeze_to(groups, stage.unfreeze)
        self.optimizer = make_optimizer(
            groups, factor=stage.factor, weight_decay=stage.weight_decay, name=config.optimizer
        )
        self.params = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.average = WeightAverage(self.params, decay=config.ema) if config.ema else None
        self.losses: list[float] = []  # of the evaluations before averaging began
        self.best = Best(
            keep=config.keep_best, patience=config.patience, higher_is_better=config.higher_is_better
        )
        state.nll_sum, state.smooth = state.nll_sum.to(self.device), state.smooth.to(self.device)
        self._reserve_s = 0.0  # seconds of the time budget reserved for the next evaluation
        self._evaluated_s = 0.0  # seconds spent on evaluations
        self._before_s = 0.0  # seconds spent by interrupted runs
        self._started = self.processes.time_s()

    def epoch(self, after_step: Callable[[], None]) -> None:
        """Train for the rest of the current epoch or until the time is up; `after_step` may raise to stop.

        Raises DataError when there are no batches, UlmusError when the loss is no longer finite.
        """
        state = self.state
        state.steps = len(self.train)
        if state.steps == 0:
            raise DataError(f"Stage {state.stage.name!r} has nothing to train on: it has no batches.")
        if state.stage.decay_steps is not None and state.decay_from is None:
            state.decay_from = state.total_steps
        bptt = getattr(self.train, "bptt", None)
        self.model.train()
        for batch in self._until_time_is_up():
            self.step(batch, scale=batch[0].shape[1] / bptt if bptt else 1.0)
            if state.total_steps % CHECK_EVERY == 0:
                self.check_finite()
            after_step()
        state.epoch_done = True
        self.check_finite()

    def _until_time_is_up(self) -> Iterator[Any]:
        state = self.state
        for batch in self.train:
            self._look_at_clock()
            state.pct = max(state.pct, self._progress())
            if state.step >= state.steps or (state.total_steps > 0 and self.time_is_up()):
                return
            yield batch

    def step(self, batch: Any, *, scale: float = 1.0) -> None:
        """One optimizer step on one batch of arrays; `scale` multiplies the learning rate (random BPTT)."""
        state, schedule = self.state, self.state.stage.schedule
        state.lr, state.beta1 = schedule(state.pct), schedule.momentum(state.pct)
        state.lr *= schedule.warmup(state.total_steps) * cooldown(self._decayed())
        set_rates(self.optimizer, state.lr * scale, state.beta1)
        moved = to_device(self.processes.part(batch), self.device)
        with autocast(self.device, self.precision), self.processes.shared_norms(self.model):
            step = self.processes.whole(self.model(moved))
        self.accelerator.backward(step.loss)
        self.processes.sum_gradients(self.params)
        if self.config.clip is not None:
            self.accelerator.unscale_gradients(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.params, self.config.clip, foreach=True)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.step(self.optimizer)
            self.accelerator.scaler.update()
        else:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update()
        state.add(step)

    def _progress(self) -> float:
        """Fraction of the stage that is done, by steps or by the clock, whichever is larger."""
        state, minutes = self.state, self.state.stage.minutes
        by_steps = (state.epoch + state.step / max(state.steps, 1)) / state.stage.epochs
        by_time = 0.0 if minutes is None else state.elapsed_s / self._budget_s(minutes)
        return min(max(by_steps, by_time), 1.0)

    def _budget_s(self, minutes: float) -> float:
        return max(minutes * 60 - self._reserve_s, minutes * 30)

    def _decayed(self) -> float:
        """Fraction of the decay that is done; 0 without one."""
        begun, steps = self.state.decay_from, self.state.stage.decay_steps
        return 0.0 if begun is None or steps is None else min((self.state.total_steps - begun) / steps, 1.0)

    def time_is_up(self) -> bool:
        """True when the stage's minutes, less the time for the evaluation, are used up, or its decay is complete."""
        minutes = self.state.stage.minutes
        late = minutes is not None and self.state.elapsed_s >= self._budget_s(minutes)
        return late or self._decayed() >= 1

    def is_over(self) -> bool:
        """True when epochs, minutes or patience are used up and no epoch is in progress."""
        state = self.state
        by_clock = state.pct >= 1 or self.time_is_up()  # a stage ended by the clock stays ended
        return state.step == 0 and (state.epoch >= state.stage.epochs or by_clock or self.best.stop)

    def _look_at_clock(self) -> None:
        """Update `elapsed_s`, and plan for the next evaluation once the time per step is known."""
        state = self.state
        state.elapsed_s = self.elapsed_s()
        if state.total_steps == SETTLED and self.valid is not None:
            self._reserve_s = FORWARD_SHARE * state.elapsed_s / SETTLED * len(self.valid)

    def elapsed_s(self) -> float:
        """Seconds spent in this stage, including interrupted runs, by the clock of the first process."""
        return self._before_s + self.processes.time_s() - self._started

    def check_finite(self, loss: float | None = None) -> None:
        """Raise UlmusError when the loss (default: that of the last batches) is not finite."""
        loss = self.state.loss() if loss is None else loss
        if not math.isfinite(loss):
            self._diverged(f"The loss became {loss}")

    def _diverged(self, what: str) -> NoReturn:
        state = self.state
        raise UlmusError(
            f"{what} in stage {state.stage.name!r} by step {state.total_steps}, at a learning rate of {state.lr:.2g} "
            f"(the highest of the stage: {state.stage.schedule.peak:.2g}). "
            "Use a lower learning rate, clip the gradients, or precision float32."
        )

    def evaluation_weights(self) -> contextlib.AbstractContextManager[None]:
        """Inside the block the model has the weights to evaluate: the averaged ones, if there is an average."""
        return contextlib.nullcontext() if self.average is None else self.average.applied()

    def validate(self, *, collect: bool, between: Callable[[], None]) -> Evaluation:
        """Evaluate on the validation batches and record the time it takes. Raises UlmusError for a loss not finite."""
        began = self.processes.time_s()
        result = evaluate(
            self.model,
            self.valid,
            device=self.device,
            precision=self.precision,
            collect=collect,
            between=between,
            together=self.processes,
        )
        self.check_finite(result["loss"])
        self._reserve_s = 1.05 * (self.processes.time_s() - began)
        self._evaluated_s += self._reserve_s
        self._start_averaging(result["loss"])
        return result

    def _start_averaging(self, loss: float) -> None:
        """Start averaging when the loss no longer falls: NT-ASGD (Merity et al. 2017, algorithm 1)."""
        back = self.config.nt_asgd
        if back is None or self.average is not None:
            return
        if len(self.losses) > back and loss > min(self.losses[: len(self.losses) - back]):
            self.average = WeightAverage(self.params, decay=None)
        self.losses.append(loss)

    def evaluation_due(self) -> bool:
        """True after the last epoch, and after others while evaluations stay within `EVALUATION_SHARE` of the time."""
        state = self.state
        if self.valid is None or state.stage.minutes is None:
            return self.valid is not None
        state.elapsed_s = self.elapsed_s()
        last = state.epoch + 1 >= state.stage.epochs or self.time_is_up()
        return last or self._evaluated_s + self._reserve_s <= EVALUATION_SHARE * state.elapsed_s

    def close(self) -> None:
        """End the stage: load the best or averaged weights into the model.

        Raises UlmusError when a weight is not finite.
        """
        if not self.best.restore(self.model) and self.average is not None:
            self.average.copy_to_model()
        if not all(
            bool(p.isfinite().all()) for p in self.params
        ):  # the last loss does not cover the last step
            self._diverged("Weights became infinite or NaN")
        self.optimizer.zero_grad(set_to_none=True)

    def save(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that is needed to resume the stage at exactly this point: tensors of any shape by name, and JSON.

        Of several processes each has a random state of its own, and the carried rows of its part.
        """
        carried = self.model.carried() if isinstance(self.model, Carries) else {}
        parts: dict[str, dict[Any, Tensor]] = {
            "model": model_tensors(self.model),
            "optim": optimizer_tensors(self.optimizer),
            "average": {} if self.average is None else dict(enumerate(self.average.average)),
            "best": self.best.weights,
            "carried": self.processes.gathered_all(carried),
            "rng": self.processes.named("cpu", torch.get_rng_state()),
        }
        if self.device.type == "cuda":
            parts["rng"] |= self.processes.named("cuda", torch.cuda.get_rng_state(self.device))
        scaler = self.accelerator.scaler
        run = {
            "state": self.state.to_dict() | {"elapsed_s": self.elapsed_s()},
            "batches": self.train.state_dict(),
            "best": {"value": self.best.value, "since": self.best.since},
            "average_updates": None if self.average is None else self.average.updates,
            "losses": self.losses,
            "reserve_s": self._reserve_s,
            "judged_s": self._evaluated_s,
            "scaler": None if scaler is None else scaler.state_dict(),
        }
        return {f"{part}.{name}": t for part, tensors in parts.items() for name, t in tensors.items()}, run

    def load(self, saved: Saved) -> None:
        """Resume at exactly the point where `save` was called."""
        run = saved.run["stage_run"]
        self.state.load_dict(run["state"])
        self._before_s = run["state"]["elapsed_s"]
        self._reserve_s, self._evaluated_s = run["reserve_s"], run["judged_s"]
        self.train.load_state_dict(run["batches"])
        load_model(self.model, saved.part("model"))
        load_optimizer(self.optimizer, saved.part("optim"))
        self.losses = run["losses"]
        if run["average_updates"] is not None:
            self.average = self.average or WeightAverage(self.params, decay=None)
            self.average.load(saved.part("average"), updates=run["average_updates"])
        self.best.value, self.best.since = run["best"]["value"], run["best"]["since"]
        self.best.weights = {name: t.to(self.device) for name, t in saved.part("best").items()}
        if isinstance(self.model, Carries):
            carried = {name: self.processes.part(t) for name, t in saved.part("carried").items()}
            self.model.carry({name: t.to(self.device) for name, t in carried.items()})
        cpu, cuda = (saved.tensors.get(f"rng.{self.processes.name(kind)}") for kind in ("cpu", "cuda"))
        if cpu is not None:  # missing in a process that the run did not have before: it keeps its seed
            torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state(cuda, self.device)
        if run["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(run["scaler"])

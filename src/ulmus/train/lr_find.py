"""The learning-rate range test (Smith 2017, section 3.3): suggests a learning rate.

It trains for `steps` batches while the rate grows from low to high on a log scale, until the loss diverges. The
suggestion lies two thirds down the longest stretch on which the smoothed loss falls (the "valley" of fastai). Costs
`steps` training steps. Afterwards the model's weights, the position in the batches and the random state are restored.
Knows no model and no text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ulmus.errors import ConfigError
from ulmus.storage import whole_file
from ulmus.train.checkpoint import load_model, model_tensors
from ulmus.train.device import open_accelerator, resolve_device, resolve_precision
from ulmus.train.protocol import Batches, LoopConfig, Stage
from ulmus.train.schedules import Schedule
from ulmus.train.stage import StageRun
from ulmus.train.state import RunState

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LRFind", "lr_find"]

SMOOTH = 0.9  # decay of the smoothed loss per batch
EXPLODED = 4.0  # multiple of the best smoothed loss at which the test ends


@dataclass(frozen=True)
class LRFind:
    """The result of the range test."""

    lrs: list[float]  # of the top layer group, one per step
    losses: list[float]  # smoothed nll in nats, one per step
    suggestion: float  # learning rate: a peak for `Schedule`

    def figure(self) -> Figure:
        """The curve, with the suggestion marked."""
        from matplotlib.figure import Figure  # heavy: imported only when a plot is requested

        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        axes.plot(self.lrs, self.losses)
        axes.axvline(self.suggestion, linestyle="--", label=f"suggestion {self.suggestion:.1e}")
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss (smoothed)")
        axes.legend()
        return figure

    def plot(self, path: str | Path) -> Path:
        """Write `figure` as PNG. Raises StorageError when it cannot be written."""
        with whole_file(path) as file:
            self.figure().savefig(file, format="png", dpi=120)
        return Path(path)


@dataclass(frozen=True)
class _Sweep(Schedule):
    """From `low` to `peak` on a log scale."""

    low: float = 1e-7

    def __call__(self, pct: float) -> float:
        return float(self.low * (self.peak / self.low) ** pct)


def lr_find(
    model: Any,
    batches: Batches,
    *,
    stage: Stage | None = None,
    steps: int = 100,
    span: tuple[float, float] = (1e-7, 10.0),
    config: LoopConfig | None = None,
) -> LRFind:
    """Range test of a Trainable; `stage` sets which groups are frozen and their rates (its schedule is not used).

    Raises ConfigError for a span that does not grow, fewer than 10 steps, or a loss that is never finite.
    """
    low, high = span
    if not 0 < low < high or steps < 10:
        raise ConfigError(f"lr_find: expected 0 < low < high and at least 10 steps, got {span}, {steps}.")
    config = replace(config or LoopConfig(), ema=None)
    device = resolve_device(config.device)
    accelerator = open_accelerator(device, resolve_precision(config.precision, device))
    model.to(accelerator.device)
    state = RunState(replace(stage or Stage("lr_find"), schedule=_Sweep("constant", high, low=low)), 0, 1)
    frozen = [(p, p.requires_grad) for p in model.parameters()]
    weights = {name: t.detach().clone() for name, t in model_tensors(model).items()}
    position, was_training = batches.state_dict(), model.training
    try:
        with torch.random.fork_rng([device.index or 0] if device.type == "cuda" else []):
            torch.manual_seed(config.seed)
            run = StageRun(model, state, train=batches, valid=None, config=config, accelerator=accelerator)
            lrs, losses = _sweep(run, steps)
    finally:
        load_model(model, weights)
        for parameter, trains in frozen:
            parameter.requires_grad_(trains)
            parameter.grad = None
        batches.load_state_dict(position)
        model.train(was_training)
        model.reset()
    return LRFind(lrs, losses, suggest(lrs, losses))


def _sweep(run: StageRun, steps: int) -> tuple[list[float], list[float]]:
    """Rates and smoothed losses, one each per step, until the loss diverges."""
    state = run.state
    lrs: list[float] = []
    losses: list[float] = []
    smooth, before = 0.0, 0.0
    run.model.train()
    for k, batch in zip(range(steps), _endless(run), strict=False):
        state.pct = k / (steps - 1)
        run.step(batch)
        after = float(state.nll_sum)
        smooth = SMOOTH * smooth + (1 - SMOOTH) * (after - before) / (state.count or 1)
        before, state.count = after, 0
        loss = smooth / (1 - SMOOTH ** (k + 1))
        if not loss <= EXPLODED * min(losses, default=loss):  # also true for NaN
            break
        lrs.append(state.lr)
        losses.append(loss)
    return lrs, losses


def _endless(run: StageRun) -> Iterator[Any]:
    epoch = 0
    while True:
        run.train.set_epoch(epoch)
        run.model.reset()
        yield from run.train
        epoch += 1


def suggest(lrs: list[float], losses: list[float]) -> float:
    """A rate two thirds down the longest falling subsequence of the losses; the lowest rate if none falls.

    Raises ConfigError when there are no losses.
    """
    if not lrs:
        raise ConfigError("lr_find: the loss is not finite even at the lowest rate. Check the data.")
    length, before = [1] * len(losses), [-1] * len(losses)
    for i in range(len(losses)):
        for j in range(i):
            if losses[j] > losses[i] and length[j] + 1 > length[i]:
                length[i], before[i] = length[j] + 1, j
    end = max(range(len(losses)), key=length.__getitem__)
    chain = [end]
    while before[chain[-1]] >= 0:
        chain.append(before[chain[-1]])
    chain.reverse()
    return lrs[chain[(2 * (len(chain) - 1)) // 3]]

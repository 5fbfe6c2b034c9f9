"""The interfaces of the models and batches that the loop trains with, and its two frozen configs.

The loop can train a model that has `layer_groups`, `reset` and a call that returns a `Step`; batches are anything that
can be iterated in epochs and can save its position. Knows no model, no text, no ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn

from ulmus.config import check_seed
from ulmus.errors import ConfigError
from ulmus.train.schedules import Schedule

__all__ = ["OPTIMIZERS", "Batches", "Carries", "LoopConfig", "Stage", "Step", "Trainable"]

OPTIMIZERS = ("adamw", "sgd")


class Step(NamedTuple):
    """The result of one call of the model on one batch."""

    loss: Tensor  # () minimised: with regularisation, class weights, soft labels
    nll: Tensor  # () reported: detached mean over `count` in nats, without regularisation
    count: int  # type: ignore[assignment]  # hides tuple.count; tokens or documents: the weight of nll
    output: Tensor | None = None  # (B, C) logits or probabilities, for callers that collect them
    target: Tensor | None = None  # (B,) or (B, C)
    weight: Tensor | None = None  # () what `loss` is a mean over, if that is not `count`: a sum of weights


class Trainable(Protocol):
    """A model that the loop can train: an nn.Module with layer groups, a reset and its own loss."""

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """All parameters, lowest layers first; the unit of freezing and of learning rates."""

    def reset(self) -> None:
        """Forget the state carried from batch to batch (called at the start of each epoch and evaluation)."""

    def __call__(self, batch: Any) -> Step:
        """Loss of one batch, whose arrays are tensors on the model's device."""


@runtime_checkable
class Carries(Protocol):
    """A model that carries state from batch to batch exposes it here, so that resuming within an epoch is exact.

    Under torchrun the tensors have one row per row of the batch.
    """

    def carried(self) -> dict[str, Tensor]:
        """The carried tensors, of any shape, by name; empty after reset()."""

    def carry(self, tensors: dict[str, Tensor]) -> None:
        """Restore the tensors of `carried`, of any shape."""


class Batches(Protocol):
    """One epoch of batches per iteration: tuples (or dataclasses) of numpy arrays.

    A random-BPTT iterator also has `bptt`, the reference length: the rate of a batch is scaled by T / bptt, with T the
    length of the batch's first array, as in Merity et al. 2017, section 5. An optional `settings()` returns, as plain
    JSON, all that the position depends on: a checkpoint with other settings is refused. Under torchrun every process
    has the same batches, of arrays with one row per example: the loop takes the rows of its process.
    """

    epoch: int  # last argument of `set_epoch`, 0 at first

    def __len__(self) -> int:
        """Number of batches of this epoch."""

    def __iter__(self) -> Iterator[Any]:
        """The batches of this epoch, or those after a position just loaded."""

    def set_epoch(self, epoch: int, /) -> None:
        """Go to the start of `epoch`, with an order of its own."""

    def state_dict(self) -> dict[str, Any]:
        """The position after the last batch yielded, as plain JSON."""

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Go to a saved position."""


@dataclass(frozen=True)
class Stage:
    """One part of a recipe: starts with a new optimizer, ends after `epochs` or `minutes`, whichever comes first.

    With `minutes` the schedule follows the clock when that is ahead of the steps, so it always runs to its end;
    evaluations count towards the budget, and those between epochs are skipped if they would take more than 10% of it.
    With `decay_steps` the stage ends that many steps after the current one (a checkpoint or the beginning), whatever
    its schedule: the rate falls to 0 over them (Hägele et al. 2024). Raises ConfigError for a value out of range.
    """

    name: str
    epochs: int = 1
    schedule: Schedule = field(default_factory=Schedule)
    unfreeze: int | None = None  # number of top layer groups that train; None = all
    factor: float = 2.6  # each lower group trains at 1/factor of the rate above it (Howard & Ruder 2018, 3.2)
    weight_decay: float = 0.01  # decoupled, on matrices only
    minutes: float | None = None  # of wall-clock time, evaluations included; None = no time budget
    decay_steps: int | None = None  # optimizer steps

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError(f"stage {self.name!r}: epochs must be at least 1, got {self.epochs}.")
        if self.minutes is not None and not self.minutes > 0:
            raise ConfigError(f"stage {self.name!r}: minutes must be above 0, got {self.minutes}.")
        if self.decay_steps is not None and self.decay_steps < 1:
            raise ConfigError(f"stage {self.name!r}: decay_steps must be at least 1, got {self.decay_steps}.")
        if not self.factor > 0:
            raise ConfigError(f"stage {self.name!r}: factor must be above 0, got {self.factor}.")


@dataclass(frozen=True)
class LoopConfig:
    """Settings of the loop, independent of the model. Raises ConfigError for a value out of range."""

    # stage k is seeded with 1000 * seed + k if its batches start at epoch 0; the caller's random state is unchanged
    seed: int = 0
    device: str = "auto"  # auto | cpu | cuda
    precision: str = "float32"  # auto | float32 | bf16 | fp16 (fp16 on cuda only)
    clip: float | None = None  # largest norm of the gradient; None = no clipping
    optimizer: str = "adamw"  # adamw | sgd
    ema: float | None = (
        None  # decay of a running average of the weights, which replaces them at the end of a stage
    )
    # average the weights from the first evaluation on whose loss exceeds the best of those more than this many before
    nt_asgd: int | None = None
    keep_best: bool = False  # a stage ends with the weights of its best evaluation
    patience: int | None = None  # a stage ends after this many evaluations in a row without improvement
    monitor: str = "loss"  # column of the history that decides which evaluation is best
    higher_is_better: bool = False  # of `monitor`
    checkpoint_every_s: float = (
        60.0  # seconds between checkpoints, at least: writing takes at most about 2% of the time
    )
    keep_checkpoint: bool = True  # False = remove the checkpoint file when all stages are done

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.clip is not None and not self.clip > 0:
            raise ConfigError(f"clip: expected a norm above 0 or None, got {self.clip}.")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ConfigError(f"ema: expected a decay between 0 and 1, got {self.ema}.")
        if self.nt_asgd is not None and (self.nt_asgd < 0 or self.ema):
            raise ConfigError(f"nt_asgd: expected a number of at least 0, without ema, got {self.nt_asgd}.")
        if self.optimizer not in OPTIMIZERS:
            raise ConfigError(f"optimizer: expected {' or '.join(OPTIMIZERS)}, got {self.optimizer!r}.")
        if self.patience is not None and self.patience < 1:
            raise ConfigError(f"patience: expected at least 1 evaluation, got {self.patience}.")

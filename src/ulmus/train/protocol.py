"""What the loop asks of a model and of batches, and the two frozen configs that say what to do with them.

A model that has `layer_groups`, `reset` and a call that returns a `Step` can be trained by THE loop; batches
are anything that can be iterated in epochs and can save its position. Knows no model, no text, no ids.
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
    """What one call of the model on one batch returns."""

    loss: Tensor  # () what is minimised: with regularisation, class weights, soft labels
    nll: Tensor  # () detached mean over `count`, without regularisation: what is reported
    count: int  # type: ignore[assignment]  # hides tuple.count; tokens or documents: the weight of nll
    output: Tensor | None = None  # (B, C) logits or probabilities, where someone wants them collected
    target: Tensor | None = None  # (B,) or (B, C)


class Trainable(Protocol):
    """A model the loop can train: an nn.Module with layer groups, a reset and a loss of its own."""

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Every parameter, lowest layers first; the unit of freezing and of learning rates."""

    def reset(self) -> None:
        """Forget the state carried from batch to batch (called at the start of each epoch and evaluation)."""

    def __call__(self, batch: Any) -> Step:
        """Loss of one batch, whose arrays have become tensors on the model's device."""


@runtime_checkable
class Carries(Protocol):
    """A model with state carried from batch to batch offers it here, so that resuming mid-epoch is exact."""

    def carried(self) -> dict[str, Tensor]:
        """The carried tensors by name; empty after reset()."""

    def carry(self, tensors: dict[str, Tensor]) -> None:
        """Put back what carried() gave."""


class Batches(Protocol):
    """One epoch of batches per iteration: tuples (or dataclasses) of numpy arrays.

    A random-bptt iterator also has `bptt` (reference length): the rate of a batch is scaled by T / bptt, T
    the length of the batch's first array, as in Merity et al. 2017, section 5. `settings()`, if there is one,
    says as plain JSON what the position depends on: a checkpoint with other settings is refused. Under
    torchrun every process is given batches of its own share of the data.
    """

    epoch: int  # what `set_epoch` was last told, 0 at first

    def __len__(self) -> int:
        """Batches of this epoch."""

    def __iter__(self) -> Iterator[Any]:
        """The batches of this epoch, or those behind a position just loaded."""

    def set_epoch(self, epoch: int, /) -> None:
        """Go to the start of `epoch`: shuffle anew."""

    def state_dict(self) -> dict[str, Any]:
        """The position behind the last batch given out, as plain JSON."""

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Go to a saved position."""


@dataclass(frozen=True)
class Stage:
    """One part of a recipe: begins with a new optimizer, ends after `epochs` or `minutes`, what is first.

    With `minutes` the schedule follows the clock where that is ahead of the steps, so it always runs to its
    end; evaluations are inside the budget, and skipped between epochs where they would take over 10% of it.
    With `decay_steps` it ends so many steps from where it is now, a checkpoint or its beginning, whatever its schedule:
    the rate falls to nothing over them (Hägele et al. 2024).
    """

    name: str
    epochs: int = 1
    schedule: Schedule = field(default_factory=Schedule)
    unfreeze: int | None = None  # top n layer groups train; None = all
    factor: float = 2.6  # each lower group trains at 1/factor of the rate above it (Howard & Ruder 2018, 3.2)
    weight_decay: float = 0.01  # decoupled, on matrices only
    minutes: float | None = None  # wall clock, training and evaluation; None = epochs alone decide
    decay_steps: int | None = None  # optimizer steps

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError(f"stage {self.name!r}: epochs must be at least 1, got {self.epochs}")
        if self.minutes is not None and not self.minutes > 0:
            raise ConfigError(f"stage {self.name!r}: minutes must be above 0, got {self.minutes}")
        if self.decay_steps is not None and self.decay_steps < 1:
            raise ConfigError(f"stage {self.name!r}: decay_steps must be at least 1, got {self.decay_steps}")
        if not self.factor > 0:
            raise ConfigError(f"stage {self.name!r}: factor must be above 0, got {self.factor}")


@dataclass(frozen=True)
class LoopConfig:
    """How the loop runs, whatever it trains."""

    # stage k draws from 1000 * seed + k where its batches stand at epoch 0; the caller's random state stays as it was
    seed: int = 0
    device: str = "auto"  # auto | cpu | cuda
    precision: str = "float32"  # auto | float32 | bf16 | fp16 (fp16 on cuda only)
    clip: float | None = None  # largest norm of the gradient; None = not clipped
    optimizer: str = "adamw"  # adamw | sgd
    ema: float | None = None  # decay of a running average of the weights, which a stage then ends with
    nt_asgd: int | None = None  # average all weights since a loss above that of so many evaluations before
    keep_best: bool = False  # a stage ends with the weights of its best evaluation
    patience: int | None = None  # a stage ends after this many evaluations in a row that were no better
    monitor: str = "loss"  # column of the history that says what is best
    higher_is_better: bool = False  # of `monitor`
    checkpoint_every_s: float = 60.0  # at most; writing never takes more than about 2% of the time
    keep_checkpoint: bool = True  # False = remove the checkpoint file when all stages are done

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.clip is not None and not self.clip > 0:
            raise ConfigError(f"clip: expected a norm above 0 or nothing, got {self.clip}")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ConfigError(f"ema: expected a decay between 0 and 1, got {self.ema}")
        if self.nt_asgd is not None and (self.nt_asgd < 0 or self.ema):
            raise ConfigError(f"nt_asgd: expected a number from 0, and no ema beside it, got {self.nt_asgd}")
        if self.optimizer not in OPTIMIZERS:
            raise ConfigError(f"optimizer: expected {' or '.join(OPTIMIZERS)}, got {self.optimizer!r}")
        if self.patience is not None and self.patience < 1:
            raise ConfigError(f"patience: expected at least 1 evaluation, got {self.patience}")

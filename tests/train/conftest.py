"""A tiny model with a carried state, and batches of random numbers whose position can be saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ulmus.train.protocol import Step


class TinyModel(nn.Module):
    """Three layers, dropout, batch norm, tied weights' names, and a hidden state that goes from batch to batch."""

    def __init__(self, inputs: int = 4, hidden: int = 8, classes: int = 3) -> None:
        super().__init__()
        self.low, self.middle, self.top = (
            nn.Linear(inputs, hidden),
            nn.Linear(hidden, hidden),
            nn.Linear(hidden, classes),
        )
        self.norm, self.drop = nn.BatchNorm1d(hidden), nn.Dropout(0.2)
        self.alias = self.low  # the same weights under a second name, as a tied decoder has
        self.hidden: Tensor | None = None
        self.resets = 0
        self.autocast: list[bool] = []

    def forward(self, batch: tuple[Tensor, Tensor]) -> Step:
        """Classify (B, 4) numbers; y (B,) are the classes."""
        x, y = batch  # (B, 4), (B,)
        self.autocast.append(torch.is_autocast_enabled("cpu"))
        h = torch.tanh(self.low(x))
        h = h if self.hidden is None else h + 0.1 * self.hidden.mean(0)
        self.hidden = h.detach()
        h = self.drop(self.norm(torch.relu(self.middle(h))))
        logits = self.top(h).float()
        nll = nn.functional.cross_entropy(logits, y)
        return Step(nll + 0.01 * logits.square().mean(), nll.detach(), len(y), logits, y)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Low, middle, top."""
        groups = ([self.low], [self.middle, self.norm], [self.top])
        return [[p for module in group for p in module.parameters()] for group in groups]

    def reset(self) -> None:
        """Forget the hidden state."""
        self.hidden = None
        self.resets += 1

    def carried(self) -> dict[str, Tensor]:
        """The hidden state by name."""
        return {} if self.hidden is None else {"hidden": self.hidden}

    def carry(self, tensors: dict[str, Tensor]) -> None:
        """Put it back."""
        self.hidden = tensors.get("hidden")


@dataclass
class TinyBatches:
    """`n` batches of `size` points (4 numbers, the class is the largest of three), reshuffled each epoch."""

    n: int = 10
    size: int = 8
    seed: int = 0
    epochs: list[int] = field(default_factory=list)  # what set_epoch was told
    epoch: int = 0
    start: int = 0
    done: int = 0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.x = rng.normal(size=(self.n * self.size, 4)).astype(np.float32)
        self.y = self.x[:, :3].argmax(1)

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        order = (
            np.random.default_rng([self.seed, self.epoch]).permutation(len(self.x)).reshape(self.n, self.size)
        )
        start, self.start = self.start, 0
        for k in range(start, self.n):
            self.done = k + 1
            yield self.x[order[k]], self.y[order[k]]

    def set_epoch(self, epoch: int) -> None:
        """Shuffle anew, from the start."""
        self.epochs.append(epoch)
        self.epoch, self.start, self.done = epoch, 0, 0

    def state_dict(self) -> dict[str, Any]:
        """How many batches were given out."""
        return {"epoch": self.epoch, "done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on behind them."""
        self.epoch, self.start, self.done = state["epoch"], state["done"], state["done"]

    def settings(self) -> dict[str, Any]:
        """What the order depends on."""
        return {"n": self.n, "size": self.size, "seed": self.seed}


def _new_model(seed: int = 0) -> TinyModel:
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return TinyModel()


@pytest.fixture(scope="session")
def new_model() -> Callable[..., TinyModel]:
    """`new_model(seed)`: always the same weights for the same seed."""
    return _new_model


@pytest.fixture(scope="session")
def new_batches() -> Callable[..., TinyBatches]:
    """`new_batches(n, size=..., seed=...)`."""
    return TinyBatches


@pytest.fixture(scope="session")
def weights() -> Callable[[nn.Module], dict[str, Tensor]]:
    """A copy of a model's weights and buffers, for comparing."""
    return lambda model: {name: t.detach().clone() for name, t in model.state_dict().items()}


@pytest.fixture(scope="session")
def same() -> Callable[..., bool]:
    """True when two copies of weights are equal to the last bit."""
    return lambda a, b: a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny tensors: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

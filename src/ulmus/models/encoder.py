"""What an encoder is to everything above it: ids in, outputs of its layers out, a state carried from chunk to chunk.

`Encoder` is the interface that classifiers, language models, probes and model files name; `encoders` makes one.
Axes: B batch, T time, E embedding, D hidden, L layers, F features of a document, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn

from ulmus.config import check_range
from ulmus.errors import ConfigError

__all__ = ["CELLS", "Dropouts", "Encoded", "Encoder", "EncoderConfig", "State", "detach"]

State = list[
    tuple[Tensor, Tensor]
]  # L x (hidden (B, D), cell (B, D)); QRNN: (last input (B, E), cell (B, D))
CELLS = ("lstm", "qrnn")


@dataclass(frozen=True)
class Dropouts:
    """The five dropouts; `mult` scales them all. The defaults are those published for the language model."""

    input: float = 0.25  # features of the embedded words
    hidden: float = 0.15  # features between the layers
    output: float = 0.1  # features of the last layer (language model) or of the head (classifier)
    embedding: float = 0.02  # whole words
    weight: float = 0.2  # recurrent matrices
    mult: float = 1.0

    def __post_init__(self) -> None:
        check_range(self, "input hidden output embedding weight", 0, 1)
        check_range(self, "mult", 0)

    def scaled(self, name: str) -> float:
        """The probability to use for `name`, at most 0.95."""
        return min(float(getattr(self, name)) * self.mult, 0.95)


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of the encoder. `base` is the published one: 400 / 1150 / 3."""

    vocab_size: int
    embedding: int = 400  # E: width of embeddings and of the last layer
    hidden: int = 1150  # D: width of the other layers
    layers: int = 3  # L
    cell: str = "lstm"  # or "qrnn": cheaper layers, of which a few more are wanted

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise ConfigError(f"cell: expected one of {', '.join(CELLS)}, got {self.cell!r}.")

    def widths(self) -> list[int]:
        """Output width of each layer."""
        return [self.hidden] * (self.layers - 1) + [self.embedding]

    def pooled(self) -> int:
        """F, the features of a document: the last output of the top layer, maximum and mean of every layer."""
        return self.embedding + 2 * sum(self.widths())


class Encoded(NamedTuple):
    """What the encoder gives for B x T tokens."""

    outputs: list[Tensor]  # (B, T, D) of each layer, after its dropout
    raw: Tensor  # (B, T, E) last layer, before it
    state: State

    @property
    def output(self) -> Tensor:
        """(B, T, E) of the last layer, after its dropout."""
        return self.outputs[-1]


class Encoder(Protocol):
    """A module that encodes ids, chunk after chunk. Its weights are what a language model and a classifier share."""

    config: EncoderConfig
    embedding: nn.Parameter  # (V, E)

    def __call__(self, ids: Tensor, state: State | None = None) -> Encoded:
        """Encode `ids` (B, T), going on from `state`. Gradients flow into `state` where it has any."""

    def initial_state(self, batch: int) -> State:
        """The state of `batch` sequences of which nothing was seen yet."""

    def one_draw(self) -> AbstractContextManager[None]:
        """Inside the block all calls have the same dropped weights: those of one batch."""

    def set_dropouts(self, dropouts: Dropouts) -> None:
        """Change all dropouts; the same weights serve language model and classifier."""

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Parameters from the bottom up, for gradual unfreezing and discriminative learning rates."""

    def weights_per_token(self) -> int:
        """How many weights a token is multiplied with: what a forward pass costs."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All parameters."""

    def to(self, device: Any) -> Any:
        """The encoder, moved to a device."""


def detach(state: State) -> State:
    """The same numbers without their history: truncated back-propagation through time."""
    return [(h.detach(), c.detach()) for h, c in state]

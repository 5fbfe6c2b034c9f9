"""The interface of an encoder: documents in, features out; recurrent ones also carry a state from chunk to chunk.

Classifiers, taggers, probes and model files depend on `Encoder` alone, language models on `RecurrentEncoder`;
`encoders` builds one from a config.
Axes: B batch, T time, E embedding, D hidden, L layers, F features of a document, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor, nn

from ulmus.config import check_range
from ulmus.errors import ConfigError

__all__ = [
    "CELLS", "Dropouts", "Encoded", "Encoder", "EncoderConfig", "EncoderInference", "EncoderShape", "RecurrentEncoder",
    "State", "detach",
]  # fmt: skip

# L x (hidden (B, D), cell (B, D)); QRNN: (last input (B, E), cell (B, D))
State = list[tuple[Tensor, Tensor]]
CELLS = ("lstm", "qrnn")


@dataclass(frozen=True)
class Dropouts:
    """The five dropout probabilities; `mult` scales them all. The defaults are those published for the language model.

    Raises ConfigError for a probability outside 0..1 or a negative `mult`.
    """

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
        """The probability of the dropout `name` times `mult`, at most 0.95."""
        return min(float(getattr(self, name)) * self.mult, 0.95)


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of the encoder; the defaults are as published: 400 / 1150 / 3. Raises ConfigError for another cell."""

    vocab_size: int
    embedding: int = 400  # E: width of embeddings and of the last layer
    hidden: int = 1150  # D: width of the other layers
    layers: int = 3  # L
    cell: str = "lstm"  # or "qrnn": its layers are cheaper, but the same quality needs a few more of them

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise ConfigError(f"cell: expected one of {', '.join(CELLS)}, got {self.cell!r}.")

    @property
    def joint_pairs(self) -> bool:
        """Whether the encoder takes the two texts of a pair as one document; if not, they are encoded one by one."""
        return False

    def windows(self, lengths: np.ndarray) -> np.ndarray:
        """Windows (N,) that documents of `lengths` (N,) are encoded in: one each, a state is carried through them."""
        return np.ones_like(lengths)

    def widths(self) -> list[int]:
        """Output width of each layer."""
        return [self.hidden] * (self.layers - 1) + [self.embedding]

    def pooled(self) -> int:
        """F, the number of features of a document: the top layer's last output, and each layer's maximum and mean."""
        return self.embedding + 2 * sum(self.widths())

    def token_width(self) -> int:
        """D, the number of features of a token: those of all layers."""
        return sum(self.widths())


class Encoded(NamedTuple):
    """The encoder's results for B x T tokens."""

    outputs: list[Tensor]  # (B, T, D) of each layer, after its dropout
    raw: Tensor  # (B, T, E) of the last layer, before its dropout
    state: State  # after the last token

    @property
    def output(self) -> Tensor:
        """(B, T, E) of the last layer, after its dropout."""
        return self.outputs[-1]


class EncoderShape(Protocol):
    """What is known of an encoder without its weights."""

    @property
    def joint_pairs(self) -> bool:
        """Whether it takes the two texts of a pair as one document; if not, they are encoded one by one."""

    def windows(self, lengths: np.ndarray) -> np.ndarray:
        """The number of windows (N,) in which documents of `lengths` (N,) are encoded."""

    def pooled(self) -> int:
        """F, the number of features of a document."""

    def token_width(self) -> int:
        """D, the number of features of a token."""


class Encoder(Protocol):
    """A module that turns documents into features, of any architecture."""

    @property
    def config(self) -> EncoderShape:
        """Its shape."""

    def features(self, ids: Tensor, lengths: Tensor, *, max_len: int) -> Tensor:
        """Features (B, F) float32 of documents `ids` (B, T) of `lengths` (B,), without padding.

        Recurrent encoders propagate gradients to the last `max_len` tokens of a document.
        """

    def token_features(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Features (B, T, D) float32 of each token of documents `ids` (B, T) of `lengths` (B,)."""

    @property
    def steady_bf16(self) -> bool:
        """Whether bf16 inference, too, gives a document the same features alone and in any batch."""

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Parameters from the bottom up, for gradual unfreezing and discriminative learning rates."""

    def weights_per_token(self) -> int:
        """Number of weights that each token is multiplied by: the cost of a forward pass."""

    def set_dropouts(self, dropouts: Dropouts) -> None:
        """Change the dropouts, for the classifier; a transformer keeps those of its config."""

    def restore_buffers(self) -> None:
        """Compute the buffers that no file holds, after weights were loaded on the meta device."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All parameters."""

    def to(self, device: Any) -> Any:
        """The encoder, moved to a device."""


class EncoderInference(Protocol):
    """An encoder with fixed weights, for inference on a CPU."""

    def features(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Features (B, F) float32 of documents `ids` (B, T) of `lengths` (B,), the same alone and in any batch."""


class RecurrentEncoder(Encoder, Protocol):
    """An encoder that processes ids chunk by chunk and carries a state: the encoder of a language model."""

    @property
    def config(self) -> EncoderConfig:
        """Its shape."""

    embedding: nn.Parameter  # (V, E)

    def __call__(self, ids: Tensor, state: State | None = None) -> Encoded:
        """Encode `ids` (B, T), starting from `state`. Gradients flow back into `state` if it requires them."""

    def initial_state(self, batch: int) -> State:
        """The state of `batch` sequences before their first token."""

    def one_draw(self) -> AbstractContextManager[None]:
        """Inside the block all calls share one DropConnect mask: for several calls on the same batch."""


def detach(state: State) -> State:
    """The same state without its gradient history, for truncated back-propagation through time."""
    return [(h.detach(), c.detach()) for h, c in state]

"""The interface of an encoder: ids in, outputs of its layers out, a state carried from chunk to chunk.

Classifiers, language models, probes and model files depend on `Encoder` alone; `encoders` builds one from a config.
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

    def widths(self) -> list[int]:
        """Output width of each layer."""
        return [self.hidden] * (self.layers - 1) + [self.embedding]

    def pooled(self) -> int:
        """F, the number of features of a document: the top layer's last output, and each layer's maximum and mean."""
        return self.embedding + 2 * sum(self.widths())


class Encoded(NamedTuple):
    """The encoder's results for B x T tokens."""

    outputs: list[Tensor]  # (B, T, D) of each layer, after its dropout
    raw: Tensor  # (B, T, E) of the last layer, before its dropout
    state: State  # after the last token

    @property
    def output(self) -> Tensor:
        """(B, T, E) of the last layer, after its dropout."""
        return self.outputs[-1]


class Encoder(Protocol):
    """A module that encodes ids chunk by chunk. A language model and a classifier share its weights."""

    config: EncoderConfig
    embedding: nn.Parameter  # (V, E)

    def __call__(self, ids: Tensor, state: State | None = None) -> Encoded:
        """Encode `ids` (B, T), starting from `state`. Gradients flow back into `state` if it requires them."""

    def initial_state(self, batch: int) -> State:
        """The state of `batch` sequences before their first token."""

    def one_draw(self) -> AbstractContextManager[None]:
        """Inside the block all calls share one DropConnect mask: for several calls on the same batch."""

    def set_dropouts(self, dropouts: Dropouts) -> None:
        """Change all five dropouts; the same weights serve the language model and the classifier."""

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Parameters from the bottom up, for gradual unfreezing and discriminative learning rates."""

    def weights_per_token(self) -> int:
        """Number of weights that each token is multiplied by: the cost of a forward pass."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All parameters."""

    def to(self, device: Any) -> Any:
        """The encoder, moved to a device."""


def detach(state: State) -> State:
    """The same state without its gradient history, for truncated back-propagation through time."""
    return [(h.detach(), c.detach()) for h, c in state]

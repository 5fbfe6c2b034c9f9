"""The recurrent encoder: token ids -> one vector per token, with its state passed in and handed back.

Embedding -> L LSTM (or QRNN) layers; the last one has the embedding's width, so that the decoder can share its matrix.
Under bf16 autocast the matrices of a layer are cast once per call; master weights stay float32. Knows no text, no loss.
Source: Merity et al. 2017, "Regularizing and Optimizing LSTM Language Models", sections 2-5.
Axes: B batch, T time, E embedding, D hidden, L layers, V vocabulary.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ulmus.config import check_range
from ulmus.errors import ConfigError
from ulmus.models.dropout import VariationalDropout, embedding_dropout
from ulmus.models.lstm import LSTMLayer
from ulmus.models.qrnn import QRNNLayer

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


LM_DROPOUTS = Dropouts()


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


class AWDLSTM(nn.Module):
    """The AWD-LSTM encoder of Merity et al. 2017.

    >>> encoder = AWDLSTM(EncoderConfig(vocab_size=100, embedding=8, hidden=16, layers=2))
    >>> encoder(torch.zeros(4, 7, dtype=torch.long)).output.shape
    torch.Size([4, 7, 8])
    """

    def __init__(self, config: EncoderConfig, dropouts: Dropouts = LM_DROPOUTS) -> None:
        super().__init__()
        self.config = config
        widths = config.widths()
        self.embedding = nn.Parameter(torch.empty(config.vocab_size, config.embedding).uniform_(-0.1, 0.1))
        inputs = [config.embedding, *widths[:-1]]
        self.layers = nn.ModuleList(
            LSTMLayer(wide, width) if config.cell == "lstm" else QRNNLayer(wide, width, window=1 + (k == 0))
            for k, (wide, width) in enumerate(zip(inputs, widths, strict=True))
        )
        self.between = nn.ModuleList(VariationalDropout() for _ in range(config.layers + 1))
        self.set_dropouts(dropouts)

    def set_dropouts(self, dropouts: Dropouts) -> None:
        """Changes all five dropouts; the same weights serve the language model and the classifier."""
        self.dropouts = dropouts
        names = ["input"] + ["hidden"] * (self.config.layers - 1) + ["output"]
        for module, name in zip(self.between, names, strict=True):
            if isinstance(module, VariationalDropout):
                module.p = dropouts.scaled(name)
        for layer in self.layers:
            if isinstance(layer, LSTMLayer | QRNNLayer):
                layer.weight_p = dropouts.scaled("weight")

    def state_widths(self) -> list[tuple[int, int]]:
        """Widths of the two parts of each layer's state."""
        layers = [layer for layer in self.layers if isinstance(layer, LSTMLayer | QRNNLayer)]
        return [layer.state_widths() for layer in layers]

    def initial_state(self, batch: int) -> State:
        """A state of zeros for `batch` sequences."""
        zeros = self.embedding.new_zeros
        return [(zeros(batch, wide), zeros(batch, width)) for wide, width in self.state_widths()]

    def forward(self, ids: Tensor, state: State | None = None) -> Encoded:
        """Reads `ids` (B, T) on from `state` (zeros if none). Gradients flow into `state` where it has any."""
        state = self.initial_state(ids.shape[0]) if state is None else state
        x = embedding_dropout(self.embedding, ids, self.dropouts.scaled("embedding"), self.training)
        x = self.between[0](x)
        new: State = []
        outputs: list[Tensor] = []
        for layer, drop, carried in zip(self.layers, self.between[1:], state, strict=True):
            raw, last = layer(x, carried)
            new.append(last)
            x = drop(raw)
            outputs.append(x)
        return Encoded(outputs, raw, new)

    @contextmanager
    def one_draw(self) -> Iterator[None]:
        """Inside the block all calls have the same dropped recurrent weights: those of one batch."""
        with ExitStack() as stack:
            for layer in self.layers:
                if isinstance(layer, LSTMLayer):
                    stack.enter_context(layer.one_draw())
            yield

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Embedding first, then one group per LSTM layer."""
        return [[self.embedding], *(list(layer.parameters()) for layer in self.layers)]


def detach(state: State) -> State:
    """The same numbers without their history: truncated back-propagation through time."""
    return [(h.detach(), c.detach()) for h, c in state]

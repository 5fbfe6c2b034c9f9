"""The recurrent encoder: token ids -> one vector per token; the caller passes the state in and receives the next one.

Embedding -> L LSTM (or QRNN) layers; the last one has the embedding's width, so that the decoder can share its matrix.
Under bf16 autocast the matrices of a layer are cast once per call; master weights stay float32. Knows no text, no loss.
Source: Merity et al. 2017, "Regularizing and Optimizing LSTM Language Models", sections 2-5.
Axes: B batch, T time, E embedding, D hidden, L layers, V vocabulary.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from ulmus.models.document import document_features, token_features
from ulmus.models.dropout import VariationalDropout, embedding_dropout
from ulmus.models.encoder import Dropouts, Encoded, EncoderConfig, State
from ulmus.models.lstm import LSTMLayer
from ulmus.models.qrnn import QRNNLayer
from ulmus.models.recurrent import RecurrentLayer

LM_DROPOUTS = Dropouts()


class AWDLSTM(nn.Module):
    """The AWD-LSTM encoder of Merity et al. 2017.

    >>> encoder = AWDLSTM(EncoderConfig(vocab_size=100, embedding=8, hidden=16, layers=2))
    >>> encoder(torch.zeros(4, 7, dtype=torch.long)).output.shape
    torch.Size([4, 7, 8])
    """

    steady_bf16 = True

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
        """Change all five dropouts; the same weights serve the language model and the classifier."""
        self.dropouts = dropouts
        names = ["input"] + ["hidden"] * (self.config.layers - 1) + ["output"]
        for module, name in zip(self.between, names, strict=True):
            cast(VariationalDropout, module).p = dropouts.scaled(name)
        for layer in self._recurrent():
            layer.weight_p = dropouts.scaled("weight")

    def state_widths(self) -> list[tuple[int, int]]:
        """Widths of the two parts of each layer's state."""
        return [layer.state_widths() for layer in self._recurrent()]

    def _recurrent(self) -> list[RecurrentLayer]:
        return cast("list[RecurrentLayer]", list(self.layers))

    def weights_per_token(self) -> int:
        """Number of weights that each token is multiplied by: those of all layers."""
        return sum(p.numel() for p in self.layers.parameters())

    def restore_buffers(self) -> None:
        """It has none."""

    def initial_state(self, batch: int) -> State:
        """A state of zeros for `batch` sequences: L x ((B, wide), (B, D)), widths as in `state_widths`."""
        zeros = self.embedding.new_zeros
        return [(zeros(batch, wide), zeros(batch, width)) for wide, width in self.state_widths()]

    def forward(self, ids: Tensor, state: State | None = None) -> Encoded:
        """Encode `ids` (B, T), starting from `state` (default: zeros), into L outputs (B, T, D) and the next state.

        Gradients flow back into `state` if it requires them.
        """
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

    def features(self, ids: Tensor, lengths: Tensor, *, max_len: int) -> Tensor:
        """Concat-pooled features (B, F) of documents (B, T) of `lengths` (B,); see `document_features`."""
        return document_features(self, ids, lengths, max_len=max_len)

    def token_features(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Outputs (B, T, E) of the top layer for documents (B, T) of `lengths` (B,); zeros for padding."""
        return token_features(self, ids, lengths)

    @contextmanager
    def one_draw(self) -> Iterator[None]:
        """Inside the block all calls share one DropConnect mask: for several calls on the same batch."""
        with ExitStack() as stack:
            for layer in self._recurrent():
                stack.enter_context(layer.one_draw())
            yield

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """The embedding first, then one group per recurrent layer."""
        return [[self.embedding], *(list(layer.parameters()) for layer in self.layers)]

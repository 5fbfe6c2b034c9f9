"""Encoder and decoder behind the interface of the training loop: a batch of streams in, a `Step` out.

The network predicts the next token and carries its state from batch to batch. Knows no strings and no files.
Axes: B batch, T time, E embedding, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ulmus.models.encoder import RecurrentEncoder, State, detach
from ulmus.models.encoders import make_recurrent
from ulmus.models.heads import TiedDecoder
from ulmus.tasks.language_model.config import LMConfig
from ulmus.train.protocol import Step

__all__ = ["LMNetwork", "build"]


class LMNetwork(nn.Module):
    """Language model: `LMBatch(x, y)` (B, T) -> Step with the mean loss in nats per token.

    `alpha` and `beta` weigh activation and temporal-activation regularisation (Merity et al. 2017, section 4.6).
    """

    def __init__(
        self, encoder: RecurrentEncoder, decoder: TiedDecoder, *, alpha: float = 2.0, beta: float = 1.0
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.alpha, self.beta = alpha, beta
        self._state: State | None = None

    def forward(self, batch: tuple[Tensor, Tensor]) -> Step:
        """Loss of the batch `(x, y)`, both (B, T); the streams continue those of the batch before."""
        x, y = batch
        if self._state is not None and self._state[0][0].shape[0] != x.shape[0]:
            self._state = None
        encoded = self.encoder(x, self._state)
        self._state = detach(encoded.state)
        output, raw = encoded.output, encoded.raw
        nll = self.decoder.loss(output.flatten(0, 1), self.encoder.embedding, y.flatten())
        loss = nll
        if self.training and self.alpha:
            loss = loss + self.alpha * output.float().square().mean()
        if self.training and self.beta and x.shape[1] > 1:
            loss = loss + self.beta * (raw[:, 1:] - raw[:, :-1]).float().square().mean()
        return Step(loss, nll.detach(), y.numel())

    def reset(self) -> None:
        """Discard the carried state."""
        self._state = None

    def carried(self) -> dict[str, Tensor]:
        """The state of each layer as named tensors (B, width of the layer), for a checkpoint."""
        return {
            f"{k}.{name}": t
            for k, pair in enumerate(self._state or [])
            for name, t in zip("hc", pair, strict=True)
        }

    def carry(self, tensors: dict[str, Tensor]) -> None:
        """Restore the state that `carried` returned."""
        layers = range(len(tensors) // 2)
        self._state = [(tensors[f"{k}.h"], tensors[f"{k}.c"]) for k in layers] or None

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """LSTM layers from the bottom, then embedding and decoder: the rows of new words must train first."""
        embedding, *layers = self.encoder.layer_groups()
        return [*layers, [*embedding, *self.decoder.parameters()]]


def build(settings: LMConfig, vocab_size: int, *, seed: int | None = None) -> LMNetwork:
    """A network with random weights; a `seed` makes them reproducible and leaves torch's random state alone."""
    if seed is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build(settings, vocab_size)
    encoder = make_recurrent(settings.encoder(vocab_size), settings.dropouts)
    decoder = TiedDecoder(vocab_size, settings.embedding, settings.cutoffs)
    return LMNetwork(encoder, decoder, alpha=settings.alpha, beta=settings.beta)

"""Encoder and decoder wired into what the training loop asks for: a batch of streams in, a `Step` out.

It predicts the next token and carries its state from batch to batch. Knows no strings and no files.
Axes: B batch, T time, E embedding, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ulmus.models.encoder import Encoder, State, detach
from ulmus.models.encoders import make_encoder
from ulmus.models.heads import TiedDecoder
from ulmus.tasks.language_model.config import LMConfig
from ulmus.train.protocol import Step

__all__ = ["LMNetwork", "build"]


class LMNetwork(nn.Module):
    """Language model: `LMBatch(x, y)` (B, T) -> Step with the mean loss in nats a token.

    `alpha` and `beta` weigh activation and temporal-activation regularisation (Merity et al. 2017, section 4.6).
    """

    def __init__(
        self, encoder: Encoder, decoder: TiedDecoder, *, alpha: float = 2.0, beta: float = 1.0
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.alpha, self.beta = alpha, beta
        self._state: State | None = None

    def forward(self, batch: tuple[Tensor, Tensor]) -> Step:
        """Reads on from where the batch before ended."""
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
        """Forget what was read."""
        self._state = None

    def carried(self) -> dict[str, Tensor]:
        """The state as named tensors, for a checkpoint."""
        return {
            f"{k}.{name}": t
            for k, pair in enumerate(self._state or [])
            for name, t in zip("hc", pair, strict=True)
        }

    def carry(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `carried` gave."""
        layers = range(len(tensors) // 2)
        self._state = [(tensors[f"{k}.h"], tensors[f"{k}.c"]) for k in layers] or None

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """LSTM layers from the bottom, then embedding and decoder: new words' rows must train first of all."""
        embedding, *layers = self.encoder.layer_groups()
        return [*layers, [*embedding, *self.decoder.parameters()]]


def build(settings: LMConfig, vocab_size: int, *, seed: int | None = None) -> LMNetwork:
    """A network with random weights; with a `seed` always the same ones, and torch's random state is left alone."""
    if seed is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build(settings, vocab_size)
    encoder = make_encoder(settings.encoder(vocab_size), settings.dropouts)
    decoder = TiedDecoder(vocab_size, settings.embedding, settings.cutoffs)
    return LMNetwork(encoder, decoder, alpha=settings.alpha, beta=settings.beta)

"""An encoder laid out for reading: documents in, pooled features or next states out, no gradients, no dropout.

The matrices are packed once for all calls, in float32, bf16 or 8-bit numbers. Documents are read side by side, the
longest first, and a step multiplies only the rows of those that go on: padding costs nothing. A layer reads some
steps before the next one begins, so its matrix stays in the cache and memory does not grow with the length of a
document. States are float32 whatever the products are. A process that forks leaves its threads behind, and a child
that counted on them would wait for ever (pytorch#49555): children compute with one thread, unless they choose another
number before they predict for the first time. Knows no strings, no loss, no training.
Axes: N tokens of all documents (time first), B documents, T time, E embedding, D features of a layer, F of a document,
L layers.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ulmus.errors import ConfigError
from ulmus.models.awd_lstm import AWDLSTM
from ulmus.models.encoder import State
from ulmus.models.heads import Pooled, concat, start_pooling
from ulmus.models.inference_layers import ReadLSTM, ReadQRNN, RoundedLSTM, runs
from ulmus.models.lstm import LSTMLayer
from ulmus.models.matmul import Packed, Rounded

__all__ = ["PRECISIONS", "Reader"]

TOKENS = 4096  # that a layer reads before the next one begins, in at least `FEWEST` time steps
FEWEST = 16
ROWS = 64  # documents for which the matrices are laid out; fewer or more are read as well
PRECISIONS = ("float32", "bf16", "int8")

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


class Reader:
    """`AWDLSTM` -> reads tokens in float32, bf16 or int8 products.

    Raises ConfigError for another precision. Later changes of the encoder's weights are not seen.
    """

    def __init__(self, encoder: AWDLSTM, precision: str = "float32") -> None:
        if precision not in PRECISIONS:
            raise ConfigError(f"precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}")
        self._config = encoder.config
        self._widths = encoder.state_widths()
        self.embedding = encoder.embedding.detach().to(
            torch.bfloat16 if precision == "bf16" else torch.float32
        )
        self._layers = [_laid_out(encoder, k, precision) for k in range(len(encoder.layers))]

    @torch.inference_mode()
    def read(self, ids: Tensor, sizes: list[int], state: State) -> list[Tensor]:
        """Tokens (N,) of time 0, then of time 1, ... -> outputs (N, D) of each layer.

        At time t the first `sizes[t]` documents are read; sizes never grow. `state`, L x 2 x (B, D) float32, is moved
        on in place. Outputs of lower layers are as the next one takes them, with 8-bit products uint8.
        """
        bottom, *others = self._layers
        if isinstance(bottom, RoundedLSTM):  # what it makes of a word is the same wherever that stands
            words, at = torch.unique(ids, return_inverse=True)
            x = bottom.read(self._embedded(words), sizes, *state[0], at=at)
        else:
            x = bottom.read(self._embedded(ids), sizes, *state[0])
        outputs = [x]
        for layer, (h, c) in zip(others, state[1:], strict=True):
            outputs.append(layer.read(outputs[-1], sizes, h, c))
        return outputs

    def _embedded(self, ids: Tensor) -> Tensor:
        return torch.nn.functional.embedding(ids, self.embedding)

    def start(self, documents: int) -> State:
        """A state of zeros for so many documents."""
        zeros = partial(self.embedding.new_zeros, dtype=torch.float32)
        return [(zeros(documents, wide), zeros(documents, width)) for wide, width in self._widths]

    @torch.inference_mode()
    def features(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Concat pooling over the real tokens of documents (B, T) of `lengths` (B,) -> (B, F) float32."""
        order = lengths.argsort(descending=True, stable=True)
        ids, sorted_lengths = ids[order], lengths[order]
        state, pooled = self.start(len(ids)), start_pooling(len(ids), self._config.widths(), self.embedding)
        steps = max(FEWEST, TOKENS // max(len(ids), 1))
        for start in range(0, int(sorted_lengths[0]) if len(ids) else 0, steps):
            piece = ids[:, start : start + steps].t()  # (T', B)
            at = torch.arange(start, start + len(piece), device=ids.device)[:, None]
            real = at < sorted_lengths  # (T', B)
            sizes = [n for n in real.sum(dim=1).tolist() if n]
            for one, output in zip(pooled, self.read(piece[real], sizes, state), strict=True):
                _take_in(one, output, sizes)
        found = torch.empty(len(ids), self._config.pooled())
        found[order] = concat(pooled, sorted_lengths)
        return found


def _laid_out(encoder: AWDLSTM, k: int, precision: str) -> ReadLSTM | RoundedLSTM | ReadQRNN:
    """Layer k for reading."""
    layer: Any = encoder.layers[k]
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    if isinstance(layer, LSTMLayer):
        if precision == "int8":
            return RoundedLSTM(layer, ROWS, first=k == 0, last=k == len(encoder.layers) - 1)
        return ReadLSTM(layer, dtype)
    multiply = Rounded if precision == "int8" else Packed
    return ReadQRNN(layer, lambda weight: multiply(weight.to(dtype), ROWS))


def _take_in(pooled: Pooled, output: Tensor, sizes: list[int]) -> None:
    """Add `output` (N, D), as `Reader.read` gave it, to the pooling of the first documents, in place."""
    reading, end = sizes[0], 0
    for first, steps, n in runs(sizes):
        end = first + steps * n
        block = _floats(output[first:end]).view(steps, n, -1)  # (T', n, D)
        pooled.last[n:reading] = _floats(output[first - reading + n : first])  # these ended the step before
        pooled.max[:n] = torch.maximum(pooled.max[:n], block.amax(dim=0))
        pooled.sum[:n] += block.sum(dim=0)
        reading = n
    pooled.last[:reading] = _floats(output[end - reading : end])


def _floats(output: Tensor) -> Tensor:
    """Outputs of a layer as float32, of one with 8-bit products too."""
    return Rounded.restored(output) if output.dtype == torch.uint8 else output.float()

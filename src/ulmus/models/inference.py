"""The encoder with packed weights, for inference: documents in, pooled features or next states out; no gradients.

The matrices are packed once for all calls, in float32, bf16 or int8. Documents are encoded in parallel, the longest
first, and a time step multiplies only the rows of documents that have not ended: padding costs nothing. A layer
processes a chunk of time steps before the next layer begins, so its matrix stays in the cache and memory does not grow
with the length of a document. States are float32 in every precision. Threads do not survive a fork, and a child process
that relied on its parent's would hang (pytorch#49555): children compute with one thread, unless they set another number
before their first prediction. Knows no strings, no loss, no training.
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
from ulmus.models.inference_layers import Int8LSTM, PackedLSTM, PackedQRNN, runs
from ulmus.models.lstm import LSTMLayer
from ulmus.models.matmul import Packed, PackedInt8

__all__ = ["PRECISIONS", "PackedEncoder"]

TOKENS = 4096  # that a layer processes before the next one begins
FEWEST = 16  # time steps, at least, that a layer processes before the next one begins
ROWS = 64  # documents per call that the packing is optimised for; any other number works too
PRECISIONS = ("float32", "bf16", "int8")

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


class PackedEncoder:
    """An `AWDLSTM` with packed weights and products in float32, bf16 or int8.

    Raises ConfigError for another precision. Later changes to the encoder's weights have no effect.
    """

    def __init__(self, encoder: AWDLSTM, precision: str = "float32") -> None:
        if precision not in PRECISIONS:
            raise ConfigError(f"precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}.")
        self._config = encoder.config
        self._widths = encoder.state_widths()
        self.embedding = encoder.embedding.detach().to(
            torch.bfloat16 if precision == "bf16" else torch.float32
        )
        self._layers = [_packed(encoder, k, precision) for k in range(len(encoder.layers))]

    @torch.inference_mode()
    def forward(self, ids: Tensor, sizes: list[int], state: State) -> list[Tensor]:
        """Tokens (N,), those of time 0 first, then those of time 1, ... -> outputs (N, D) of each layer.

        At time t there is one token of each of the first `sizes[t]` documents; sizes never grow. `state`, L x 2 x
        (B, D) float32, is updated in place. Outputs of lower layers are in the type of the next layer's input: uint8
        with int8 products.
        """
        bottom, *others = self._layers
        if isinstance(bottom, Int8LSTM):  # the input product depends on the word only: once per distinct word
            words, at = torch.unique(ids, return_inverse=True)
            x = bottom.forward(self._embedded(words), sizes, *state[0], at=at)
        else:
            x = bottom.forward(self._embedded(ids), sizes, *state[0])
        outputs = [x]
        for layer, (h, c) in zip(others, state[1:], strict=True):
            outputs.append(layer.forward(outputs[-1], sizes, h, c))
        return outputs

    def _embedded(self, ids: Tensor) -> Tensor:
        return torch.nn.functional.embedding(ids, self.embedding)

    def start(self, documents: int) -> State:
        """A state of zeros for this number of documents: L x 2 x (B, D) float32, widths as in `state_widths`."""
        zeros = partial(self.embedding.new_zeros, dtype=torch.float32)
        return [(zeros(documents, wide), zeros(documents, width)) for wide, width in self._widths]

    @torch.inference_mode()
    def features(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Ids (B, T) of documents of `lengths` (B,) -> concat-pooled features (B, F) float32, without padding."""
        order = lengths.argsort(descending=True, stable=True)
        ids, sorted_lengths = ids[order], lengths[order]
        state, pooled = self.start(len(ids)), start_pooling(len(ids), self._config.widths(), self.embedding)
        steps = max(FEWEST, TOKENS // max(len(ids), 1))
        for start in range(0, int(sorted_lengths[0]) if len(ids) else 0, steps):
            chunk = ids[:, start : start + steps].t()  # (T', B)
            at = torch.arange(start, start + len(chunk), device=ids.device)[:, None]
            real = at < sorted_lengths  # (T', B)
            sizes = [n for n in real.sum(dim=1).tolist() if n]
            for one, output in zip(pooled, self.forward(chunk[real], sizes, state), strict=True):
                _pool(one, output, sizes)
        features = torch.empty(len(ids), self._config.pooled())
        features[order] = concat(pooled, sorted_lengths)
        return features


def _packed(encoder: AWDLSTM, k: int, precision: str) -> PackedLSTM | Int8LSTM | PackedQRNN:
    """Layer k with packed weights."""
    layer: Any = encoder.layers[k]
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    if isinstance(layer, LSTMLayer):
        if precision == "int8":
            return Int8LSTM(layer, ROWS, first=k == 0, last=k == len(encoder.layers) - 1)
        return PackedLSTM(layer, dtype)
    multiply = PackedInt8 if precision == "int8" else Packed
    return PackedQRNN(layer, lambda weight: multiply(weight.to(dtype), ROWS))


def _pool(pooled: Pooled, output: Tensor, sizes: list[int]) -> None:
    """Add `output` (N, D) of `PackedEncoder.forward` to the pooling of the first `sizes[0]` documents, in place."""
    active, end = sizes[0], 0
    for first, steps, n in runs(sizes):
        end = first + steps * n
        block = _floats(output[first:end]).view(steps, n, -1)  # (T', n, D)
        pooled.last[n:active] = _floats(output[first - active + n : first])  # these ended one step before
        pooled.max[:n] = torch.maximum(pooled.max[:n], block.amax(dim=0))
        pooled.sum[:n] += block.sum(dim=0)
        active = n
    pooled.last[:active] = _floats(output[end - active : end])


def _floats(output: Tensor) -> Tensor:
    """Outputs (N, D) of a layer as float32; those of an int8 layer are dequantized."""
    return PackedInt8.dequantized(output) if output.dtype == torch.uint8 else output.float()

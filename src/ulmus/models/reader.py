"""An encoder laid out for reading: documents in, pooled features or next states out, no gradients, no dropout.

The matrices are packed once for all calls, in float32, bf16 or 8-bit numbers. Documents are read side by side, the
longest first, and a step multiplies only the rows of those that go on: padding costs nothing. A layer reads some
steps before the next one begins, so its matrix stays in the cache and memory does not grow with the length of a
document. States are float32 whatever the products are. Knows no strings, no loss, no training.
Axes: N tokens of all documents (time first), B documents, T time, E embedding, D features, L layers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from ulmus.errors import ConfigError
from ulmus.models.awd_lstm import AWDLSTM, State
from ulmus.models.heads import Pooled, concat, start_pooling
from ulmus.models.lstm import LSTMLayer
from ulmus.models.matmul import Packed, Rounded

__all__ = ["PRECISIONS", "Reader"]

TOKENS = 4096  # that a layer reads before the next one begins, in at least `FEWEST` time steps
FEWEST = 16
ROWS = 64  # documents for which the matrices are laid out; fewer or more are read as well
PRECISIONS = ("float32", "bf16", "int8")
Multiply = Callable[..., Packed | Rounded]  # (weight, largest input, if it is known)


class Reader:
    """`AWDLSTM` -> reads tokens in float32, bf16 or int8 products.

    Raises ConfigError for another precision. Later changes of the encoder's weights are not seen.
    """

    def __init__(self, encoder: AWDLSTM, precision: str = "float32") -> None:
        if precision not in PRECISIONS:
            raise ConfigError(f"precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}")
        self.width = encoder.config.embedding
        self._widths = encoder.state_widths()
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.embedding = encoder.embedding.detach().to(dtype)
        multiply = partial(_product, precision=precision)
        self._layers: list[_LSTM | _QRNN] = []
        for layer in encoder.layers:
            kind = _LSTM if isinstance(layer, LSTMLayer) else _QRNN
            self._layers.append(kind(layer, multiply))

    @torch.no_grad()
    def read(self, ids: Tensor, sizes: list[int], state: State) -> Tensor:
        """Tokens (N,) of time 0, then of time 1, ... -> outputs (N, E) of the last layer.

        At time t the first `sizes[t]` documents are read; sizes never grow. `state`, L x 2 x (B, D) float32, is moved
        on in place.
        """
        x = torch.nn.functional.embedding(ids, self.embedding)
        for layer, (h, c) in zip(self._layers, state, strict=True):
            x = layer.read(x, sizes, h, c)
        return x

    def start(self, documents: int) -> State:
        """A state of zeros for so many documents."""
        zeros = partial(self.embedding.new_zeros, dtype=torch.float32)
        return [(zeros(documents, wide), zeros(documents, width)) for wide, width in self._widths]

    @torch.no_grad()
    def features(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Concat pooling over the real tokens of documents (B, T) of `lengths` (B,) -> (B, 3E) float32."""
        order = lengths.argsort(descending=True, stable=True)
        ids, sorted_lengths = ids[order], lengths[order]
        state, pooled = self.start(len(ids)), start_pooling(len(ids), self.width, self.embedding)
        steps = max(FEWEST, TOKENS // max(len(ids), 1))
        for start in range(0, int(sorted_lengths[0]) if len(ids) else 0, steps):
            piece = ids[:, start : start + steps].t()  # (T', B)
            at = torch.arange(start, start + len(piece), device=ids.device)[:, None]
            real = at < sorted_lengths  # (T', B)
            sizes = [n for n in real.sum(dim=1).tolist() if n]
            _take_in(pooled, self.read(piece[real], sizes, state), sizes)
        found = torch.empty(len(ids), 3 * self.width)
        found[order] = concat(pooled, sorted_lengths)
        return found


def _product(weight: Tensor, largest: float | None = None, *, precision: str) -> Packed | Rounded:
    """A matrix to multiply inputs by, which lie between -`largest` and `largest`."""
    if precision == "int8":
        return Rounded(weight, ROWS, largest=largest)
    return Packed(weight.to(torch.bfloat16 if precision == "bf16" else torch.float32), ROWS)


class _LSTM:
    """One LSTM layer with packed matrices. Its g rows are doubled, as tanh(z) = 2 sigmoid(2z) - 1: one call fewer."""

    def __init__(self, layer: Any, multiply: Multiply) -> None:
        double = torch.ones(4, layer.width, 1)
        double[2] = 2
        double = double.view(-1, 1)  # (4D, 1)
        self._project = multiply(layer.weight_ih.detach() * double)
        self._times = multiply(layer.weight_hh.detach() * double, 1.0)  # an LSTM's outputs are that small
        self._bias = layer.bias.detach() * double[:, 0]

    def read(self, x: Tensor, sizes: list[int], h: Tensor, c: Tensor) -> Tensor:
        """x (N, E) -> outputs (N, D); the states (B, D) are moved on in place."""
        projected = self._project(x, bias=self._bias.to(x.dtype))  # (N, 4D)
        out = x.new_empty(len(x), h.shape[1])
        before, cell = h[: sizes[0]].to(x.dtype), c[: sizes[0]]
        for gates, after in zip(
            torch.split(projected, sizes), torch.split(out, sizes), strict=True
        ):  # (n, 4D), (n, D)
            n = len(gates)
            if n < len(before):
                h[n : len(before)] = before[n:]
                before, cell = before[:n], cell[:n]
            i, f, g, o = self._times(before, add=gates).sigmoid_().chunk(4, dim=1)
            cell.mul_(f).addcmul_(i, g, value=2).sub_(i)
            before = torch.mul(o, cell.tanh(), out=after)
        h[: len(before)] = before
        return out


class _QRNN:
    """One QRNN layer with a packed matrix."""

    def __init__(self, layer: Any, multiply: Multiply) -> None:
        self._project = multiply(layer.weight.detach())
        self._bias, self._window = layer.bias.detach(), layer.window

    def read(self, x: Tensor, sizes: list[int], before: Tensor, c: Tensor) -> Tensor:
        """x (N, E) -> outputs (N, D); the states, last inputs (B, E) and cells (B, D), are moved on in place."""
        steps = torch.split(x, sizes)
        if self._window == 2:
            last = [before[: sizes[0]].to(x.dtype), *steps[:-1]]
            x = torch.cat([x, torch.cat([b[:n] for b, n in zip(last, sizes, strict=True)])], dim=1)
            for n, step in zip(sizes, steps, strict=True):
                before[:n] = step
        z, f, o = self._project(x, bias=self._bias.to(x.dtype)).chunk(3, dim=1)  # (N, D) each
        z.tanh_()
        f.sigmoid_()
        new, out = torch.addcmul(z, f, z, value=-1), o.sigmoid_()  # (1 - f) z
        for n, forget, add, after in zip(
            sizes, torch.split(f, sizes), torch.split(new, sizes), torch.split(out, sizes), strict=True
        ):
            after.mul_(c[:n].mul_(forget).add_(add))
        return out


def _take_in(pooled: Pooled, output: Tensor, sizes: list[int]) -> None:
    """Add `output` (N, E), as `Reader.read` gave it, to the pooling of the first documents, in place."""
    first, reading = 0, sizes[0]
    for n, steps in groupby(sizes):
        block = (
            output[first : first + n * len(list(steps))].view(-1, n, output.shape[1]).float()
        )  # (T', n, E)
        pooled.last[n:reading] = output[first - reading + n : first].float()  # these ended the step before
        pooled.max[:n] = torch.maximum(pooled.max[:n], block.amax(dim=0))
        pooled.sum[:n] += block.sum(dim=0)
        first, reading = first + block.shape[0] * n, n
    pooled.last[:reading] = output[first - reading : first].float()

"""Recurrent layers with packed weights, for inference: x (N, E) -> outputs (N, D); no gradients, no dropout.

Documents are encoded in parallel, the longest first: time 0 of all of them, then time 1 of those that have not ended,
and so on; at time t there are `sizes[t]`, and sizes never grow. The states (B, D) are float32, one row per document,
and are updated in place. In float32 and bf16 an LSTM layer is one call of oneDNN for all consecutive time steps with
the same number of documents; with int8 products it is one call per time step. Knows no strings, no pooling.
Axes: N tokens (time first), B documents, n of them that have not ended, T time, E input features, D features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from ulmus.models.lstm import FusedLSTM, LSTMLayer
from ulmus.models.matmul import Packed, PackedInt8
from ulmus.models.qrnn import QRNNLayer

__all__ = ["Int8LSTM", "PackedLSTM", "PackedQRNN", "runs"]

FEW = 8_000  # elements (n x D) below which numpy's calls are faster than torch's


def runs(sizes: list[int]) -> Iterator[tuple[int, int, int]]:
    """(first token, time steps, documents) of each run of consecutive time steps with the same number of documents."""
    first = 0
    for n, same in groupby(sizes):
        steps = len(list(same))
        yield first, steps, n
        first += steps * n


class PackedLSTM:
    """One LSTM layer with packed weights in float32 or bf16."""

    def __init__(self, layer: LSTMLayer, dtype: torch.dtype) -> None:
        weights = (layer.weight_ih, layer.weight_hh, layer.bias)
        self._run = FusedLSTM([w.detach().to(dtype) for w in weights])

    def forward(self, x: Tensor, sizes: list[int], h: Tensor, c: Tensor) -> Tensor:
        """x (N, E) -> outputs (N, D); the states `h` and `c` (B, D) float32 are updated in place."""
        out = []
        for first, steps, n in runs(sizes):
            block = x[first : first + steps * n].view(steps, n, -1)  # (T, n, E)
            some, h[:n], c[:n] = self._run(block, h[:n].to(x.dtype), c[:n])
            out.append(some.view(steps * n, -1))
        return out[0] if len(out) == 1 else torch.cat(out)


class Int8LSTM:
    """One LSTM layer with int8 products.

    `first` and `last` give its position. The first layer takes float32 inputs, the others the uint8 outputs of the
    layer below (`PackedInt8.quantized`); the last layer's outputs are float32. tanh(z) is 2 sigmoid(2z) - 1: the g rows
    are doubled, so that one sigmoid serves all gates. The elementwise part of a step runs in numpy for few documents,
    because its calls have less overhead, and in torch for many, because it uses all cores.
    """

    def __init__(self, layer: LSTMLayer, rows: int, *, first: bool, last: bool) -> None:
        double = torch.ones(4, layer.width, 1)
        double[2] = 2
        double = double.view(-1, 1)  # (4D, 1)
        self._last = last
        self._project = PackedInt8(layer.weight_ih.detach() * double, rows, largest=None if first else 1.0)
        self._times = PackedInt8(layer.weight_hh.detach() * double, rows, largest=1.0)  # outputs lie in -1..1
        self._bias = layer.bias.detach() * double[:, 0] + self._times.shift

    def forward(
        self, x: Tensor, sizes: list[int], h: Tensor, c: Tensor, *, at: Tensor | None = None
    ) -> Tensor:
        """x (N, E) -> outputs (N, D); the states `h` and `c` (B, D) float32 are updated in place.

        With `at` (N,) int64 `x` has one row per distinct word, (W, E), and token n has row at[n].
        """
        gates = self._project(x, bias=self._bias)  # (N, 4D)
        if at is not None:
            gates = gates.index_select(0, at)
        out = torch.empty(len(gates), h.shape[1], dtype=torch.float32 if self._last else torch.uint8)
        for first, steps, n in runs(sizes):
            run = self._few if n * h.shape[1] < FEW else self._many
            some = slice(first, first + steps * n)
            run(gates[some].view(steps, n, -1), out[some].view(steps, n, -1), h[:n], c[:n])
        return out

    def _many(self, gates: Tensor, out: Tensor, h: Tensor, c: Tensor) -> None:
        """The input's part of the gates (T, n, 4D) -> `out` (T, n, D); `h` and `c` (n, D) are updated in place."""
        cell, last = c * -2, self._last  # -2c is what the sigmoid is applied to
        wide, hidden, whole = torch.empty_like(cell), torch.empty_like(cell), self._times.quantized(h)
        for z, i, f, g, o, after in zip(gates, *gates.chunk(4, dim=2), out, strict=True):  # (n, D) each
            self._times.add_to(z, whole).sigmoid_()
            cell.mul_(f).addcmul_(i, g, value=-4).add_(i, alpha=2)  # -2 (f c + i (2g - 1))
            torch.sigmoid(cell, out=wide)
            hidden = torch.addcmul(o, o, wide, value=-2, out=after if last else hidden)  # o tanh(c)
            torch.add(127.5, hidden, alpha=127, out=wide)
            whole = (whole if last else after).copy_(wide)  # as `quantized` does
        h.copy_(hidden)
        torch.div(cell, -2, out=c)

    def _few(self, gates: Tensor, out: Tensor, h: Tensor, c: Tensor) -> None:
        """`_many` in numpy: same shapes, same results up to rounding."""
        T, n, D = out.shape
        outputs, cell, wide = torch.empty(T, n, D), c.numpy(), np.empty((n, D), np.float32)
        hidden = h
        # per time step: gates (n, 4D), outputs (n, D) as tensor and as array
        for own, after, o_t in zip(gates.numpy(), outputs, outputs.numpy(), strict=True):
            product = self._times.few_rows(hidden)
            z = product.numpy()
            np.add(z, own, out=z)
            product.sigmoid_()
            g = z[:, 2 * D : 3 * D]
            np.subtract(np.multiply(g, 2, out=g), 1, out=g)
            np.multiply(cell, z[:, D : 2 * D], out=cell)
            np.add(cell, np.multiply(g, z[:, :D], out=g), out=cell)
            np.multiply(np.tanh(cell, out=wide), z[:, 3 * D :], out=o_t)
            hidden = after
        h.copy_(hidden)
        out.copy_(outputs if self._last else self._times.quantized(outputs))


class PackedQRNN:
    """One QRNN layer with a packed matrix; `multiply` packs a matrix (M, N)."""

    def __init__(self, layer: QRNNLayer, multiply: Callable[[Tensor], Packed | PackedInt8]) -> None:
        self._project = multiply(layer.weight.detach())
        self._bias, self._window = layer.bias.detach(), layer.window

    def forward(self, x: Tensor, sizes: list[int], before: Tensor, c: Tensor) -> Tensor:
        """x (N, E) -> outputs (N, D); the last inputs `before` (B, E) and the cells `c` (B, D) are updated in place."""
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

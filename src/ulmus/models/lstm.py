"""One LSTM layer with DropConnect and hand-written gradients: (B, T, E) -> (B, T, D).

On a CPU the input's part of the gates is computed `STEPS` time steps at a time; the recurrent part is one product per
step, with the matrix packed once per call; the weight gradients are one product over all steps. That is two fifths
faster than torch's own backward pass and works in float32 and bf16 alike: products in the type of `x`, the cell state
and its gradient in float32. On a GPU the layer is cuDNN's. Knows no text, no loss, no other layer.
Source: Hochreiter & Schmidhuber 1997; Gers et al. 2000 (forget gate); Merity et al. 2017, section 2 (DropConnect).
Axes: B batch, T time, E input features, D features. Inside, time comes first and gates stand in the order i, f, g, o.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ulmus.models.dropout import weight_dropout
from ulmus.models.matmul import Packed
from ulmus.models.recurrent import RecurrentLayer

__all__ = ["FusedLSTM", "LSTMLayer"]

GAIN = 6.0  # of the initial weights: inputs are small at first (embeddings within 0.1)
STEPS = 8  # time steps whose input product is computed at once: it stays in the cache
ROWS = 4608  # rows (time steps x documents), at most, of one product of the weight gradients
sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input


class LSTMLayer(RecurrentLayer):
    """One LSTM layer with DropConnect on its recurrent matrix; gates are in the order i, f, g, o."""

    def __init__(self, width_in: int, width: int, *, weight_p: float = 0.0) -> None:
        super().__init__()
        self.weight_p = weight_p
        self.width = width
        bound = width**-0.5
        self.weight_ih = nn.Parameter(torch.empty(4 * width, width_in).uniform_(-GAIN * bound, GAIN * bound))
        self.weight_hh = nn.Parameter(torch.empty(4 * width, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(4 * width))
        self._drawn: list[Tensor] | None = None
        self._fused: FusedLSTM | None = None
        with torch.no_grad():  # forget gate open at the start (Jozefowicz et al. 2015, section 5)
            self.bias[width : 2 * width] = 1.0

    def state_widths(self) -> tuple[int, int]:
        """Widths of the two parts of the state: the last output, and the cell."""
        return self.width, self.width

    def draw(self) -> list[Tensor]:
        """Matrices (4D, E) and (4D, D) and bias (4D,) in the type of the products, with a new DropConnect mask."""
        weights: list[Tensor] = [self.weight_ih, self.weight_hh, self.bias]
        device = self.bias.device.type
        if torch.is_autocast_enabled(device):
            weights = [w.to(torch.get_autocast_dtype(device)) for w in weights]
        weights[1] = weight_dropout(weights[1], self.weight_p, self.training)
        return weights

    @contextmanager
    def one_draw(self) -> Iterator[None]:
        """Inside the block all calls share one DropConnect mask; the weights are masked and packed once."""
        self._drawn = self.draw()
        try:
            yield
        finally:
            self._drawn, self._fused = None, None

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, T, E), 2 x (B, D) -> (B, T, D), 2 x (B, D); the cell state is float32 on a CPU."""
        weights = self._drawn or self.draw()
        x = x.to(weights[0].dtype).transpose(0, 1)  # (B, T, E) -> (T, B, E): the loop runs over time
        h, c = state[0].to(x.dtype), state[1]
        tracked = torch.is_grad_enabled() and any(t.requires_grad for t in (x, h, c, *weights))
        if x.device.type == "cpu" and tracked:
            out, c = Recurrence.apply(x, h, c, *weights)  # type: ignore[no-untyped-call]
            h = out[-1]
        else:
            fused = self._fused or FusedLSTM(weights, training=self.training)
            if self._drawn is not None:
                self._fused = fused
            with torch.autocast(x.device.type, enabled=False):
                out, h, c = fused(x, h, c)
        return out.transpose(0, 1), (h, c)


class FusedLSTM:
    """All time steps of a layer in one call: oneDNN's on a CPU (inference only, matrices packed once), else cuDNN's.

    On a CPU a row's result does not depend on the other rows, except for the last bits of float32.
    """

    def __init__(self, weights: list[Tensor], *, training: bool = False) -> None:
        self._training, self._width = training, weights[1].shape[1]
        self._plain = [*weights, torch.zeros_like(weights[2])]
        self._packed = _pack(weights[0].detach(), weights[1].detach())

    def __call__(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (T, B, E), h and c (B, D) -> outputs (T, B, D) and the states after them; `c` may be float32."""
        if self._packed is None:
            states = (h[None], c[None].to(x.dtype))
            out, h, c = torch.lstm(x, states, self._plain, True, 1, 0.0, self._training, False, False)
            return out, h[0], c[0]
        call, biases, mode = torch.ops.aten.mkldnn_rnn_layer, self._plain[2:], 2  # (2: LSTM)
        options: tuple[Any, ...] = (False, [], mode, self._width, 1, True, False, False, False)
        out, h, c, _ = call(x.contiguous(), *self._packed, *biases, h.contiguous(), c.contiguous(), *options)
        return out, h, c


def _pack(*matrices: Tensor) -> list[Tensor] | None:
    """The matrices (4D, E) and (4D, D) in oneDNN's packed layout for an LSTM; None where that is not available."""
    if matrices[0].device.type != "cpu" or matrices[0].dtype not in (torch.float32, torch.bfloat16):
        return None
    (_, wide), (_, width) = (m.shape for m in matrices)
    try:  # private operators of torch's own compiler: fall back to the ordinary layer without them
        if matrices[0].dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return None
        shape = (width, False, True, False, [1, 1, wide])
        return list(torch.ops.mkldnn._reorder_mkldnn_rnn_layer_weight(*matrices, *shape))
    except (AttributeError, RuntimeError):
        return None


class Recurrence(torch.autograd.Function):
    """x (T, B, E), h (B, D), c (B, D), weights (4D, E), (4D, D), (4D,) -> outputs (T, B, D), last c (B, D).

    The elementwise part of a step is float32 and uses as few calls as possible: tanh(z) is 2 sigmoid(2z) - 1, which is
    three times as fast, and -2c is stored instead of c. The factors of the backward pass are computed for `STEPS` time
    steps at once.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, c: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        """All time steps; the input's part of the gates for `STEPS` of them at once."""
        weight_ih, weight_hh, bias = weights
        T, B, E = x.shape
        D = weight_hh.shape[1]
        times, project = Packed(weight_hh, B), Packed(weight_ih, STEPS * B)
        gates, cells, slopes = x.new_empty(T, B, 4 * D), x.new_empty(T + 1, B, D), x.new_empty(T, B, D)
        out, h_0 = x.new_empty(T, B, D), h
        cells[0] = c
        cell = c.to(torch.promote_types(x.dtype, torch.float32)) * -2
        wide = cell.new_empty(B, 4 * D)
        i, f, g, o = wide.chunk(4, dim=1)
        squashed, hidden = torch.empty_like(cell), torch.empty_like(cell)
        for t, (own, after, c_after, slope) in enumerate(zip(gates, out, cells[1:], slopes, strict=True)):
            if t % STEPS == 0:
                steps = x[t : t + STEPS].reshape(-1, E)
                projected = torch.split(project(steps, bias=bias), B)  # STEPS x (B, 4D)
            wide.copy_(times(h, add=projected[t % STEPS]))
            g.mul_(2)
            wide.sigmoid_()
            g.mul_(2).sub_(1)
            cell.mul_(f).addcmul_(i, g, value=-2)
            torch.sigmoid(cell, out=squashed)
            torch.addcmul(o, o, squashed, value=-2, out=hidden)  # o tanh(c)
            h = after.copy_(hidden)
            own.copy_(wide)
            torch.mul(cell, -0.5, out=c_after)
            slope.copy_(sigmoid_backward(o, squashed, grad_input=hidden))  # (d h / d c) / 4
        ctx.save_for_backward(x, h_0, weight_ih, weight_hh, out, gates, cells, slopes)
        return out, cell.mul_(-0.5)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Back through all time steps, then all weight gradients at once."""
        d_out, d_c = grads
        x, h_0, weight_ih, weight_hh, out, gates, cells, slopes = ctx.saved_tensors
        T, B, E = x.shape
        D = weight_hh.shape[1]
        times = Packed(weight_hh.t(), B)
        d_gates, d_c, d_h = x.new_empty(T, B, 4, D), d_c.clone(), d_out[T - 1]
        for start in reversed(range(0, T, STEPS)):
            here = slice(start, min(start + STEPS, T))
            factors = _factors(gates[here], cells[here], out[here])  # (STEPS, B, 4, D)
            forget = gates[here, :, D : 2 * D].to(d_c.dtype)
            for t in reversed(range(*here.indices(T))):
                own, factor = d_gates[t], factors[t - start]
                torch.mul(d_h, factor[:, 3], out=own[:, 3])
                d_c.add_(d_h * slopes[t], alpha=4)
                torch.mul(d_c.to(x.dtype)[:, None], factor[:, :3], out=own[:, :3])
                d_c.mul_(forget[t - start])
                d_h = times(own.view(B, 4 * D), add=d_out[t - 1] if t else None)
        flat = d_gates.view(T * B, 4 * D)
        before = torch.cat([h_0[None], out[:-1]]).view(T * B, D)  # hidden state before each step
        wanted = ctx.needs_input_grad
        return (
            Packed(weight_ih.t(), T * B)(flat).view(T, B, E) if wanted[0] else None,
            d_h if wanted[1] else None,
            d_c if wanted[2] else None,
            _summed(flat, x.reshape(T * B, E)) if wanted[3] else None,
            _summed(flat, before) if wanted[4] else None,
            torch.mm(flat.new_ones(1, T * B), flat)[0] if wanted[5] else None,
        )


def _summed(a: Tensor, b: Tensor) -> Tensor:
    """a^T b (M, E) of `a` (N, M) and `b` (N, E), `ROWS` rows at a time: faster, and these are summed in float32."""
    if len(a) <= ROWS:
        return torch.mm(a.t(), b)
    total = a.new_zeros(a.shape[1], b.shape[1], dtype=torch.promote_types(a.dtype, torch.float32))
    for some, others in zip(torch.split(a, ROWS), torch.split(b, ROWS), strict=True):
        total.add_(torch.mm(some.t(), others))
    return total.to(a.dtype)


def _factors(gates: Tensor, before: Tensor, out: Tensor) -> Tensor:
    """Derivatives (T, B, 4, D) of c with respect to i, f and g, and of h with respect to o, before their activations.

    From gates (T, B, 4D), cells before each step (T, B, D) and outputs (T, B, D).
    """
    i, f, g, o = gates.chunk(4, dim=2)
    found = torch.empty_like(gates).view(*out.shape[:2], 4, -1)
    sigmoid_backward(g, i, grad_input=found[:, :, 0])
    sigmoid_backward(before, f, grad_input=found[:, :, 1])
    tanh_backward(i, g, grad_input=found[:, :, 2])
    torch.addcmul(out, out, o, value=-1, out=found[:, :, 3])  # tanh(c) o (1 - o)
    return found

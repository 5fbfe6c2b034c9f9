"""One LSTM layer with DropConnect, and its gradients by hand: (B, T, E) -> (B, T, D).

On a CPU the input's part of all gates is one product over all time steps; the recurrent part one product a step, with
the matrix packed once a call; the weight gradients are again one product over all steps. That is two fifths faster
than torch's own backward pass, and works in float32 and bf16 alike: products in the type of `x`, the cell state and
its gradient in float32. On a GPU the layer is cuDNN's. Knows no text, no loss, no other layer.
Source: Hochreiter & Schmidhuber 1997; Gers et al. 2000 (forget gate); Merity et al. 2017, section 2 (DropConnect).
Axes: B batch, T time, E input features, D features. Inside, time comes first and gates stand in the order i, f, g, o.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ulmus.models.dropout import weight_dropout
from ulmus.models.matmul import Packed

__all__ = ["LSTMLayer"]

GAIN = 6.0  # inputs are small at first (embeddings within 0.1)
STEPS = 8  # time steps whose input product is computed at a time: it stays in the cache
sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input


class LSTMLayer(nn.Module):
    """One LSTM layer with DropConnect on its recurrent matrix; gates stand in the order i, f, g, o."""

    def __init__(self, width_in: int, width: int, *, weight_p: float = 0.0) -> None:
        super().__init__()
        self.weight_p = weight_p
        self.width = width
        bound = width**-0.5
        self.weight_ih = nn.Parameter(torch.empty(4 * width, width_in).uniform_(-GAIN * bound, GAIN * bound))
        self.weight_hh = nn.Parameter(torch.empty(4 * width, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(4 * width))
        with torch.no_grad():  # forget gate open at the start (Jozefowicz et al. 2015, section 5)
            self.bias[width : 2 * width] = 1.0

    def state_widths(self) -> tuple[int, int]:
        """Widths of the two parts of the state: the last output, and the cell."""
        return self.width, self.width

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, T, E), 2 x (B, D) -> (B, T, D), 2 x (B, D); the cell state is float32 on a CPU."""
        weights: list[Tensor] = [self.weight_ih, self.weight_hh, self.bias]
        if torch.is_autocast_enabled(x.device.type):
            half = torch.get_autocast_dtype(x.device.type)
            x, weights = x.to(half), [w.to(half) for w in weights]
        weights[1] = weight_dropout(weights[1], self.weight_p, self.training)
        tracked = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *state, *weights))
        if x.device.type != "cpu" or not tracked:
            return self._fused(x, state, weights)
        x, h = x.transpose(0, 1), state[0].to(x.dtype)  # (B, T, E) -> (T, B, E): time is what is walked along
        out, c = Recurrence.apply(x, h, state[1], *weights)  # type: ignore[no-untyped-call]
        return out.transpose(0, 1), (out[-1], c)

    def _fused(
        self, x: Tensor, state: tuple[Tensor, Tensor], weights: list[Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Torch's own layer."""
        h, c = (s.to(x.dtype).unsqueeze(0) for s in state)  # (B, D) -> (1, B, D), as torch counts layers
        with torch.autocast(x.device.type, enabled=False):
            out, h, c = torch.lstm(
                x, (h, c), [*weights, torch.zeros_like(weights[-1])], True, 1, 0.0, self.training, False, True
            )
        return out, (h[0], c[0])


class Recurrence(torch.autograd.Function):
    """x (T, B, E), h (B, D), c (B, D), weights (4D, E), (4D, D), (4D,) -> outputs (T, B, D), last c (B, D).

    Between the products of a step all is float32, and as few calls as can be: tanh(z) is 2 sigmoid(2z) - 1, which is
    three times as fast, and -2c is kept in place of c. What the backward pass multiplies by is made `STEPS` at a time.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, c: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        """All time steps."""
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
            slope.copy_(sigmoid_backward(o, squashed, grad_input=hidden))  # a quarter of d h / d c
        ctx.save_for_backward(x, h_0, weight_ih, weight_hh, out, gates, cells, slopes)
        return out, cell.mul_(-0.5)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Back through all time steps, then the weights at once."""
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
        before = torch.cat([h_0[None], out[:-1]]).view(T * B, D)  # what each step was given
        wanted = ctx.needs_input_grad
        return (
            Packed(weight_ih.t(), T * B)(flat).view(T, B, E) if wanted[0] else None,
            d_h if wanted[1] else None,
            d_c if wanted[2] else None,
            torch.mm(flat.t(), x.reshape(T * B, E)) if wanted[3] else None,
            torch.mm(flat.t(), before) if wanted[4] else None,
            flat.sum(0) if wanted[5] else None,
        )


def _factors(gates: Tensor, before: Tensor, out: Tensor) -> Tensor:
    """(T, B, 4, D): d i, d f, d g over d c, and d o over d h, all before their sigmoid or tanh.

    Of gates (T, B, 4D), cells before the step (T, B, D) and outputs (T, B, D).
    """
    i, f, g, o = gates.chunk(4, dim=2)
    found = torch.empty_like(gates).view(*out.shape[:2], 4, -1)
    sigmoid_backward(g, i, grad_input=found[:, :, 0])
    sigmoid_backward(before, f, grad_input=found[:, :, 1])
    tanh_backward(i, g, grad_input=found[:, :, 2])
    torch.addcmul(out, out, o, value=-1, out=found[:, :, 3])  # tanh(c) o (1 - o)
    return found

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
    """x (T, B, E), h (B, D), c (B, D), weights (4D, E), (4D, D), (4D,) -> outputs (T, B, D), last c (B, D)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, c: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        """All time steps."""
        weight_ih, weight_hh, bias = weights
        T, B, E = x.shape
        D = weight_hh.shape[1]
        times, project = Packed(weight_hh, B), Packed(weight_ih, STEPS * B)
        out, c = x.new_empty(T, B, D), c.to(torch.promote_types(x.dtype, torch.float32), copy=True)
        kept: list[tuple[Tensor, ...]] = []
        h_0, c_0 = h, c.to(x.dtype, copy=True)  # (c is moved on in place)
        for t in range(T):
            if t % STEPS == 0:
                steps = x[t : t + STEPS].reshape(-1, E)
                projected = torch.split(project(steps, bias=bias), B)  # STEPS x (B, 4D)
            gates = times(h, add=projected[t % STEPS])  # (B, 4D)
            gates[:, : 2 * D].sigmoid_()
            gates[:, 2 * D : 3 * D].tanh_()
            gates[:, 3 * D :].sigmoid_()
            i, f, g, o = torch.split(gates, D, dim=1)
            c.mul_(f).addcmul_(i, g)
            cell = c.to(x.dtype, copy=True)
            squashed = cell.tanh()
            h = torch.mul(o, squashed, out=out[t])
            kept.append((gates, cell, squashed))
        ctx.save_for_backward(x, h_0, c_0, weight_ih, weight_hh, out)
        ctx.kept = kept
        return out, c

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Back through all time steps, then the weights at once."""
        d_out, d_c = grads
        x, h_0, c_0, weight_ih, weight_hh, out = ctx.saved_tensors
        T, B, E = x.shape
        D = weight_hh.shape[1]
        times = Packed(weight_hh.t(), B)
        d_gates, d_c = x.new_empty(T, B, 4 * D), d_c.clone()
        d_h = d_out[T - 1]
        for t in range(T - 1, -1, -1):
            gates, _, squashed = ctx.kept[t]
            i, f, g, o = torch.split(gates, D, dim=1)
            d_i, d_f, d_g, d_o = torch.split(d_gates[t], D, dim=1)
            torch.mul(d_h, squashed, out=d_o)
            d_c.add_(torch.ops.aten.tanh_backward(d_h * o, squashed))
            d_cell = d_c.to(x.dtype)
            torch.mul(d_cell, g, out=d_i)
            torch.mul(d_cell, ctx.kept[t - 1][1] if t else c_0, out=d_f)
            torch.mul(d_cell, i, out=d_g)
            d_c.mul_(f)
            sigmoid_backward(d_i, i, grad_input=d_i)
            sigmoid_backward(d_f, f, grad_input=d_f)
            tanh_backward(d_g, g, grad_input=d_g)
            sigmoid_backward(d_o, o, grad_input=d_o)
            d_h = times(d_gates[t], add=d_out[t - 1] if t else None)
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

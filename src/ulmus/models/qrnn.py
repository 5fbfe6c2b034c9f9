"""One quasi-recurrent layer with DropConnect and hand-written gradients: (B, T, E) -> (B, T, D).

All matrix products cover whole blocks of time steps; only an elementwise weighted mean runs step by step:
    z, f, o = tanh, sigmoid, sigmoid of W [x_t (, x_{t-1})] + b;   c_t = f c_{t-1} + (1 - f) z;   h_t = o c_t
There is no recurrent matrix, so a layer costs a third of an LSTM layer of the same width: the network can have wider
or more layers. On a GPU the same equations run as torch operations. Knows no text, no loss, no other layer.
Source: Bradbury et al. 2017, "Quasi-Recurrent Neural Networks", section 2 (fo-pooling); Merity et al. 2018, "An
Analysis of Neural Language Modeling at Multiple Scales", section 3.1 (a window of 2 in the first layer).
Axes: B batch, T time, E input features, D features. Inside, time comes first and gates are in the order z, f, o.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ulmus.models.dropout import weight_dropout
from ulmus.models.matmul import Packed
from ulmus.models.recurrent import RecurrentLayer

__all__ = ["QRNNLayer"]

GAIN = 8.0  # of the initial weights: inputs are small at first (embeddings within 0.1), and so are outputs
STEPS = 8  # time steps computed at once: they stay in the cache
sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input


class QRNNLayer(RecurrentLayer):
    """One QRNN layer (fo-pooling) with DropConnect on its matrix, over a `window` of 1 or 2 inputs."""

    def __init__(self, width_in: int, width: int, *, window: int = 1, weight_p: float = 0.0) -> None:
        super().__init__()
        self.weight_p = weight_p
        self.width_in, self.width, self.window = width_in, width, window
        bound = GAIN * (window * width_in) ** -0.5
        self.weight = nn.Parameter(torch.empty(3 * width, window * width_in).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(3 * width))
        with torch.no_grad():
            self.bias[width : 2 * width] = 1.0  # forget gate open at the start, as in the LSTM

    def state_widths(self) -> tuple[int, int]:
        """Widths of the two parts of the state: the last input, and the cell."""
        return self.width_in, self.width

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, T, E) and a state, last input (B, E) and cell (B, D) -> (B, T, D) and the state after the last step."""
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if torch.is_autocast_enabled(x.device.type):
            half = torch.get_autocast_dtype(x.device.type)
            x, weight, bias = x.to(half), weight.to(half), bias.to(half)
        weight = weight_dropout(weight, self.weight_p, self.training)
        x = x.transpose(0, 1)  # (B, T, E) -> (T, B, E)
        seen = (
            x if self.window == 1 else torch.cat([x, torch.cat([state[0].to(x.dtype)[None], x[:-1]])], dim=2)
        )
        if x.device.type == "cpu":
            out, c = Pooling.apply(seen, state[1], weight, bias)  # type: ignore[no-untyped-call]
        else:
            out, c = _pooling(seen, state[1], weight, bias)
        return out.transpose(0, 1), (x[-1], c)


class Pooling(torch.autograd.Function):
    """x (T, B, E), c (B, D), weight (3D, E), bias (3D,) -> outputs (T, B, D), last c (B, D), float32 or finer.

    With a window of 2, E counts the features of both inputs.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, c: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """All time steps, `STEPS` at once."""
        T, B, E = x.shape
        D = len(weight) // 3
        project, keep = Packed(weight, STEPS * B), any(ctx.needs_input_grad)
        c = c.to(torch.promote_types(x.dtype, torch.float32), copy=True)
        out, kept, c_0 = x.new_empty(T, B, D), [], c.to(x.dtype, copy=True)
        for start in range(0, T, STEPS):
            gates = project(x[start : start + STEPS].reshape(-1, E), bias=bias).view(-1, B, 3 * D)
            z, f, o = torch.split(gates, D, dim=2)  # (STEPS, B, D) each
            z.tanh_()
            gates[:, :, D:].sigmoid_()
            new = torch.addcmul(z, f, z, value=-1)  # (1 - f) z
            cells = torch.empty_like(new)
            for k in range(len(new)):
                cells[k] = c.mul_(f[k]).add_(new[k])
            torch.mul(o, cells, out=out[start : start + STEPS])
            if keep:
                kept.append((gates, cells))
        ctx.save_for_backward(x, c_0, weight)
        ctx.kept = kept
        return out, c

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Back through the blocks, then the weight gradients at once."""
        d_out, d_c = grads
        x, c_0, weight = ctx.saved_tensors
        T, B, E = x.shape
        D = len(weight) // 3
        d_gates, d_c = x.new_empty(T, B, 3 * D), d_c.clone()
        for block in range(len(ctx.kept) - 1, -1, -1):
            gates, cells = ctx.kept[block]
            z, f, o = torch.split(gates, D, dim=2)
            here = slice(block * STEPS, block * STEPS + len(gates))
            d_z, d_f, d_o = torch.split(d_gates[here], D, dim=2)
            torch.mul(d_out[here], cells, out=d_o)
            d_cells = d_out[here] * o
            for k in range(len(gates) - 1, -1, -1):
                d_cells[k] = d_c.add_(d_cells[k])
                d_c.mul_(f[k])
            first = ctx.kept[block - 1][1][-1:] if block else c_0[None]
            torch.mul(torch.cat([first, cells[:-1]]).sub_(z), d_cells, out=d_f)
            torch.addcmul(d_cells, d_cells, f, value=-1, out=d_z)
            tanh_backward(d_z, z, grad_input=d_z)
            sigmoid_backward(d_gates[here][:, :, D:], gates[:, :, D:], grad_input=d_gates[here][:, :, D:])
        flat = d_gates.view(T * B, 3 * D)
        wanted = ctx.needs_input_grad
        return (
            Packed(weight.t(), T * B)(flat).view(T, B, E) if wanted[0] else None,
            d_c if wanted[1] else None,
            torch.mm(flat.t(), x.reshape(T * B, E)) if wanted[2] else None,
            flat.sum(0) if wanted[3] else None,
        )


def _pooling(x: Tensor, c: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """`Pooling` in torch operations, same shapes: for GPUs, and as the reference of the tests."""
    z, f, o = torch.nn.functional.linear(x, weight, bias).chunk(3, dim=2)
    f = f.sigmoid()
    new, cells = (1 - f) * z.tanh(), []
    for forget, add in zip(f, new, strict=True):
        c = forget * c + add
        cells.append(c)
    return (o.sigmoid() * torch.stack(cells)).to(x.dtype), c

"""The QRNN layer against its equations in plain torch, forward and backward."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ulmus.models.qrnn import STEPS, QRNNLayer


def reference(layer: QRNNLayer, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Outputs (B, T, D) and last cell (B, D), step by step."""
    before, c = state
    out = []
    for step in x.unbind(dim=1):
        seen = step if layer.window == 1 else torch.cat([step, before], dim=1)
        z, f, o = (seen @ layer.weight.t() + layer.bias).chunk(3, dim=1)
        c = f.sigmoid() * c + (1 - f.sigmoid()) * z.tanh()
        out.append(o.sigmoid() * c)
        before = step
    return torch.stack(out, dim=1), c


def inputs(B: int, T: int, E: int, D: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """x (B, T, E) and a state, with gradients."""
    x, before, c = torch.randn(B, T, E), torch.randn(B, E), torch.randn(B, D)
    return x.requires_grad_(), (before.requires_grad_(), c.requires_grad_())


@pytest.mark.parametrize("window", [1, 2])
@settings(max_examples=20, deadline=None)
@given(B=st.integers(1, 4), T=st.integers(1, 2 * STEPS + 1), E=st.integers(1, 6), D=st.integers(1, 6))
def test_outputs_and_all_gradients_are_those_of_the_equations(window, B, T, E, D) -> None:
    """Input, state, matrix and bias: whatever the shape (Bradbury et al. 2017, section 2)."""
    torch.manual_seed(B + 10 * T)
    layer = QRNNLayer(E, D, window=window)
    x, state = inputs(B, T, E, D)
    wanted = [x, state[1], *([state[0]] if window == 2 else []), *layer.parameters()]
    out, (last, c) = layer(x, state)
    assert torch.equal(last, x[:, -1])
    found, plain = (out, c), reference(layer, x, state)
    for mine, theirs in zip(found, plain, strict=True):
        torch.testing.assert_close(mine, theirs)
    mine, theirs = (
        torch.autograd.grad(sum(k * t.sin().sum() for k, t in enumerate(outputs, 1)), wanted)
        for outputs in (found, plain)
    )
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_split_sequence_gives_the_outputs_of_the_whole_one() -> None:
    """The state carries the last input and the cell."""
    layer = QRNNLayer(3, 4, window=2)
    x, state = inputs(2, 11, 3, 4)
    whole, _ = layer(x, state)
    first, carried = layer(x[:, :5], state)
    second, _ = layer(x[:, 5:], carried)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)


def test_under_autocast_the_cell_stays_float32_and_gradients_are_close() -> None:
    """Products in bf16."""
    torch.manual_seed(0)
    layer = QRNNLayer(24, 32)
    x, state = inputs(6, 20, 24, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out, (_, c) = layer(x, state)
    assert (out.dtype, c.dtype) == (torch.bfloat16, torch.float32)
    (mine,) = torch.autograd.grad(out.float().sin().sum(), [layer.weight])
    (exact,) = torch.autograd.grad(reference(layer, x, state)[0].sin().sum(), [layer.weight])
    assert (mine - exact).norm() < 0.03 * exact.norm()

"""The LSTM layer against torch's own, forward and backward, in float32, float64 and bf16."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ulmus.models import lstm
from ulmus.models.lstm import STEPS, LSTMLayer


def reference(layer: LSTMLayer, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs (B, T, D), last h (B, D) and last c (B, D) of torch's LSTM with the layer's weights."""
    weights = [layer.weight_ih, layer.weight_hh, layer.bias, torch.zeros_like(layer.bias)]
    states = tuple(s[None] for s in state)
    out, h, c = torch.lstm(x, states, weights, True, 1, 0.0, True, False, True)
    return out, h[0], c[0]


def gradients(outputs: tuple[Tensor, ...], wanted: list[Tensor]) -> list[Tensor]:
    """Gradients of a weighted sum of all outputs with respect to `wanted`, in the shapes of `wanted`."""
    loss = sum((k * out.float().sin()).sum() for k, out in enumerate(outputs, 1))
    return list(torch.autograd.grad(loss, wanted))


def inputs(B: int, T: int, E: int, D: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """x (B, T, E) and state 2 x (B, D), with gradients."""
    return torch.randn(B, T, E, requires_grad=True), (
        torch.randn(B, D, requires_grad=True),
        torch.randn(B, D, requires_grad=True),
    )


@settings(max_examples=25, deadline=None)
@given(B=st.integers(1, 5), T=st.integers(1, 2 * STEPS + 1), E=st.integers(1, 9), D=st.integers(1, 9))
def test_outputs_and_all_gradients_are_those_of_torch(B: int, T: int, E: int, D: int) -> None:
    """Input, both states, both matrices and the bias: whatever the shape."""
    torch.manual_seed(B + 10 * T)
    layer = LSTMLayer(E, D)
    x, state = inputs(B, T, E, D)
    out, (h, c) = layer(x, state)
    expected = reference(layer, x, state)
    wanted = [x, *state, *layer.parameters()]
    for mine, theirs in zip((out, h, c), expected, strict=True):
        torch.testing.assert_close(mine, theirs)
    for mine, theirs in zip(gradients((out, h, c), wanted), gradients(expected, wanted), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_under_autocast_gradients_are_within_the_rounding_of_bf16() -> None:
    """Products in bf16, the cell state in float32; parameters get float32 gradients."""
    torch.manual_seed(0)
    layer = LSTMLayer(24, 32)
    x, state = inputs(6, 20, 24, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out, (h, c) = layer(x, state)
    assert (out.dtype, c.dtype) == (torch.bfloat16, torch.float32)
    wanted = [x, *layer.parameters()]
    exact = gradients(reference(layer, x, state), wanted)
    for mine, theirs in zip(gradients((out, h, c), wanted), exact, strict=True):
        assert mine.dtype == torch.float32
        assert (mine - theirs).norm() < 0.03 * theirs.norm()


def test_frozen_weights_get_no_gradient_but_pass_one_to_the_input() -> None:
    """A frozen layer above a trained one still back-propagates."""
    layer = LSTMLayer(3, 4).requires_grad_(False)
    x, state = inputs(2, 5, 3, 4)
    out, _ = layer(x, state)
    out.sum().backward()
    assert x.grad is not None
    assert all(p.grad is None for p in layer.parameters())


def test_without_gradients_the_numbers_are_the_same() -> None:
    """Inference uses the fused layer of oneDNN or cuDNN; its outputs are the same."""
    layer = LSTMLayer(3, 4)
    x, state = inputs(2, 5, 3, 4)
    with torch.no_grad():
        inferred, (h, c) = layer(x, state)
    out, (trained_h, trained_c) = layer(x, state)
    for mine, theirs in zip((inferred, h, c), (out, trained_h, trained_c), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_gradients_of_many_steps_are_summed_in_parts(monkeypatch) -> None:
    """The result does not depend on the number of rows per product."""
    torch.manual_seed(0)
    layer = LSTMLayer(5, 6)
    x, state = inputs(3, 11, 5, 6)
    whole = gradients(layer(x, state)[:1], [*layer.parameters()])
    monkeypatch.setattr(lstm, "ROWS", 10)
    parts = gradients(layer(x, state)[:1], [*layer.parameters()])
    for mine, theirs in zip(parts, whole, strict=True):
        torch.testing.assert_close(mine, theirs)

"""Loss and gradients of the fused step against the plain way, in every type it multiplies in."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ulmus.models import cross_entropy
from ulmus.models.cross_entropy import linear_cross_entropy

N, E, V = 23, 6, 11


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """h (N, E), weight (V, E), bias (V,), targets (N,)."""
    torch.manual_seed(0)
    return torch.randn(N, E), torch.randn(V, E), torch.randn(V), torch.randint(V, (N,))


def plain(h: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """The same in two calls of torch."""
    return F.cross_entropy(F.linear(h, weight, bias), targets, reduction="sum")


def gradients(loss, h: Tensor, *rest: Tensor, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """The loss and its gradients with respect to h, weight and bias."""
    leaves = [t.clone().requires_grad_() for t in (h, *rest[:-1])]
    value = loss(leaves[0].to(dtype), *leaves[1:], rest[-1]) * 0.25
    value.backward()
    return [value.detach(), *(leaf.grad for leaf in leaves)]


@pytest.mark.parametrize("rows", [1, 4, 23, 100])
def test_loss_and_gradients_are_those_of_linear_and_cross_entropy(inputs, rows, monkeypatch) -> None:
    """However many rows are looked at at a time, and whatever the loss is multiplied by."""
    monkeypatch.setattr(cross_entropy, "SLICE_BYTES", rows * V * 4)
    for mine, theirs in zip(gradients(linear_cross_entropy, *inputs), gradients(plain, *inputs), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_bf16_inputs_give_float32_gradients_of_the_weights_close_to_the_exact_ones(inputs) -> None:
    """Products in bf16 are within its rounding of the float32 ones."""
    mine = gradients(linear_cross_entropy, *inputs, dtype=torch.bfloat16)
    for ours, exact in zip(mine, gradients(plain, *inputs), strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, exact, rtol=0.05, atol=0.05)


def test_without_gradients_the_loss_is_the_same(inputs) -> None:
    """Evaluation takes the other way and comes to the same number."""
    with torch.no_grad():
        torch.testing.assert_close(linear_cross_entropy(*inputs), plain(*inputs))


def test_no_rows_lose_nothing(inputs) -> None:
    """A batch without words of a cluster has loss 0 and gradients 0 there."""
    h, weight, bias, targets = inputs
    value, d_h, d_weight, d_bias = gradients(linear_cross_entropy, h[:0], weight, bias, targets[:0])
    assert value == 0
    assert len(d_h) == 0
    assert not d_weight.any()
    assert not d_bias.any()


def test_an_impossible_target_has_a_large_finite_loss() -> None:
    """A probability that rounds to 0 does not make the loss infinite."""
    h = torch.tensor([[1000.0]], requires_grad=True)
    loss = linear_cross_entropy(h, torch.tensor([[1.0], [-1.0]]), torch.zeros(2), torch.tensor([1]))
    assert 80 < loss.item() < 3000


def test_a_second_backward_pass_is_refused(inputs) -> None:
    """The gradients are used up by the first."""
    h, weight, bias, targets = inputs
    loss = linear_cross_entropy(h.requires_grad_(), weight, bias, targets)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="freed"):
        loss.backward()

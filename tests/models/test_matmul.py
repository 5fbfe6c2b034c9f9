"""Packed and quantized matrices against the ordinary product."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmus.models import matmul
from ulmus.models.matmul import Packed, PackedInt8

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


@pytest.fixture(params=[True, False], ids=["packed", "plain"])
def packing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """With and without oneDNN's packing."""
    if not request.param:
        monkeypatch.setattr(matmul, "_pack", lambda weight, rows: None)
        monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
    return bool(request.param)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("rows", [1, 5, 64])
def test_a_packed_product_is_the_product_with_bias_and_addend(packing, dtype, rows) -> None:
    """In every type, for fewer rows than the packing expects and for more."""
    torch.manual_seed(0)
    weight, x = torch.randn(12, 7).to(dtype), torch.randn(rows, 7).to(dtype)
    bias, add = torch.randn(12).to(dtype), torch.randn(rows, 12).to(dtype)
    times, plain = Packed(weight, 5), x.float() @ weight.float().t()
    for found, expected in (
        (times(x), plain),
        (times(x, bias=bias), plain + bias.float()),
        (times(x, add=add), plain + add.float()),
        (times(x, bias=bias, add=add), plain + bias.float() + add.float()),
    ):
        assert found.dtype == dtype
        torch.testing.assert_close(found.float(), expected, rtol=TOLERANCE[dtype], atol=4 * TOLERANCE[dtype])


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 9), m=st.integers(1, 20), n=st.integers(1, 40), seed=st.integers(0, 99))
def test_the_int8_error_is_at_most_half_a_quantization_step_of_each_factor(rows, m, n, seed) -> None:
    """|error| <= sum over inputs of |w| step_x / 2 + |x| step_w / 2 + their product."""
    torch.manual_seed(seed)
    weight, x = torch.randn(m, n), torch.rand(rows, n) * 2 - 1
    step_w = weight.abs().amax(dim=1) / 127
    bound = weight.abs().sum(1) / 254 + x.abs().sum(1, keepdim=True) * step_w / 2 + n * step_w / 508
    assert ((PackedInt8(weight, 4, largest=1.0)(x) - x @ weight.t()).abs() <= bound + 1e-4).all()


@pytest.mark.parametrize("largest", [4.0, None])
def test_an_int8_product_takes_bias_addend_and_a_wider_range(packing, largest) -> None:
    """Inputs up to `largest`, or of any size; bias and addend are not quantized."""
    torch.manual_seed(0)
    weight, x, bias, add = torch.randn(6, 50), torch.rand(3, 50) * 8 - 4, torch.randn(6), torch.randn(3, 6)
    times = PackedInt8(weight, 3, largest=largest)
    expected = times(x) + bias + add
    torch.testing.assert_close(times(x, bias=bias), times(x) + bias, rtol=1e-4, atol=1e-4)
    if largest is not None:
        few = add + times.few_rows(x)
        assert times.add_to(add, times.quantized(x)) is add
        torch.testing.assert_close(add + times.shift + bias, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(few, add, rtol=1e-4, atol=1e-4)
    assert (times(x) - x @ weight.t()).norm() < 0.02 * (x @ weight.t()).norm()


@pytest.mark.parametrize("largest", [1.0, None])
def test_a_row_has_the_same_int8_product_alone_and_among_others(packing, largest) -> None:
    """The scale of the inputs is fixed, or the row's own."""
    torch.manual_seed(0)
    times, x = PackedInt8(torch.randn(6, 50), 3, largest=largest), torch.rand(4, 50)
    torch.testing.assert_close(times(x)[:1], times(x[:1]), rtol=1e-6, atol=1e-6)

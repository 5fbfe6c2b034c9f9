"""A matrix packed once for many products: x -> x W^T + b.

A recurrent layer multiplies by the same matrix at every time step. oneDNN uses a blocked layout of its own; with the
matrix packed once, a product with 64 rows takes a fifth less time than `torch.nn.functional.linear`, one with a single
row less than half. Where torch has no such packing (GPUs, builds without oneDNN) it is an ordinary product: the same
numbers up to rounding. Knows no layer and no gradient.
Axes: M output features, N input features.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Packed", "PackedInt8"]

_DTYPES = (torch.bfloat16, torch.float32)


class Packed:
    """`weight` (M, N) packed for inputs of about `rows` rows; called with x (rows, N) it returns (rows, M)."""

    def __init__(self, weight: Tensor, rows: int) -> None:
        self._packed = _pack(weight, rows)
        self._plain = weight if self._packed is None else None

    def __call__(self, x: Tensor, *, bias: Tensor | None = None, add: Tensor | None = None) -> Tensor:
        """x (rows, N) -> x W^T (rows, M), plus `bias` (M,) and `add` (rows, M) if given."""
        if self._plain is not None:
            product: Tensor = F.linear(x, self._plain, bias)
            return product if add is None else product.add_(add)
        times = torch.ops.mkldnn._linear_pointwise
        if add is None:
            product = times(x, self._packed, bias, "none", [], "")
        else:
            product = times.binary(x, add, self._packed, bias, "add")
        return product


def _pack(weight: Tensor, rows: int) -> Tensor | None:
    """The matrix (M, N) in oneDNN's packed layout; None where that is not available."""
    if weight.device.type != "cpu" or weight.dtype not in _DTYPES:
        return None
    ops = torch.ops.mkldnn
    try:  # private operators of torch's own compiler: fall back to the ordinary product without them
        if weight.dtype == torch.bfloat16 and not ops._is_mkldnn_bf16_supported():
            return None
        packed: Tensor = ops._reorder_linear_weight(weight.contiguous(), rows)
    except (AttributeError, RuntimeError):
        return None
    return packed


class PackedInt8:
    """`weight` (M, N) quantized to int8, with one scale per row, and packed for about `rows` rows.

    Inputs are quantized too: with a fixed scale where they are known to lie between -`largest` and `largest`, with one
    scale per row otherwise. Either way a row's result does not depend on the other rows. On a processor without int8
    products the quantized weights are multiplied as floating-point numbers: as exact, but slower.
    Inputs are stored as uint8, -`largest` as 0 and `largest` as 254; `shift` (M,) is the correction that this offset
    requires, added to each product.
    """

    def __init__(self, weight: Tensor, rows: int, *, largest: float | None = None) -> None:
        self._dynamic, self._step = largest is None, (largest or 1.0) / 127
        scale = (weight.float().abs().amax(dim=1) / 127).clamp(min=1e-12)  # (M,)
        whole = (weight.float() / scale[:, None]).round().to(torch.int8)
        self._scale, self._zero = scale, torch.zeros(len(scale), dtype=torch.int64)
        self.shift = whole.sum(dim=1) * scale * (-127 * self._step)
        self._packed: Tensor | None = None
        if weight.device.type == "cpu" and getattr(torch.cpu, "_is_vnni_supported", lambda: False)():
            try:
                self._packed = torch.ops.onednn.qlinear_prepack(whole, [rows, weight.shape[1]])
            except (AttributeError, RuntimeError):
                self._packed = None
        self._plain = None if self._packed is not None else Packed(whole.float() * scale[:, None], rows)
        self._few = None if self._packed is None or self._dynamic else _pack_few(whole, scale, -self.shift)

    def __call__(self, x: Tensor, *, bias: Tensor | None = None) -> Tensor:
        """x (rows, N), float32 or `quantized` uint8 -> x W^T (rows, M) float32, plus `bias` (M,) if given."""
        if not self._dynamic:
            whole = x if x.dtype == torch.uint8 else self.quantized(x)
            return self._times(whole, self.shift if bias is None else self.shift + bias)
        largest = x.abs().amax(dim=1, keepdim=True).clamp(min=1e-12)  # (rows, 1)
        product = self._times(self.quantized(x / largest), self.shift).mul_(largest)
        return product if bias is None else product.add_(bias)

    def quantized(self, x: Tensor) -> Tensor:
        """Inputs (rows, N) between -`largest` and `largest` as uint8 of the same shape, with the offset."""
        return torch.add(127.5, x, alpha=1 / self._step).to(torch.uint8)

    @staticmethod
    def dequantized(whole: Tensor) -> Tensor:
        """The float32 numbers between -1 and 1 that `quantized` turned into uint8 with a `largest` of 1; any shape."""
        return (whole.float() - 127) / 127

    def few_rows(self, x: Tensor) -> Tensor:
        """x (rows, N) float32 between -`largest` and `largest` -> x W^T (rows, M) float32 without `shift`.

        Multiplies the same integers as `add_to`, in less time for up to eight rows.
        """
        if self._few is not None:
            product: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32.default(
                x, self._step, 127, self._few
            )
            return product
        return self.add_to(x.new_zeros(len(x), len(self._scale)), self.quantized(x))

    def add_to(self, total: Tensor, whole: Tensor) -> Tensor:
        """Add the product of `quantized` inputs (rows, N), without `shift`, to `total` (rows, M) float32; return it."""
        if self._plain is not None:
            return total.add_(self._plain(whole * self._step))
        torch.ops.onednn.qlinear_pointwise.binary(
            whole, self._step, 0, self._packed, self._scale, self._zero, total, None,
            1.0, 0, torch.float32, 1.0, 0, "sum", 1.0, "none", [], "",
        )  # fmt: skip
        return total

    def _times(self, whole: Tensor, bias: Tensor) -> Tensor:
        """The product (rows, M) float32 of `quantized` inputs (rows, N), plus `bias` (M,)."""
        if self._plain is not None:
            return self._plain(whole * self._step, bias=bias)
        product: Tensor = torch.ops.onednn.qlinear_pointwise.default(
            whole, self._step, 0, self._packed, self._scale, self._zero, bias,
            1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        return product


def _pack_few(whole: Tensor, scale: Tensor, bias: Tensor) -> Any:
    """The int8 matrix (M, N) in FBGEMM's layout, whose calls have little overhead; None where that is not available."""
    backend, engine = torch.backends.quantized, "fbgemm"
    if engine not in backend.supported_engines:
        return None
    before, backend.engine = backend.engine, engine
    try:  # torch plans to drop these operators: fall back to the product for many rows without them
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            zeros = torch.zeros(len(scale), dtype=torch.int64)
            weight = torch._make_per_channel_quantized_tensor(whole, scale, zeros, 0)
        _ = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32.default
        return torch.ops.quantized.linear_prepack(weight, bias)
    except (AttributeError, RuntimeError):
        return None
    finally:
        backend.engine = before

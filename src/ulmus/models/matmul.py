"""One matrix that many vectors are multiplied by, laid out once for the processor: x -> x W^T + b.

A recurrent layer multiplies by the same matrix at every time step. oneDNN wants it in blocks of its own; packed once,
64 rows cost a fifth less than through `torch.nn.functional.linear`, and one row less than half. Where torch has no
such packing (GPUs, builds without oneDNN) it is an ordinary product: same numbers up to rounding.
Knows no layer and no gradient.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Packed"]

_DTYPES = (torch.bfloat16, torch.float32)


class Packed:
    """`weight` (M, N) laid out for inputs of about `rows` rows; called with x (rows, N) it gives (rows, M)."""

    def __init__(self, weight: Tensor, rows: int) -> None:
        self._plain = weight
        self._packed = _pack(weight, rows)

    def __call__(self, x: Tensor, *, bias: Tensor | None = None, add: Tensor | None = None) -> Tensor:
        """x (rows, N) -> x W^T (rows, M), plus `bias` (M,) and `add` (rows, M) where they are given."""
        if self._packed is None:
            product = F.linear(x, self._plain, bias)
            return product if add is None else product.add_(add)
        times = torch.ops.mkldnn._linear_pointwise
        if add is None:
            product = times(x, self._packed, bias, "none", [], "")
        else:
            product = times.binary(x, add, self._packed, bias, "add")
        return product


def _pack(weight: Tensor, rows: int) -> Tensor | None:
    """The matrix in oneDNN's own layout; None where there is no such thing."""
    if weight.device.type != "cpu" or weight.dtype not in _DTYPES or not torch.backends.mkldnn.is_available():
        return None
    try:  # private operators, those of torch's own compiler: absent or refusing means the plain product
        packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), rows)
    except (AttributeError, RuntimeError):
        return None
    return packed

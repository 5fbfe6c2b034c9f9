"""The limits of this machine, for `compare.py`: `python limits.py [quick]` prints one JSON line, GFLOP/s by name.

float32, bf16, int8: products of large square matrices, an upper limit for training and batched inference. The int8
product is the operator of `models/matmul.py`; None if the processor or the torch build has none.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import measure
import torch


def floating(size: int, dtype: torch.dtype) -> Callable[[], Any]:
    """A product of two matrices of floating-point numbers."""
    device = measure.device()
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    out = torch.empty(size, size, dtype=dtype, device=device)
    return lambda: torch.mm(a, b, out=out)


def whole(size: int) -> Callable[[], Any]:
    """A product of matrices of 8-bit whole numbers, its result in float32."""
    weight = torch.randint(-127, 127, (size, size), dtype=torch.int8)
    packed = torch.ops.onednn.qlinear_prepack(weight, [size, size])
    scale, zero = torch.full((size,), 0.01), torch.zeros(size, dtype=torch.int64)
    x = torch.randint(0, 255, (size, size), dtype=torch.uint8)
    times = torch.ops.onednn.qlinear_pointwise
    return lambda: times(x, 0.01, 128, packed, scale, zero, None, 1.0, 0, torch.float32, "none", [], "")


def gflops(size: int, make: Callable[[], Callable[[], Any]]) -> float | None:
    """GFLOP/s of the product that `make` returns; None if it is not available."""
    try:
        work = make()
        took = measure.median_s(work, times=5, warm=2)
    except (AttributeError, RuntimeError):
        return None
    return 2 * size**3 / took / 1e9


def main() -> None:
    """Measure and print."""
    measure.all_cores()
    size = 1536 if "quick" in sys.argv[1:] else 4096
    found = {
        "float32": gflops(size, lambda: floating(size, torch.float32)),
        "bf16": gflops(size, lambda: floating(size, torch.bfloat16)),
        "int8": gflops(size, lambda: whole(size)),
    }
    on_gpu = measure.device().type == "cuda"
    print(json.dumps(found | {"size": size, "device": torch.cuda.get_device_name() if on_gpu else "cpu"}))


if __name__ == "__main__":
    main()

"""Device and precision: autocast, accelerate, and moving batches to the device.

`auto` means cuda if there is a GPU, and bf16 if the hardware has bf16 products (measured with AVX-512 BF16:
390 GFLOP/s against 160 in float32). Opening an Accelerator takes about a millisecond.
Knows no model and no batch class: only arrays and tensors.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ulmus.errors import ConfigError

__all__ = [
    "autocast", "open_accelerator", "resolve_device", "resolve_precision", "reuse_memory", "to_device",
]  # fmt: skip

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of settings in glibc's malloc.h
_LARGEST = 2**31 - 1  # bytes
_MIXED = {"float32": "no", "bf16": "bf16", "fp16": "fp16"}


def resolve_device(device: str = "auto") -> torch.device:
    """auto | cpu | cuda -> an available device. Raises ConfigError for another name, or for cuda without a GPU."""
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device: expected auto, cpu or cuda, got {device!r}.")
    has_cuda = torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise ConfigError(
            "device: cuda was requested, but torch finds no CUDA GPU. Use --device cpu or auto."
        )
    return torch.device("cuda" if has_cuda and device != "cpu" else "cpu")


def resolve_precision(precision: str, device: torch.device) -> str:
    """auto | float32 | bf16 | fp16 -> float32 | bf16 | fp16. Raises ConfigError for one the device does not support."""
    if precision == "auto":
        return "bf16" if _multiplies_bf16(device) else "float32"
    if precision not in _MIXED:
        raise ConfigError(f"precision: expected auto, {', '.join(_MIXED)}, got {precision!r}.")
    if precision == "fp16" and device.type == "cpu":
        raise ConfigError("precision: fp16 needs a CUDA GPU. On a CPU use bf16 or float32.")
    return precision


def _multiplies_bf16(device: torch.device) -> bool:
    """True if the device has bf16 products in hardware: a speed-up, not an emulation."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private: absent means unknown means no
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[Any]:
    """Mixed precision inside the block; no effect for float32."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16 if precision == "bf16" else torch.float16)


def open_accelerator(device: torch.device, precision: str) -> Any:
    """An `accelerate.Accelerator` for this device and precision, in this process or under torchrun.

    accelerate keeps one state per process and refuses a different second one; the old one is reset here.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    cpu, mixed = device.type == "cpu", _MIXED[precision]
    if AcceleratorState._shared_state:
        old = AcceleratorState()
        if old.mixed_precision != mixed or (old.device.type == "cpu") != cpu:
            AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    return Accelerator(cpu=cpu, mixed_precision=mixed)


def reuse_memory() -> None:
    """Make the C library keep freed memory for the next step; by default it returns large blocks to the system.

    A step that allocates 500 MB would spend a tenth of its time on getting the same pages again. Only glibc has this
    setting; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _LARGEST)
        mallopt(_MMAP_THRESHOLD, _LARGEST)


def to_device(batch: Any, device: torch.device) -> Any:
    """The batch with all its arrays and tensors on the device, in the same tuples or dataclasses and shapes."""
    if isinstance(batch, np.ndarray):
        if not batch.flags.writeable:
            batch = batch.copy()
        return to_device(torch.from_numpy(batch), device)
    if isinstance(batch, Tensor):
        if device.type == "cuda" and batch.device.type == "cpu":
            return batch.pin_memory().to(device, non_blocking=True)
        return batch.to(device)
    if isinstance(batch, tuple):
        items = [to_device(item, device) for item in batch]
        return type(batch)(*items) if hasattr(batch, "_fields") else tuple(items)
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        fields = {
            f.name: to_device(getattr(batch, f.name), device) for f in dataclasses.fields(batch) if f.init
        }
        return dataclasses.replace(batch, **fields)
    return batch

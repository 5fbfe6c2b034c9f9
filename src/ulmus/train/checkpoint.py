"""A run in progress <-> one safetensors file: weights, optimizer, averages, random states, position.

Tensors of any shape are stored by name (`model.*`, `optim.*`, `average.*`, `best.*`, `carried.*`, `rng.*`); everything
else is JSON, stored as the byte tensor `run.json`, and `run.sha256` is the SHA-256 of the file without itself. Nothing
is pickled, so opening a file runs no code. A file is written under a temporary name, then renamed: kill -9 leaves the
previous checkpoint. Takes about 4 times the weights on disk, and at most about 2% of the time. Knows no stage and no
batches.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ulmus.errors import BundleError, ConfigError, DataError, StorageError
from ulmus.storage import check_writable, open_file, whole_file
from ulmus.tensors import BFloat16, aligned, pack, unpack
from ulmus.tensors import Tensor as Array

__all__ = ["CheckpointFile", "Saved", "load_model", "model_tensors"]

FORMAT_VERSION = 2
RUN, SUM = "run.json", "run.sha256"
SHARE = 0.02  # largest fraction of the time spent on writing checkpoints


class Saved(NamedTuple):
    """The contents of a checkpoint: tensors on the CPU by full name, and the JSON part."""

    tensors: dict[str, Tensor]
    run: dict[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names start with `prefix.`, under the rest of their names."""
        return {
            name[len(prefix) + 1 :]: t for name, t in self.tensors.items() if name.startswith(f"{prefix}.")
        }


class CheckpointFile:
    """Decides when a checkpoint is due, at most one in `every_s` seconds; writes and reads it."""

    def __init__(self, path: Path, *, every_s: float) -> None:
        self.path, self.every_s = path, every_s
        self._written_s, self._cost_s = time.monotonic(), 0.0

    def due(self) -> bool:
        """True when the last one is `every_s` seconds old and writing another keeps within `SHARE` of the time."""
        return time.monotonic() - self._written_s >= max(self.every_s, self._cost_s / SHARE)

    def check(self) -> None:
        """Raise StorageError now, not after the first minute, when the file cannot be written."""
        check_writable(self.path)

    def write(self, tensors: Mapping[str, Tensor], run: dict[str, Any]) -> None:
        """Replace the file. Raises StorageError; the previous file then stays."""
        began = time.monotonic()
        text = json.dumps({"format_version": FORMAT_VERSION, **run}).encode()
        arrays: dict[str, Array] = {name: _to_numpy(t) for name, t in tensors.items()}
        arrays[RUN] = np.frombuffer(text, np.uint8)
        with whole_file(self.path) as file:
            for chunk in pack(arrays | {SUM: _checksum(arrays)}):
                file.write(chunk)
        self._written_s = time.monotonic()
        self._cost_s = self._written_s - began

    def try_write(self, tensors: Mapping[str, Tensor], run: dict[str, Any]) -> None:
        """Write, or warn with RuntimeWarning that it failed: a full disk must not end a training run."""
        try:
            self.write(tensors, run)
        except StorageError as error:
            self._written_s = time.monotonic()
            warnings.warn(
                f"Training continues without a new checkpoint. {error}", RuntimeWarning, stacklevel=2
            )

    def read(self, identity: dict[str, str]) -> Saved | None:
        """The checkpoint, or None if there is no file.

        Raises ConfigError when it belongs to another run (`identity` differs), DataError when it is damaged.
        """
        if not self.path.exists():
            return None
        try:
            arrays = unpack(_read(self.path))
            stored = arrays.pop(SUM, None)
            run = json.loads(np.asarray(arrays[RUN]).tobytes())
            version, theirs = run["format_version"], run["identity"]
            if version == FORMAT_VERSION and not np.array_equal(np.asarray(stored), _checksum(arrays)):
                raise ValueError("its checksum does not match: the file was changed")
            tensors = {name: _to_torch(t) for name, t in arrays.items() if name != RUN}
        except (BundleError, KeyError, ValueError, TypeError, AttributeError, OSError) as error:
            raise DataError(
                f"{self.path} is not a checkpoint or is damaged ({error}). Delete it to start over."
            ) from error
        different = [part for part in identity if theirs.get(part) != identity[part]]
        if version != FORMAT_VERSION:
            different.append("the version of Ulmus")
        if different:
            raise ConfigError(
                f"{self.path} belongs to another run (different: {', '.join(different)})."
                " Resume with the same data and settings, or delete it to start over."
            )
        return Saved(tensors, run)

    def remove(self) -> None:
        """Delete the file if it is there."""
        self.path.unlink(missing_ok=True)


def _read(path: Path) -> memoryview:
    with open_file(path) as file:
        data = aligned(os.fstat(file.fileno()).st_size)
        if file.readinto(data) != len(data):
            raise ValueError("it is truncated")
    return data


def _checksum(arrays: Mapping[str, Array]) -> np.ndarray[Any, Any]:
    """SHA-256 (32,) uint8 of the file with these arrays."""
    digest = hashlib.sha256()
    for chunk in pack(arrays):
        digest.update(chunk)
    return np.frombuffer(digest.digest(), np.uint8)


def model_tensors(model: Any) -> dict[str, Tensor]:
    """The model's state by name; a tensor with several names (tied weights) appears under its first only."""
    seen: set[tuple[Any, ...]] = set()
    tensors = {}
    for name, t in model.state_dict().items():
        place = (t.data_ptr(), t.shape, t.stride(), t.dtype)
        if t.numel() == 0 or place not in seen:
            tensors[name] = t
        seen.add(place)
    return tensors


@torch.no_grad()
def load_model(model: Any, tensors: Mapping[str, Tensor]) -> None:
    """Copy tensors, named as by `model_tensors`, into the model in place."""
    for name, own in model_tensors(model).items():
        own.copy_(tensors[name])


def _to_numpy(t: Tensor) -> np.ndarray[Any, Any] | BFloat16:
    t = t.detach().cpu().contiguous()
    if t.dtype == torch.bfloat16:
        return BFloat16(t.view(torch.int16).numpy().view(np.uint16))
    array: np.ndarray[Any, Any] = t.numpy()
    return array


def _to_torch(array: np.ndarray[Any, Any] | BFloat16) -> Tensor:
    if isinstance(array, BFloat16):
        return torch.from_numpy(array.bits.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)

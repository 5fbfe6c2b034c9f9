"""Devices, precision, and moving batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import torch

from ulmus.errors import ConfigError
from ulmus.train.device import open_accelerator, resolve_device, resolve_precision, to_device

CPU = torch.device("cpu")


class _Pair(NamedTuple):
    x: np.ndarray
    name: str | None = None


@dataclass(frozen=True)
class _Labelled:
    ids: np.ndarray
    targets: np.ndarray | None = None


def test_every_array_of_a_batch_becomes_a_tensor():
    """Tuples, named tuples and dataclasses keep their type; what is no array stays."""
    x = np.arange(3)
    assert to_device(x, CPU).tolist() == [0, 1, 2]
    plain = to_device((x, None, 5), CPU)
    assert isinstance(plain, tuple)
    assert isinstance(plain[0], torch.Tensor)
    assert plain[1:] == (None, 5)
    pair = to_device(_Pair(x, "a"), CPU)
    assert (type(pair), pair.name, pair.x.tolist()) == (_Pair, "a", [0, 1, 2])
    labelled = to_device(_Labelled(x), CPU)
    assert (type(labelled), labelled.targets, labelled.ids.tolist()) == (_Labelled, None, [0, 1, 2])


def test_a_read_only_array_is_copied():
    """A view of a memory-mapped store becomes a tensor of its own."""
    x = np.arange(3)
    x.flags.writeable = False
    moved = to_device(x, CPU)
    moved[0] = 7
    assert x[0] == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_asking_for_a_gpu_that_is_not_there_is_an_error():
    """The message says what to use instead."""
    with pytest.raises(ConfigError, match="cpu or auto"):
        resolve_device("cuda")
    assert resolve_device("auto") == CPU


def test_unknown_devices_and_precisions_are_errors():
    """Each message names what there is; fp16 is for GPUs."""
    with pytest.raises(ConfigError, match="auto, cpu or cuda"):
        resolve_device("tpu")
    with pytest.raises(ConfigError, match="float32, bf16, fp16"):
        resolve_precision("int8", CPU)
    with pytest.raises(ConfigError, match="bf16 or float32"):
        resolve_precision("fp16", CPU)
    assert resolve_precision("auto", CPU) in ("float32", "bf16")


def test_one_process_can_train_in_one_precision_after_another():
    """accelerate's state of the process is renewed when the precision changes."""
    for precision, mixed in (("float32", "no"), ("bf16", "bf16"), ("bf16", "bf16"), ("float32", "no")):
        assert open_accelerator(CPU, precision).mixed_precision == mixed

"""Weights of a network <-> arrays of a model file; rows of one vocabulary -> rows of another.

Knows no files: `bundle` writes the arrays. Axes: V vocabulary, E embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ulmus.bundle import BFloat16
from ulmus.errors import BundleError, ConfigError

__all__ = ["numpy_tensors", "remapped", "rows_of", "stored", "torch_arrays", "torch_tensors"]

Network = TypeVar("Network", bound=nn.Module)


def numpy_tensors(network: nn.Module, prefix: str = "") -> dict[str, Any]:
    """The weights of a network by name, as numpy arrays of the same shapes that share its memory where possible."""
    return {prefix + name: t.detach().cpu().contiguous().numpy() for name, t in network.state_dict().items()}


def stored(tensors: Mapping[str, Any], weights: str) -> dict[str, Any]:
    """The arrays in the type of the file: unchanged for `float32`, matrices as bf16 for `bf16`; shapes are unchanged.

    Raises ConfigError for another type.
    """
    if weights not in ("float32", "bf16"):
        raise ConfigError(f"weights: expected float32 or bf16, got {weights!r}.")
    if weights == "float32":
        return dict(tensors)
    return {name: BFloat16.from_float32(t) if t.ndim > 1 else t for name, t in tensors.items()}


def torch_tensors(network: nn.Module, tensors: Mapping[str, Any], prefix: str = "") -> None:
    """Make arrays, named as by `numpy_tensors`, the weights of a network, which may be on the `meta` device.

    Arrays of the network's own type are not copied but share memory with the model file's data. Nothing of the size
    that a config claims is allocated before the arrays are known to have that size. Raises BundleError when names,
    shapes or values do not match the network.
    """
    own = network.state_dict()
    given = torch_arrays(tensors, prefix)
    if given.keys() != own.keys():
        odd = ", ".join(sorted(given.keys() ^ own.keys())[:3])
        raise BundleError(
            f"The weights do not match the model's config (missing or unexpected: {odd}). Retrain the model."
        )
    taken = {}
    for name, t in own.items():
        if given[name].shape != t.shape:
            raise BundleError(
                f"The weight {name} has shape {tuple(given[name].shape)}, the model's config expects {tuple(t.shape)}. "
                "Retrain the model."
            )
        if name.endswith("running_var") and (given[name] < 0).any():
            raise BundleError(f"The weight {name} is a variance with values below 0. Retrain the model.")
        taken[name] = given[name].to(t.dtype)
    network.load_state_dict(taken, assign=True)


def torch_arrays(tensors: Mapping[str, Any], prefix: str) -> dict[str, Tensor]:
    """The arrays whose names begin with `prefix`, without it, as tensors of any shape; bf16 becomes float32."""
    arrays = {
        name[len(prefix) :]: t.to_float32() if isinstance(t, BFloat16) else np.asarray(t)
        for name, t in tensors.items()
        if name.startswith(prefix)
    }
    return {
        name: torch.from_numpy(np.require(array, requirements=["C", "A", "W"]))
        for name, array in arrays.items()
    }


def rows_of(old: Tensor, index: np.ndarray) -> Tensor:
    """Rows (V_old, ...) -> rows (V_new, ...) of a new vocabulary: shared tokens keep theirs, new ones get the mean row.

    `index` (V_new,) int64 is the old row of each new token, or -1.

    Source: Howard & Ruder 2018, section 3.2.
    """
    place = torch.from_numpy(index).to(old.device)
    rows = old[place.clamp(min=0)]
    rows[place < 0] = old.mean(dim=0)
    return rows


@torch.no_grad()
def remapped(network: nn.Module, index: np.ndarray, fresh: Network) -> Network:
    """`fresh`, built for the new vocabulary, with the weights of `network`; `index` (V_new,) as for `rows_of`.

    Raises ConfigError when the two networks differ in anything but the vocabulary.
    """
    old, new = network.state_dict(), fresh.state_dict()
    by_word = {"encoder.embedding", "decoder.bias"}
    for name in old.keys() | new.keys():
        first = 1 if name in by_word or name == "decoder.clusters" else 0
        if name not in old or name not in new or old[name].shape[first:] != new[name].shape[first:]:
            raise ConfigError(
                f"The two models differ in shape ({name}). Use the same size and cell for both."
            )
    for name, t in new.items():
        if name in by_word:
            t.copy_(rows_of(old[name], index))
        elif t.shape == old[name].shape:  # a different number of tails: their rows keep their initial values
            t.copy_(old[name])
    return fresh

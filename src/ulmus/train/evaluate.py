"""The loss of a model on batches, without training: one function for language models and classifiers.

One forward pass per batch, without gradients, in the order of the batches. The mean is weighted by each batch's
count, accumulated in float64 on the device and read once. Knows no metric but the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor

from ulmus.errors import DataError
from ulmus.train.device import autocast, resolve_device, resolve_precision, to_device
from ulmus.train.processes import ALONE, Processes

__all__ = ["Evaluation", "evaluate"]

Array = np.ndarray[Any, Any]


class Evaluation(TypedDict):
    """The result of `evaluate`; the arrays are None unless collected."""

    loss: float  # nll in nats, mean over n
    n: int  # tokens or documents
    outputs: Array | None  # (N, C) float32, in the order of the batches
    targets: Array | None  # (N,) or (N, C)
    index: Array | None  # (N,) int64 document numbers, if the batches have an `index`


@torch.no_grad()
def evaluate(
    model: Any,
    batches: Any,
    *,
    device: str | torch.device = "auto",
    precision: str = "float32",
    collect: bool = False,
    between: Callable[[], None] | None = None,
    together: Processes = ALONE,
) -> Evaluation:
    """Mean nll of the model (a Trainable) over one pass of the batches; with `collect` also outputs and targets.

    `between` is called after each batch and may raise. Afterwards the model's mode and the batches' epoch are restored
    and the carried state is reset. `together` are processes that evaluate the same model on the same batches: each
    takes a part of every batch, unless outputs are collected. Raises DataError when there are no batches, ConfigError
    for a device or precision that is not available.
    """
    device = resolve_device(device) if isinstance(device, str) else device
    precision = resolve_precision(precision, device)
    parts: dict[str, list[Tensor]] = {"outputs": [], "targets": [], "index": []}
    together = ALONE if collect else together
    total, n = torch.zeros((), dtype=torch.float64, device=device), 0
    epoch = batches.epoch
    batches.set_epoch(0)  # start at the first batch, wherever the iterator is
    was_training = model.training
    model.to(device).eval()
    model.reset()
    try:
        for batch in batches:
            moved = to_device(together.part(batch), device)
            with autocast(device, precision):
                step = model(moved)
            if not together.idle:
                total.add_(step.nll, alpha=step.count)
                n += step.count
            if collect:
                _keep(parts, step.output, step.target, getattr(moved, "index", None))
            if between is not None:
                between()
    finally:
        model.train(was_training)
        model.reset()
        batches.set_epoch(epoch)
    loss_sum, n_all = together.sum([float(total), n])
    n = int(n_all)
    if n == 0:
        raise DataError("Nothing to evaluate: expected at least one batch, got none.")
    outputs, targets, index = (_join(tensors) for tensors in parts.values())
    return Evaluation(loss=loss_sum / n, n=n, outputs=outputs, targets=targets, index=index)


def _keep(parts: dict[str, list[Tensor]], *tensors: Any) -> None:
    for kept, tensor in zip(parts.values(), tensors, strict=True):
        if isinstance(tensor, Tensor):  # (every tuple has a method `index`)
            kept.append(tensor.detach())


def _join(tensors: list[Tensor]) -> Array | None:
    """Tensors (B, ...) -> one array (N, ...) on the host; bf16 and fp16 become float32."""
    if not tensors:
        return None
    joined = torch.cat(tensors).cpu()
    return np.asarray((joined.float() if joined.is_floating_point() else joined).numpy())

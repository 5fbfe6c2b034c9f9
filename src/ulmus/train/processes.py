"""Several processes under torchrun train as one: each takes a part of every batch, and all make the same steps.

All processes run the same program on the same data. `part` gives each of P processes every P-th row of a batch; losses
are weighted by the weight of their part, gradients are summed, and batch norm uses the rows of all processes, so a step
is that of one process with the whole batch, up to rounding (and to dropout masks, which each process draws for itself).
The first process decides what could differ (`from_first`: the clock, a choice), and it alone writes files. A process
that has lost another one raises UlmusError. With one process nothing is exchanged and nothing is rounded differently.
Costs per step: each gradient is sent once, and a few numbers. Knows no model, no text and no files.
Axes: B rows of a batch, P processes.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import count
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from ulmus.errors import ConfigError, UlmusError
from ulmus.train.protocol import Step

__all__ = ["ALONE", "Processes", "processes"]

TIMEOUT = timedelta(minutes=30)  # of one exchange; a process that has ended is noticed at once
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
LOST = (
    "Another process of this run ended or stopped responding; its own message says why. "
    "Start all processes again to resume from the last checkpoint."
)


@dataclass(eq=False)
class Processes:
    """The processes of a run as one of them sees it: its number `rank`, and how many there are."""

    rank: int = 0
    count: int = 1
    store: Any = None  # torch's store of small values, which all processes can read
    idle: bool = (
        False  # this process's part of the current batch is empty: a row stands in that counts nothing
    )

    def __post_init__(self) -> None:
        self._keys = map(str, count())

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and reports progress."""
        return self.rank == 0

    # -- decisions -------------------------------------------------------------------------------------------------

    def from_first(self, make: Callable[[], Any]) -> Any:
        """The value of `make()` (plain JSON) in the first process, where alone it is called; the others wait for it.

        Raises what `make` raises in the first process, UlmusError in the others.
        """
        if self.count == 1:
            return make()
        key = next(self._keys)
        if not self.first:
            return self._wait_for(key)
        try:
            value = make()
        except BaseException:
            self.store.set(key, "failed")
            raise
        self.store.set(key, f"made {json.dumps(value)}")
        return value

    @contextmanager
    def first_before_others(self) -> Iterator[None]:
        """The others enter the block once the first process has left it without an error (else: UlmusError)."""
        key = next(self._keys) if self.count > 1 else ""
        if not self.first:
            self._wait_for(key)
        try:
            yield
        except BaseException:
            if self.first and key:
                self.store.set(key, "failed")
            raise
        if self.first and key:
            self.store.set(key, "made null")

    def wait(self) -> None:
        """Return once all processes are here."""
        self.sum([0.0])

    def time_s(self) -> float:
        """Seconds on the clock of the first process, which starts anywhere."""
        return self.sum([time.perf_counter() if self.first else 0.0])[0]

    def _wait_for(self, key: str) -> Any:
        """Poll for a value, however long the first process takes: unlike a blocking call, this can be interrupted."""
        pause_s = 0.001
        try:
            while not self.store.check([key]):
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, 0.2)
            what, _, value = self.store.get(key).decode().partition(" ")
        except RuntimeError as error:
            raise UlmusError(LOST) from error
        if what == "failed":
            raise UlmusError("The first process of this run failed; its own message says why.")
        return json.loads(value)

    # -- exchanges -------------------------------------------------------------------------------------------------

    def sum(self, values: Sequence[float]) -> list[float]:
        """The sums of `values` over all processes."""
        if self.count == 1:
            return list(values)
        return [float(v) for v in self.summed(torch.tensor(values, dtype=torch.float64))]

    def summed(self, t: Tensor) -> Tensor:
        """`t` (any shape, the same in all processes), summed over the processes in place."""
        self.summed_all([t])
        return t

    def summed_all(self, tensors: Sequence[Tensor]) -> None:
        """Sum each tensor, of any shape, over the processes in place, all at once."""
        if self.count == 1:
            return
        try:
            for work in [dist.all_reduce(t, async_op=True) for t in tensors]:
                work.wait()
        except RuntimeError as error:
            raise UlmusError(LOST) from error

    def same(self, array: np.ndarray) -> np.ndarray:
        """The first process's array, of any shape, whatever rounding made of it in the others.

        Raises ConfigError: another shape.
        """
        if self.count == 1:
            return array
        shape = self.from_first(lambda: list(array.shape))
        self.check_same(shape == list(array.shape), "the training data")
        own = array.copy() if self.first else np.zeros_like(array)
        return np.asarray(self.summed(torch.from_numpy(own)).numpy())

    def check_same(self, same: bool, what: str) -> None:
        """Raise ConfigError in all processes unless `same` holds in all of them."""
        if self.sum([float(not same)])[0]:
            raise ConfigError(
                f"{what} differ between the processes: start each with the same data and settings."
            )

    @torch.no_grad()
    def copy_first(self, tensors: Sequence[Tensor]) -> None:
        """Give each tensor, of any shape, its values in the first process."""
        for t in tensors if self.count > 1 else ():
            t.copy_(self.summed(t.contiguous() if self.first else torch.zeros_like(t).contiguous()))

    # -- batches ---------------------------------------------------------------------------------------------------

    def part(self, batch: Any) -> Any:
        """This process's rows of a batch: every P-th of each array (B, ...) in its tuples and dataclasses.

        With fewer rows than processes some get the first row, and are `idle` until the next batch.
        Raises ConfigError: arrays of different lengths, which cannot be divided by rows.
        """
        if self.count == 1:
            return batch
        sizes = {len(a) for a in _arrays(batch)}
        if len(sizes) != 1:
            raise ConfigError(
                f"several processes: expected batches of arrays with one row per example, got {sorted(sizes)} rows."
            )
        self.idle = self.rank >= sizes.pop()
        rows = slice(0, 1) if self.idle else slice(self.rank, None, self.count)
        return _map(batch, lambda a: a[rows].copy() if isinstance(a, np.ndarray) else a[rows].contiguous())

    def whole(self, step: Step) -> Step:
        """The step of the whole batch: its nll and count, and a loss whose gradients, summed, are the whole batch's."""
        if self.count == 1:
            return step
        own = 0.0 if self.idle else 1.0
        n = int(self.sum([step.count * own])[0])
        weight = own * (step.nll.new_tensor(step.count) if step.weight is None else step.weight).double()
        sums = self.summed(torch.stack([weight, own * step.count * step.nll.double()]))
        share = (weight / sums[0].clamp(min=torch.finfo(torch.float32).tiny)).to(step.loss.dtype)
        return step._replace(loss=step.loss * share, nll=sums[1] / n, count=n)

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum the gradients over the processes; a parameter without one counts as zero."""
        if self.count == 1:
            return
        for p in parameters:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad.contiguous()
        self.summed_all([p.grad for p in parameters if p.grad is not None])

    def gathered(self, t: Tensor) -> Tensor:
        """The rows (B, ...) of a whole batch, from each process's part of them (with stand-ins, as `part` gives)."""
        if self.count == 1:
            return t
        own = 0 if self.idle else len(t)
        rows = int(self.sum([own])[0])
        whole = t.new_zeros(rows, *t.shape[1:])
        if own:
            whole[self.rank :: self.count] = t
        return self.summed(whole)

    def gathered_all(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`gathered` for each of these tensors (B, ...), which all processes have under the same names."""
        return {name: self.gathered(t) for name, t in tensors.items()}

    def name(self, name: str) -> str:
        """The name of something that each process has for itself; that of the first process is `name`."""
        return name if self.first else f"{name}.{self.rank}"

    def named(self, name: str, t: Tensor) -> dict[str, Tensor]:
        """Every process's own `t` (of the same shape, on the CPU) by `name` and number."""
        each = t.new_zeros(self.count, *t.shape)
        each[self.rank] = t
        self.summed(each)
        return {dataclasses.replace(self, rank=k).name(name): each[k].clone() for k in range(self.count)}

    @contextmanager
    def shared_norms(self, model: Any) -> Iterator[None]:
        """Inside the block batch norm uses the rows of all processes (torch's SyncBatchNorm needs a GPU)."""
        norms = [m for m in model.modules() if type(m) in NORMS] if self.count > 1 else []
        kinds = [type(m) for m in norms]
        for norm in norms:  # the class alone changes: weights, statistics and names stay
            norm.__class__ = _SharedBatchNorm
        try:
            yield
        finally:
            for norm, kind in zip(norms, kinds, strict=True):
                norm.__class__ = kind


ALONE = Processes()


def processes() -> Processes:
    """The processes that torchrun or a compatible launcher started, joined on the first call; `ALONE` without one."""
    started = int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ
    return _joined() if started or (dist.is_available() and dist.is_initialized()) else ALONE


@cache
def _joined() -> Processes:
    if not dist.is_initialized():
        dist.init_process_group(timeout=TIMEOUT)  # gloo for tensors on the CPU, nccl for those on a GPU
    store = dist.distributed_c10d.PrefixStore("ulmus", dist.distributed_c10d._get_default_store())
    return Processes(dist.get_rank(), dist.get_world_size(), store)


class _Sum(torch.autograd.Function):
    """Sum over the processes, with gradients: each process's loss depends on the terms of all of them."""

    @staticmethod
    def forward(_ctx: Any, t: Tensor) -> Tensor:
        """The sum, in the shape of `t`."""
        return processes().summed(t.clone())

    @staticmethod
    def backward(_ctx: Any, *grads: Tensor) -> Tensor:
        """The sum of the processes' gradients."""
        return processes().summed(grads[0].clone())


class _SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm with the statistics of the rows of all processes: (B, F, ...) -> (B, F, ...)."""

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002
        """Any number of dimensions from two on."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """In training, normalise by mean and variance over all processes; else as always."""
        if not self.training:
            return super().forward(input)
        own = 0.0 if processes().idle else 1.0
        axes, x = [0, *range(2, input.ndim)], input.float()
        shape = (1, -1, *[1] * (input.ndim - 2))
        rows = x.new_full((1,), own * x.numel() / x.shape[1])
        sums: Tensor = _Sum.apply(torch.cat([own * x.sum(axes), rows]))  # type: ignore[no-untyped-call]
        n = sums[-1].detach()
        mean = sums[:-1] / n
        centred = x - mean.view(shape)
        var: Tensor = _Sum.apply(own * centred.square().sum(axes)) / n  # type: ignore[no-untyped-call]
        self._track(mean.detach(), var.detach() * (n / (n - 1).clamp(min=1)))
        y = centred * (var + self.eps).rsqrt().view(shape)
        if self.affine:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor) -> None:
        """Move the running statistics (F,) towards those of the batch."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(var, share)


def _arrays(batch: Any) -> Iterator[Any]:
    """The arrays and tensors of a batch."""
    found: list[Any] = []
    _map(batch, lambda a: found.append(a) or a)  # type: ignore[func-returns-value]
    yield from found


def _map(batch: Any, change: Callable[[Any], Any]) -> Any:
    """The batch with each of its arrays and tensors changed, in the same tuples and dataclasses."""
    if isinstance(batch, (np.ndarray, Tensor)):
        return change(batch)
    if isinstance(batch, tuple):
        items = [_map(item, change) for item in batch]
        return type(batch)(*items) if hasattr(batch, "_fields") else tuple(items)
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        changed = {f.name: _map(getattr(batch, f.name), change) for f in dataclasses.fields(batch) if f.init}
        return dataclasses.replace(batch, **changed)
    return batch

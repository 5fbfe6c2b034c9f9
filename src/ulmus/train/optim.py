"""Layer groups -> AdamW or SGD with one learning rate per group; freezing; a running average of the weights.

Groups are ordered from the lowest layer up (Howard & Ruder 2018, section 3.2): the group k below the top trains at rate
lr / factor**k. A frozen group has requires_grad False: it needs no backward pass and no optimizer state. Optimizers are
the fused ones: one pass over the weights per step on CPU and GPU. The average takes one more pass. Tensors of a
state or an average have the shape of their parameter. Knows no schedule, no loss, no model class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ulmus.errors import ConfigError

__all__ = [
    "WeightAverage", "check_groups", "freeze_to", "group_scales", "load_optimizer", "make_optimizer",
    "optimizer_tensors", "set_rates",
]  # fmt: skip

BETA2 = (
    0.99  # as in the published AWD-LSTM / ULMFiT recipes; 0.999 is too slow for stages of a few hundred steps
)
Groups = Sequence[Sequence[nn.Parameter]]


def group_scales(groups: int, factor: float) -> list[float]:
    """Rate of each group relative to the top one's, lowest first: [factor**-(groups-1), ..., 1]."""
    return [factor ** -float(groups - 1 - k) for k in range(groups)]


def check_groups(model: nn.Module, groups: Groups) -> list[list[nn.Parameter]]:
    """The groups, with shared parameters in the first one only. Raises ConfigError if a parameter is in no group."""
    seen: set[int] = set()
    unique = [[p for p in group if id(p) not in seen and not seen.add(id(p))] for group in groups]  # type: ignore[func-returns-value]
    for name, parameter in model.named_parameters():
        if id(parameter) not in seen:
            raise ConfigError(
                f"layer_groups() must list every parameter; {name!r} is missing and would never be trained."
            )
    return unique


def freeze_to(groups: Groups, unfreeze: int | None = None) -> int:
    """Unfreeze the top `unfreeze` groups (None: all), freeze the rest; returns the number of unfrozen groups.

    Raises ConfigError for fewer than one group.
    """
    if unfreeze is not None and unfreeze < 1:
        raise ConfigError(f"unfreeze: expected at least 1 layer group, got {unfreeze}.")
    training = len(groups) if unfreeze is None else min(unfreeze, len(groups))
    for k, group in enumerate(groups):
        for parameter in group:
            parameter.requires_grad_(k >= len(groups) - training)
            if not parameter.requires_grad:
                parameter.grad = None
    return training


def make_optimizer(
    groups: Groups, *, factor: float = 2.6, weight_decay: float = 0.01, name: str = "adamw"
) -> torch.optim.Optimizer:
    """Fused AdamW or SGD (no momentum) over the unfrozen parameters, with an empty state.

    A param group's `scale` is its rate relative to the top one's. Vectors (biases, norms) get no weight decay.
    Raises ConfigError when no parameter is unfrozen.
    """
    param_groups = []
    for group, scale in zip(groups, group_scales(len(groups), factor), strict=True):
        for decay, wanted in ((weight_decay, True), (0.0, False)):
            params = [p for p in group if p.requires_grad and (p.ndim > 1) == wanted]
            if params:
                param_groups.append({"params": params, "weight_decay": decay, "scale": scale})
    if not param_groups:
        raise ConfigError("Nothing to train: the unfrozen layer groups have no parameters.")
    if name == "sgd":
        return torch.optim.SGD(param_groups, lr=0.0, fused=True)
    return torch.optim.AdamW(param_groups, lr=0.0, betas=(0.9, BETA2), fused=True)


def set_rates(optimizer: torch.optim.Optimizer, lr: float, beta1: float) -> None:
    """Give each param group lr * its scale, and AdamW beta1."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["scale"]
        if "betas" in group:
            group["betas"] = (beta1, group["betas"][1])


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """AdamW's state (SGD has none) as tensors named `{number of the parameter}.{exp_avg | exp_avg_sq | step}`."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    return {f"{i}.{key}": t for i, p in enumerate(params) for key, t in optimizer.state.get(p, {}).items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Load the state saved by `optimizer_tensors`, on the device and in the layout of each parameter."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for name, t in tensors.items():
        number, _, key = name.partition(".")
        parameter = params[int(number)]
        own = t.to(parameter.device, copy=True) if t.ndim == 0 else torch.empty_like(parameter).copy_(t)
        optimizer.state[parameter][key] = own.detach()


class WeightAverage:
    """Average of the unfrozen parameters over the steps; buffers (batch norm) are not averaged.

    With a decay it is an exponential moving average: update n uses min(decay, (1 + n) / (10 + n)), so that it works for
    short stages too. Without one it is the mean of all updates (Polyak & Juditsky 1992).
    """

    def __init__(self, parameters: Sequence[nn.Parameter], *, decay: float | None = 0.999) -> None:
        self.parameters = [p for p in parameters if p.requires_grad]
        self.decay = decay
        self.updates = 0
        self.average: list[Tensor] = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the current weights."""
        n = self.updates
        new = 1 / (1 + n) if self.decay is None else 1 - min(self.decay, (1 + n) / (10 + n))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], new)
        self.updates += 1

    @torch.no_grad()
    def copy_to_model(self) -> None:
        """Replace the weights by the average."""
        torch._foreach_copy_([p.detach() for p in self.parameters], self.average)

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor], *, updates: int) -> None:
        """Load a saved average: its tensors by number, and the number of updates it is made of."""
        for i, average in enumerate(self.average):
            average.copy_(tensors[str(i)])
        self.updates = updates

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside the block the parameters hold the average; afterwards their own values again."""
        own = [p.detach().clone() for p in self.parameters]
        self.copy_to_model()
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_([p.detach() for p in self.parameters], own)

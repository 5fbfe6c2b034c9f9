"""Any torch module and a loss, behind the interface of the training loop: no class to write for a model of one's own.

    model = Supervised(nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 2)), F.cross_entropy)
    Trainer(model, [Stage("all", epochs=5)], train=ArrayBatches(x, y)).run()

Knows no batch class: a batch is a tuple of the module's inputs and, last, the targets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from ulmus.train.protocol import Step

__all__ = ["Supervised"]


class Supervised(nn.Module):
    """`loss(module(*inputs), targets)`, a mean over the rows of the batch `(*inputs, targets)`.

    Its layer groups are the module's children that have parameters, in their order; all of it if it has no children.
    """

    def __init__(self, module: nn.Module, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.module, self.loss = module, loss

    def forward(self, batch: Any) -> Step:
        """The loss of a batch, with the module's output and the targets."""
        *inputs, targets = batch
        output = self.module(*inputs)
        loss = self.loss(output, targets)
        return Step(loss, loss.detach(), len(targets), output, targets)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """The parameters of each child of the module, and those of the module itself first."""
        own = list(self.module.parameters(recurse=False))
        groups = [own, *(list(child.parameters()) for child in self.module.children())]
        return [group for group in groups if group]

    def reset(self) -> None:
        """Nothing is carried from batch to batch."""

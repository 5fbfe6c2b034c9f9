"""The interface of an encoder's recurrent layers. Axes: B batch, T time, E input features, D features."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

__all__ = ["RecurrentLayer"]


class RecurrentLayer(nn.Module):
    """A layer that carries a state of two parts from step to step."""

    weight_p: float  # probability of DropConnect

    def state_widths(self) -> tuple[int, int]:
        """Widths of the two parts of the state."""
        raise NotImplementedError

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, T, E) and the two parts of the state -> (B, T, D) and the state after the last step."""
        raise NotImplementedError

    @contextmanager
    def one_draw(self) -> Iterator[None]:
        """Inside the block all calls share one DropConnect mask; a layer that draws none per call needs no change."""
        yield

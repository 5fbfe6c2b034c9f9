"""What the recurrent layers of an encoder have in common. Axes: B batch, T time, E width of the input, D width."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

__all__ = ["RecurrentLayer"]


class RecurrentLayer(nn.Module):
    """A layer that carries a state of two parts along time."""

    weight_p: float  # dropout of its weights

    def state_widths(self) -> tuple[int, int]:
        """Widths of the two parts of its state."""
        raise NotImplementedError

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, T, E) and a state -> (B, T, D) and the state after it."""
        raise NotImplementedError

    @contextmanager
    def one_draw(self) -> Iterator[None]:
        """Inside the block every call has the same dropped weights, where the layer draws them a call."""
        yield

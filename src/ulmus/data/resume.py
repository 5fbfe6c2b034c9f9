"""An epoch of batches that can stop anywhere and resume exactly there.

A batch is a pure function of (seed, epoch, k), so a position is two numbers and no generator state is stored.
Protocol: `set_epoch(e)` shuffles anew; iterating yields the rest of the epoch (all of it, unless
`load_state_dict` just set a position); `state_dict()` counts the batches handed out; loading a finished epoch
leaves nothing to yield. Costs nothing. Knows neither the content of a batch nor its consumer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from ulmus.errors import UsageError

__all__ = ["ResumableBatches"]

Item = TypeVar("Item")


class ResumableBatches(ABC, Generic[Item]):
    """Base of the batch classes: they say how many batches an epoch has and what batch k is."""

    epoch: int = 0
    _start: int = 0  # where the next iteration begins
    _done: int = 0  # batches handed out in this epoch

    @abstractmethod
    def __len__(self) -> int:
        """Exact number of batches in this epoch."""

    @abstractmethod
    def batch(self, k: int) -> Item:
        """Batch `k` of this epoch, made on the spot."""

    @abstractmethod
    def settings(self) -> dict[str, int | bool | str | None]:
        """What a saved position depends on; all of it must be equal when the position is loaded."""

    def __repr__(self) -> str:
        settings = self.settings()
        counts = [f"{settings.pop(name):,} {name}" for name in ("documents", "tokens") if name in settings]
        shown = [f"{name}={value}" for name, value in settings.items() if value is not None]
        return f"<{type(self).__name__}: {', '.join([*counts, *shown])}, epoch {self.epoch}>"

    def __iter__(self) -> Iterator[Item]:
        start, self._start = self._start, 0
        self._done = start
        for k in range(start, len(self)):
            item = self.batch(k)
            self._done = k + 1
            yield item

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of `epoch`; a position just loaded for that same epoch is kept."""
        if epoch != self.epoch:
            self.epoch, self._start, self._done = epoch, 0, 0

    def state_dict(self) -> dict[str, Any]:
        """The position as plain JSON: the epoch, the number of batches handed out, the settings."""
        return {"epoch": self.epoch, "batch": self._done, "settings": self.settings()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a saved position. Raises UsageError, naming the settings that differ."""
        mine, saved = self.settings(), state["settings"]
        different = [name for name in mine if saved.get(name) != mine[name]]
        if different:
            changes = ", ".join(f"{name} was {saved.get(name)!r}, is {mine[name]!r}" for name in different)
            raise UsageError(
                f"The saved position belongs to other batches ({changes}). Continue with the same texts and "
                "settings, or delete the checkpoint to start over."
            )
        self.set_epoch(int(state["epoch"]))
        self._start = self._done = int(state["batch"])

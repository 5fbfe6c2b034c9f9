"""Ctrl-C and SIGTERM take effect between two steps, not in the middle of one.

Inside `graceful()` the first SIGINT or SIGTERM only sets a flag, which the loop checks after the current step; a second
one raises KeyboardInterrupt at once. Outside the main thread no handler is installed. Knows no training.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn

__all__ = ["Interrupted", "StopFlag", "graceful"]


class Interrupted(KeyboardInterrupt):
    """Training was stopped by a signal and a checkpoint written; the message says how to resume."""


@dataclass
class StopFlag:
    """Whether a signal has asked the run to stop, and which."""

    number: int = 0  # of the signal received; 0 = none
    before: dict[int, Any] = field(default_factory=dict)  # the previous handlers, by signal

    @property
    def wanted(self) -> bool:
        """True once a signal was received."""
        return self.number != 0

    def stop(self, message: str) -> NoReturn:
        """Raise Interrupted; a program's own SIGTERM handler is called first and may raise instead."""
        handler = self.before.get(self.number)
        if self.number == signal.SIGTERM and callable(handler):
            handler(self.number, None)
        raise Interrupted(message)


@contextmanager
def graceful(*, enabled: bool = True) -> Iterator[StopFlag]:
    """Inside the block the first SIGINT or SIGTERM sets `flag.wanted`; a second one raises KeyboardInterrupt."""
    flag = StopFlag()
    if not enabled or threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def note(number: int, _frame: FrameType | None) -> None:
        if flag.wanted:
            raise KeyboardInterrupt(f"stopped by signal {number}")
        flag.number = number

    for wanted in (signal.SIGINT, signal.SIGTERM):
        flag.before[wanted] = signal.signal(wanted, note)
    try:
        yield flag
    finally:
        for number, handler in flag.before.items():
            signal.signal(number, handler)

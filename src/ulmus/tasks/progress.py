"""What watches long work of a task: a bar or lines on stderr where they are wanted, a log where there is a folder.

Knows no model.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from ulmus.terminal import printable
from ulmus.train.callbacks import Callback, JsonLog, Progress, clock

__all__ = ["Reading", "during", "tell", "watchers"]

LOG = "log.jsonl"
LOOK = 1_000_000  # characters between two looks at the clock


def watchers(folder: Path | None, *, verbose: bool, unit: str) -> list[Callback]:
    """Callbacks for a training: progress in `unit`s (tokens or documents) on stderr, a log in the work folder."""
    shown: list[Callback] = [Progress(unit=unit)] if verbose else []
    return shown + ([JsonLog(folder / LOG)] if folder else [])


class Reading:
    """Texts that can be read several times, and tell on stderr how far a long pass over them is.

    The first pass counts their characters, so those after it know what is left. Iterating itself tells nothing.
    """

    def __init__(self, texts: Iterable[str], *, every_s: float = 15.0, stream: TextIO | None = None) -> None:
        self._texts, self._every_s, self._stream = texts, every_s, stream
        self._total: int | None = None  # characters

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def during(self, what: str) -> Iterator[str]:
        """One pass, for the work called `what`; on a terminal one line is written over, elsewhere there are several."""
        out = self._stream or sys.stderr
        line, every_s = ("\r{}\x1b[K", 0.5) if out.isatty() else ("{}\n", self._every_s)
        done = looked = 0
        began = shown = time.monotonic()
        for text in self._texts:
            yield text
            done += len(text) if isinstance(text, str) else 0  # (what is none is refused where it is cut)
            if done - looked >= LOOK:
                looked, now = done, time.monotonic()
                if now - shown >= every_s:
                    shown = now
                    out.write(line.format(f"{what}: {self._told(done, now - began)}"))
                    out.flush()
        if shown > began and out.isatty():
            out.write(line.format(""))
        self._total = done

    def _told(self, done: int, seconds: float) -> str:
        if not self._total:
            return f"{done / 1e6:,.0f} million characters"
        left_s = seconds * (self._total - done) / done
        return (
            f"{done / self._total:.0%} of {self._total / 1e6:,.0f} million characters  {clock(left_s)} left"
        )


def during(texts: Iterable[str], what: str) -> Iterable[str]:
    """The texts for one pass, told if they are a `Reading`."""
    return texts.during(what) if isinstance(texts, Reading) else texts


def tell(text: str) -> None:
    """A line for people, on stderr; control characters in it are shown."""
    sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()

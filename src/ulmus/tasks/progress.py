"""Progress of long tasks: a bar or lines on stderr if wanted, a log file if there is a work folder.

Knows no model.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from ulmus.terminal import Live, printable
from ulmus.train.callbacks import Callback, JsonLog, Progress, clock

__all__ = ["ProgressTexts", "default_callbacks", "tell", "with_progress"]

LOG = "log.jsonl"
CHECK_EVERY = 1_000_000  # characters between two checks of the clock


def default_callbacks(folder: Path | None, *, verbose: bool, unit: str, title: str = "") -> list[Callback]:
    """Callbacks for training: progress in `unit`s (tokens or documents) on stderr, a log in the work folder.

    `title` stands before the name of each stage.
    """
    shown: list[Callback] = [Progress(unit=unit, title=title)] if verbose else []
    return shown + ([JsonLog(folder / LOG)] if folder else [])


class ProgressTexts:
    """Texts that can be iterated over several times; `reporting` shows on stderr how far a long pass has got.

    The first reporting pass counts the characters, so later ones can estimate the time left. Plain iteration is silent.
    """

    def __init__(self, texts: Iterable[str], *, every_s: float = 15.0, stream: TextIO | None = None) -> None:
        self._texts, self._every_s, self._stream = texts, every_s, stream
        self._total: int | None = None  # characters

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def reporting(self, what: str) -> Iterator[str]:
        """One pass, for the work called `what`; a terminal gets one line that is updated, a file several lines."""
        line = Live(self._stream, every_s=self._every_s)
        done = looked = 0
        began = time.monotonic()
        for text in self._texts:
            yield text
            # anything but a str is refused by the tokenizer
            done += len(text) if isinstance(text, str) else 0
            if done - looked >= CHECK_EVERY:
                looked = done
                if line.due():
                    line.show(f"{what}: {self._progress(done, time.monotonic() - began)}")
        line.end()
        self._total = done

    def _progress(self, done: int, seconds: float) -> str:
        if not self._total:
            return f"{done / 1e6:,.0f} million characters"
        left_s = seconds * (self._total - done) / done
        return (
            f"{done / self._total:.0%} of {self._total / 1e6:,.0f} million characters  {clock(left_s)} left"
        )


def with_progress(texts: Iterable[str], what: str) -> Iterable[str]:
    """The texts for one pass, with its progress reported if they are a `ProgressTexts`."""
    return texts.reporting(what) if isinstance(texts, ProgressTexts) else texts


def tell(text: str) -> None:
    """Print a line on stderr, with control characters made visible."""
    sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()

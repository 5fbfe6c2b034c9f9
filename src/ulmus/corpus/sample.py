"""A file -> its lines, and the first megabyte of them, from which guesses are made.

How: lines end with \\n or \\r\\n; with \\r only where the file has no other. Costs: one block in memory. Knows no
columns and no documents.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulmus.corpus.streams import lines, open_text

__all__ = ["Sample", "open_lines", "sample_of"]

_SIZE = 1 << 20  # bytes


@dataclass(frozen=True)
class Sample:
    """What guesses are made from, in whole lines, and what is known of the file.

    text: the first megabyte. quoted: where there is no quotation mark in it, the lines around the first one further on.
    whole: whether the file ends with `text`. encoding: the name of the one that is used. end: of the lines.
    """

    text: str
    quoted: str = ""
    whole: bool = True
    encoding: str = "utf-8"
    end: str = "\n"

    def lines(self) -> Iterator[str]:
        """The lines with their ends."""
        return iter(io.StringIO(self.text + self.quoted, newline=self.end))


def sample_of(path: Path, encoding: str, *, quotes: bool = False) -> Sample:
    """The beginning of a file; with `quotes` it is searched for its first quotation mark. Errors as of `open_text`."""
    with open_text(path, encoding) as stream:
        first = stream.read(_SIZE)
        end = _line_end(first)
        whole = len(first) < _SIZE
        quoted, rest = b"", first[first.rfind(end) + 1 :]
        while quotes and not whole and not quoted and b'"' not in first and (block := stream.read(_SIZE)):
            if b'"' in block:
                quoted = rest + block
            rest = block[block.rfind(end) + 1 :]
        raw: Any = stream.raw  # a raw stream that decodes
        return Sample(
            _whole_lines(first, end) if not whole else first.decode(),
            _whole_lines(quoted, end),
            whole,
            raw.encoding,
            end.decode(),
        )


@contextmanager
def open_lines(path: Path, encoding: str) -> Iterator[Iterator[str]]:
    """The lines of a file, each with its end. Errors as of `open_text` and `lines`."""
    with open_text(path, encoding) as stream:
        end = _line_end(stream.peek(1)).decode()
        yield lines(stream, path, end=end)


def _line_end(block: bytes) -> bytes:
    return b"\r" if b"\r" in block and b"\n" not in block else b"\n"


def _whole_lines(block: bytes, end: bytes) -> str:
    """The lines that end in the block; all of it where none does."""
    return block[: block.rfind(end) + 1 or None].decode("utf-8", "ignore")

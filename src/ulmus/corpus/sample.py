"""A file -> its lines, and a sample (the first megabyte) to guess from.

How: lines end with \\n or \\r\\n; with \\r only if the file has no other line ends. Memory: one block. Knows no columns
and no documents.
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
    """The start of a file in whole lines, and facts about the file.

    text: the first megabyte. quoted: if `text` has no quotation mark, the lines around the first one in the file.
    whole: whether `text` is the whole file. encoding: the encoding in use. end: the line end.
    """

    text: str
    quoted: str = ""
    whole: bool = True
    encoding: str = "utf-8"
    end: str = "\n"

    def lines(self) -> Iterator[str]:
        """The lines with their line ends."""
        return iter(io.StringIO(self.text + self.quoted, newline=self.end))


def sample_of(path: Path, encoding: str, *, quotes: bool = False) -> Sample:
    """The sample of a file; with `quotes` the file is searched for its first quotation mark. Raises as `open_text`."""
    with open_text(path, encoding) as stream:
        first = stream.read(_SIZE)
        end = _line_end(first)
        whole = len(first) < _SIZE
        quoted, rest = b"", first[first.rfind(end) + 1 :]
        while quotes and not whole and not quoted and b'"' not in first and (block := stream.read(_SIZE)):
            if b'"' in block:
                quoted = rest + block
            rest = block[block.rfind(end) + 1 :]
        raw: Any = stream.raw  # the decoding raw stream of `open_text`
        return Sample(
            _whole_lines(first, end) if not whole else first.decode(),
            _whole_lines(quoted, end),
            whole,
            raw.encoding,
            end.decode(),
        )


@contextmanager
def open_lines(path: Path, encoding: str) -> Iterator[Iterator[str]]:
    """The lines of a file with their line ends. Raises as `open_text` and `lines` do."""
    with open_text(path, encoding) as stream:
        end = _line_end(stream.peek(1)).decode()
        yield lines(stream, path, end=end)


def _line_end(block: bytes) -> bytes:
    return b"\r" if b"\r" in block and b"\n" not in block else b"\n"


def _whole_lines(block: bytes, end: bytes) -> str:
    """The lines that end in the block; the whole block if none does."""
    return block[: block.rfind(end) + 1 or None].decode("utf-8", "ignore")

"""Plain text -> documents: a file's lines, its paragraphs between blank lines, or all of it.

How: streamed line by line. Costs: one line, or one paragraph, in memory. Knows no columns and no records.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from ulmus.corpus.streams import open_text

__all__ = ["texts_of", "whole"]


def texts_of(path: Path, encoding: str, documents: str) -> Iterator[str]:
    """The documents of a plain text file.

    documents: "line", one a line, empty ones too; "blank", the lines between blank lines; "auto", blank where the
    first megabyte holds a blank line.
    """
    with open_text(path, encoding) as stream:
        if documents == "auto":
            blank = any(not line.strip() for line in stream.peek(1).split(b"\n")[:-1])
            documents = "blank" if blank else "line"
        lines = (line.removesuffix("\n") for line in io.TextIOWrapper(stream, encoding="utf-8"))
        yield from lines if documents == "line" else _paragraphs(lines)


def _paragraphs(lines: Iterator[str]) -> Iterator[str]:
    paragraph: list[str] = []
    for line in chain(lines, [""]):
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            yield "\n".join(paragraph)
            paragraph = []


def whole(file: Path, encoding: str) -> str:
    """A file as one text; an empty one is an empty text."""
    if file.stat().st_size == 0:
        return ""
    with open_text(file, encoding) as stream:
        return stream.read().decode("utf-8")

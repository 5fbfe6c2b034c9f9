"""Plain text -> documents: the lines of a file, its paragraphs between blank lines, or the whole file.

How: streamed line by line. Memory: one line, or one paragraph. Knows no columns and no records.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from ulmus.corpus.sample import Sample, open_lines, sample_of
from ulmus.corpus.streams import LARGEST_DOCUMENT, open_text, too_large
from ulmus.errors import DataWarning

__all__ = ["guess_documents", "split", "texts_of", "whole"]

_HEADING = re.compile(r"\s*(=+) .* \1\s*")
_LINES_OF_A_TEXT = 25  # if blank lines separate texts, most texts have fewer lines


def texts_of(path: Path, encoding: str, documents: str) -> Iterator[str]:
    """The documents of a plain text file, as in `split`; "auto" calls `guess_documents`. Raises as `open_text`."""
    if documents == "auto":
        documents = guess_documents(sample_of(path, encoding), path)
    with open_lines(path, encoding) as lines:
        yield from split(lines, documents, path)


def split(lines: Iterable[str], documents: str, where: Path | str = "the standard input") -> Iterator[str]:
    """Lines -> documents without line ends. An empty last line changes nothing.

    documents: "line", one per line, empty lines included; "blank", the lines between blank lines.
    Raises DataError for a document larger than `LARGEST_DOCUMENT`.
    """
    ended = (line.removesuffix("\n").removesuffix("\r") for line in lines)
    return _paragraphs(ended, where) if documents == "blank" else _lines(ended)


def guess_documents(sample: Sample, where: Path) -> str:
    """ "blank" if blank lines separate the documents, "line" if each line is one. Warns if the guess is doubtful.

    In a file of one text a line an empty line is an empty text, and rare. So blank lines separate documents if most of
    the groups between them start with a heading (`= Title =`), or if there is one for every 25 lines.
    """
    groups = [text.split("\n") for text in split(sample.lines(), "blank", where)]
    lines = sum(map(len, groups))
    headed = sum(_HEADING.fullmatch(group[0]) is not None for group in groups)
    if len(groups) < 2 or 2 * headed >= len(groups):
        return "line" if len(groups) < 2 else "blank"
    parted = len(groups) > 2 and _LINES_OF_A_TEXT * (len(groups) - 1) >= lines
    guessed, other = ("blank", "line") if parted else ("line", "blank")
    warnings.warn(
        f"{where}: each {'text between blank lines' if parted else 'line'} is read as a document; blank lines "
        f"divide its first {lines:,} lines into {len(groups):,} groups. Specify --documents {guessed} if that is "
        f"right, else {other} (documents=...).",
        DataWarning,
        stacklevel=2,
    )
    return guessed


def _lines(lines: Iterable[str]) -> Iterator[str]:
    """Every line, except an empty last one."""
    empty = False  # whether the last line was empty and is still to be yielded
    for line in lines:
        if empty:
            yield ""
        empty = not line
        if line:
            yield line


def _paragraphs(lines: Iterable[str], where: Path | str) -> Iterator[str]:
    paragraph: list[str] = []
    size = 0  # characters
    for number, line in enumerate(chain(lines, [""]), 1):
        if line.strip():
            paragraph.append(line)
            size += len(line)
            if size > LARGEST_DOCUMENT:
                raise too_large(where, f"lines {number - len(paragraph) + 1:,} to {number:,}")
        elif paragraph:
            yield "\n".join(paragraph)
            paragraph, size = [], 0


def whole(file: Path, encoding: str) -> str:
    """A file as one text; an empty file is an empty text. Raises DataError if it exceeds `LARGEST_DOCUMENT`."""
    if file.stat().st_size == 0:
        return ""
    content = bytearray()
    with open_text(file, encoding) as stream:
        while block := stream.read1():
            content += block
            if len(content) > LARGEST_DOCUMENT:
                raise too_large(file, "read as one text")
    return content.decode("utf-8")

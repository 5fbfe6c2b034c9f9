"""Plain text and folders -> documents: a file's lines, its paragraphs between blank lines, or the files of a folder.

How: streamed line by line; a folder is walked by name order. Costs: one line, or one paragraph, in memory.
Knows no columns and no records: it yields texts, paths and the labels that folders give.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from ulmus.corpus.streams import open_text
from ulmus.errors import UsageError

__all__ = ["UNLABELED", "labelled_files", "texts_of", "whole"]

UNLABELED = ("unsup", "unlabeled", "unlabelled")  # names of folders whose texts have no label


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


def labelled_files(path: Path, split: str | None) -> Iterator[tuple[Path, str | None]]:
    """The files of the lowest folders below `path`, each with its folder's name as label.

    split: only below the folder of that name (`train` of train/pos/1.txt). Folders called `unsup` and a folder
    without folders give no label. Files beside folders (read-mes, word lists) and hidden ones are left out.
    """
    top = path
    if split is not None:
        parts = [path] if path.name == split else sorted(p for p in path.rglob(split) if p.is_dir())
        if not parts:
            raise UsageError(
                f"{path} has no folder {split!r} in it. Leave the split out, or name one that is there."
            )
        top = parts[0]
    for folder in [top, *sorted(p for p in top.rglob("*") if p.is_dir())]:
        if any(p.is_dir() for p in folder.iterdir()):
            continue
        label = None if folder == top or folder.name.lower() in UNLABELED else folder.name
        for file in sorted(folder.iterdir()):
            if not file.name.startswith("."):
                yield file, label


def whole(file: Path, encoding: str) -> str:
    """A file as one text; an empty one is an empty text."""
    if file.stat().st_size == 0:
        return ""
    with open_text(file, encoding) as stream:
        return stream.read().decode("utf-8")

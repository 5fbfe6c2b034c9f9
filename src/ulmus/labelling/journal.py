"""What people did, one line of JSON each, in a file that only grows: an answer counts once it is on the disk.

    {"do": "start", "format": 1, "data": "reviews.csv", "texts": 2000, "sha256": "...", "classes": ["good", "bad"]}
    {"do": "label", "text": "9f0c...", "label": "good", "who": "anna", "at": "2026-03-01T09:30:00+00:00", "row": 17}
    {"do": "skip", ...}   {"do": "undo", ...}

How: each line is one write and one fsync. What a crash leaves of a line is not an answer: it is cut off when the file
is opened again. A text is known by the digest of its characters, so that rows may move. Costs: a few milliseconds an
answer. Knows no page and no model.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulmus.errors import DataError
from ulmus.storage import storage_error, sync_folder

__all__ = ["Action", "Journal", "Start", "signature"]

FORMAT = 1
ACTIONS = ("label", "skip", "undo")


@dataclass(frozen=True)
class Start:
    """A session begins: which file, how many different texts it has, their digest, and the classes in order."""

    data: str
    texts: int
    sha256: str
    classes: tuple[str, ...] = ()
    at: str = ""  # ISO 8601, UTC
    format: int = FORMAT


@dataclass(frozen=True)
class Action:
    """Somebody labelled or skipped a text, or took back what they last did, which was to that text."""

    do: str  # one of ACTIONS
    text: str  # its `signature`
    who: str
    label: str = ""
    drawn: bool = False  # the text was drawn at random, not chosen
    row: int = 0  # of the data, from 0, the first that has the text: for people who look at the file
    at: str = ""


Entry = Start | Action


def signature(text: str) -> str:
    """By which a text is known again: 16 hexadecimal digits; white space at both ends does not matter."""
    data = text.strip().encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=8).hexdigest()


class Journal:
    """An open journal; `entries` are those that were in the file, `dropped` the bytes of a torn last line."""

    def __init__(self, path: Path) -> None:
        """Open the file, which need not exist. Raises DataError for a damaged line, StorageError if not writable."""
        self.path = path
        try:
            data = path.read_bytes() if path.exists() else b""
            lines, torn = _lines(data)
            self.entries = [_parsed(line, path, number) for number, line in enumerate(lines, start=1)]
            self.dropped = len(torn)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
            self._file = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
            self._size = len(data) - len(torn)
            os.ftruncate(self._file, self._size)
            sync_folder(path.parent)
            if self._size and data[self._size - 1 : self._size] != b"\n":
                self._write(b"\n")
        except OSError as error:
            raise storage_error(path, error) from error

    def append(self, entry: Entry) -> None:
        """Add a line; on return it is on the disk. Raises StorageError; then the file is as it was before."""
        name = {"do": "start"} if isinstance(entry, Start) else {}
        shown = {key: value for key, value in dataclasses.asdict(entry).items() if value not in ("", False)}
        try:
            self._write(json.dumps(name | shown).encode() + b"\n")
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise storage_error(self.path, error) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        os.fsync(self._file)
        self._size += len(line)


def _lines(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole lines, and what a crash left of the last one: a line without an end that is no JSON."""
    *lines, last = data.split(b"\n")
    with suppress(ValueError):
        json.loads(last)
        return [*lines, last], b""
    return lines, last


def _parsed(line: bytes, path: Path, number: int) -> Entry:
    """The entry of a line. Raises DataError if it is none, or one of a newer version."""
    try:
        found = json.loads(line)
        do = found["do"] if isinstance(found, dict) else None
        if do == "start":
            if found.get("format", 0) > FORMAT:
                raise DataError(f"{path} was written by a newer version of Ulmus. Update Ulmus.")
            classes = tuple(str(name) for name in found.get("classes", ()))
            return Start(**_known(found, Start) | {"classes": classes})
        if do in ACTIONS:
            return Action(**_known(found, Action))
    except DataError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(_damaged(path, number)) from error
    raise DataError(_damaged(path, number))


def _known(found: dict[str, Any], kind: type) -> dict[str, Any]:
    """The values of a line that the class has a field for. Raises TypeError for one of another type."""
    return dict(_checked(found, kind))


def _checked(found: dict[str, Any], kind: type) -> Iterator[tuple[str, Any]]:
    types = {"str": str, "int": int, "bool": bool}
    for field in dataclasses.fields(kind):
        if field.name in found:
            expected = types.get(str(field.type))
            if expected is not None and type(found[field.name]) is not expected:
                raise TypeError(field.name)
            yield field.name, found[field.name]


def _damaged(path: Path, number: int) -> str:
    return (
        f"{path} line {number:,} is damaged: expected one JSON object with what somebody did. "
        "Remove that line, or restore the file from a backup."
    )

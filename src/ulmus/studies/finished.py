"""The finished rows of a study, in a file of JSON lines: a study that was stopped resumes after the last of them.

The first line says which study it is. Each row is on the disk before the next training starts; half a line, which a
crash may leave, is dropped. Knows no training.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ulmus.errors import ConfigError
from ulmus.storage import locked_folder, storage_error, whole_file

__all__ = ["ROWS", "Finished", "digest"]

ROWS = "rows.jsonl"


class Finished:
    """The rows of a study; without a folder they are kept in memory alone."""

    def __init__(self, path: Path | None, rows: list[dict[str, Any]]) -> None:
        self._path, self.rows = path, rows

    @classmethod
    @contextmanager
    def of(cls, folder: Path | None, study: dict[str, Any]) -> Iterator[Finished]:
        """The rows in a folder, locked meanwhile; `study` says which study they are of.

        Raises ConfigError for the rows of another study, StorageError if the folder is in use or cannot be written.
        """
        if folder is None:
            yield cls(None, [])
            return
        with locked_folder(folder):
            path = folder / ROWS
            before = list(_lines(path))
            if before and before[0] != study:
                differing = sorted(key for key in study if before[0].get(key) != study[key])
                raise ConfigError(
                    f"{path} has the rows of another study (it differs in: {', '.join(differing) or 'its kind'}). "
                    "Finish that study with its own command, delete the folder, or give another work folder."
                )
            with whole_file(path) as file:
                file.writelines(_line(row) for row in (study, *before[1:]))
            yield cls(path, before[1:])

    def add(self, row: dict[str, Any]) -> None:
        """Keep a row; it is on the disk when this returns. Raises StorageError."""
        self.rows.append(row)
        if self._path is None:
            return
        try:
            with self._path.open("ab") as file:
                file.write(_line(row))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise storage_error(self._path, error) from error


def digest(values: Sequence[Any]) -> str:
    """A name for the content of a column, to recognise the same data by."""
    found = hashlib.blake2b(digest_size=12)
    for value in values:
        found.update(repr(value).encode("utf-8", "surrogatepass") + b"\0")
    return found.hexdigest()


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row).encode() + b"\n"


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of the file, up to one that is damaged; none if there is no file."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            return
        if not isinstance(row, dict):
            return
        yield row

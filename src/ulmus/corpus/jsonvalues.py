"""JSON -> numbered objects, streamed: one a line, one after the other over several lines, or in an array.

How: lines are parsed one by one; what goes over lines is parsed value by value from a buffer. Costs: one object in
memory, none larger than a text may be. Knows no columns.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ulmus.corpus.streams import LARGEST_DOCUMENT, lines, open_text, too_large
from ulmus.errors import DataError

__all__ = ["Row", "read_objects"]

Row = dict[str, Any]

_BLOCK = 1 << 16  # characters read at a time where an object is no line
_LITERAL = 16  # characters: an error so near the end of the buffer may be a value that is not yet whole
_EXPECTED = "Expected one JSON object a line (jsonl), or an array of objects"
_DIVIDE = "Write the table as jsonl, one object a line (pandas: to_json(orient='records', lines=True))"
_SPACE = re.compile(r"[ \t\n\r]*")


def read_objects(path: Path, encoding: str) -> tuple[str, Iterator[tuple[int, Row]]]:
    """What an object is called in messages ("line" or "object"), and the objects with their numbers from 1.

    Raises DataError for what is no JSON or no object, one with a key twice, one nested too deep or too large.
    """
    with open_text(path, encoding) as stream:
        head = stream.peek(1).lstrip()
    if head.startswith(b"["):
        return "object", _array(path, encoding)
    if _goes_on(head.split(b"\n", 1)[0]):
        return "object", _sequence(path, encoding)
    return "line", _lines(path, encoding)


def _goes_on(line: bytes) -> bool:
    """Whether an object begins in a line and does not end in it."""
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return line.startswith(b"{") and error.pos >= len(error.doc.rstrip())
    except (ValueError, RecursionError):
        pass
    return False


def _lines(path: Path, encoding: str) -> Iterator[tuple[int, Row]]:
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    with open_text(path, encoding) as stream:
        for number, line in enumerate(lines(stream, path, advice=_DIVIDE), 1):
            if line.strip():
                try:
                    row = decoder.decode(line)
                except (ValueError, RecursionError) as error:
                    raise _error(path, f"line {number:,}", error) from error
                yield number, _object(row, path, f"line {number:,}")


def _array(path: Path, encoding: str) -> Iterator[tuple[int, Row]]:
    with open_text(path, encoding) as stream:
        values = _Values(stream, path)
        values.take("[")
        number = 0
        while values.next() != "]" or number:
            number += 1
            yield number, _object(values.value(f"object {number:,}"), path, f"object {number:,}")
            if values.next() != ",":
                break
            values.take(",")
        values.take("]")
        if values.next():
            raise DataError(f"{path} goes on after the end of its JSON array. {_EXPECTED}, and nothing else.")


def _sequence(path: Path, encoding: str) -> Iterator[tuple[int, Row]]:
    with open_text(path, encoding) as stream:
        values = _Values(stream, path)
        number = 0
        while values.next():
            number += 1
            yield number, _object(values.value(f"object {number:,}"), path, f"object {number:,}")


class _Values:
    """The JSON values of a stream, one after the other, and the signs between them."""

    def __init__(self, stream: io.BufferedReader, path: Path) -> None:
        self._stream = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        self._path = path
        self._decoder = json.JSONDecoder(object_pairs_hook=_unique)
        self._text, self._at = "", 0  # what was read, and how much of it was used

    def next(self) -> str:
        """The next sign that is no space, "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def take(self, sign: str) -> None:
        """Passes `sign`. Raises DataError where there is another."""
        if (came := self.next()) != sign:
            what = repr(came) if came else "the end of the file"
            raise DataError(f"{self._path} is not JSON: expected {sign!r}, got {what}. {_EXPECTED}.")
        self._at += 1

    def value(self, where: str) -> Any:
        """The next value."""
        self.next()
        while True:
            try:
                value, self._at = self._decoder.raw_decode(self._text, self._at)
                return value
            except json.JSONDecodeError as error:
                whole = not error.msg.startswith("Unterminated") and error.pos < len(self._text) - _LITERAL
                if not whole and len(self._text) - self._at > LARGEST_DOCUMENT:
                    raise too_large(self._path, where, _DIVIDE) from error
                if whole or not self._more():
                    raise _error(self._path, where, error) from error
            except (ValueError, RecursionError) as error:
                raise _error(self._path, where, error) from error

    def _more(self) -> bool:
        rest = self._text[self._at :]
        block = self._stream.read(max(_BLOCK, len(rest)))
        self._text, self._at = rest + block, 0
        return bool(block)


def _object(value: Any, path: Path, where: str) -> Row:
    if not isinstance(value, dict):
        raise DataError(f"{path}, {where} is a {type(value).__name__}. {_EXPECTED}.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> Row:
    """An object whose keys are all different. Raises ValueError where a value would be lost."""
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in row if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands in it twice")
    return row


def _error(path: Path, where: str, error: Exception) -> DataError:
    if isinstance(error, RecursionError):
        return DataError(f"{path}, {where} is nested too deep to be read. {_EXPECTED}.")
    return DataError(f"{path}, {where} is not JSON ({error}). {_EXPECTED}.")

"""JSON -> numbered objects, streamed: one per line, consecutive objects that span lines, or an array.

How: lines are parsed one by one; objects that span lines are parsed value by value from a buffer. Memory: one object,
at most `LARGEST_DOCUMENT`. Knows no columns.
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

_BLOCK = 1 << 16  # characters read at a time if objects span lines
_LITERAL = 16  # characters: an error this close to the end of the buffer may be an incomplete value
_EXPECTED = "Expected one JSON object per line (jsonl) or an array of objects"
_DIVIDE = "Save the table as jsonl, one object per line (pandas: to_json(orient='records', lines=True))"
_SPACE = re.compile(r"[ \t\n\r]*")


def read_objects(path: Path, encoding: str) -> tuple[str, Iterator[tuple[int, Row]]]:
    """What messages call an object ("line" or "object"), and the objects, numbered from 1.

    Raises DataError for invalid JSON, a value that is not an object, a duplicate key, and an object that is nested too
    deep or too large.
    """
    with open_text(path, encoding) as stream:
        head = stream.peek(1).lstrip()
    if head.startswith(b"["):
        return "object", _array(path, encoding)
    if _spans_lines(head.split(b"\n", 1)[0]):
        return "object", _sequence(path, encoding)
    return "line", _lines(path, encoding)


def _spans_lines(line: bytes) -> bool:
    """Whether an object starts on a line and does not end on it."""
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
            raise DataError(
                f"{path} continues after the end of its JSON array. {_EXPECTED}, and nothing else."
            )


def _sequence(path: Path, encoding: str) -> Iterator[tuple[int, Row]]:
    with open_text(path, encoding) as stream:
        values = _Values(stream, path)
        number = 0
        while values.next():
            number += 1
            yield number, _object(values.value(f"object {number:,}"), path, f"object {number:,}")


class _Values:
    """The JSON values of a stream and the characters between them."""

    def __init__(self, stream: io.BufferedReader, path: Path) -> None:
        self._stream = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        self._path = path
        self._decoder = json.JSONDecoder(object_pairs_hook=_unique)
        self._text, self._at = "", 0  # the buffer, and how much of it is consumed

    def next(self) -> str:
        """The next character that is not white space; "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def take(self, sign: str) -> None:
        """Consume the character `sign`. Raises DataError for any other."""
        if (got := self.next()) != sign:
            what = repr(got) if got else "the end of the file"
            raise DataError(f"{self._path} is not JSON: expected {sign!r}, got {what}. {_EXPECTED}.")
        self._at += 1

    def value(self, where: str) -> Any:
        """The next value. Raises DataError, naming `where`, for invalid JSON or too large a value."""
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
    """An object with unique keys. Raises ValueError for a duplicate key, whose value would be lost."""
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        duplicate = next(name for name in row if names.count(name) > 1)
        raise ValueError(f"duplicate key {duplicate!r}")
    return row


def _error(path: Path, where: str, error: Exception) -> DataError:
    if isinstance(error, RecursionError):
        return DataError(f"{path}, {where} is nested too deeply. {_EXPECTED}.")
    return DataError(f"{path}, {where} is not JSON ({error}). {_EXPECTED}.")

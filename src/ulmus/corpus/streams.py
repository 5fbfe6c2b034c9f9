"""Bytes of a file -> checked UTF-8, unpacked and decoded on the fly, in blocks, never the whole file.

How: a raw stream decodes every block and passes it on as UTF-8, so that a byte that is no text is found with its
line and offset; what is no text at all (a workbook, an archive) is told by its first bytes. `lines` bounds a line.
Costs: one decode per byte.
Knows no columns and no labels.
"""

from __future__ import annotations

import codecs
import io
import lzma
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from ulmus.corpus.packing import check_regular, open_bytes, read_error
from ulmus.corpus.signatures import not_text
from ulmus.errors import DataError, DataWarning, UsageError

__all__ = ["LARGEST_DOCUMENT", "decoder", "existing", "lines", "open_text", "too_large"]

LARGEST_DOCUMENT = 16 << 20  # bytes of UTF-8 that one text may have, whatever the format: bounds the memory
_DIVIDE = "Divide it into several (fold -s divides the long lines of plain text)"
_BLOCK = 1 << 20  # bytes read and decoded at a time
_MARKS = (  # of UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NULS = 0.25  # share of zero bytes from which a text is UTF-16 read as something else


def existing(path: str | Path) -> Path:
    """The path of a folder or regular file. Raises DataError when there is no such thing, StorageError
    when it may not be read.
    """
    found = Path(path)
    try:
        found.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        near = sorted(p.name for p in found.parent.glob("*"))[:8] if found.parent.is_dir() else []
        there = f"{found.parent} holds {', '.join(near)}" if near else f"there is no folder {found.parent}"
        raise DataError(f"expected a file or folder, but {found} does not exist; {there}.") from error
    except OSError as error:
        raise read_error(found, error) from error
    if not found.is_dir():
        check_regular(found)
    return found


def open_text(path: Path, encoding: str = "auto") -> io.BufferedReader:
    """The decompressed content as UTF-8 bytes without byte order mark; `peek` shows up to 1 MB of it.

    encoding: "auto" is UTF-8 (or UTF-16 where the mark says so), or any name Python knows.
    Raises DataError (missing, empty, damaged, not decodable), StorageError (no permission), UsageError (no
    such encoding).
    """
    return io.BufferedReader(_Decoded(path, encoding), buffer_size=_BLOCK)


def lines(stream: io.BufferedReader, path: Path, *, end: str = "\n", advice: str = _DIVIDE) -> Iterator[str]:
    """The lines of what `open_text` opened, each with its end (other signs end no line).

    Raises DataError, naming the line, for one longer than LARGEST_DOCUMENT: memory is bounded by it.
    """
    text = io.TextIOWrapper(stream, encoding="utf-8", newline=end)
    number = 0
    while line := text.readline(LARGEST_DOCUMENT + 2):
        number += 1
        if len(line) > LARGEST_DOCUMENT // 4 and _size(line.rstrip("\r\n")) > LARGEST_DOCUMENT:
            raise too_large(path, f"line {number:,}", advice)
        yield line


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def too_large(path: Path | str, where: str, advice: str = _DIVIDE) -> DataError:
    """The error for one text (`where`: "line 3", "row 7") larger than LARGEST_DOCUMENT."""
    return DataError(
        f"{path}, {where}: one text may have {LARGEST_DOCUMENT >> 20} MB of UTF-8 at most, and this one has more. "
        f"{advice}."
    )


def decoder(encoding: str) -> codecs.IncrementalDecoder:
    """A decoder of texts, whichever name Python knows. Raises UsageError for none, or one that is not for texts."""
    sample = "a\nb\n"
    try:
        if codecs.getincrementaldecoder(encoding)().decode(sample.encode(encoding), final=True) == sample:
            return codecs.getincrementaldecoder(encoding)()
    except (LookupError, ValueError, TypeError):
        pass
    raise UsageError(
        f"there is no encoding {encoding!r} of texts; try utf-8, latin-1, cp1252, utf-16 or gb18030."
    )


def _is_utf8(block: bytes) -> bool:
    """Whether bytes that may end within a character are UTF-8."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(block)
    except UnicodeDecodeError:
        return False
    return True


class _Decoded(io.RawIOBase):
    """Raw stream of UTF-8 bytes, each of them checked."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._path = path
        self._raw = open_bytes(path)
        self._offset = 0  # bytes decoded
        self._lines = 1
        self._ended = False
        self._ready = memoryview(b"")  # decoded, not yet handed out
        try:
            self._begin(encoding)
        except BaseException:
            self.close()
            raise

    def _begin(self, encoding: str) -> None:
        """Reads the first block, chooses the decoder, and decodes the block."""
        first = self._read()
        if not first:
            raise DataError(f"expected texts, but {self._path} is empty.")
        if what := not_text(self._path, first):
            raise DataError(f"expected texts, but {self._path} is {what}.")
        mark, marked = next(((m, e) for m, e in _MARKS if first.startswith(m)), (b"", "utf-8"))
        self.encoding = marked if encoding == "auto" else encoding
        self._decoder = decoder(self.encoding)
        if codecs.lookup(self.encoding).name == marked:
            first = first[len(mark) :]
        self._decode(first)
        self._suspect(first)

    def _suspect(self, first: bytes) -> None:
        """Raises DataError, or warns, where the first block can be decoded but looks like another encoding."""
        ready = bytes(self._ready)
        if ready.count(b"\0") > _NULS * len(ready):
            likely = "UTF-16 without a byte order mark: say --encoding utf-16-le or utf-16-be"
        elif b"\n" not in ready and "\u0a00".encode() in ready:
            likely = "UTF-16 of the other byte order: say --encoding utf-16-le or utf-16-be"
        else:
            other = not codecs.lookup(self.encoding).name.startswith("utf")
            if other and not first.isascii() and _is_utf8(first):
                warnings.warn(
                    f"{self._path} is read as {self.encoding}, as told, but it is valid UTF-8. "
                    "If its accents come out wrong, leave the encoding out.",
                    DataWarning,
                    stacklevel=2,
                )
            return
        raise DataError(f"{self._path} is not {self.encoding}; it looks like {likely} (encoding=...).")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills `buffer` with checked UTF-8; the number of bytes, 0 at the end."""
        while not self._ready and not self._ended:
            block = self._read()
            self._ended = not block
            self._decode(block)
        n = min(len(buffer), len(self._ready))
        buffer[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n

    def close(self) -> None:
        """Closes the file as well."""
        if not self.closed:
            self._raw.close()
        super().close()

    def _read(self) -> bytes:
        try:
            return self._raw.read(_BLOCK)
        except (OSError, EOFError, lzma.LZMAError, pa.ArrowException) as error:
            raise read_error(self._path, error) from error

    def _decode(self, block: bytes) -> None:
        pending = self._decoder.getstate()[0]  # bytes of an unfinished character
        try:
            text = self._decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            data = pending + block
            line = self._lines + data[: error.start].count(b"\n")
            at = self._offset - len(pending) + error.start
            bad = data[error.start : error.start + 1].hex()
            raise DataError(
                f"{self._path} is not {self.encoding}: byte 0x{bad} at line {line:,} (byte {at:,}). "
                "Name its encoding (--encoding latin-1, cp1252, utf-16 ...) or convert it to UTF-8."
            ) from error
        except UnicodeError as error:  # UTF-16 that does not say its byte order
            raise DataError(
                f"{self._path} is not {self.encoding} ({error}). "
                "Without a byte order mark say --encoding utf-16-le or utf-16-be (encoding=...)."
            ) from error
        self._offset += len(block)
        self._lines += text.count("\n")
        try:
            self._ready = memoryview(text.encode("utf-8"))
        except UnicodeEncodeError as error:  # half a pair of surrogates, as UTF-7 can write it
            raise DataError(f"{self._path} is not {self.encoding} ({error}).") from error

"""Bytes of a file -> validated UTF-8, decompressed and decoded on the fly, block by block.

How: a raw stream decodes every block and passes it on as UTF-8, so that an invalid byte is reported with its line and
offset; files that are not text (a workbook, an archive) are recognized by their first bytes. `lines` limits the length
of a line. Costs: one decode per byte. Knows no columns and no labels.
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

LARGEST_DOCUMENT = 16 << 20  # bytes of UTF-8 in one text, in every format: limits memory
_DIVIDE = "Split it into several (fold -s splits long lines of plain text)"
_BLOCK = 1 << 20  # bytes read and decoded at a time
# Byte order marks; UTF-32 first, as its mark starts with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NULS = 0.25  # share of zero bytes above which a text is probably UTF-16


def existing(path: str | Path) -> Path:
    """The path of a folder or regular file. Raises DataError if it does not exist, StorageError if access is denied."""
    place = Path(path)
    try:
        place.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        near = sorted(p.name for p in place.parent.glob("*"))[:8] if place.parent.is_dir() else []
        hint = f"{place.parent} contains {', '.join(near)}" if near else f"there is no folder {place.parent}"
        raise DataError(f"expected a file or folder, but {place} does not exist; {hint}.") from error
    except OSError as error:
        raise read_error(place, error) from error
    if not place.is_dir():
        check_regular(place)
    return place


def open_text(path: Path, encoding: str = "auto") -> io.BufferedReader:
    """The decompressed content as UTF-8 bytes without byte order mark; `peek` shows up to 1 MB of it.

    encoding: "auto" is UTF-8, or what a byte order mark says; else any name that Python knows.
    Raises DataError (missing, empty, damaged, not decodable), StorageError (permission denied), UsageError (no such
    encoding).
    """
    return io.BufferedReader(_Decoded(path, encoding), buffer_size=_BLOCK)


def lines(stream: io.BufferedReader, path: Path, *, end: str = "\n", advice: str = _DIVIDE) -> Iterator[str]:
    """The lines of a stream of `open_text`, with their line ends (`end` alone ends a line).

    Raises DataError, naming the line, if it is longer than LARGEST_DOCUMENT; that limits memory.
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
        f"{path}, {where}: a text may have at most {LARGEST_DOCUMENT >> 20} MB of UTF-8; this one is larger. {advice}."
    )


def decoder(encoding: str) -> codecs.IncrementalDecoder:
    """A decoder for any text encoding that Python knows. Raises UsageError for another name."""
    sample = "a\nb\n"
    try:
        if codecs.getincrementaldecoder(encoding)().decode(sample.encode(encoding), final=True) == sample:
            return codecs.getincrementaldecoder(encoding)()
    except (LookupError, ValueError, TypeError):
        pass
    raise UsageError(
        f"there is no text encoding {encoding!r}; try utf-8, latin-1, cp1252, utf-16 or gb18030."
    )


def _is_utf8(block: bytes) -> bool:
    """Whether bytes, possibly ending inside a character, are UTF-8."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(block)
    except UnicodeDecodeError:
        return False
    return True


class _Decoded(io.RawIOBase):
    """Raw stream of validated UTF-8 bytes."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._path = path
        self._raw = open_bytes(path)
        self._offset = 0  # bytes decoded
        self._lines = 1
        self._ended = False
        self._ready = memoryview(b"")  # decoded, not yet returned
        try:
            self._begin(encoding)
        except BaseException:
            self.close()
            raise

    def _begin(self, encoding: str) -> None:
        """Read the first block, choose the decoder, and decode the block. Raises DataError if it is not text."""
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
        """Raise DataError, or warn, if the first block decodes but looks like another encoding."""
        ready = bytes(self._ready)
        if ready.count(b"\0") > _NULS * len(ready):
            likely = "UTF-16 without a byte order mark: specify --encoding utf-16-le or utf-16-be"
        elif b"\n" not in ready and "\u0a00".encode() in ready:
            likely = "UTF-16 with the other byte order: specify --encoding utf-16-le or utf-16-be"
        else:
            other = not codecs.lookup(self.encoding).name.startswith("utf")
            if other and not first.isascii() and _is_utf8(first):
                warnings.warn(
                    f"{self._path} is read as {self.encoding}, as specified, but it is valid UTF-8. "
                    "If accents come out wrong, remove --encoding.",
                    DataWarning,
                    stacklevel=2,
                )
            return
        raise DataError(f"{self._path} is not {self.encoding}; it looks like {likely} (encoding=...).")

    def readable(self) -> bool:
        """Always True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` with validated UTF-8; return the number of bytes, 0 at the end. Raises DataError."""
        while not self._ready and not self._ended:
            block = self._read()
            self._ended = not block
            self._decode(block)
        n = min(len(buffer), len(self._ready))
        buffer[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n

    def close(self) -> None:
        """Close the underlying file too."""
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
                "Specify its encoding (--encoding latin-1, cp1252, utf-16 ...) or convert it to UTF-8."
            ) from error
        except UnicodeError as error:  # UTF-16 without its byte order
            raise DataError(
                f"{self._path} is not {self.encoding} ({error}). "
                "Without a byte order mark specify --encoding utf-16-le or utf-16-be (encoding=...)."
            ) from error
        self._offset += len(block)
        self._lines += text.count("\n")
        try:
            self._ready = memoryview(text.encode("utf-8"))
        except UnicodeEncodeError as error:  # a lone surrogate, possible in UTF-7
            raise DataError(f"{self._path} is not {self.encoding} ({error}).") from error

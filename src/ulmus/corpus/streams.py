"""Bytes of a file -> checked UTF-8: decompression and decoding on the fly, in blocks, never the whole file.

How: `.gz` and `.zst` through pyarrow, `.xz` through lzma; a raw stream decodes every block and passes it on
as UTF-8, so that a byte that is no text is found with its line and offset. Costs: one decode per byte.
Knows no columns and no labels.
"""

from __future__ import annotations

import codecs
import io
import lzma
import warnings
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from ulmus.errors import DataError, DataWarning, StorageError, UsageError

__all__ = ["SUFFIXES", "decoder", "existing", "open_text", "plain_suffix"]

SUFFIXES = (".gz", ".zst", ".xz")
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
    """The path as `Path`. Raises DataError when there is nothing there."""
    found = Path(path)
    if not found.exists():
        near = sorted(p.name for p in found.parent.glob("*"))[:8] if found.parent.is_dir() else []
        there = f"{found.parent} holds {', '.join(near)}" if near else f"there is no folder {found.parent}"
        raise DataError(f"expected a file or folder, but {found} does not exist; {there}.")
    return found


def plain_suffix(path: Path) -> str:
    """The suffix below any compression, lower-cased: `.csv` of `a.CSV.gz`."""
    name = path.name.lower()
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return Path(name).suffix


def open_text(path: Path, encoding: str = "auto") -> io.BufferedReader:
    """The decompressed content as UTF-8 bytes without byte order mark; `peek` shows up to 1 MB of it.

    encoding: "auto" is UTF-8 (or UTF-16 where the mark says so), or any name Python knows.
    Raises DataError (missing, empty, damaged, not decodable), StorageError (no permission), UsageError (no
    such encoding).
    """
    return io.BufferedReader(_Decoded(path, encoding), buffer_size=_BLOCK)


def _open_raw(path: Path) -> IO[bytes]:
    suffix = path.suffix.lower()
    try:
        if suffix == ".xz":
            return lzma.open(path)
        if suffix in (".gz", ".zst"):
            kind = "gzip" if suffix == ".gz" else "zstd"
            return pa.CompressedInputStream(pa.OSFile(str(path)), kind)  # type: ignore[no-any-return]
        return path.open("rb")
    except PermissionError as error:
        raise StorageError(
            f"{path} may not be read: permission denied. Change its permissions or its owner."
        ) from error
    except IsADirectoryError as error:
        raise DataError(
            f"expected a file, but {path} is a folder. Name a file in it, or read it as a folder."
        ) from error


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
        self._raw = _open_raw(path)
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
            raise DataError(
                f"{self._path} cannot be unpacked ({error}): it is cut off or damaged. Fetch or compress it again."
            ) from error

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
        self._ready = memoryview(text.encode("utf-8", "replace"))

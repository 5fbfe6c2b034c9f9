"""Compressed files -> their bytes, decompressed on the fly: `.gz`, `.bz2`, `.zst` by pyarrow, `.xz` by lzma.

How: the first bytes tell the compression; a contradicting name is an error. A file of several compressed streams is
read to the end: each stream is followed by another one, or the file is damaged. Memory: one block.
Knows no encoding and no text.
"""

from __future__ import annotations

import io
import lzma
import re
import stat
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from ulmus.errors import DataError, StorageError

__all__ = ["SUFFIXES", "check_regular", "open_bytes", "plain_suffix", "read_error"]

# suffix -> first bytes of such a file, name of the compression in pyarrow
_PACKINGS = {
    ".gz": (rb"\x1f\x8b", "gzip"),
    ".bz2": (rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", "bz2"),
    ".zst": (rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", "zstd"),  # a data frame or a skippable frame
    ".xz": (rb"\xfd7zXZ\x00", "xz"),
}
SUFFIXES = tuple(_PACKINGS)
_BLOCK = 1 << 16  # bytes of a compressed file read at a time


def plain_suffix(path: Path) -> str:
    """The suffix before any compression suffix, in lower case: `.csv` of `a.CSV.gz`."""
    name = path.name.lower()
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return Path(name).suffix


def open_bytes(path: Path) -> IO[bytes]:
    """The decompressed content of a regular file, without read-ahead.

    Raises DataError (not a regular file, another compression than its name says), StorageError (permission denied).
    Reading raises exceptions that `read_error` converts.
    """
    check_regular(path)
    try:
        with path.open("rb") as file:
            head = file.read(10)
        packing = _packing(path, head)
        if packing is None:
            return path.open("rb")
        if packing == "xz":
            return io.BufferedReader(_Xz(path))
        return pa.CompressedInputStream(pa.OSFile(str(path)), packing)  # type: ignore[no-any-return]
    except OSError as error:
        raise read_error(path, error) from error


def _packing(path: Path, head: bytes) -> str | None:
    named = path.suffix.lower()
    for suffix, (magic, packing) in _PACKINGS.items():
        if re.match(magic, head):
            if named in _PACKINGS and named != suffix:
                raise DataError(
                    f"{path} is compressed as {suffix}, not as its name says. Rename it to {path.stem}{suffix}."
                )
            return packing
    if named in _PACKINGS and head:
        raise DataError(
            f"{path} is not a {named} file, despite its name. It is damaged, or was never compressed; then rename it "
            f"to {path.stem}."
        )
    return None


def check_regular(path: Path) -> None:
    """Raise DataError for a missing file, a broken link, a folder, and a pipe or device (not readable repeatedly)."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        if path.is_symlink():
            raise DataError(
                f"{path} is a link to {path.readlink()}, which does not exist. Fix or remove the link."
            ) from error
        raise DataError(f"expected a file, but {path} does not exist.") from error
    except OSError as error:
        raise read_error(path, error) from error
    if stat.S_ISDIR(mode):
        raise DataError(
            f"expected a file, but {path} is a folder. Name a file in it, or read it as a folder."
        )
    if not stat.S_ISREG(mode):
        raise DataError(
            f"expected a regular file, but {path} is a pipe, a socket or a device: files are read more than once. "
            "Save the data to a file first."
        )


def read_error(path: Path, error: Exception) -> DataError | StorageError:
    """The error for an exception raised while opening, reading or decompressing a file: what is wrong, what to do."""
    if isinstance(error, PermissionError):
        return StorageError(f"{path} cannot be read: permission denied. Change its permissions or its owner.")
    if isinstance(error, OSError) and error.errno is not None:
        return StorageError(f"{path} cannot be read: {error.strerror}.")
    return DataError(
        f"{path} cannot be decompressed ({error}): it is truncated or damaged. Download or compress it again."
    )


class _Xz(io.RawIOBase):
    """The content of all streams of an .xz file. (`lzma.open` stops silently before a damaged second stream.)"""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        self._packed = b""  # read, not yet decompressed

    def readable(self) -> bool:
        """Always True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`; return the number of bytes, 0 at the end. Raises EOFError or lzma.LZMAError if damaged."""
        while True:
            if self._stream.eof:
                if not self._next_stream():
                    return 0
            elif self._stream.needs_input and not self._packed:
                self._packed = self._file.read(_BLOCK)
                if not self._packed:
                    raise EOFError("the file ends within a stream")
            unpacked = self._stream.decompress(self._packed, len(buffer))
            self._packed = self._stream.unused_data if self._stream.eof else b""
            if unpacked:
                buffer[: len(unpacked)] = unpacked
                return len(unpacked)

    def _next_stream(self) -> bool:
        """Advance to the next stream, past zero padding; return whether there is one."""
        while not (rest := self._packed.lstrip(b"\0")):
            self._packed = self._file.read(_BLOCK)
            if not self._packed:
                return False
        self._packed = rest
        self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        return True

    def close(self) -> None:
        """Close the underlying file too."""
        self._file.close()
        super().close()

"""Packed files -> their bytes, unpacked on the fly: `.gz`, `.bz2`, `.zst` through pyarrow, `.xz` through lzma.

How: the first bytes say how a file is packed; a name that says otherwise is an error. A file of several packed
streams is read whole: what follows a stream is another one, or the file is damaged. Costs: one block in memory.
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

_PACKINGS = {  # suffix -> what such a file begins with, its name in pyarrow
    ".gz": (rb"\x1f\x8b", "gzip"),
    ".bz2": (rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", "bz2"),
    ".zst": (rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", "zstd"),  # a frame of data, or one to be skipped
    ".xz": (rb"\xfd7zXZ\x00", "xz"),
}
SUFFIXES = tuple(_PACKINGS)
_BLOCK = 1 << 16  # bytes of a packed file read at a time


def plain_suffix(path: Path) -> str:
    """The suffix below any packing, lower-cased: `.csv` of `a.CSV.gz`."""
    name = path.name.lower()
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return Path(name).suffix


def open_bytes(path: Path) -> IO[bytes]:
    """The unpacked content of a regular file; it reads no more ahead than it is asked for.

    Raises DataError (no regular file, packed otherwise than its name says), StorageError (no permission). Reading
    raises what `read_error` makes an error of.
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
                    f"{path} is packed as {suffix}, not as its name says. Rename it to {path.stem}{suffix}."
                )
            return packing
    if named in _PACKINGS and head:
        raise DataError(
            f"{path} is not packed as its name says: it does not begin as a {named} file does. It is damaged, or "
            f"was never packed: then rename it to {path.stem}."
        )
    return None


def check_regular(path: Path) -> None:
    """Raises DataError for a folder, a pipe or a device, which cannot be read several times, or a broken link."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        if path.is_symlink():
            raise DataError(
                f"{path} is a link to {path.readlink()}, which does not exist. Mend the link, or remove it."
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
            "Write it to a file first."
        )


def read_error(path: Path, error: Exception) -> DataError | StorageError:
    """What went wrong when a file was opened, read or unpacked, in words, with what to do."""
    if isinstance(error, PermissionError):
        return StorageError(
            f"{path} may not be read: permission denied. Change its permissions or its owner."
        )
    if isinstance(error, OSError) and error.errno is not None:
        return StorageError(f"{path} cannot be read: {error.strerror}.")
    return DataError(
        f"{path} cannot be unpacked ({error}): it is cut off or damaged. Fetch or compress it again."
    )


class _Xz(io.RawIOBase):
    """The content of all streams of an .xz file. (`lzma.open` ends without a word before a damaged second one.)"""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        self._packed = b""  # read, not yet unpacked

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills `buffer`; the number of bytes, 0 at the end. Raises EOFError or lzma.LZMAError for damaged files."""
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
        """Goes on to the next stream, past the zeros that may lie before it; whether there is one."""
        while not (rest := self._packed.lstrip(b"\0")):
            self._packed = self._file.read(_BLOCK)
            if not self._packed:
                return False
        self._packed = rest
        self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        return True

    def close(self) -> None:
        """Closes the file as well."""
        self._file.close()
        super().close()

"""Open regular files, and write a file or a folder atomically: temporary name, fsync, rename.

`whole_file` and `whole_folder` yield something to fill; the real name appears only when the block ends without an
error, and what was there before stays untouched until then. Any failure removes the temporary, and a full disk or
missing permission becomes a StorageError. A killed process can leave one hidden `.NAME.*.tmp`; the next write of the
same name removes it once it is hours old. A replaced file keeps its permissions.
`put_in_place` renames a file that is already complete; `locked_folder` keeps other processes out of a folder. Costs one
fsync. Knows nothing of what is written.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from ulmus.errors import StorageError

__all__ = [
    "ADVICE",
    "check_writable",
    "locked_folder",
    "open_file",
    "put_in_place",
    "storage_error",
    "sync_folder",
    "whole_file",
    "whole_folder",
]

STALE_AFTER_S = 6 * 3600.0  # a temporary untouched for this long belongs to a killed process

# errno -> what is wrong and what to do, for a file that is written
ADVICE = {
    errno.ENOSPC: "the disk is full. Free some space, or choose a place on another disk",
    errno.EDQUOT: "your disk quota is used up. Free some space, or choose a place on another disk",
    errno.EFBIG: "the file is too large for this file system. Choose another disk",
    errno.EACCES: "permission denied. Choose another place, or change the permissions",
    errno.EPERM: "permission denied. Choose another place, or change the permissions",
    errno.EROFS: "the file system is read-only. Choose another place",
    errno.ENOTDIR: "part of the path is a file, not a folder. Choose another place",
    errno.EEXIST: "part of the path is a file, not a folder. Choose another place",
    errno.EISDIR: "a folder of that name exists. Choose another name",
    errno.ENOTEMPTY: "a folder of that name exists. Choose another name",
    errno.ENAMETOOLONG: "the name is too long. Choose a shorter one",
}


def open_file(path: str | Path) -> BufferedReader:
    """Open a regular file for reading. Raises OSError for a folder, a pipe or a device, without waiting for data."""
    flags = (
        os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    handle = os.open(path, flags)
    kind = os.fstat(handle).st_mode
    if not stat.S_ISREG(kind):
        os.close(handle)
        code = errno.EISDIR if stat.S_ISDIR(kind) else errno.EINVAL
        raise OSError(
            code, os.strerror(code) if code == errno.EISDIR else "it is a pipe or a device, not a file"
        )
    return os.fdopen(handle, "rb")


def storage_error(path: str | Path, error: OSError) -> StorageError:
    """The StorageError for an OSError raised while writing `path`: what is wrong and what to do."""
    advice = ADVICE.get(error.errno or 0, f"{error.strerror or error}. Choose another place")
    return StorageError(f"Cannot write {path}: {advice}. No partial file was left behind.")


@contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """Yield a binary file that becomes `path` when the block ends without an error; missing folders are created.

    Raises StorageError when the disk is full or `path` is not writable; `path` is then unchanged.
    """
    path = Path(path)
    temporary = _temporary(path)
    try:
        _prepare(path)
        _sweep(path)
        with temporary.open("xb") as file:
            _keep_permissions(file, path)
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def put_in_place(file: str | Path, path: str | Path) -> None:
    """Sync a complete file and rename it to `path`, which is on the same disk. Raises StorageError as `whole_file`."""
    file, path = Path(file), Path(path)
    try:
        _prepare(path)
        with file.open("r+b") as complete:
            _keep_permissions(complete, path)
            os.fsync(complete.fileno())
        file.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error


def _keep_permissions(file: BinaryIO, path: Path) -> None:
    """Give a file that will replace `path` its permissions."""
    if path.exists() and hasattr(os, "fchmod"):
        os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty folder that replaces `path` when the block ends without an error.

    Raises StorageError as `whole_file` does. The caller must fsync the files in the folder.
    """
    path = Path(path)
    temporary, old = _temporary(path), _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        temporary.mkdir()
        yield temporary
        if path.exists():
            path.replace(old)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        if old.exists() and not path.exists():
            with suppress(OSError):
                old.replace(path)
        for leftover in (temporary, old):
            _remove(leftover)


@contextmanager
def locked_folder(folder: str | Path) -> Iterator[None]:
    """Lock `folder`, which need not exist, for this process inside the block, by a lock file beside it.

    The lock ends with the process, however that ends. Raises StorageError at once if another process holds it.
    """
    folder = Path(folder).absolute()
    lock = folder.with_name(f".{folder.name.lstrip('.')}.lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        handle = _locked(lock)
    except BlockingIOError as error:
        raise StorageError(
            f"{folder} is in use by another run. Wait until it ends, or choose another output or work folder."
        ) from error
    except OSError as error:
        raise storage_error(lock, error) from error
    try:
        yield
    finally:
        with suppress(OSError):
            lock.unlink()
        os.close(handle)


def _locked(lock: Path) -> int:
    """A handle to the locked lock file, checked to be still the one of that name. Raises BlockingIOError."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    while True:
        handle = os.open(lock, flags, 0o600)
        try:
            _flock(handle)
            with suppress(FileNotFoundError):  # (its owner may remove it between the two lines above)
                if os.path.samestat(os.fstat(handle), lock.stat()):
                    return handle
        except OSError:
            os.close(handle)
            raise
        os.close(handle)


def _flock(handle: int) -> None:
    """Lock an open file, or raise BlockingIOError; a file system without locks excludes nobody."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(errno.EWOULDBLOCK, "locked") from error
        return
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise


def check_writable(path: str | Path) -> None:
    """Raise StorageError if `path` is not writable; call it before hours of training."""
    path = Path(path)
    temporary = _temporary(path)
    try:
        _prepare(path)
        temporary.open("xb").close()
        temporary.unlink()
    except OSError as error:
        raise storage_error(path, error) from error


def _prepare(path: Path) -> None:
    """Create the folder of `path`. Raises OSError where a rename would replace a folder or a device."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EISDIR if path.is_dir() else errno.EINVAL, "it is a device, not a file")
    path.parent.mkdir(parents=True, exist_ok=True)


def _temporary(path: Path) -> Path:
    return path.parent / f".{path.name[:100]}.{secrets.token_hex(6)}.tmp"


def _sweep(path: Path) -> None:
    """Remove temporaries of `path` that a killed process left hours ago."""
    prefix = f".{path.name[:100]}."
    for entry in path.parent.iterdir():
        if entry.name.startswith(prefix) and entry.name.endswith(".tmp") and _age_s(entry) > STALE_AFTER_S:
            _remove(entry)


def _age_s(entry: Path) -> float:
    newest = time.time()  # if it is gone, another process removed it
    with suppress(OSError):
        inside = entry.iterdir() if entry.is_dir() else ()
        newest = max(item.stat().st_mtime for item in (entry, *inside))
    return time.time() - newest


def _remove(entry: Path) -> None:
    with suppress(OSError):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power failure, where the system allows opening a folder."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

"""Files are written completely or not at all: failures, full disks, missing permissions, killed processes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ulmus.errors import StorageError
from ulmus.storage import check_writable, whole_file, whole_folder


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    """The old content stays readable until the new file is complete."""
    path = tmp_path / "deep" / "file"
    with whole_file(path) as file:
        file.write(b"old")
    with whole_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["file"]


def test_a_failure_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    """An exception is passed on unchanged and leaves the old file and no temporary one."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="closed"), whole_file(path) as file:  # noqa: PT012
        file.write(b"half")
        file.close()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_failure_in_the_middle_of_a_folder_changes_nothing(tmp_path: Path) -> None:
    """An exception while writing a folder leaves the old folder complete."""
    path = tmp_path / "folder"
    with whole_folder(path) as folder:
        (folder / "a").write_bytes(b"old")
    with pytest.raises(TypeError), whole_folder(path) as folder:  # noqa: PT012
        (folder / "b").write_bytes(b"half")
        (folder / "c").write_bytes("no bytes")  # type: ignore[arg-type]
    assert names(path) == ["a"]
    assert names(tmp_path) == ["folder"]


def test_a_folder_replaces_the_older_one_of_its_name(tmp_path: Path) -> None:
    """A new folder replaces the old one completely."""
    path = tmp_path / "folder"
    for name in ("a", "b"):
        with whole_folder(path) as folder:
            (folder / name).write_bytes(b"")
    assert names(path) == ["b"]
    assert names(tmp_path) == ["folder"]


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission denied")],
)
def test_an_operating_system_error_becomes_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    """A full disk, a read-only disk and a missing permission give different advice; nothing is left behind."""

    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match=words), whole_file(tmp_path / "file") as file:
        file.write(b"x")
    assert names(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are a Unix thing")
def test_a_real_limit_on_file_size_leaves_nothing_behind(tmp_path: Path) -> None:
    """In a process that may write 10,000 bytes, writing more raises StorageError and cleans up."""
    program = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "from ulmus.errors import StorageError\n"
        "from ulmus.storage import whole_file\n"
        "try:\n"
        "    with whole_file(sys.argv[1]) as file:\n"
        "        file.write(bytes(1_000_000))\n"
        "except StorageError as error:\n"
        "    sys.exit(7)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "file")], check=False)
    assert done.returncode == 7
    assert names(tmp_path) == []


def test_an_unwritable_path_is_reported_before_any_work(tmp_path: Path) -> None:
    """check_writable refuses a folder of that name and a path through a file, and leaves nothing."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="folder of that name"):
        check_writable(tmp_path / "folder")
    with pytest.raises(StorageError, match="is a file, not a folder"):
        check_writable(tmp_path / "file" / "model")
    check_writable(tmp_path / "new" / "model")
    assert names(tmp_path) == ["file", "folder", "new"]
    assert names(tmp_path / "new") == []


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no devices in the file system")
def test_a_device_is_never_replaced() -> None:
    """`--out /dev/null` is refused, not replaced by a file."""
    with pytest.raises(StorageError, match="device"), whole_file("/dev/null") as file:
        file.write(b"x")
    assert not Path("/dev/null").is_file()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_reported(tmp_path: Path) -> None:
    """A folder without write permission gives an error that says so."""
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="permission denied"):
        check_writable(tmp_path / "model")


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    """The next write removes old temporary files of the same name, but neither recent ones nor other files."""
    long_ago = time.time() - 7 * 3600
    for name in (".model.000000000000.tmp", ".model.folder.tmp/ids.bin", "model.tmp", ".other.0.tmp"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
        os.utime(path, (long_ago, long_ago))
    os.utime(tmp_path / ".model.folder.tmp", (long_ago, long_ago))
    (tmp_path / ".model.fresh.tmp").write_bytes(b"")
    with whole_file(tmp_path / "model") as file:
        file.write(b"x")
    assert names(tmp_path) == [".model.fresh.tmp", ".other.0.tmp", "model", "model.tmp"]

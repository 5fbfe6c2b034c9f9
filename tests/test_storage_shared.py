"""Several processes in one folder, one of them possibly hostile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ulmus.errors import StorageError
from ulmus.storage import locked_folder, whole_file

HOLDER = """if True:
    import sys, time
    from ulmus.storage import locked_folder
    with locked_folder(sys.argv[1]):
        print("held", flush=True)
        time.sleep(60)
"""


def test_a_folder_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    """A second process is refused at once; a killed process leaves no lock and no file."""
    folder = tmp_path / "work"
    with subprocess.Popen([sys.executable, "-c", HOLDER, folder], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(StorageError, match="in use by another run"), locked_folder(folder):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert [entry.name for entry in tmp_path.iterdir()] == [".work.lock"]
    with locked_folder(folder), locked_folder(tmp_path / "other"):
        pass
    with locked_folder(folder):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_not_taken_through_a_planted_link(tmp_path: Path) -> None:
    """A lock file that is a planted link to another file is not followed."""
    (tmp_path / "precious").write_text("mine")
    (tmp_path / ".work.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(StorageError), locked_folder(tmp_path / "work"):
        pass
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are a Unix thing")
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    """A replaced file keeps its permissions; a new file gets those of the umask."""
    before = os.umask(0o027)
    try:
        for name, mode in (("private", 0o600), ("shared", 0o664)):
            (tmp_path / name).write_bytes(b"old")
            (tmp_path / name).chmod(mode)
        for name in ("private", "shared", "new"):
            with whole_file(tmp_path / name) as file:
                file.write(b"new")
    finally:
        os.umask(before)
    modes = {entry.name: entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir()}
    assert modes == {"private": 0o600, "shared": 0o664, "new": 0o640}


KILLED = """if True:
    import os, sys
    import numpy as np
    from ulmus import bundle
    os.fsync = lambda _: os.kill(os.getpid(), 9)
    bundle.write(sys.argv[1], manifest={}, tokenizer_json="new", tensors={"w": np.ones(10)})
"""


def test_kill_9_while_a_model_is_saved_leaves_the_old_one(tmp_path: Path) -> None:
    """A process killed while saving leaves the old file complete."""
    from ulmus import bundle

    path = tmp_path / "m.ulmus"
    bundle.write(path, manifest={}, tokenizer_json="old", tensors={})
    done = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert bundle.read(path).tokenizer_json == "old"
    bundle.write(path, manifest={}, tokenizer_json="newer", tensors={})
    assert bundle.read(path).tokenizer_json == "newer"

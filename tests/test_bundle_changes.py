"""A model file that another process changes while it is read, or while its content is in use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus import bundle
from ulmus.errors import BundleError


def write(path: Path, value: float) -> Path:
    """A model file with a million weights of this value."""
    tensors = {"w": np.full(2**20, value, np.float32)}
    bundle.write(path, manifest={}, tokenizer_json="x" * 77, tensors=tensors)
    return path


@pytest.mark.parametrize("change", ["overwritten", "cut short", "removed"])
def test_a_file_that_changes_after_it_was_opened_changes_nothing(tmp_path: Path, change: str) -> None:
    """The weights in use are those that were checked: read into aligned, writable memory, not mapped."""
    path, other = write(tmp_path / "m.ulmus", 1), write(tmp_path / "other", 0)
    w = bundle.read(path).tensors["w"]
    if change == "overwritten":
        path.write_bytes(other.read_bytes())
    elif change == "cut short":
        os.truncate(path, 100)
    else:
        path.unlink()
    assert w.sum() == w.size
    assert w.ctypes.data % 64 == 0
    w += 1


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file overwritten after its manifest was read is refused, because its checksums no longer match."""
    path, other = write(tmp_path / "m.ulmus", 1), write(tmp_path / "other", 0)
    read = bundle._Members.manifest

    def slowly(members: Any) -> Any:
        found = read(members)
        path.write_bytes(other.read_bytes())
        return found

    monkeypatch.setattr(bundle._Members, "manifest", slowly)
    with pytest.raises(BundleError, match=r"checksum of weights.safetensors does not match"):
        bundle.read(path)

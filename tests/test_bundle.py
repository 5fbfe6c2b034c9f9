"""The model file: round trips, equal bytes for equal content; damaged and hostile files are refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ulmus import bundle
from ulmus.bundle import BFloat16
from ulmus.errors import BundleError, StorageError

TENSORS = {
    "encoder.w": np.arange(12, dtype=np.float32).reshape(3, 4),
    "half": BFloat16(np.uint16([[0x3F80]])),
}
MANIFEST = {
    "config": {"size": "small", "lr": np.float32(0.5)},
    "labels": ["nej", "да"],
    "metrics": {"f1": float("nan")},
}


def write(path: Path, **changes: Any) -> Path:
    content: dict[str, Any] = {"manifest": MANIFEST, "tokenizer_json": '{"é": 1}', "tensors": TENSORS}
    bundle.write(path, **(content | changes))
    return path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rezip(path: Path, content: dict[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> Path:
    """A hand-made zip of `content`, with arbitrary names."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def with_manifest(content: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    manifest = json.loads(content["manifest.json"]) | changes
    return content | {"manifest.json": json.dumps(manifest).encode()}


def listing(content: dict[str, bytes]) -> dict[str, bytes]:
    """The content with a manifest that lists all of it with correct checksums."""
    sums = {
        name: hashlib.sha256(data).hexdigest() for name, data in content.items() if name != "manifest.json"
    }
    return with_manifest(content, sha256=sums)


def refused(path: Path, words: str) -> None:
    """The message of the error that `read` raises."""
    with pytest.raises(BundleError, match=words) as caught:
        bundle.read(path)
    assert str(path) in str(caught.value)


def test_content_survives_a_round_trip(tmp_path: Path) -> None:
    """Manifest, tokenizer, weights and other members survive a round trip; numpy numbers become plain, NaN null."""
    found = bundle.read(write(tmp_path / "m.ulmus", extra={"model.onnx": b"onnx", "counts.json": b""}))
    assert found.manifest["config"] == {"size": "small", "lr": 0.5}
    assert found.manifest["labels"] == ["nej", "да"]
    assert found.manifest["metrics"] == {"f1": None}
    assert found.tokenizer_json == '{"é": 1}'
    assert found.extra == {"model.onnx": b"onnx", "counts.json": b""}
    np.testing.assert_array_equal(found.tensors["encoder.w"], TENSORS["encoder.w"])
    assert found.tensors["half"].to_float32() == 1
    assert bundle.read_manifest(tmp_path / "m.ulmus") == found.manifest


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    """Equal content gives equal bytes, regardless of date and insertion order."""
    one = write(tmp_path / "one", extra={"a": b"1", "b": b"2"})
    other = write(tmp_path / "other", extra={"b": b"2", "a": b"1"}, tensors=dict(reversed(TENSORS.items())))
    assert one.read_bytes() == other.read_bytes()


def test_a_model_file_is_a_zip_that_other_tools_read(tmp_path: Path) -> None:
    """A model file has stored members, standard names, a safetensors member and valid SHA-256 checksums."""
    path = write(tmp_path / "m.ulmus")
    content = members(path)
    assert set(content) == {"manifest.json", "tokenizer.json", "weights.safetensors"}
    official = pytest.importorskip("safetensors")
    assert dict(official.deserialize(content["weights.safetensors"]))["half"]["dtype"] == "BF16"
    assert bundle.read(rezip(tmp_path / "again", listing(content))).tokenizer_json == '{"é": 1}'


def test_a_file_with_unaligned_weights_can_be_read(tmp_path: Path) -> None:
    """A file with unaligned weights, from another zip program or an older Ulmus, can be read."""
    content = members(write(tmp_path / "m.ulmus"))
    for name in ("a", "ab", "abc"):
        path = rezip(tmp_path / "other", listing({name: b"", **content}))
        np.testing.assert_array_equal(bundle.read(path).tensors["encoder.w"], TENSORS["encoder.w"])


def test_opening_loads_no_torch(tmp_path: Path) -> None:
    """Reading a model file in a fresh process imports neither torch nor pickle-based loaders."""
    path = write(tmp_path / "m.ulmus")
    program = (
        "import sys; from ulmus import bundle; bundle.read(sys.argv[1]); "
        "sys.exit('torch' in sys.modules or 'safetensors' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)


# ---- damage ------------------------------------------------------------------------------------------


def test_a_changed_bit_is_an_error_or_changes_nothing(tmp_path: Path) -> None:
    """Any flipped bit gives a BundleError or, for example in a date, exactly the original content."""
    small: dict[str, Any] = {"manifest": {}, "tokenizer_json": "{}", "tensors": {"w": np.ones(2, np.float32)}}
    path = write(tmp_path / "m.ulmus", **small)
    original, whole = bundle.read(path), path.read_bytes()
    refusals = 0
    for at in range(8 * len(whole)):
        data = bytearray(whole)
        data[at // 8] ^= 1 << at % 8
        path.write_bytes(data)
        try:
            found = bundle.read(path)
        except BundleError:
            refusals += 1
            continue
        assert (found.manifest, found.tokenizer_json) == (original.manifest, original.tokenizer_json)
        assert found.tensors["w"].tolist() == [1, 1]
    assert refusals > 0.7 * 8 * len(whole)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keep=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_an_error(tmp_path: Path, keep: float) -> None:
    """A truncated file is a BundleError, wherever it was cut."""
    path = tmp_path / "m.ulmus"
    if not path.exists():
        write(path)
    short = tmp_path / "short"
    short.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    refused(short, "empty|no zip|truncated")


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300), end=st.binary(max_size=60))
def test_noise_is_an_error(tmp_path: Path, data: bytes, end: bytes) -> None:
    """Random bytes between the signatures of a zip never raise anything but BundleError."""
    path = tmp_path / "noise"
    path.write_bytes(b"PK\x03\x04" + data + b"PK\x01\x02" + end + b"PK\x05\x06" + (data + bytes(18))[:18])
    refused(path, "Cannot open")


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ("weights.safetensors", "checksum of weights.safetensors does not match: the file was changed"),
        ("tokenizer.json", "checksum of tokenizer.json does not match"),
        ("manifest.json", "checksum of manifest.json does not match"),
    ],
)
def test_a_changed_byte_is_reported_with_its_member(tmp_path: Path, member: str, words: str) -> None:
    """A changed byte is an error that names the member."""
    path = write(tmp_path / "m.ulmus")
    data = bytearray(path.read_bytes())
    end = data.index(members(path)[member]) + len(members(path)[member])
    data[end - 1] ^= 1
    path.write_bytes(data)
    refused(path, words)


def test_a_missing_file_a_folder_a_pipe_and_a_non_zip_are_reported(tmp_path: Path) -> None:
    """A missing file, a folder, a pipe and a non-zip file give errors with the path and what to check."""
    refused(tmp_path / "nowhere", "no model file at .*nowhere. Check the path")
    refused(tmp_path, "Is a directory|ermission")
    (tmp_path / "empty").write_bytes(b"")
    refused(tmp_path / "empty", "is empty")
    (tmp_path / "text").write_bytes(b"label,text\n" * 9)
    refused(tmp_path / "text", "not an Ulmus model file")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "a pipe or a device, not a file")


# ---- malice ------------------------------------------------------------------------------------------

Content = dict[str, bytes]
HOSTILE: dict[str, tuple[Callable[[Content], Content], str]] = {
    "missing weights": (
        lambda c: {n: d for n, d in c.items() if n[0] != "w"},
        "is missing weights.safetensors",
    ),
    "missing manifest": (lambda c: {n: d for n, d in c.items() if n[0] != "m"}, "no manifest.json"),
    "an unlisted member": (
        lambda c: c | {"run.py": b"import os"},
        "contains run.py, which its manifest does not list",
    ),
    "path traversal": (
        lambda c: listing(c | {"../../.bashrc": b"x"}),
        r"\.\./\.\./\.bashrc'.*point to other folders",
    ),
    "an absolute path": (lambda c: listing(c | {"/etc/passwd": b"x"}), "point to other folders"),
    "a Windows path": (lambda c: listing(c | {"C:\\x": b"x"}), "point to other folders"),
    "a folder": (lambda c: listing(c | {"folder/": b""}), "point to other folders"),
    "a pickle": (lambda c: listing(c | {"archive/data.pkl": b"x"}), "never opens pickles"),
    "a newer format": (
        lambda c: with_manifest(c, format_version=2),
        "format version 2, .* pip install --upgrade ulmus",
    ),
    "format 0": (lambda c: with_manifest(c, format_version=0), "format version is 0, expected at least 1"),
    "format -5": (lambda c: with_manifest(c, format_version=-5), "format version is -5, expected at least 1"),
    "a number that is none": (
        lambda c: c | {"manifest.json": c["manifest.json"].replace(b"0.5", b"NaN")},
        "NaN is not a finite number",
    ),
    "an infinite number": (
        lambda c: c | {"manifest.json": c["manifest.json"].replace(b"0.5", b"1e999")},
        "1e999 is not a finite number",
    ),
    "a number of 400 digits": (
        lambda c: c | {"manifest.json": c["manifest.json"].replace(b"0.5", b"9" * 400)},
        "does not fit 64 bits",
    ),
    "no format": (lambda c: with_manifest(c, format_version=None), "has no format_version"),
    "no checksums": (lambda c: with_manifest(c, sha256=None), "lists no checksums"),
    "a checksum left out": (
        lambda c: with_manifest(c, sha256={"weights.safetensors": "0"}),
        "contains tokenizer.json, which its manifest does not list",
    ),
    "a wrong checksum": (
        lambda c: with_manifest(c, sha256=dict.fromkeys(("tokenizer.json", "weights.safetensors"), "0")),
        "checksum of tokenizer.json",
    ),
    "a manifest that is no JSON": (lambda c: c | {"manifest.json": b"{"}, "not valid JSON"),
    "a manifest that is a list": (lambda c: c | {"manifest.json": b"[]"}, "has no format_version"),
    "a manifest nested deeply": (lambda c: c | {"manifest.json": b"[" * 10**6}, "not valid JSON"),
    "a manifest of 20 MB": (lambda c: c | {"manifest.json": b" " * 20_000_000}, "larger than 16,000,000"),
    "a tokenizer that is no text": (lambda c: listing(c | {"tokenizer.json": b"\xff"}), "not UTF-8"),
    "weights that are no safetensors": (
        lambda c: listing(c | {"weights.safetensors": b"x"}),
        "weights are damaged",
    ),
    "a hundred members": (lambda c: c | {f"m{i}": b"" for i in range(100)}, "more than 64 members"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused(tmp_path: Path, case: str) -> None:
    """Each kind of hostile file is refused with its own message."""
    change, words = HOSTILE[case]
    content = members(write(tmp_path / "m.ulmus"))
    refused(rezip(tmp_path / "hostile", change(content)), words)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """A compressed member, 1,000 times smaller in the file, is never decompressed."""
    content = listing(members(write(tmp_path / "m.ulmus")) | {"weights.safetensors": bytes(10_000_000)})
    path = rezip(tmp_path / "bomb", content, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 50_000
    refused(path, "is compressed; a model file has uncompressed members only")


def directory_entry(data: bytes, member: str) -> int:
    """The offset of the entry of `member` in the zip directory."""
    at = data.index(b"PK\x01\x02")
    while data[at + 46 : at + 46 + len(member)] != member.encode():
        at = data.index(b"PK\x01\x02", at + 1)
    return at


@pytest.mark.parametrize(
    ("offset", "value", "words"),
    [
        (20, struct.pack("<LL", 2**31, 2**31), "overlap|behind|lies between"),  # both sizes
        (24, struct.pack("<L", 2**31), "is compressed"),  # the unpacked size alone
        (8, struct.pack("<H", 1), "encrypted"),
        (42, struct.pack("<L", 0), "members overlap"),  # the place of another member
        (42, struct.pack("<L", 3), "members overlap"),
        (42, b"\xff\xff\xff\x7f", "gaps between|cannot be read"),
        (28, b"\xff\xff", "cannot be read|another length"),
    ],
)
def test_wrong_sizes_and_offsets_are_refused(tmp_path: Path, offset: int, value: bytes, words: str) -> None:
    """A directory entry must not claim more bytes than the file has, or share its data with another."""
    path = write(tmp_path / "m.ulmus")
    data = bytearray(path.read_bytes())
    at = directory_entry(data, "weights.safetensors") + offset
    data[at : at + len(value)] = value
    path.write_bytes(data)
    refused(path, words)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_duplicate_member_is_refused(tmp_path: Path) -> None:
    """Two members of the same name, which tools resolve differently, are refused."""
    content = members(write(tmp_path / "m.ulmus"))
    path = rezip(tmp_path / "twice", content)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("tokenizer.json", b"{}")
    refused(path, "are duplicated")


@pytest.mark.parametrize(("before", "after"), [(b"#!/bin/sh\n", b""), (b"", b"\n")])
def test_bytes_before_or_after_the_zip_are_refused(tmp_path: Path, before: bytes, after: bytes) -> None:
    """Bytes before or after the zip are refused, so a file cannot be a program and a model at once."""
    path = write(tmp_path / "m.ulmus")
    path.write_bytes(before + path.read_bytes() + after)
    refused(path, "no zip|data was appended")


def test_bytes_between_members_are_refused(tmp_path: Path) -> None:
    """Bytes between members, here a member deleted from the directory only, are refused."""
    content = members(write(tmp_path / "m.ulmus"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("hidden", b"secret")
        for name, data in content.items():
            archive.writestr(name, data)
        archive.filelist.pop(0)
    (tmp_path / "gap").write_bytes(buffer.getvalue())
    refused(tmp_path / "gap", "gaps between them")


def test_a_64_bit_directory_is_checked_too(tmp_path: Path) -> None:
    """A 64-bit end record that claims a huge directory is refused before the directory is read."""
    data = write(tmp_path / "m.ulmus").read_bytes()
    end = data.rindex(b"PK\x05\x06")
    wide = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 3, 3, 2**40, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    (tmp_path / "wide").write_bytes(data[:end] + wide + locator + data[end:])
    refused(tmp_path / "wide", "more than 64 members")


# ---- writing -----------------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_model(tmp_path: Path) -> None:
    """If a tensor cannot be stored, writing fails and the existing file is untouched."""
    path = write(tmp_path / "m.ulmus")
    before = path.read_bytes()
    with pytest.raises(TypeError, match="tensor 'w'"):
        write(path, tensors={"w": np.array([None])})
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.ulmus"]


def test_a_full_disk_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk while writing weights is a StorageError that leaves nothing behind."""
    real = zipfile.ZipFile.open

    def full(self: zipfile.ZipFile, member: Any, mode: str = "r", **options: Any) -> Any:
        if mode == "w" and member.filename == "weights.safetensors":
            raise OSError(28, "No space left on device")
        return real(self, member, mode, **options)

    monkeypatch.setattr(zipfile.ZipFile, "open", full)
    with pytest.raises(StorageError, match="disk is full"):
        write(tmp_path / "m.ulmus")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    """A folder of that name or a path through a file is a StorageError; missing folders are created."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="folder of that name"):
        write(tmp_path)
    with pytest.raises(StorageError, match="is a file, not a folder"):
        write(tmp_path / "file" / "m.ulmus")
    assert write(tmp_path / "new" / "m.ulmus").exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "weights.safetensors", ".hidden", ""])
def test_a_member_name_that_could_not_be_read_is_not_written(tmp_path: Path, name: str) -> None:
    """The writer refuses member names that the reader would refuse."""
    with pytest.raises(ValueError, match="member name"):
        write(tmp_path / "m.ulmus", extra={name: b""})

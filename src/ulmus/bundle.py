"""The one model file, `*.ulmus`: a zip, stored, that any tool can list and that is safe to open.

    manifest.json         {"format_version", "sha256": {member: hex}, and what the writer adds: config,
                          labels, vocabulary fingerprint, metrics}
    tokenizer.json        the standard file of `tokenizers`
    weights.safetensors   every array
    more members          only those that the manifest lists, e.g. model.onnx
Opening runs nothing. The members must be stored (a zip bomb needs compression), fill the file from end to end
without overlap, have plain names, and match their SHA-256; every number must be finite, and a weight not absurdly
large; anything else is a BundleError. What was checked is a copy in memory: a file that is overwritten or cut short
later changes no prediction, one that changes meanwhile has a wrong checksum. Processes that fork share the copy.
Costs one hash (about 1 GB/s) on the way in, a tenth of that for the copy and the look at the numbers, and one hash on
the way out.
Knows no torch, and not what the manifest means.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from ulmus.errors import BundleError
from ulmus.storage import open_file, whole_file
from ulmus.tensors import ALIGNMENT, BFloat16, Tensor, aligned, check_numbers, pack, unpack

__all__ = ["BFloat16", "Bundle", "read", "read_manifest", "write"]

FORMAT_VERSION = 1
MANIFEST, TOKENIZER, WEIGHTS = "manifest.json", "tokenizer.json", "weights.safetensors"
MOST_MEMBERS = 64
LARGEST_MANIFEST_BYTES = 16_000_000
LARGEST_DIRECTORY_BYTES = 100_000
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
END_OF_ZIP = struct.Struct(
    "<4s4H2LH"
)  # signature, 2 disk numbers, 2 entry counts, size, offset, comment length
END_OF_ZIP64 = struct.Struct("<4sQ2H2L2Q2Q20s")  # ..., directory size, offset; then the 20-byte locator
LOCAL_HEADER = struct.Struct("<4s5H3L2H")  # signature, ..., name length, extra length
PADDING = struct.Struct("<3H")  # zip extra field 0xD935: its id, its size, the alignment; zeros follow
ASK_AGAIN = "Copy or download it again, or train it anew."


@dataclass(frozen=True)
class Bundle:
    """What a model file holds: plain data, checked against its checksums."""

    manifest: dict[str, Any]
    tokenizer_json: str
    tensors: dict[str, Tensor] = field(repr=False)
    extra: dict[str, bytes] = field(default_factory=dict, repr=False)


def write(
    path: str | Path,
    *,
    manifest: Mapping[str, Any],
    tokenizer_json: str,
    tensors: Mapping[str, Tensor],
    extra: Mapping[str, bytes] | None = None,
) -> None:
    """Write a model file whole or not at all; the same content gives the same bytes.

    `manifest` is anything JSON-able (numpy numbers too; NaN becomes null); to it come `format_version` and
    `sha256`.
    Raises StorageError when the disk is full or `path` may not be written.
    """
    members: dict[str, list[bytes | memoryview]] = {
        TOKENIZER: [tokenizer_json.encode("utf-8")],
        WEIGHTS: pack(tensors),
        **{name: [data] for name, data in sorted((extra or {}).items())},
    }
    for name in extra or ():
        if not PLAIN_NAME.fullmatch(name) or name in (MANIFEST, TOKENIZER, WEIGHTS):
            raise ValueError(
                f"member name {name!r} must be letters, digits, `.`, `_`, `-`, and not a standard one"
            )
    with whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        sha256 = {name: _add(archive, name, chunks) for name, chunks in members.items()}
        filled = {**_plain(manifest), "format_version": FORMAT_VERSION, "sha256": sha256}
        text = json.dumps(filled, indent=1, sort_keys=True, allow_nan=False) + "\n"
        _add(archive, MANIFEST, [text.encode()])


def read(path: str | Path) -> Bundle:
    """Read and check a model file. Raises BundleError, saying what is wrong; runs nothing it holds."""
    with _open(path) as file:
        members = _Members(file, Path(path))
        manifest = members.manifest()
        content = {name: members.checked(name, digest) for name, digest in manifest["sha256"].items()}
    try:
        tokenizer_json = str(content.pop(TOKENIZER), "utf-8")
        tensors = unpack(content.pop(WEIGHTS))
        check_numbers(tensors)
    except UnicodeDecodeError as error:
        raise BundleError(f"{path}: {TOKENIZER} is not UTF-8 ({error}). {ASK_AGAIN}") from error
    except BundleError as error:
        raise BundleError(f"{path}: {error} {ASK_AGAIN}") from error
    return Bundle(manifest, tokenizer_json, tensors, {name: bytes(data) for name, data in content.items()})


def read_manifest(path: str | Path) -> dict[str, Any]:
    """Only the manifest, without reading the weights: milliseconds. Raises BundleError as `read` does."""
    with _open(path) as file:
        return _Members(file, Path(path)).manifest()


def read_tokenizer(path: str | Path) -> str:
    """Only the tokenizer's JSON, without reading the weights. Raises BundleError as `read` does."""
    with _open(path) as file:
        members = _Members(file, Path(path))
        return str(members.checked(TOKENIZER, members.manifest()["sha256"][TOKENIZER]), "utf-8")


class _Members:
    """The members of an open model file: name -> (offset, size) of their bytes, safe to read."""

    def __init__(self, file: BufferedReader, path: Path) -> None:
        self.file, self.path = file, path
        self.places: dict[str, tuple[int, int]] = {}
        self.crc: dict[str, int] = {}
        infos, directory = self._directory()
        expected = 0  # members fill the file from 0 to the directory: nothing hidden, nothing read twice
        for info in sorted(infos, key=lambda info: info.header_offset):
            self._check_info(info)
            if info.header_offset != expected:
                raise self._wrong("its members overlap, or something lies between them")
            offset = self._data_offset(info)
            self.places[info.filename] = (offset, info.file_size)
            self.crc[info.filename] = info.CRC
            expected = offset + info.file_size
        if expected != directory or len(self.places) != len(infos):
            raise self._wrong("its members overlap, come twice, or something lies behind them")

    def manifest(self) -> dict[str, Any]:
        """The manifest, of a version that this code reads, listing exactly the members there are."""
        if MANIFEST not in self.places:
            raise self._wrong(f"it has no {MANIFEST}, so it is not an Ulmus model file", "Check the path.")
        if self.places[MANIFEST][1] > LARGEST_MANIFEST_BYTES:
            raise self._wrong(f"{MANIFEST} is larger than {LARGEST_MANIFEST_BYTES:,} bytes")
        data = self._bytes(MANIFEST)
        if zlib.crc32(data) != self.crc[MANIFEST]:
            raise self._wrong(f"the checksum of {MANIFEST} does not match: a byte was changed")
        try:
            manifest = strict_json(bytes(data))
        except (ValueError, RecursionError) as error:
            raise self._wrong(f"{MANIFEST} is not JSON ({error})") from error
        if not isinstance(manifest, dict) or type(manifest.get("format_version")) is not int:
            raise self._wrong(f"{MANIFEST} names no format_version")
        if manifest["format_version"] < 1:
            raise self._wrong(f"it has format {manifest['format_version']}, and the first one is 1")
        if manifest["format_version"] > FORMAT_VERSION:
            version = manifest["format_version"]
            newer = (
                f"it has format {version}, and this Ulmus reads up to {FORMAT_VERSION}: a newer one wrote it"
            )
            raise self._wrong(newer, "Run: pip install --upgrade ulmus")
        listed = manifest.get("sha256")
        if not isinstance(listed, dict) or not all(isinstance(v, str) for v in listed.values()):
            raise self._wrong(f"{MANIFEST} lists no checksums")
        self._compare({MANIFEST, TOKENIZER, WEIGHTS, *listed}, {MANIFEST, *listed})
        return manifest

    def checked(self, name: str, digest: str) -> memoryview:
        """The bytes of a member, writable. Raises BundleError when their SHA-256 is not `digest`."""
        data = self._bytes(name)
        if hashlib.sha256(data).hexdigest() != digest:
            raise self._wrong(f"the checksum of {name} does not match: a byte was changed")
        return data

    def _compare(self, wanted: set[str], listed: set[str]) -> None:
        if missing := sorted(wanted - self.places.keys()):
            raise self._wrong(f"it lacks {', '.join(missing)}")
        if unknown := sorted(self.places.keys() - listed):
            raise self._wrong(
                f"it holds {', '.join(unknown)}, which its manifest does not list", "Do not use it."
            )
        if wanted != listed:
            raise self._wrong(f"its manifest has no checksum for {', '.join(sorted(wanted - listed))}")

    def _directory(self) -> tuple[list[zipfile.ZipInfo], int]:
        """The entries of the zip directory and where it begins; its size is checked before it is read."""
        size = self.file.seek(0, 2)
        if size == 0:
            raise self._wrong("it is empty")
        self.file.seek(0)
        if self.file.read(4) != b"PK\x03\x04":
            raise self._wrong("it is not an Ulmus model file (no zip)", "Check the path.")
        self.file.seek(max(0, size - END_OF_ZIP.size))
        tail = self.file.read()
        if len(tail) < END_OF_ZIP.size or tail[:4] != b"PK\x05\x06":
            raise self._wrong("its end is missing: it was cut short, or something was appended")
        *_, entries, directory_bytes, _, _ = END_OF_ZIP.unpack(tail)
        if (
            entries > MOST_MEMBERS
            or max(directory_bytes, self._wide_directory(size)) > LARGEST_DIRECTORY_BYTES
        ):
            raise self._wrong(
                f"it has more than {MOST_MEMBERS} members, or very long names", "Do not use it."
            )
        try:
            with zipfile.ZipFile(self.file) as archive:
                if len(archive.infolist()) != entries:
                    raise self._wrong("its directory is not as long as it says")
                return archive.infolist(), archive.start_dir
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
            raise self._wrong(f"its zip directory cannot be read ({error})") from error

    def _wide_directory(self, size: int) -> int:
        """The bytes of the directory as a 64-bit zip (beyond 4 GB) tells them; 0 if it is not one."""
        self.file.seek(max(0, size - END_OF_ZIP.size - END_OF_ZIP64.size))
        record = self.file.read(END_OF_ZIP64.size)
        if record[-20:-16] != b"PK\x06\x07":
            return 0
        if record[:4] != b"PK\x06\x06":
            raise self._wrong("its end is not that of a 64-bit zip")
        return int(END_OF_ZIP64.unpack(record)[-3])

    def _check_info(self, info: zipfile.ZipInfo) -> None:
        name = ascii(info.filename[:80])
        if info.filename.endswith((".pkl", ".pickle")):
            raise self._wrong(f"it holds {name}, and Ulmus never opens pickles", "Do not use it.")
        if not PLAIN_NAME.fullmatch(info.filename):
            raise self._wrong(f"it holds {name}, a name that could lead to other folders", "Do not use it.")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise self._wrong(
                f"{name} is compressed; in a model file all members are stored", "Do not use it."
            )
        if info.flag_bits & ~0x800:  # 0x800: the name is UTF-8; else: encrypted, or of unknown size
            raise self._wrong(f"{name} is encrypted or of unknown size", "Do not use it.")

    def _data_offset(self, info: zipfile.ZipInfo) -> int:
        """Where the bytes of a member begin, after its local header, which must agree with the directory."""
        self.file.seek(info.header_offset)
        header = self.file.read(LOCAL_HEADER.size)
        if len(header) < LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
            raise self._wrong(f"the header of {info.filename} is missing")
        *_, name_bytes, extra_bytes = LOCAL_HEADER.unpack(header)
        if self.file.read(name_bytes) != info.filename.encode():
            raise self._wrong(f"the header of {info.filename} has another name than the directory")
        return info.header_offset + LOCAL_HEADER.size + int(name_bytes) + int(extra_bytes)

    def _bytes(self, name: str) -> memoryview:
        offset, size = self.places[name]
        data = aligned(size)  # never more than the file has: the members lie in it end to end
        self.file.seek(offset)
        if self.file.readinto(data) != size:
            raise self._wrong(f"{name} is cut short")
        return data

    def _wrong(self, what: str, advice: str = ASK_AGAIN) -> BundleError:
        return BundleError(f"Cannot open {self.path}: {what}. {advice}")


def _open(path: str | Path) -> BufferedReader:
    try:
        return open_file(path)
    except FileNotFoundError as error:
        raise BundleError(f"There is no model file at {path}. Check the path.") from error
    except OSError as error:
        raise BundleError(
            f"Cannot open {path}: {error.strerror or error}. Check the path and its permissions."
        ) from error


def strict_json(data: bytes | str) -> Any:
    """JSON whose numbers are all finite and of 64 bits. Raises ValueError or RecursionError for anything else."""
    return json.loads(data, parse_constant=_finite, parse_float=_finite, parse_int=_whole)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no finite number")
    return number


def _whole(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise ValueError(f"{text[:20]} is too large a number")
    return int(text)


def _add(archive: zipfile.ZipFile, name: str, chunks: list[bytes | memoryview]) -> str:
    """Append a member, dated 1980 so that equal content gives equal bytes; return its SHA-256."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr = 3, 0o644 << 16
    info.file_size = sum(len(chunk) for chunk in chunks)  # beyond 4 GB zipfile then takes the 64-bit form
    if name == WEIGHTS:
        info.extra = _padding(archive.start_dir + LOCAL_HEADER.size + len(name))
    digest = hashlib.sha256()
    with archive.open(info, "w") as member:
        for chunk in chunks:
            digest.update(chunk)
            member.write(chunk)
    return digest.hexdigest()


def _padding(offset: int) -> bytes:
    """A zip extra field after which the bytes of a member that would begin at `offset` begin aligned."""
    zeros = -(offset + PADDING.size) % ALIGNMENT
    return PADDING.pack(0xD935, PADDING.size - 4 + zeros, ALIGNMENT) + bytes(zeros)


def _plain(value: Any) -> Any:
    """`value` in what JSON has: str keys, lists, Python numbers; NaN and infinities become None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, (np.generic, np.ndarray)):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value

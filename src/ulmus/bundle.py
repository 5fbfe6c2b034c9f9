"""The one model file, `*.ulmus`: an uncompressed zip that any tool can list and that is safe to open.

    manifest.json         {"format_version", "sha256": {member: hex}, and the writer's entries: config,
                          labels, vocabulary fingerprint, metrics}
    tokenizer.json        the standard format of `tokenizers`
    weights.safetensors   every array
    more members          only those listed in the manifest, e.g. model.onnx
Opening a file runs no code. Members must be uncompressed (a zip bomb needs compression), fill the file from end to
end without overlap, have plain names and match their SHA-256; every number must be finite, and no weight absurdly
large; anything else is a BundleError. What is checked is a copy in memory: overwriting or truncating the file later
changes no prediction, and a file that changes during reading fails its checksum. Forked processes share the copy.
Reading costs one hash (about 1 GB/s) and a tenth of that for the copy and the check of the numbers; writing costs
one hash.
Knows neither torch nor the meaning of the manifest.
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

from ulmus.config import json_value
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
# signature, 2 disk numbers, 2 entry counts, size, offset, comment length
END_OF_ZIP = struct.Struct("<4s4H2LH")
END_OF_ZIP64 = struct.Struct("<4sQ2H2L2Q2Q20s")  # ..., directory size, offset; then the 20-byte locator
LOCAL_HEADER = struct.Struct("<4s5H3L2H")  # signature, ..., name length, extra length
PADDING = struct.Struct("<3H")  # zip extra field 0xD935: id, size, alignment; zeros follow
REPLACE_IT = "Copy or download it again, or retrain the model."


@dataclass(frozen=True)
class Bundle:
    """The content of a model file: plain data that matches its checksums."""

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
    """Write a model file atomically; the same content gives the same bytes.

    `manifest` may be anything that `config.json_value` turns into JSON (NaN becomes null); `format_version` and
    `sha256` are added. `tensors` may have any shape.
    Raises ValueError for an invalid name in `extra`, StorageError when the disk is full or `path` is not writable.
    """
    members: dict[str, list[bytes | memoryview]] = {
        TOKENIZER: [tokenizer_json.encode("utf-8")],
        WEIGHTS: pack(tensors),
        **{name: [data] for name, data in sorted((extra or {}).items())},
    }
    for name in extra or ():
        if not PLAIN_NAME.fullmatch(name) or name in (MANIFEST, TOKENIZER, WEIGHTS):
            raise ValueError(
                f"member name {name!r}: expected letters, digits, `.`, `_` and `-`, and no standard name"
            )
    with whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        sha256 = {name: _add(archive, name, chunks) for name, chunks in members.items()}
        filled = {**json_value(manifest), "format_version": FORMAT_VERSION, "sha256": sha256}
        text = json.dumps(filled, indent=1, sort_keys=True, allow_nan=False) + "\n"
        _add(archive, MANIFEST, [text.encode()])


def read(path: str | Path) -> Bundle:
    """Read and check a model file; nothing in it is run. Raises BundleError, which names the problem."""
    with _open(path) as file:
        members = _Members(file, Path(path))
        manifest = members.manifest()
        content = {name: members.checked(name, digest) for name, digest in manifest["sha256"].items()}
    try:
        tokenizer_json = str(content.pop(TOKENIZER), "utf-8")
        tensors = unpack(content.pop(WEIGHTS))
        check_numbers(tensors)
    except UnicodeDecodeError as error:
        raise BundleError(f"{path}: {TOKENIZER} is not UTF-8 ({error}). {REPLACE_IT}") from error
    except BundleError as error:
        raise BundleError(f"{path}: {error} {REPLACE_IT}") from error
    return Bundle(manifest, tokenizer_json, tensors, {name: bytes(data) for name, data in content.items()})


def read_manifest(path: str | Path) -> dict[str, Any]:
    """The manifest alone, without reading the weights (milliseconds). Raises BundleError as `read` does."""
    with _open(path) as file:
        return _Members(file, Path(path)).manifest()


def read_tokenizer(path: str | Path) -> str:
    """The tokenizer's JSON alone, without reading the weights. Raises BundleError as `read` does."""
    with _open(path) as file:
        members = _Members(file, Path(path))
        return str(members.checked(TOKENIZER, members.manifest()["sha256"][TOKENIZER]), "utf-8")


class _Members:
    """The members of an open model file: name -> (offset, size) in bytes, safe to read."""

    def __init__(self, file: BufferedReader, path: Path) -> None:
        self.file, self.path = file, path
        self.places: dict[str, tuple[int, int]] = {}
        self.crc: dict[str, int] = {}
        infos, directory = self._directory()
        expected = 0  # members fill the file from 0 to the directory: no gaps, no overlap
        for info in sorted(infos, key=lambda info: info.header_offset):
            self._check_info(info)
            if info.header_offset != expected:
                raise self._error("its members overlap or have gaps between them")
            offset = self._data_offset(info)
            self.places[info.filename] = (offset, info.file_size)
            self.crc[info.filename] = info.CRC
            expected = offset + info.file_size
        if expected != directory or len(self.places) != len(infos):
            raise self._error("its members overlap, are duplicated, or are followed by other data")

    def manifest(self) -> dict[str, Any]:
        """The manifest: of a supported version, listing exactly the members present. Raises BundleError."""
        if MANIFEST not in self.places:
            raise self._error(f"it has no {MANIFEST}, so it is not an Ulmus model file", "Check the path.")
        if self.places[MANIFEST][1] > LARGEST_MANIFEST_BYTES:
            raise self._error(f"{MANIFEST} is larger than {LARGEST_MANIFEST_BYTES:,} bytes")
        data = self._bytes(MANIFEST)
        if zlib.crc32(data) != self.crc[MANIFEST]:
            raise self._error(f"the checksum of {MANIFEST} does not match: the file was changed")
        try:
            manifest = strict_json(bytes(data))
        except (ValueError, RecursionError) as error:
            raise self._error(f"{MANIFEST} is not valid JSON ({error})") from error
        if not isinstance(manifest, dict) or type(manifest.get("format_version")) is not int:
            raise self._error(f"{MANIFEST} has no format_version")
        if manifest["format_version"] < 1:
            raise self._error(f"its format version is {manifest['format_version']}, expected at least 1")
        if manifest["format_version"] > FORMAT_VERSION:
            version = manifest["format_version"]
            newer = (
                f"it has format version {version}, newer than {FORMAT_VERSION}, the latest this Ulmus reads"
            )
            raise self._error(newer, "Run: pip install --upgrade ulmus")
        listed = manifest.get("sha256")
        if not isinstance(listed, dict) or not all(isinstance(v, str) for v in listed.values()):
            raise self._error(f"{MANIFEST} lists no checksums")
        self._compare({MANIFEST, TOKENIZER, WEIGHTS, *listed}, {MANIFEST, *listed})
        return manifest

    def checked(self, name: str, digest: str) -> memoryview:
        """The bytes of a member, writable. Raises BundleError when their SHA-256 is not `digest`."""
        data = self._bytes(name)
        if hashlib.sha256(data).hexdigest() != digest:
            raise self._error(f"the checksum of {name} does not match: the file was changed")
        return data

    def _compare(self, wanted: set[str], listed: set[str]) -> None:
        if missing := sorted(wanted - self.places.keys()):
            raise self._error(f"it is missing {', '.join(missing)}")
        if unknown := sorted(self.places.keys() - listed):
            raise self._error(
                f"it contains {', '.join(unknown)}, which its manifest does not list", "Do not use it."
            )
        if wanted != listed:
            raise self._error(f"its manifest has no checksum for {', '.join(sorted(wanted - listed))}")

    def _directory(self) -> tuple[list[zipfile.ZipInfo], int]:
        """The entries of the zip directory and its offset in bytes; its size is checked before it is read."""
        size = self.file.seek(0, 2)
        if size == 0:
            raise self._error("it is empty")
        self.file.seek(0)
        if self.file.read(4) != b"PK\x03\x04":
            raise self._error("it is not an Ulmus model file (no zip)", "Check the path.")
        self.file.seek(max(0, size - END_OF_ZIP.size))
        tail = self.file.read()
        if len(tail) < END_OF_ZIP.size or tail[:4] != b"PK\x05\x06":
            raise self._error("its end is missing: it was truncated, or data was appended")
        *_, entries, directory_bytes, _, _ = END_OF_ZIP.unpack(tail)
        if (
            entries > MOST_MEMBERS
            or max(directory_bytes, self._wide_directory(size)) > LARGEST_DIRECTORY_BYTES
        ):
            raise self._error(
                f"it has more than {MOST_MEMBERS} members, or very long names", "Do not use it."
            )
        try:
            with zipfile.ZipFile(self.file) as archive:
                if len(archive.infolist()) != entries:
                    raise self._error("its directory has another length than stated")
                return archive.infolist(), archive.start_dir
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
            raise self._error(f"its zip directory cannot be read ({error})") from error

    def _wide_directory(self, size: int) -> int:
        """The size of the directory in bytes as a 64-bit zip (beyond 4 GB) states it; 0 for any other zip."""
        self.file.seek(max(0, size - END_OF_ZIP.size - END_OF_ZIP64.size))
        record = self.file.read(END_OF_ZIP64.size)
        if record[-20:-16] != b"PK\x06\x07":
            return 0
        if record[:4] != b"PK\x06\x06":
            raise self._error("its 64-bit zip directory is damaged")
        return int(END_OF_ZIP64.unpack(record)[-3])

    def _check_info(self, info: zipfile.ZipInfo) -> None:
        name = ascii(info.filename[:80])
        if info.filename.endswith((".pkl", ".pickle")):
            raise self._error(f"it contains {name}, and Ulmus never opens pickles", "Do not use it.")
        if not PLAIN_NAME.fullmatch(info.filename):
            raise self._error(
                f"it contains {name}, a name that could point to other folders", "Do not use it."
            )
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise self._error(
                f"{name} is compressed; a model file has uncompressed members only", "Do not use it."
            )
        if info.flag_bits & ~0x800:  # 0x800: UTF-8 name; any other flag: encrypted, or of unknown size
            raise self._error(f"{name} is encrypted or of unknown size", "Do not use it.")

    def _data_offset(self, info: zipfile.ZipInfo) -> int:
        """Offset in bytes of a member's data, after its local header, which must agree with the directory."""
        self.file.seek(info.header_offset)
        header = self.file.read(LOCAL_HEADER.size)
        if len(header) < LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
            raise self._error(f"the header of {info.filename} is missing")
        *_, name_bytes, extra_bytes = LOCAL_HEADER.unpack(header)
        if self.file.read(name_bytes) != info.filename.encode():
            raise self._error(f"the header of {info.filename} has a different name than the directory")
        return info.header_offset + LOCAL_HEADER.size + int(name_bytes) + int(extra_bytes)

    def _bytes(self, name: str) -> memoryview:
        offset, size = self.places[name]
        data = aligned(size)  # never more than the file: the members fill it end to end
        self.file.seek(offset)
        if self.file.readinto(data) != size:
            raise self._error(f"{name} is truncated")
        return data

    def _error(self, what: str, advice: str = REPLACE_IT) -> BundleError:
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
    """Parse JSON whose numbers are all finite and fit 64 bits. Raises ValueError or RecursionError otherwise."""
    return json.loads(data, parse_constant=_finite, parse_float=_finite, parse_int=_whole)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is not a finite number")
    return number


def _whole(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise ValueError(f"{text[:20]} does not fit 64 bits")
    return int(text)


def _add(archive: zipfile.ZipFile, name: str, chunks: list[bytes | memoryview]) -> str:
    """Append a member, dated 1980 so that equal content gives equal bytes; return its SHA-256."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr = 3, 0o644 << 16
    info.file_size = sum(len(chunk) for chunk in chunks)  # makes zipfile use the 64-bit form beyond 4 GB
    if name == WEIGHTS:
        info.extra = _padding(archive.start_dir + LOCAL_HEADER.size + len(name))
    digest = hashlib.sha256()
    with archive.open(info, "w") as member:
        for chunk in chunks:
            digest.update(chunk)
            member.write(chunk)
    return digest.hexdigest()


def _padding(offset: int) -> bytes:
    """A zip extra field that aligns the data of a member that would start at `offset` (bytes)."""
    zeros = -(offset + PADDING.size) % ALIGNMENT
    return PADDING.pack(0xD935, PADDING.size - 4 + zeros, ALIGNMENT) + bytes(zeros)

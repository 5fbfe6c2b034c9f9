"""Token ids of a corpus, end to end in one memory-mapped file, with document offsets.

A store is a folder in a documented, standard format (version 2; "sha256" has the checksums of the two other files):
    ids.bin      ids of all documents, little-endian, uint16 for a vocabulary of <= 65,535 tokens, else int32
    offsets.npy  (N + 1,) int64; document i is ids[offsets[i] : offsets[i + 1]]
    meta.json    {"format_version", "dtype", "documents", "tokens", "vocab_size", "key", "sha256"}
Written as a stream under a temporary name, then renamed; `open_or_write` reopens it without tokenizing again while
the key (content and config) is the same. Memory: 8 bytes per document; the ids stay on disk.
Knows no strings: how the texts were tokenized is part of the key.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmus.errors import DataError, UsageError
from ulmus.special_tokens import BOS
from ulmus.storage import whole_folder

__all__ = ["IdStore", "check_documents", "content_key"]

FORMAT_VERSION = 2
IDS, OFFSETS = "ids.bin", "offsets.npy"

Ids = NDArray[Any]  # uint16 or int32
Numbers = NDArray[np.int64]
Documents = Sequence[NDArray[Any]]


class IdStore:
    """N documents of token ids; `store[i]` is a view of document i, `len(store)` is N.

    Attributes: `ids` (tokens,) uint16 or int32, `offsets` (N + 1,) int64, `lengths` (N,) int64, `key`.
    """

    def __init__(self, ids: Ids, offsets: NDArray[np.int64], *, key: str = "") -> None:
        self.ids = ids
        self.offsets = offsets
        self.lengths: NDArray[np.int64] = np.diff(offsets)
        self.key = key

    def __len__(self) -> int:
        return len(self.lengths)

    def __repr__(self) -> str:
        return f"<IdStore: {len(self):,} documents, {self.tokens:,} tokens as {self.ids.dtype}>"

    def __getitem__(self, document: int) -> Ids:
        if not -len(self) <= document < len(self):
            raise IndexError(f"document {document} of a store with {len(self)} documents")
        document %= len(self)
        return self.ids[self.offsets[document] : self.offsets[document + 1]]

    def __iter__(self) -> Iterator[Ids]:
        return (self[i] for i in range(len(self)))

    @property
    def tokens(self) -> int:
        """How many token ids there are in all documents."""
        return len(self.ids)

    def gather(self, documents: Numbers, within: Numbers, *, backwards: bool = False) -> Ids:
        """Ids at positions `within` of `documents` (shapes that broadcast; the result has the broadcast shape).

        backwards: reverse each document, except for a leading xxbos.
        """
        first = self.offsets[documents]
        if backwards:
            length = self.offsets[documents + 1] - first
            has_bos = self.ids.take(first) == BOS
            mirrored = length - within - ~has_bos  # with xxbos 1..n-1 -> n-1..1, without 0..n-1 -> n-1..0
            within = np.where(has_bos & (within == 0), 0, mirrored)
        return self.ids.take(first + within)

    def split(self, most_tokens: int) -> tuple[IdStore, Numbers]:
        """The same ids as parts of documents, evenly cut, of at most `most_tokens` each; and each part's document (P,).

        A document without tokens has no part.
        """
        number = -(-self.lengths // most_tokens)  # (N,) parts
        document = np.repeat(np.arange(len(self)), number)
        k = np.arange(len(document)) - np.repeat(np.cumsum(number) - number, number)
        starts = self.offsets[document] + self.lengths[document] * k // number[document]
        offsets = np.append(starts, self.offsets[-1])
        return IdStore(self.ids, offsets, key=f"{self.key} in parts of {most_tokens}"), document

    @classmethod
    def from_arrays(cls, documents: Documents) -> IdStore:
        """A store in memory of N arrays (T_i,), for texts that are not worth a file."""
        ids = np.concatenate([np.zeros(0, np.int32), *documents]).astype(np.int32, copy=False)
        offsets = np.zeros(len(documents) + 1, np.int64)
        np.cumsum([len(d) for d in documents], out=offsets[1:])
        return cls(ids, offsets)

    @classmethod
    def write(
        cls, path: str | Path, batches: Iterable[Documents], *, vocab_size: int, key: str = ""
    ) -> IdStore:
        """Write the documents of `batches` to the folder `path` as they come, and open it.

        Raises DataError for an id outside 0..vocab_size-1, StorageError when the disk is full or not writable; an
        older store of that name is then unchanged and no partial one remains.
        """
        dtype = np.dtype("<u2" if vocab_size <= 65_535 else "<i4")
        with whole_folder(path) as folder:
            offsets = _write_ids(folder / "ids.bin", batches, dtype=dtype, vocab_size=vocab_size)
            np.save(folder / "offsets.npy", offsets)
            meta = {
                "format_version": FORMAT_VERSION,
                "dtype": dtype.name,
                "documents": len(offsets) - 1,
                "tokens": int(offsets[-1]),
                "vocab_size": vocab_size,
                "key": key,
                "sha256": {name: _file_digest(folder / name).hex() for name in (IDS, OFFSETS)},
            }
            (folder / "meta.json").write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path) -> IdStore:
        """Map the store in folder `path`. Raises DataError if it is missing or damaged."""
        folder = Path(path)
        meta = _read_meta(folder)
        try:
            dtype = np.dtype({"uint16": "<u2", "int32": "<i4"}[meta["dtype"]])
            offsets = np.load(folder / "offsets.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
            size_bytes = (folder / "ids.bin").stat().st_size
            store_ids = np.zeros(0, dtype)
            if size_bytes:  # an empty file cannot be mapped
                store_ids = np.memmap(folder / "ids.bin", dtype=dtype, mode="r").view(np.ndarray)
            whole = {name: _file_digest(folder / name).hex() for name in (IDS, OFFSETS)}
            sound = (
                offsets.shape == (meta["documents"] + 1,)
                and offsets.dtype == np.int64
                and size_bytes == meta["tokens"] * dtype.itemsize
                and offsets[0] == 0
                and offsets[-1] == meta["tokens"]
                and bool((np.diff(offsets) >= 0).all())
                and meta["sha256"] == whole
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise _damaged(folder, str(error)) from error
        if not sound:
            raise _damaged(folder, "sizes or checksums of its files do not match")
        return cls(store_ids, offsets, key=str(meta["key"]))

    @classmethod
    def open_or_write(
        cls, path: str | Path, *, key: str, vocab_size: int, batches: Callable[[], Iterable[Documents]]
    ) -> IdStore:
        """Open the store at `path` if its key is `key`; else call `batches` and rewrite it. Raises as `write` does."""
        try:
            if _read_meta(Path(path))["key"] == key:
                return cls.open(path)
        except DataError:
            pass  # missing or damaged: write it
        return cls.write(path, batches(), vocab_size=vocab_size, key=key)


def content_key(config: Any, *, files: Iterable[str | Path] = (), texts: Iterable[str] = ()) -> str:
    """Hex key of what a store is made from: the content of `files` and `texts`, and `config` (JSON or repr).

    Folders count with the names and content of all files in them. Reads everything once, at about 1 GB/s.
    Raises DataError when a file cannot be read.
    """
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=repr).encode())
    for file in files:
        root = Path(file)
        members = sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]
        for member in members:
            name = member.relative_to(root).as_posix()
            digest.update(f"\0{name}\0".encode("utf-8", "surrogateescape") + _file_digest(member))
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def _file_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        why = error.strerror or error
        raise DataError(f"Cannot read {path}: {why}. Check the path and its permissions.") from error


def _write_ids(
    path: Path, batches: Iterable[Documents], *, dtype: np.dtype[Any], vocab_size: int
) -> NDArray[np.int64]:
    """Append every document to `path`; return the offsets (N + 1,)."""
    offsets = array("q", [0])
    with path.open("xb") as file:
        for documents in batches:
            if not documents:
                continue
            ids = np.concatenate(documents)
            if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < vocab_size:
                raise DataError(
                    f"Token ids must lie in 0..{vocab_size - 1}, found {int(ids.min())}..{int(ids.max())}: "
                    "they belong to another vocabulary. Tokenize the texts with the tokenizer of that size."
                )
            file.write(ids.astype(dtype, copy=False).tobytes())
            ends = np.cumsum([len(d) for d in documents], dtype=np.int64) + offsets[-1]
            offsets.frombytes(ends.tobytes())
        file.flush()
        os.fsync(file.fileno())
    return np.frombuffer(offsets, np.int64)


def _read_meta(folder: Path) -> dict[str, Any]:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"No id store at {folder}: it has no meta.json. Write one with IdStore.write."
        ) from error
    except (OSError, ValueError) as error:
        raise _damaged(folder, str(error)) from error
    if not isinstance(meta, dict) or not {"format_version", "documents", "tokens", "key"} <= meta.keys():
        raise _damaged(folder, "meta.json lacks entries")
    if meta["format_version"] != FORMAT_VERSION:
        raise DataError(
            f"The id store {folder} has format version {meta['format_version']}, this Ulmus reads "
            f"{FORMAT_VERSION}. Delete the folder; it is rebuilt from the texts."
        )
    return meta


def _damaged(folder: Path, why: str) -> DataError:
    advice = "Delete the folder; it is rebuilt from the texts."
    return DataError(f"The id store {folder} is damaged ({why}). {advice}")


def check_documents(documents: Any, store: IdStore) -> NDArray[np.int64]:
    """The document numbers to use, (n,) int64; None means all of them. Raises UsageError outside 0..N-1."""
    if documents is None:
        return np.arange(len(store), dtype=np.int64)
    chosen = np.asarray(documents, dtype=np.int64)
    if chosen.ndim != 1 or (len(chosen) and not 0 <= chosen.min() <= chosen.max() < len(store)):
        raise UsageError(
            f"documents must be a list of numbers in 0..{len(store) - 1}, got shape {chosen.shape}"
            + (f" with {chosen.min()}..{chosen.max()}." if chosen.size else ".")
        )
    return chosen

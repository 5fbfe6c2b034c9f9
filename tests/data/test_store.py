"""The id store: round trips, reopening, what is refused, memory."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmus.data.store import IdStore, check_documents, content_key
from ulmus.errors import DataError, StorageError, UsageError

documents_of = st.lists(st.lists(st.integers(0, 99), max_size=8), max_size=20)


def arrays(documents: list[list[int]]) -> list[np.ndarray]:
    return [np.array(d, np.int32) for d in documents]


@settings(max_examples=20, deadline=None)
@given(documents=documents_of, batch=st.integers(1, 7), vocab_size=st.sampled_from([100, 65_535, 65_536]))
def test_what_is_written_comes_back(
    documents: list[list[int]], batch: int, vocab_size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every document has its ids again, empty ones too, however the batches are split."""
    path = tmp_path_factory.mktemp("store") / "ids"
    cut = (arrays(documents[i : i + batch]) for i in range(0, len(documents), batch))
    IdStore.write(path, cut, vocab_size=vocab_size)
    store = IdStore.open(path)
    assert [d.tolist() for d in store] == documents
    assert store.ids.dtype == (np.uint16 if vocab_size <= 65_535 else np.int32)
    assert store.lengths.tolist() == [len(d) for d in documents]
    assert store.tokens == sum(map(len, documents))


def test_the_files_are_in_the_documented_format(tmp_path: Path) -> None:
    """Any program can read a store: raw little-endian ids, npy offsets, JSON."""
    IdStore.write(tmp_path / "s", [arrays([[2, 300], [2]])], vocab_size=500, key="k")
    assert (tmp_path / "s" / "ids.bin").read_bytes() == b"\x02\x00\x2c\x01\x02\x00"
    assert np.load(tmp_path / "s" / "offsets.npy").tolist() == [0, 2, 3]
    meta = json.loads((tmp_path / "s" / "meta.json").read_text())
    assert meta == {
        "format_version": 2,
        "dtype": "uint16",
        "documents": 2,
        "tokens": 3,
        "vocab_size": 500,
        "key": "k",
        "sha256": {
            name: hashlib.sha256((tmp_path / "s" / name).read_bytes()).hexdigest()
            for name in ("ids.bin", "offsets.npy")
        },
    }


def test_a_store_is_reopened_while_its_key_is_the_same(tmp_path: Path) -> None:
    """With the same key the texts are not tokenized again; with another, or damaged, they are."""
    calls = []

    def batches() -> Iterator[list[np.ndarray]]:
        calls.append(1)
        yield arrays([[2, 5], [2]])

    def open_with(key: str) -> IdStore:
        return IdStore.open_or_write(tmp_path / "s", key=key, vocab_size=10, batches=batches)

    assert [len(open_with(key)) for key in ("a", "a", "b")] == [2, 2, 2]
    assert len(calls) == 2
    (tmp_path / "s" / "ids.bin").write_bytes(b"\x02")
    assert open_with("b")[0].tolist() == [2, 5]
    assert len(calls) == 3


def test_indexing_outside_the_store_is_an_index_error() -> None:
    """Negative numbers count from the end, as in a list."""
    store = IdStore.from_arrays(arrays([[1], [2, 3]]))
    assert store[-1].tolist() == [2, 3]
    with pytest.raises(IndexError, match="document 2 of a store with 2"):
        store[2]
    with pytest.raises(IndexError, match="document -3"):
        store[-3]


def test_ids_outside_the_vocabulary_are_refused(tmp_path: Path) -> None:
    """An id that would wrap around in 16 bits is an error, and no store is left behind."""
    with pytest.raises(DataError, match=r"0\.\.99, found 2\.\.100"):
        IdStore.write(tmp_path / "s", [arrays([[2, 100]])], vocab_size=100)
    with pytest.raises(DataError, match=r"found -1\.\.2"):
        IdStore.write(tmp_path / "s", [arrays([[2, -1]])], vocab_size=100)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_writing_leaves_the_old_store(tmp_path: Path) -> None:
    """An error in the texts, after some of them are written, loses nothing that was there."""

    def failing() -> Iterator[list[np.ndarray]]:
        yield arrays([[2]])
        raise DataError("line 7 is not UTF-8")

    IdStore.write(tmp_path / "s", [arrays([[2, 3]])], vocab_size=10)
    with pytest.raises(DataError, match="line 7"):
        IdStore.write(tmp_path / "s", failing(), vocab_size=10)
    assert IdStore.open(tmp_path / "s")[0].tolist() == [2, 3]
    assert [entry.name for entry in tmp_path.iterdir()] == ["s"]


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    """A path through a file is refused in words."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="is a file, not a folder"):
        IdStore.write(tmp_path / "file" / "s", [arrays([[2]])], vocab_size=10)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda s: (s / "ids.bin").write_bytes(b"\x01\x00"), "sizes"),
        (lambda s: (s / "ids.bin").unlink(), "No such file"),
        (lambda s: (s / "offsets.npy").write_bytes(b""), "damaged"),
        (lambda s: np.save(s / "offsets.npy", np.array([0, 3, 2, 3])), "sizes"),
        (lambda s: np.save(s / "offsets.npy", np.array([None]), allow_pickle=True), "damaged"),
        (lambda s: (s / "meta.json").write_text("{"), "damaged"),
        (lambda s: (s / "meta.json").write_text("{}"), "lacks entries"),
        (lambda s: (s / "meta.json").unlink(), "No id store"),
        (
            lambda s: (s / "meta.json").write_text(
                (s / "meta.json").read_text().replace('_version": 2', '_version": 3')
            ),
            "format version 3",
        ),
    ],
)
def test_a_damaged_store_is_told_with_what_to_do(tmp_path: Path, damage, words: str) -> None:  # type: ignore[no-untyped-def]
    """Whatever is wrong with the files, it is a DataError; no pickle is ever loaded."""
    IdStore.write(tmp_path / "s", [arrays([[2], [3], [4]])], vocab_size=10)
    damage(tmp_path / "s")
    with pytest.raises(DataError, match=words):
        IdStore.open(tmp_path / "s")


def test_memory_stays_flat_while_writing_and_reading(tmp_path: Path) -> None:
    """Ten million ids take 20 MB on disk and less than 3 MB of memory, offsets included."""
    batch = [np.full(1000, 7, np.int32)] * 100
    tracemalloc.start()
    store = IdStore.write(tmp_path / "s", (batch for _ in range(100)), vocab_size=10)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert store.tokens == 10_000_000
    assert peak_bytes < 3_000_000


@settings(deadline=None)
@given(length=st.integers(1, 9), bos=st.booleans())
def test_backwards_keeps_the_leading_xxbos(length: int, bos: bool) -> None:
    """What follows xxbos is reversed; without xxbos the whole document is."""
    document = np.arange(10, 10 + length)
    if bos:
        document[0] = 2
    store = IdStore.from_arrays([np.array([9]), document])
    read = store.gather(np.full(length, 1), np.arange(length), backwards=True)
    expected = [2, *document[:0:-1]] if bos else document[::-1].tolist()
    assert read.tolist() == expected


def test_the_key_follows_content_and_config(tmp_path: Path) -> None:
    """Another byte, another name in a folder, another text border or another option gives another key."""
    (tmp_path / "d").mkdir()
    file, inside = tmp_path / "f", tmp_path / "d" / "a"
    file.write_bytes(b"1")
    inside.write_bytes(b"1")

    def keys() -> list[str]:
        return [content_key({"k": 1}, files=[file]), content_key({"k": 1}, files=[tmp_path / "d"])]

    before = keys()
    assert keys() == before
    file.touch()
    assert keys() == before
    file.write_bytes(b"2")
    inside.rename(tmp_path / "d" / "b")
    assert not set(keys()) & set(before)
    texts = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["\ud800"]]
    assert len({content_key({}, texts=t) for t in texts} | {content_key({"k": 1}, texts=texts[0])}) == 6


def test_a_key_of_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    """The file is named."""
    with pytest.raises(DataError, match="nowhere"):
        content_key({}, files=[tmp_path / "nowhere"])


def test_document_numbers_are_checked() -> None:
    """A choice of documents that the store has not is refused."""
    store = IdStore.from_arrays(arrays([[1], [2]]))
    assert check_documents(None, store).tolist() == [0, 1]
    assert check_documents([1], store).tolist() == [1]
    for wrong in ([2], [-1], [[0]]):
        with pytest.raises(UsageError, match=r"0\.\.1"):
            check_documents(wrong, store)


def test_its_repr_says_how_much_it_holds() -> None:
    """And not where in memory it lies."""
    assert repr(IdStore.from_arrays(arrays([[1, 2], [3]]))) == "<IdStore: 2 documents, 3 tokens as int32>"


@pytest.mark.parametrize("name", ["ids.bin", "offsets.npy"])
def test_a_flipped_byte_is_damage_and_written_anew(tmp_path: Path, name: str) -> None:
    """Ids that are others, though there are as many of them, are not trained on."""
    IdStore.write(tmp_path / "s", [arrays([[2, 5], [2, 6]])], vocab_size=500, key="k")
    data = bytearray((tmp_path / "s" / name).read_bytes())
    data[-8] ^= 1
    (tmp_path / "s" / name).write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        IdStore.open(tmp_path / "s")
    found = IdStore.open_or_write(
        tmp_path / "s", key="k", vocab_size=500, batches=lambda: [arrays([[2, 5], [2, 6]])]
    )
    assert [ids.tolist() for ids in found] == [[2, 5], [2, 6]]

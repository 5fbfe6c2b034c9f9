"""Packed files, files that are no text, and how large a text may be."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import sqlite3
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ulmus.corpus.source import Source, read
from ulmus.corpus.streams import LARGEST_DOCUMENT, existing, lines, open_text
from ulmus.errors import DataError, StorageError

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda content: bytes(pa.Codec("zstd").compress(content, asbytes=True)),
}
LINES = b"".join(b"%d %s\n" % (i, os.urandom(20).hex().encode()) for i in range(3000))


def texts(path: Path) -> list[str]:
    """The lines of a file."""
    return [record.text for record in read(Source(path, documents="line"))]


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("padding", [b"", bytes(8)])
def test_all_streams_of_a_packed_file_are_read(tmp_path: Path, packing: str, padding: bytes) -> None:
    """Packed files put one after the other (cat a.xz b.xz) hold the texts of all of them."""
    path = tmp_path / f"a.{packing}"
    stream = PACKERS[packing](LINES)
    path.write_bytes(stream + (padding if packing == "xz" else b"") + stream + PACKERS[packing](b""))
    assert texts(path) == 2 * LINES.decode().splitlines()


def test_zeros_at_the_end_of_an_xz_file(tmp_path: Path) -> None:
    """The padding that the format allows after the last stream is no damage."""
    path = tmp_path / "a.xz"
    path.write_bytes(lzma.compress(LINES) + bytes(1 << 17))
    assert texts(path) == LINES.decode().splitlines()


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("stream", [1, 2])
@pytest.mark.parametrize("damage", ["truncated", "cut off at once", "another header", "garbage after it"])
def test_a_damaged_stream_is_an_error(tmp_path: Path, packing: str, stream: int, damage: str) -> None:
    """The first stream or a later one, cut off or followed by what is none: never fewer texts without a word."""
    packed = PACKERS[packing](LINES)
    bad = {
        "truncated": packed[:-7],
        "cut off at once": packed[:7],
        "another header": packed[:1] + b"X" + packed[2:],
        "garbage after it": packed + b"and more",
    }[damage]
    path = tmp_path / f"a.{packing}"
    path.write_bytes((packed if stream == 2 else b"") + bad)
    with pytest.raises(DataError, match=r"truncated or damaged|It is damaged"):
        texts(path)


@pytest.mark.parametrize("packing", PACKERS)
def test_packed_under_another_name(tmp_path: Path, packing: str) -> None:
    """A packed file without the suffix is unpacked all the same; one with another's suffix is an error."""
    path = tmp_path / "a.txt"
    path.write_bytes(PACKERS[packing](LINES))
    assert texts(path) == LINES.decode().splitlines()
    wrong = path.rename(tmp_path / ("a.xz" if packing == "gz" else "a.gz"))
    with pytest.raises(DataError, match=rf"is compressed as \.{packing}"):
        texts(wrong)


@pytest.mark.parametrize("packing", PACKERS)
def test_packed_twice(tmp_path: Path, packing: str) -> None:
    """A packed file that was packed again is named, not read as text."""
    path = tmp_path / f"a.txt.{packing}"
    path.write_bytes(PACKERS[packing](gzip.compress(LINES)))
    with pytest.raises(DataError, match=r"is a compressed file. Decompress it first"):
        texts(path)


def zipped(name: str) -> bytes:
    """A zip archive with one member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "text\n")
    return buffer.getvalue()


def tarred() -> bytes:
    """A tar archive with one member."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"), io.BytesIO())
    return buffer.getvalue()


def array() -> bytes:
    """A numpy file."""
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def database(folder: Path) -> bytes:
    """An SQLite file."""
    with sqlite3.connect(folder / "a.db") as connection:
        connection.execute("create table texts (text)")
    connection.close()
    return (folder / "a.db").read_bytes()


@pytest.mark.parametrize("encoding", ["auto", "latin-1"])
@pytest.mark.parametrize(
    ("kind", "words"),
    {
        "xlsx": "an Excel workbook .* Save the sheet as csv",
        "docx": "a Word document",
        "zip": "a zip archive of a.csv. Unpack it",
        "broken zip": "a zip archive. Unpack it",
        "xls": "an old Office file",
        "pickle": "a Python pickle, which cannot be opened safely",
        "old pickle": "a Python pickle, which cannot be opened safely",
        "npy": "a numpy array",
        "sqlite": "an SQLite database. Export the table",
        "tar": "a tar archive. Unpack it",
        "pdf": "a PDF document. Extract its text",
        "png": "an image",
        "lz4": "a compressed file",
    }.items(),
)
def test_what_is_no_text_is_named(tmp_path: Path, kind: str, words: str, encoding: str) -> None:
    """A file of another kind says what it is and what to do, whatever its name and the encoding that was asked for."""
    content = {
        "xlsx": zipped("xl/workbook.xml"),
        "docx": zipped("word/document.xml"),
        "zip": zipped("a.csv"),
        "broken zip": zipped("a.csv")[:20],
        "xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        "pickle": pickle.dumps({"text": ["a"]}),
        "old pickle": pickle.dumps(Source("a"), 0),
        "npy": array(),
        "sqlite": database(tmp_path),
        "tar": tarred(),
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "lz4": b"\x04\x22\x4d\x18" + bytes(30),
    }[kind]
    for name in ("a.csv", "a.data", "a.jsonl"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError, match=words):
            list(read(Source(path, encoding=encoding)))


def test_what_is_no_text_is_named_in_packed_files(tmp_path: Path) -> None:
    """What a packed file holds is looked at too."""
    path = tmp_path / "a.csv.gz"
    for content, words in ((zipped("a.csv"), "a zip archive"), (b"%PDF-1.7\n%\xe2\xe3", "a PDF document")):
        path.write_bytes(gzip.compress(content))
        with pytest.raises(DataError, match=words):
            list(read(Source(path)))


def test_texts_that_begin_like_another_kind(tmp_path: Path) -> None:
    """Words such as PAR1, ORC or BZh at the beginning of a text make no other file of it."""
    for beginning in ("PAR1 is a word", "ORC\n", "BZh", "BM is one too", "II*", "Rar", "MZ", "ARROW1"):
        path = tmp_path / "a.txt"
        path.write_text(f"{beginning}\nsecond line\n")
        assert texts(path)[0] == beginning.strip()


GIANT = "a" * (3 * LARGEST_DOCUMENT)


@pytest.mark.parametrize("packing", ["", *PACKERS])
@pytest.mark.parametrize(
    ("name", "content"),
    {
        "a.txt": f"first\n{GIANT}",
        "blank.txt": "first\n\n" + f"{'a' * 999}\n" * (len(GIANT) // 1000),
        "a.csv": f"text,label\na,x\n{GIANT},y",
        "quoted.csv": f'text,label\na,x\n"{GIANT}",y',
        "a.tsv": f"text\tlabel\na\tx\n{GIANT}\ty",
        "a.jsonl": f'{{"text": "a"}}\n{{"text": "{GIANT}',
        "a.json": f'[{{"text": "a"}},\n{{"text": "{GIANT}',
        "old mac.txt": f"first\r{GIANT}",
    }.items(),
    ids=lambda one: one if len(one) < 20 else "",
)
def test_a_giant_is_an_error_in_bounded_memory(tmp_path: Path, packing: str, name: str, content: str) -> None:
    """A text larger than one may be is refused when that much was read, however small it is packed."""
    if packing in ("bz2", "xz") and name != "a.txt":
        pytest.skip("slow to pack")
    path = tmp_path / (f"{name}.{packing}" if packing else name)
    path.write_bytes(PACKERS[packing](content.encode()) if packing else content.encode())
    tracemalloc.start()
    with pytest.raises(DataError, match=r"a text may have at most 16 MB|not closed before 16,777,216"):
        list(read(Source(path, documents="blank" if name == "blank.txt" else "line")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * LARGEST_DOCUMENT


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_largest_text_is_read(tmp_path: Path, end: bytes) -> None:
    """A line of exactly the largest size is a text, with any line end; one byte more is an error."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"a" * LARGEST_DOCUMENT + end)
    with open_text(path) as stream:
        assert [len(line) for line in lines(stream, path)] == [LARGEST_DOCUMENT + len(end)]
    path.write_bytes(b"a" * (LARGEST_DOCUMENT + 1) + end)
    with open_text(path) as stream, pytest.raises(DataError, match="line 1: a text"):
        list(lines(stream, path))


def test_lines_come_with_their_ends(tmp_path: Path) -> None:
    """A line ends with a line feed; every other sign is part of it."""
    path = tmp_path / "a.txt"
    path.write_bytes("a\r\nb\u2028c\x0c\rd\n\n e\r".encode())
    with open_text(path) as stream:
        assert list(lines(stream, path)) == ["a\r\n", "b\u2028c\x0c\rd\n", "\n", " e\r"]


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """A pipe or a device, which can be read only once or never ends, is refused at once."""
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", Path("/dev/zero")):
        with pytest.raises(DataError, match="pipe, a socket or a device"):
            list(read(Source(path)))


def test_a_link_to_nothing(tmp_path: Path) -> None:
    """A link whose target is gone says so, and one that leads to itself is no endless loop."""
    (tmp_path / "a.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(DataError, match=r"is a link to .*gone.csv, which does not exist"):
        existing(tmp_path / "a.csv")
    (tmp_path / "b.csv").symlink_to(tmp_path / "b.csv")
    with pytest.raises(StorageError, match="cannot be read"):
        existing(tmp_path / "b.csv")


@pytest.mark.parametrize("name", ["a\0b", "n" * 300])
def test_a_name_that_no_file_can_have(name: str) -> None:
    """An impossible file name is an error like a missing file."""
    with pytest.raises((DataError, StorageError), match=r"does not exist|cannot be read"):
        existing(name)

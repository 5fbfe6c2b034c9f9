"""Encodings: a wrong or unknown one is an error or a warning that says what to do, never other text."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from ulmus.corpus.source import Source, read
from ulmus.errors import DataError, DataWarning, UsageError


def texts(path: Path, content: bytes, encoding: str) -> list[str]:
    """The texts of a csv file of that content."""
    path.write_bytes(content)
    return [record.text for record in read(Source(path, encoding=encoding))]


@pytest.mark.parametrize("encoding", ["utf-9", "base64", "rot13", "undefined", "hex", "", "a\0b"])
def test_an_encoding_that_is_none_of_texts_is_a_usage_error(tmp_path: Path, encoding: str) -> None:
    """A name Python does not know, or one that does not make texts of bytes, is refused with names that do."""
    with pytest.raises(UsageError, match=r"no text encoding .* try utf-8"):
        texts(tmp_path / "a.csv", b"text\na\n", encoding)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "auto", "utf-8", "latin-1"])
@pytest.mark.parametrize("written", ["utf-16-le", "utf-16-be"])
def test_utf16_without_its_mark_is_an_error(tmp_path: Path, encoding: str, written: str) -> None:
    """Without a byte order mark the byte order has to be said; the message says how."""
    with pytest.raises(DataError, match=r"(?s)a\.csv is not .*(utf-16-le|--encoding)"):
        texts(tmp_path / "a.csv", "text\na film\n".encode(written), encoding)


def test_the_wrong_byte_order_is_an_error(tmp_path: Path) -> None:
    """Read in the other order, UTF-16 would be Chinese."""
    with pytest.raises(DataError, match="other byte order"):
        texts(tmp_path / "a.csv", "text\na film\n".encode("utf-16-be"), "utf-16-le")
    assert texts(tmp_path / "a.csv", "text\na film\n".encode("utf-16-be"), "utf-16-be") == ["a film"]


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF32_BE, "utf-32-be")],
)
def test_a_byte_order_mark_is_no_text(tmp_path: Path, mark: bytes, encoding: str) -> None:
    """It says the encoding, and stays out of the first column's name also where the encoding was named."""
    content = mark + "text\nä\n".encode(encoding)
    assert texts(tmp_path / "a.csv", content, "auto") == ["ä"]
    assert texts(tmp_path / "a.csv", content, encoding) == ["ä"]


def test_utf8_read_as_something_else_is_said(tmp_path: Path) -> None:
    """What was told is done, but valid UTF-8 is hardly ever Latin-1."""
    with pytest.warns(DataWarning, match="valid UTF-8"):
        assert texts(tmp_path / "a.csv", "text\ncafé\n".encode(), "latin-1") == ["cafÃ©"]
    assert texts(tmp_path / "a.csv", "text\ncafé\n".encode("latin-1"), "latin-1") == ["café"]

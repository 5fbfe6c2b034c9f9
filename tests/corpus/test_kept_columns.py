"""Columns that are carried along beside the text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ulmus.corpus.source import Source, columns_of, read
from ulmus.errors import UsageError

Put = Callable[[str, str], Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Writes a file: put(name, text)."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_columns_are_kept_beside_the_text(put: Put) -> None:
    """In their order, as the file has them, in every kind of table; the text column may be one of them."""
    kept = ("id", "text")
    csv = put("a.csv", "text,id,label,w,split\na,007,x,2,train\nb,,y,1,test\n")
    full = Source(csv, ("text",), "label", weight="w", keep=kept, split="train")
    assert [(r.label, r.weight, r.kept) for r in read(full)] == [("x", 2.0, ("007", "a"))]
    lines = put("a.jsonl", '{"text": "a", "id": 7}\n{"text": "b"}\n')
    assert [r.kept for r in read(Source(lines, keep=kept))] == [("7", "a"), (None, "b")]
    put("folder/c.csv", "text,id\nc,9\n")
    assert [r.kept for r in read(Source(csv.parent / "folder", keep=("id",)))] == [("9",)]
    assert all(r.kept == () for r in read(Source(csv)))


def test_plain_text_has_no_columns_to_keep(put: Put) -> None:
    """The message names them."""
    put("folder/a.txt", "text")
    for source in (
        Source(put("b.txt", "a\n"), keep=("id",)),
        Source(put("b.txt", "a\n").parent / "folder", keep=("id",)),
    ):
        with pytest.raises(UsageError, match="no column 'id' to keep"):
            list(read(source))


def test_all_columns_have_names(put: Put) -> None:
    """In their order, whatever is read of them; plain text and folders have none."""
    assert columns_of(Source(put("a.csv", "id,text,odd name\n1,a,x\n"), ("text",))) == (
        "id",
        "text",
        "odd name",
    )
    assert columns_of(Source(put("b.csv", "1,a\n2,b\n"), ("1",), header="no")) == ("0", "1")
    assert columns_of(Source(put("a.jsonl", '{"text": "a", "id": 7}\n'))) == ("text", "id")
    plain = put("a.txt", "one\ntwo\n")
    assert columns_of(Source(plain)) == columns_of(Source(plain.parent)) == ()

"""Plain text -> documents: what is one, by what is said or by what a file looks like."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmus.corpus.documents import split
from ulmus.corpus.source import Source, read, resolved
from ulmus.errors import DataWarning


def texts(path: Path, content: str, documents: str = "auto") -> list[str]:
    """The documents of a file of that content."""
    path.write_bytes(content.encode())
    return [record.text for record in read(Source(path, documents=documents))]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["", "{end}", "{end}{end}"])
def test_an_empty_line_at_the_end_changes_nothing(tmp_path: Path, end: str, last: str) -> None:
    """Whether the last line has an end, and whether an empty one follows it."""
    content = end.join("abc") + last.format(end=end)
    assert texts(tmp_path / "a.txt", content) == ["a", "b", "c"]
    assert texts(tmp_path / "a.txt", content, "line") == ["a", "b", "c"]


def test_documents_as_they_are_told(tmp_path: Path) -> None:
    """One a line, empty ones kept, or the lines between blank lines; only line ends part lines."""
    content = "= One =\nfirst\n\n\nsecond\r\n \nthird"
    path = tmp_path / "a.txt"
    assert texts(path, content, "blank") == ["= One =\nfirst", "second", "third"]
    assert texts(path, content, "line") == ["= One =", "first", "", "", "second", " ", "third"]
    assert texts(path, "a\nb\u2028c\x0cd\re\n") == ["a", "b\u2028c\x0cd\re"]


def test_an_empty_line_among_a_text_a_line_is_an_empty_text(tmp_path: Path) -> None:
    """One of 1,500 does not make a single document of all the others; what was guessed is said."""
    lines = [f"text {i}" for i in range(1500)]
    lines[700] = ""
    path = tmp_path / "a.txt"
    with pytest.warns(DataWarning, match="each line is read as a document.*--documents line if"):
        assert texts(path, "\n".join(lines)) == lines
    assert texts(path, "\n".join(lines), "line") == lines


def test_articles_with_headings_are_documents(tmp_path: Path) -> None:
    """Wikipedia's layout is known by its `= Title =` lines, however many lines an article has."""
    articles = [f"= Title {i} =\n" + "\n".join(f"Paragraph {j}." for j in range(100)) for i in range(3)]
    assert texts(tmp_path / "a.txt", "\n\n".join(articles)) == articles
    assert resolved(tmp_path / "a.txt").documents == "blank"


def test_regular_blank_lines_part_documents(tmp_path: Path) -> None:
    """Dialogues of a few lines each; that this is a guess is said."""
    dialogues = ["Hello.\nHi.\nBye."] * 20
    with pytest.warns(DataWarning, match="each text between blank lines"):
        assert texts(tmp_path / "a.txt", "\n\n".join(dialogues)) == dialogues


@given(st.lists(st.text("ab \r", max_size=3)))
def test_lines_come_back_as_they_were(lines: list[str]) -> None:
    """Whatever is in them, one document a line; but for an empty one at the end, and the \\r of a line end."""
    written = [line.removesuffix("\r") for line in lines]
    expected = written[:-1] if written and not written[-1] else written
    assert list(split([line + "\n" for line in lines], "line")) == expected


def test_labels_of_fasttext(tmp_path: Path) -> None:
    """All words that begin with __label__ are labels, and none of them stays in the text; a line may have none."""
    path = tmp_path / "a.txt"
    path.write_text(
        "__label__a __label__b a text\n__label__b  another\ttext\nlast text __label__c\nno label\n"
    )
    assert [(r.text, r.label) for r in read(Source(path, label="first-word"))] == [
        ("a text", ("a", "b")),
        ("another\ttext", "b"),
        ("last text", "c"),
        ("no label", None),
    ]
    with pytest.warns(DataWarning, match="--label first-word"):
        list(read(path))


def test_a_tab_ends_a_first_word_too(tmp_path: Path) -> None:
    """`label<TAB>text` has no space before its text."""
    path = tmp_path / "a.txt"
    path.write_text("pos\ta good film\nneg bad\n")
    assert [(r.text, r.label) for r in read(Source(path, label="first-word"))] == [
        ("a good film", "pos"),
        ("bad", "neg"),
    ]

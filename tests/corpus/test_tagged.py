"""Tagged sentences from files and lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ulmus.corpus.tagged import Tagged, read_tagged
from ulmus.errors import DataError, UlmusError, UsageError
from ulmus.evaluation.entities import Entity

PARIS = Entity(2, 3, "LOC")


def written(folder: Path, content: str, name: str = "a.conll") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "content",
    [
        "I\tO\nsee\tO\nParis\tB-LOC\n\nNo\tO\n",
        "I O\nsee O\nParis B-LOC\n\nNo O",
        "-DOCSTART- X O\n\nI PP O\nsee V O\nParis NP I-LOC\n\n\nNo X O\n",
        "I\tO\r\nsee\tO\r\nParis\tS-LOC\r\n\t\r\nNo\tO\r\n",
        "I\tx y\tO\nsee\tx\tO\nParis\t\tU-LOC\n \nNo\t\tO\n",
    ],
    ids=["tabs", "spaces", "docstart", "windows", "empty columns"],
)
def test_columns_are_read_as_people_write_them(tmp_path: Path, content: str) -> None:
    """Tabs or spaces, more columns, document lines and any scheme give the same sentences."""
    read = read_tagged(written(tmp_path, content))
    assert read == Tagged([["I", "see", "Paris"], ["No"]], [[PARIS], []])
    assert read.types == ["LOC"]


def test_spans_are_read_from_jsonl(tmp_path: Path) -> None:
    """A jsonl file has texts and spans in characters, which come in their order."""
    spans = [{"start": 8, "end": 13, "label": "LOC"}, {"start": 0, "end": 4, "label": "X"}]
    rows = [{"text": "Élan in Paris", "spans": spans}, {"text": "nothing", "spans": []}]
    path = written(tmp_path, "\n".join(map(json.dumps, rows)), "a.jsonl")
    assert read_tagged(path) == Tagged(["Élan in Paris", "nothing"], [[(0, 4, "X"), (8, 13, "LOC")], []])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("I\tO\nParis\n", "line 2 is 'Paris'. Expected a token and its tag"),
        ("I\tO\nParis\tNP\tB-LOC\n", "line 2 has 3 columns"),
        ("I\tO\nParis\tLOC\n", "at line 1 has the tag 'LOC'. Expected O, or a prefix"),
        ("I\tO\nParis\tLOC-B\n", "has the tag 'LOC-B'"),
        ("\n\n", "has none"),
    ],
)
def test_what_is_no_conll_file_is_an_error(tmp_path: Path, content: str, said: str) -> None:
    """The message names the line and what was expected."""
    with pytest.raises(DataError, match=said):
        read_tagged(written(tmp_path, content))


@pytest.mark.parametrize(
    ("spans", "said"),
    [
        ([(0, 2, "A"), (1, 3, "B")], "overlap"),
        ([(0, 99, "A")], "marks nothing in its 6 characters"),
        ([(2, 2, "A")], "marks nothing"),
        ([(1, 2, "A")], "marks nothing"),
        ([("0", 2, "A")], "Expected start and end"),
        ([{"start": 0, "end": 1}], "Expected start and end"),
        ([3], "Expected start and end"),
    ],
)
def test_impossible_spans_are_errors(spans: list[Any], said: str) -> None:
    """A span marks characters of its text, and no others do."""
    with pytest.raises(DataError, match=said):
        Tagged.of(["a bcde"], [spans])


@pytest.mark.parametrize(
    ("sentences", "tags"),
    [([["a", "b"]], [["O"]]), ([["a"]], []), (["a", ["b"]], [[], ["O"]])],
    ids=["tokens", "sentences", "mixture"],
)
def test_tags_must_fit_their_sentences(sentences: Any, tags: Any) -> None:
    """Every token has one tag, and texts do not mix with lists of tokens."""
    with pytest.raises(UsageError):
        Tagged.of(sentences, tags)


def test_a_jsonl_file_without_spans_says_what_is_expected(tmp_path: Path) -> None:
    """The message shows the keys that were found and those that are expected."""
    path = written(tmp_path, '{"text": "a", "entities": []}', "a.jsonl")
    with pytest.raises(UlmusError, match="'text', 'entities'; expected"):
        read_tagged(path)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(end: str, tmp_path: Path) -> None:
    """Also in a carriage return alone; blank lines at the end change nothing."""
    file = tmp_path / "tagged.conll"
    file.write_bytes("john B-PER\nlives O\n\nin O\nparis B-LOC\n\n\n".replace("\n", end).encode())
    tagged = read_tagged(file)
    assert tagged.sentences == [["john", "lives"], ["in", "paris"]]
    assert [[entity.label for entity in row] for row in tagged.entities] == [["PER"], ["LOC"]]

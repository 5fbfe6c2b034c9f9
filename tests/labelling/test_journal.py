"""The journal: whole lines or none, whatever happens to the process or the disk."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from ulmus.errors import DataError, StorageError
from ulmus.labelling.journal import Action, Journal, Start, signature

START = Start("reviews.csv", 2, "ab12", ("good", "bad"), at="2026-03-01T09:00:00+00:00")
LABEL = Action("label", signature("a fine film"), "anna", "good", drawn=True, row=3)


def written(path: Path, *entries: Action | Start) -> Path:
    """A journal with these entries."""
    journal = Journal(path)
    for entry in entries:
        journal.append(entry)
    journal.close()
    return path


def test_entries_come_back_as_they_were(tmp_path: Path) -> None:
    """What was appended is read again, in order."""
    path = written(tmp_path / "j.jsonl", START, LABEL, Action("undo", LABEL.text, "anna"))
    assert Journal(path).entries == [START, LABEL, Action("undo", LABEL.text, "anna")]


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, cut: int) -> None:
    """What a crash left of a line is no answer; the next one starts on a line of its own."""
    path = written(tmp_path / "j.jsonl", START)
    whole = path.read_bytes()
    line = json.dumps({"do": "label", "text": "0" * 16, "who": "anna", "label": "good", "row": 12}).encode()
    path.write_bytes(whole + line[:cut])
    journal = Journal(path)
    assert (journal.entries, journal.dropped) == ([START], cut)
    journal.append(LABEL)
    journal.close()
    assert Journal(path).entries == [START, LABEL]


def test_a_last_line_without_its_end_is_kept(tmp_path: Path) -> None:
    """An editor that removes the last line end loses no answer."""
    path = written(tmp_path / "j.jsonl", START, LABEL)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    journal = Journal(path)
    journal.append(LABEL)
    journal.close()
    assert Journal(path).entries == [START, LABEL, LABEL]


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"do": "dance"}', '{"do": "label", "text": 3, "who": "anna"}', '{"do": "skip"}']
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    """A line that is no entry is an error with its number, not a lost answer."""
    path = written(tmp_path / "j.jsonl", START)
    path.write_text(path.read_text() + line + "\n" + path.read_text())
    with pytest.raises(DataError, match="line 2 is damaged"):
        Journal(path)


def test_a_newer_journal_is_refused(tmp_path: Path) -> None:
    """A format of the future is not guessed at."""
    path = tmp_path / "j.jsonl"
    path.write_text('{"do": "start", "format": 9, "data": "x", "texts": 1, "sha256": ""}\n')
    with pytest.raises(DataError, match="newer version"):
        Journal(path)


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that does not fit is refused, half a line does not stay, and the next one that fits counts."""
    path = written(tmp_path / "j.jsonl", START)
    journal, write = Journal(path), os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) > 20:
            return write(handle, data[:20])
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StorageError, match="the disk is full"):
            journal.append(LABEL)
    journal.append(LABEL)
    journal.close()
    assert Journal(path).entries == [START, LABEL]

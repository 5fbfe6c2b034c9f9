"""The demo texts: docstrings as a small text classification task."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ulmus import demo

FEW = {"networkx": ("networkx", "nx"), "numpy": ("numpy", "np")}


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> demo.Task:
    """A task of two packages and 20 + 10 documents."""
    monkeypatch.setattr(demo, "PACKAGES", FEW)
    monkeypatch.setattr(demo, "_ENOUGH", 30)
    return demo.docstrings(labeled=20, test=10)


def test_documents_are_split_in_equal_parts(task: demo.Task) -> None:
    """Each package has the same number of labelled and of test texts, and no text is in two places."""
    assert sorted(task.labels) == ["networkx"] * 10 + ["numpy"] * 10
    assert sorted(task.test_labels) == ["networkx"] * 5 + ["numpy"] * 5
    texts = task.texts + task.test_texts + task.unlabeled
    assert len(texts) == len(set(texts)) >= 40


def test_no_text_names_its_package(task: demo.Task) -> None:
    """No text contains the name of its package."""
    for text, label in zip(task.texts + task.test_texts, task.labels + task.test_labels, strict=True):
        assert not {word.strip(".,:;`*()") for word in text.lower().split()} & set(FEW[label])


def test_the_same_packages_give_the_same_task(task: demo.Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task does not depend on the order in which files are listed."""
    listed = Path.rglob
    monkeypatch.setattr(Path, "rglob", lambda path, pattern: reversed(list(listed(path, pattern))))
    assert demo.docstrings(labeled=20, test=10) == task


@pytest.mark.parametrize(
    "docstring",
    [
        "Add two\n    numbers.\n\n    Parameters\n    ----------\n    x : int",
        "Add two numbers.\n\n>>> add(1, 2)\n3",
        "Add two numbers.\n\nArgs:\n    x: one of them",
        "Add two numbers.\n\n:param x: one of them",
        "Add two numbers.\n\n.. note:: slow",
    ],
)
def test_only_the_prose_is_kept(docstring: str) -> None:
    """Sections, examples, fields and directives end the description."""
    assert demo.prose(docstring) == "Add two numbers."


def test_files_hold_the_task(task: demo.Task, tmp_path: Path) -> None:
    """The three csv files are the task, with a header, in a folder that is made for them."""
    folder = demo.write(tmp_path / "new", task)
    rows = read(folder / "train.csv")
    assert [(row["text"], row["label"]) for row in rows] == list(zip(task.texts, task.labels, strict=True))
    assert [row["text"] for row in read(folder / "unlabeled.csv")] == task.unlabeled
    assert sorted(path.name for path in folder.iterdir()) == ["test.csv", "train.csv", "unlabeled.csv"]


def test_files_with_the_right_content_are_not_rewritten(task: demo.Task, tmp_path: Path) -> None:
    """Files with the right content are not rewritten; files that differ are."""
    demo.write(tmp_path, task)
    before = (tmp_path / "train.csv").stat()
    (tmp_path / "test.csv").write_text("another text", encoding="utf-8")
    demo.write(tmp_path, task)
    after = (tmp_path / "train.csv").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [row["text"] for row in read(tmp_path / "test.csv")] == task.test_texts


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a csv file with a header."""
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))

"""Files -> texts and labels, by the options of the command line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ulmus.cli.inputs import Columns, Labelled, Texts, known_only, labelled, listed, parts, source
from ulmus.cli.options import ReaderOptions
from ulmus.errors import DataError, UsageError


def test_command_line_options_become_reader_options() -> None:
    """\\t stands for a tab; flags that are not given are inferred."""
    made = source(Path("a.csv"), ReaderOptions(delimiter="\\t", header=False), Columns(["1"], ["0"], "tab"))
    assert (made.delimiter, made.header, made.quoting, made.label_delimiter) == ("\t", "no", None, "\t")
    assert (made.text, made.label) == (("1",), "0")
    made = source(Path("a.csv"), ReaderOptions(), Columns(["t"], ["a", "b", "a"]))
    assert made.label == ("a", "b")
    with pytest.raises(UsageError, match="Remove --label-delimiter"):
        source(Path("a.csv"), ReaderOptions(), Columns(["t"], ["a", "b"], ","))


@pytest.mark.parametrize(
    ("name", "format_", "text"),
    [("b.csv.gz", "csv", ("t",)), ("b.jsonl", "auto", ("t",)), ("b.txt", "text", ())],
)
def test_a_file_of_another_kind_is_read_by_its_own_name(
    name: str, format_: str, text: tuple[str, ...]
) -> None:
    """Options for a csv file do not apply to a plain text file next to it."""
    options = ReaderOptions(format="csv", header=False, encoding="latin-1")
    made = source(Path(name), options, Columns(["t"]), like=Path("a.csv"))
    assert (made.format, made.text, made.encoding) == (format_, text, "latin-1")
    assert made.header == ("no" if format_ == "csv" else "auto")


def test_texts_can_be_read_again_and_again(tmp_path: Path) -> None:
    """`Texts` can be iterated over several times."""
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "b.txt").write_text("three\n")
    texts = Texts([source(tmp_path / name, ReaderOptions(), Columns()) for name in ("a.txt", "b.txt")])
    assert list(texts) == list(texts) == ["one", "two", "three"]


def test_rows_without_a_label_are_separate(tmp_path: Path) -> None:
    """In single-label data a row without a label is an unlabelled text."""
    (tmp_path / "a.csv").write_text("text,label\none,x\ntwo,\nthree,y\n")
    given = labelled(source(tmp_path / "a.csv", ReaderOptions(), Columns(["text"], ["label"])))
    assert given == Labelled(["one", "three"], ["x", "y"], ["two"])


def test_none_of_the_labels_is_a_label(tmp_path: Path) -> None:
    """In multi-label data empty cells and lists mean none of the labels; null and a missing key mean unknown."""
    (tmp_path / "a.csv").write_text('text,label\none,"x, y"\ntwo,\nthree,y\n')
    given = labelled(source(tmp_path / "a.csv", ReaderOptions(), Columns(["text"], ["label"], ",")))
    assert given == Labelled(["one", "two", "three"], [("x", "y"), (), ("y",)], [])
    lines = [
        '{"t": "one", "l": ["x"]}',
        '{"t": "two", "l": []}',
        '{"t": "three", "l": null}',
        '{"t": "four"}',
    ]
    (tmp_path / "b.jsonl").write_text("\n".join(lines))
    given = labelled(source(tmp_path / "b.jsonl", ReaderOptions(), Columns(["t"], ["l"], ",")))
    assert given == Labelled(["one", "two"], [("x",), ()], ["three", "four"])
    (tmp_path / "c.csv").write_text("text,label\none,\ntwo,\n")
    with pytest.raises(DataError, match="is empty in all 2 rows"):
        labelled(source(tmp_path / "c.csv", ReaderOptions(), Columns(["text"], ["label"], ",")))


def test_the_split_is_that_of_the_labelled_folder(tmp_path: Path) -> None:
    """--split applies to DATA only; --documents applies to every file."""
    options = ReaderOptions(split="train", documents="line")
    assert source(Path("a.csv"), options, Columns(["t"])).split == "train"
    other = source(tmp_path / "b.txt", options, Columns(["t"]), like=Path("a.csv"))
    assert (other.split, other.documents) == (None, "line")


def test_texts_with_unknown_labels_are_counted_and_left_out() -> None:
    """A text with any unknown label is left out and counted."""
    given = Labelled(["a", "b", "c"], ["x", "z", "x"], [])
    kept, unknown = known_only(given, ["x", "y"], "valid.csv")
    assert (kept.texts, unknown) == (["a", "c"], Counter({"z": 1}))
    several = Labelled(["a", "b"], [("x", "z"), ("y",)], [])
    assert known_only(several, ["x", "y"], "valid.csv")[0].texts == ["b"]
    with pytest.raises(DataError, match="'z'; the model has 'x', 'y'"):
        known_only(Labelled(["b"], ["z"], []), ["x", "y"], "valid.csv")


def test_a_label_is_one_or_several() -> None:
    """A string is one label, not a sequence of characters."""
    assert (parts("good"), parts(("a", "b"))) == (("good",), ("a", "b"))


def test_long_lists_of_names_are_shortened_in_messages() -> None:
    """A list in a message has the first eight names and the number of the others."""
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed(str(i) for i in range(10)).endswith("'7' and 2 more")


def test_an_impossible_option_of_a_reader_is_a_usage_error(tmp_path: Path) -> None:
    """Reading a folder as a csv file is a usage error."""
    with pytest.raises(UsageError, match="folder"):
        list(Texts([source(tmp_path, ReaderOptions(format="csv"), Columns())]))

"""Files -> texts and labels, by the options of the command line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ulmus.cli.inputs import Columns, Labelled, Texts, known_only, labelled, listed, parts, source
from ulmus.cli.options import ReaderOptions
from ulmus.errors import DataError, UsageError


def test_options_of_the_command_line_become_those_of_the_reader() -> None:
    """\\t is what a shell user can type for a tab; flags that are not given are guessed."""
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
    """Options for a csv file say nothing about a plain text beside it."""
    options = ReaderOptions(format="csv", header=False, encoding="latin-1")
    made = source(Path(name), options, Columns(["t"]), like=Path("a.csv"))
    assert (made.format, made.text, made.encoding) == (format_, text, "latin-1")
    assert made.header == ("no" if format_ == "csv" else "auto")


def test_texts_can_be_read_again_and_again(tmp_path: Path) -> None:
    """A tokenizer reads them once, the id store once more."""
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "b.txt").write_text("three\n")
    texts = Texts([source(tmp_path / name, ReaderOptions(), Columns()) for name in ("a.txt", "b.txt")])
    assert list(texts) == list(texts) == ["one", "two", "three"]


def test_rows_without_a_label_stand_apart(tmp_path: Path) -> None:
    """One label a text: a text without is unlabelled."""
    (tmp_path / "a.csv").write_text("text,label\none,x\ntwo,\nthree,y\n")
    given = labelled(source(tmp_path / "a.csv", ReaderOptions(), Columns(["text"], ["label"])))
    assert given == Labelled(["one", "three"], ["x", "y"], ["two"])


def test_none_of_several_labels_is_an_answer(tmp_path: Path) -> None:
    """Empty cells and empty lists are texts with none of the labels; null and a missing key are not known."""
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
    """`--split train` says nothing about the folder to validate on; how plain text is parted holds for all."""
    options = ReaderOptions(split="train", documents="line")
    assert source(Path("a.csv"), options, Columns(["t"])).split == "train"
    other = source(tmp_path / "b.txt", options, Columns(["t"]), like=Path("a.csv"))
    assert (other.split, other.documents) == (None, "line")


def test_texts_with_labels_nobody_knows_are_counted_and_left_out() -> None:
    """One strange label of several is enough."""
    given = Labelled(["a", "b", "c"], ["x", "z", "x"], [])
    kept, unknown = known_only(given, ["x", "y"], "valid.csv")
    assert (kept.texts, unknown) == (["a", "c"], Counter({"z": 1}))
    several = Labelled(["a", "b"], [("x", "z"), ("y",)], [])
    assert known_only(several, ["x", "y"], "valid.csv")[0].texts == ["b"]
    with pytest.raises(DataError, match="'z'; the model has 'x', 'y'"):
        known_only(Labelled(["b"], ["z"], []), ["x", "y"], "valid.csv")


def test_a_label_is_one_or_several() -> None:
    """A string is one, not its letters."""
    assert (parts("good"), parts(("a", "b"))) == (("good",), ("a", "b"))


def test_long_lists_of_names_are_cut_in_messages() -> None:
    """The first eight, and how many more."""
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed(str(i) for i in range(10)).endswith("'7' and 2 more")


def test_an_impossible_option_of_a_reader_is_a_usage_error(tmp_path: Path) -> None:
    """A folder is not a csv file."""
    with pytest.raises(UsageError, match="folder"):
        list(Texts([source(tmp_path, ReaderOptions(format="csv"), Columns())]))

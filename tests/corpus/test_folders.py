"""Folders: labels and splits by name, what is left out and said, tables in them, links."""

from __future__ import annotations

import os
import tracemalloc
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ulmus.corpus.source import Record, Source, read, resolved
from ulmus.corpus.streams import LARGEST_DOCUMENT
from ulmus.errors import DataError, DataWarning, StorageError, UsageError

Pairs = list[tuple[str, object]]


def put(root: Path, *names: str, text: str | None = None) -> Path:
    """Files below `root` that hold their own name, or `text`."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name if text is None else text)
    return root


def pairs(path: Path, **options: object) -> Pairs:
    """The (text, label) of every record."""
    return [(record.text, record.label) for record in read(Source(path, **options))]  # type: ignore[arg-type]


def test_labels_are_the_names_of_the_lowest_folders(tmp_path: Path) -> None:
    """Label by parent, split by grandparent, `unsup` none, in the order of names; empty files are texts too."""
    put(
        tmp_path,
        "train/pos/2.txt",
        "train/pos/1.txt",
        "train/neg/1.txt",
        "train/unsup/1.txt",
        "test/pos/1.txt",
    )
    put(tmp_path, "train/neg/0.txt", text="")
    expected = [
        ("", "neg"),
        ("train/neg/1.txt", "neg"),
        ("train/pos/1.txt", "pos"),
        ("train/pos/2.txt", "pos"),
        ("train/unsup/1.txt", None),
    ]
    assert pairs(tmp_path, split="train") == expected
    assert pairs(tmp_path / "train") == expected
    assert pairs(tmp_path / "train", split="train") == expected
    assert pairs(tmp_path / "train" / "pos") == [("train/pos/1.txt", None), ("train/pos/2.txt", None)]


def test_files_beside_folders_are_left_out_and_said(tmp_path: Path) -> None:
    """A read-me or a word list beside the folders of labels is no document; a warning names it."""
    put(tmp_path, "README", "pos/1.txt", "neg/1.txt", "urls.txt")
    with pytest.warns(DataWarning, match=r"skipped in .*: 2 files beside folders \(README, urls.txt\)"):
        assert pairs(tmp_path) == [("neg/1.txt", "neg"), ("pos/1.txt", "pos")]


HIDDEN = (
    "pos/.ipynb_checkpoints/1-checkpoint.txt",
    "pos/.DS_Store",
    "neg/Thumbs.db",
    "neg/_notes.txt",
    "neg/desktop.ini",
)


def test_hidden_and_system_entries_are_left_out_and_said(tmp_path: Path) -> None:
    """A hidden folder within a label's folder takes it no texts, and none becomes a class; a warning names them."""
    put(tmp_path, "pos/1.txt", "neg/1.txt", ".git/HEAD", "__MACOSX/pos/1.txt", *HIDDEN)
    with pytest.warns(
        DataWarning, match=r"skipped in .*: 7 hidden and system entries \(.git, __MACOSX, neg/Thumbs.db"
    ):
        assert pairs(tmp_path) == [("neg/1.txt", "neg"), ("pos/1.txt", "pos")]


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    """A label without texts is no class, and a warning names it; a folder without any texts is an error."""
    (tmp_path / "some" / "neu").mkdir(parents=True)
    put(tmp_path, "some/pos/1.txt")
    with pytest.warns(DataWarning, match=r"skipped in .*: 1 empty folders \(neu\)"):
        assert pairs(tmp_path / "some") == [("some/pos/1.txt", "pos")]
    with pytest.warns(DataWarning), pytest.raises(DataError, match="contains none"):
        pairs(tmp_path / "some" / "neu")


@pytest.mark.parametrize(
    ("files", "parts"),
    [
        (("train/pos/1.txt", "test/pos/1.txt"), "test, train"),
        (("data/train/pos/1.txt", "data/valid/pos/1.txt"), "train, valid"),
        (("news-train/a/1", "news-test/a/1"), "test, train"),
        (("train.csv", "dev.csv"), "dev, train"),
        (("train-0.jsonl", "train-1.jsonl", "test-0.jsonl"), "test, train"),
        (("imdb_train.csv.gz", "imdb_test.csv.gz"), "test, train"),
    ],
)
def test_training_and_test_data_are_not_read_together(
    tmp_path: Path, files: tuple[str, ...], parts: str
) -> None:
    """A folder that holds both asks which one is meant, whatever the others below and beside it."""
    put(tmp_path, *files, text="text\na\n")
    with pytest.raises(UsageError, match=rf"contains {parts}, which are not read together. .*--split"):
        pairs(tmp_path)


def test_words_of_splits_in_names_of_texts_and_labels(tmp_path: Path) -> None:
    """Names such as test-1.txt among texts, or a single label `test`, say nothing of a split."""
    put(tmp_path, "test/train-1.txt", "test/test-1.txt", "other/a.txt")
    assert len(pairs(tmp_path)) == 3


@pytest.mark.parametrize(
    ("files", "split", "found"),
    [
        (("news-train/a/1", "news-test/a/1"), "train", [("news-train/a/1", "a")]),
        (("a/train/x/1", "a/test/x/1"), "test", [("a/test/x/1", "x")]),
        (
            ("train/train/1", "train/other/1"),
            "train",
            [("train/other/1", "other"), ("train/train/1", "train")],
        ),
        (("fold1/x/1", "fold2/x/1"), "fold2", [("fold2/x/1", "x")]),
        (("x/train_1", "x/test_1", "y/train_2"), "train", [("x/train_1", "x"), ("y/train_2", "y")]),
    ],
)
def test_a_split_by_name(tmp_path: Path, files: tuple[str, ...], split: str, found: Pairs) -> None:
    """A split is the folder of that name, one whose name begins or ends with it, or the files whose names do."""
    assert pairs(put(tmp_path, *files), split=split) == found


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    """A split of no folder and no file is an error, and so is one of several folders."""
    put(tmp_path, "pos/train/1.txt", "neg/train/1.txt")
    with pytest.raises(UsageError, match="has no folder 'test' and no files named test"):
        pairs(tmp_path, split="test")
    with pytest.raises(UsageError, match=r"has 2 folders 'train': .*neg/train, .*pos/train. Name one"):
        pairs(tmp_path, split="train")


def test_a_folder_of_tables(tmp_path: Path) -> None:
    """Tables in a folder are read one after the other, with the folder's label where no column is named."""
    put(tmp_path, "x/a.csv", text="text,label\na,1\n")
    put(tmp_path, "y/b.jsonl", text='{"text": "b", "label": 2}\n')
    assert pairs(tmp_path) == [("a", "x"), ("b", "y")]
    assert pairs(tmp_path, label="label") == [("a", "1"), ("b", "2")]
    assert pairs(tmp_path / "x") == [("a", None)]
    assert list(read(resolved(Source(tmp_path)))) == list(read(Source(tmp_path)))


def test_the_files_beside_parquet_parts(tmp_path: Path) -> None:
    """Marks of Spark and descriptions are left out and said; parts need no suffix; a split is by their names."""
    for i, name in enumerate(("train-0.parquet", "train-1.parquet", "test-0.parquet")):
        pq.write_table(pa.table({"text": [str(i)]}), tmp_path / name)
    put(tmp_path, "_SUCCESS", ".train-0.parquet.crc", "README.md", "dataset_info.json")
    with pytest.warns(DataWarning, match=r"2 hidden and system entries \(.train-0.parquet.crc, _SUCCESS\)"):
        assert pairs(tmp_path, split="train") == [("0", None), ("1", None)]
    for name in ("test-0.parquet", "train-1.parquet"):
        (tmp_path / name).unlink()
    (tmp_path / "train-0.parquet").rename(tmp_path / "part-0")
    with pytest.warns(DataWarning, match=r"2 files that describe tables \(README.md, dataset_info.json\)"):
        assert pairs(tmp_path) == [("0", None)]


def test_columns_of_texts(tmp_path: Path) -> None:
    """A label or weight by column is not used for the texts of a folder, which is said; plain text has none."""
    put(tmp_path, "pos/1.txt", "neg/1.txt")
    with pytest.warns(DataWarning, match="ignoring the label 'y'; labels are the folder names"):
        assert [label for _, label in pairs(tmp_path, label="y")] == ["neg", "pos"]
    with pytest.warns(DataWarning, match="ignoring the weight 'w'"):
        pairs(tmp_path, weight="w")
    for name in ("split", "weight"):
        with pytest.raises(UsageError, match=f"is plain text, which has no {name}"):
            pairs(tmp_path / "pos" / "1.txt", **{name: "train"})


def test_tables_among_texts(tmp_path: Path) -> None:
    """Tables and texts in one folder are an error, not texts made of tables; said to be texts, they are."""
    put(tmp_path, "pos/1.txt", "pos/2.txt", "pos/list.csv")
    with pytest.raises(
        DataError, match=r"contains tables \(list.csv ...\) and 2 other files \(1.txt, 2.txt\)"
    ):
        pairs(tmp_path)
    assert pairs(tmp_path, format="text") == [
        (name, "pos") for name in ("pos/1.txt", "pos/2.txt", "pos/list.csv")
    ]


def test_links(tmp_path: Path) -> None:
    """Links to files and folders are followed; one to nothing or back up is an error that names it."""
    put(tmp_path, "texts/1.txt", "other/2.txt")
    root = put(tmp_path / "root", "neg/3.txt")
    (root / "pos").symlink_to(tmp_path / "texts")
    (root / "neg" / "4.txt").symlink_to(tmp_path / "other" / "2.txt")
    assert pairs(root) == [("neg/3.txt", "neg"), ("other/2.txt", "neg"), ("texts/1.txt", "pos")]
    (root / "neg" / "5.txt").symlink_to(tmp_path / "gone.txt")
    with pytest.raises(DataError, match=r"5.txt is a link to .*gone.txt, which does not exist"):
        pairs(root)
    (root / "neg" / "5.txt").unlink()
    (root / "neg" / "up").symlink_to(root)
    with pytest.raises(DataError, match="up is a link to a folder that contains it"):
        pairs(root)


def test_what_is_neither_file_nor_folder(tmp_path: Path) -> None:
    """A pipe among the texts is an error and not waited for."""
    put(tmp_path, "pos/1.txt")
    os.mkfifo(tmp_path / "pos" / "2.txt")
    with pytest.raises(DataError, match=r"2.txt is a pipe"):
        pairs(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may read everything")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    """A label's folder without permission is an error and not an empty class."""
    put(tmp_path, "pos/1.txt", "neg/1.txt")
    (tmp_path / "neg").chmod(0)
    try:
        with pytest.raises(StorageError, match="permission denied"):
            pairs(tmp_path)
    finally:
        (tmp_path / "neg").chmod(0o700)


def test_a_label_that_is_not_utf8(tmp_path: Path) -> None:
    """A folder whose name cannot be written is an error, not a label that no file can hold."""
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)  # noqa: PTH102
    put(Path(os.fsdecode(folder)), "1.txt")
    put(tmp_path, "tea/1.txt")
    with pytest.raises(DataError, match=r"is not UTF-8. Rename it"):
        pairs(tmp_path)


def test_a_text_larger_than_one_may_be(tmp_path: Path) -> None:
    """A file that is one text has the same largest size as a line or a cell."""
    put(tmp_path, "pos/1.txt", text="a" * LARGEST_DOCUMENT)
    assert [len(text) for text, _ in pairs(tmp_path)] == [LARGEST_DOCUMENT]
    put(tmp_path, "pos/1.txt", text="a" * (LARGEST_DOCUMENT + 1))
    with pytest.raises(DataError, match=r"1.txt, read as one text: a text may have at most 16 MB"):
        pairs(tmp_path)


def test_large_texts_are_read_one_at_a_time(tmp_path: Path) -> None:
    """A folder of books costs the memory of one or two, however many there are."""
    for i in range(8):
        put(tmp_path, f"{i}.txt", text=f"{i}" * (LARGEST_DOCUMENT // 4))
    tracemalloc.start()
    assert sum(len(record.text) for record in read(Source(tmp_path))) == 2 * LARGEST_DOCUMENT
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < LARGEST_DOCUMENT


def test_a_plain_folder_warns_of_nothing(tmp_path: Path) -> None:
    """Where nothing is left out, nothing is said."""
    put(tmp_path, "pos/1.txt", "neg/1.txt")
    with warnings.catch_warnings(action="error"):
        assert list(read(Source(tmp_path))) == [Record("neg/1.txt", "neg"), Record("pos/1.txt", "pos")]

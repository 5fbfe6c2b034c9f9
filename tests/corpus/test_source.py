"""Reading texts: every format there is, packed or not, and the message that each bad input gets."""

from __future__ import annotations

import gzip
import json
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ulmus.corpus.source import Record, Source, read, read_batches
from ulmus.errors import DataError, StorageError, UlmusError, UsageError

Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Writes a file into a fresh folder and gives its path."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write


def pairs(source: Source) -> list[tuple[str, object]]:
    """The (text, label) of every record."""
    return [(record.text, record.label) for record in read(source)]


def test_a_csv_file_with_a_header(put: Put) -> None:
    """Columns are found by name; quotes may enclose delimiters, line ends and quotes; empty texts are kept."""
    path = put("a.csv", 'id,text,label\r\n1,"one, ""two""\nthree",pos\r\n2,,neg\r\n3,"   ",\r\n')
    expected = [('one, "two"\nthree', "pos"), ("", "neg"), ("   ", None)]
    assert pairs(Source(path, ("text",), "label")) == expected
    assert pairs(Source(path)) == [(text, None) for text, _ in expected]


def test_a_csv_file_without_a_header(put: Put) -> None:
    """Numbers name the columns of a file that has no header, such as `"label","title","text"`."""
    path = put("train.csv", '"3","Wall St.","Bears"\n"4","Oil","Up"\n')
    assert pairs(Source(path, ("1", "2"), "0")) == [
        ("xxfld 1 Wall St. xxfld 2 Bears", "3"),
        ("xxfld 1 Oil xxfld 2 Up", "4"),
    ]


def test_the_header_may_be_said(put: Put) -> None:
    """header="yes" lets numbers name columns that have names; "no" reads the first row as data; a usual name tells."""
    path = put("a.csv", "text,label\na,x\n")
    assert pairs(Source(path, ("0",), "1", header="yes")) == [("a", "x")]
    assert pairs(Source(path, ("0",), "1", header="no")) == [("text", "label"), ("a", "x")]
    assert pairs(Source(path, ("0",), "1")) == [("a", "x")]


def test_tabs_without_quoting(put: Put) -> None:
    """In a tab-parted file a quotation mark is a character, unless all cells with one are enclosed."""
    path = put("a.tsv", 'text\tlabel\n"so he said\tx\nhe said "yes"\ty\n')
    assert pairs(Source(path, ("text",), "label")) == [('"so he said', "x"), ('he said "yes"', "y")]
    path = put("b.tsv", 'text\tlabel\n"so he ""said"""\tx\n')
    assert pairs(Source(path, ("text",), "label")) == [('so he "said"', "x")]


@pytest.mark.parametrize(("delimiter", "name"), [(";", "a.csv"), ("|", "a.txt"), ("\t", "SMSSpamCollection")])
def test_delimiters_are_guessed(put: Put, delimiter: str, name: str) -> None:
    """The delimiter is the one of the first row, whatever the name of the file."""
    path = put(name, delimiter.join(["label", "text"]) + "\n" + delimiter.join(["ham", "Ok, lar"]) + "\n")
    given = "|" if delimiter == "|" else None
    assert pairs(Source(path, ("text",), "label", delimiter=given)) == [("Ok, lar", "ham")]


def test_one_column_keeps_its_empty_rows(put: Put) -> None:
    """An empty line in a file of one column is an empty document, not nothing."""
    assert [r.text for r in read(Source(put("a.csv", "text\na\n\nb\n")))] == ["a", "", "b"]


def test_jsonl(put: Put) -> None:
    """One object a line: numbers become text, lists several labels, null no label; surrogates in escapes are read."""
    rows = [
        {"t": "a", "y": 1},
        {"y": ["b", "c"], "t": "\ud800"},
        {"t": None, "y": None},
        {"t": "d", "y": "e"},
    ]
    path = put("a.jsonl", "\n".join(json.dumps(row) for row in rows) + "\n\n")
    assert pairs(Source(path, ("t",), "y")) == [("a", "1"), ("\ud800", ("b", "c")), ("", None), ("d", "e")]


def test_parquet(tmp_path: Path) -> None:
    """Parquet columns of numbers, lists and nulls are read like those of other formats."""
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"text": ["a", None], "y": [1, None], "z": [["p", "q"], []], "w": [0.5, 2.0]}), path
    )
    assert pairs(Source(path, label="y")) == [("a", "1"), ("", None)]
    assert [r.label for r in read(Source(path, ("text",), "z"))] == [("p", "q"), ()]
    assert [r.weight for r in read(Source(path, ("text",), weight="w"))] == [0.5, 2.0]


def test_several_labels_in_a_cell(put: Put) -> None:
    """A label delimiter parts a cell into labels; an empty cell has none of them."""
    path = put("a.tsv", "text\tlabel\na\t2, 3\nb\t\nc\t1\n")
    assert [r.label for r in read(Source(path, ("text",), "label", label_delimiter=","))] == [
        ("2", "3"),
        (),
        ("1",),
    ]


def test_labels_before_the_first_space(put: Put) -> None:
    """`LABEL:fine text` lines give the whole first word or its coarse part, in the encoding that is named."""
    path = put("trec.txt", "DESC:manner How caf\xe9 ?\nHUM:ind Who ?\n".encode("latin-1"))
    fine = Source(path, label="first-word", encoding="latin-1")
    assert pairs(fine) == [("How café ?", "DESC:manner"), ("Who ?", "HUM:ind")]
    coarse = Source(path, label="first-word-to-colon", encoding="latin-1")
    assert [r.label for r in read(coarse)] == ["DESC", "HUM"]


def test_a_split_column(put: Put) -> None:
    """Of a table with a column named split only the rows of that split are read."""
    path = put("a.csv", "text,split\na,train\nb,test\nc,train\n")
    assert [r.text for r in read(Source(path, ("text",), split="train"))] == ["a", "c"]


@pytest.mark.parametrize("packing", ["gz", "xz", "zst"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt"])
def test_packed_files_are_unpacked_on_the_fly(put: Put, packing: str, name: str) -> None:
    """gz, xz and zst files read like what is in them."""
    plain = {"a.csv": "text\nä\n", "a.jsonl": '{"text": "ä"}\n', "a.txt": "ä\n"}[name].encode()
    path = put(f"{name}.{packing}", pack(plain, packing))
    assert [r.text for r in read(Source(path))] == ["ä"]


def pack(content: bytes, packing: str) -> bytes:
    """The content packed."""
    if packing == "zst":
        packed: bytes = pa.Codec("zstd").compress(content, asbytes=True)
        return packed
    return gzip.compress(content) if packing == "gz" else lzma.compress(content)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(put: Put, encoding: str) -> None:
    """A mark at the beginning says the encoding and is no part of the first column's name."""
    assert pairs(Source(put("a.csv", "text,label\nä,x\n".encode(encoding)), ("text",), "label")) == [
        ("ä", "x")
    ]


def test_batches_have_the_size_asked_for(put: Put) -> None:
    """Batches are full but for the last."""
    path = put("a.txt", "".join(f"{i}\n" for i in range(2500)))
    assert [len(batch) for batch in read_batches(Source(path), 1000)] == [1000, 1000, 500]
    assert next(iter(read_batches(Source(path)))) == [Record(str(i)) for i in range(1024)]


def test_long_texts_and_odd_characters(put: Put) -> None:
    """A cell of several megabytes, NUL, right-to-left and combining marks come through every reader unharmed."""
    for text in ("word " * 1_000_000, "a\0b", "שלום e\u0301 \u202b"):
        csv = Source(put("a.csv", f'text,label\n"{text}",x\n'), ("text",), "label")
        jsonl = Source(put("a.jsonl", json.dumps({"text": text, "label": "x"}) + "\n"), ("text",), "label")
        line = Source(put("a.txt", text + "\n"), documents="line")
        assert pairs(csv) == pairs(jsonl) == [(text, "x")]
        assert pairs(line) == [(text, None)]


BAD: dict[str, tuple[str, bytes | None, dict[str, object], type[UlmusError], str]] = {
    "missing file": ("no.csv", None, {}, DataError, "does not exist"),
    "empty file": ("a.csv", b"", {}, DataError, "is empty"),
    "header only": ("a.csv", b"text,label\n", {"text": ("text",)}, DataError, "contains none"),
    "wrong column": (
        "a.csv",
        b"text,label\na,b\n",
        {"text": ("text",), "label": "lable"},
        UsageError,
        "no column 'lable'. Did you mean 'label'",
    ),
    "wrong column in jsonl": (
        "a.jsonl",
        b'{"text": "a"}\n',
        {"text": ("txt",)},
        UsageError,
        "Did you mean 'text'",
    ),
    "number too high": ("a.csv", b"a,b\n", {"text": ("2",)}, UsageError, "no column '2'.*'0', '1'"),
    "which column": ("a.csv", b"a,b\nc,d\n", {}, UsageError, "specify it with --text NAME"),
    "duplicate columns": (
        "a.csv",
        b"text,text\na,b\n",
        {"text": ("text",)},
        DataError,
        "2 columns named 'text'",
    ),
    "ragged row": ("a.csv", b"text,label\na,b\nc,d,e\n", {"text": ("text",)}, DataError, "2 columns"),
    "invalid utf-8": ("a.csv", b"text\na\nb\xffc\n", {}, DataError, "byte 0xff at line 3 .byte 8"),
    "cut character": ("a.txt", b"a\nb\xc3", {}, DataError, "byte 0xc3 at line 2 .byte 3"),
    "no such encoding": ("a.txt", b"a\n", {"encoding": "utf-9"}, UsageError, "no text encoding 'utf-9'"),
    "truncated gz": (
        "a.txt.gz",
        pack(os.urandom(9000), "gz")[:5000],
        {"encoding": "latin-1"},
        DataError,
        "truncated",
    ),
    "truncated xz": (
        "a.txt.xz",
        pack(os.urandom(9000), "xz")[:5000],
        {"encoding": "latin-1"},
        DataError,
        "truncated",
    ),
    "truncated zst": (
        "a.txt.zst",
        pack(os.urandom(9000), "zst")[:5000],
        {"encoding": "latin-1"},
        DataError,
        "truncated",
    ),
    "not packed": ("a.txt.xz", b"plain", {}, DataError, "despite its name"),
    "not json": ("a.jsonl", b'{"text": "a"}\n{"text"\n', {}, DataError, "line 2 is not JSON"),
    "no parquet": ("a.parquet", b"PAR1 is what it begins with", {}, DataError, "not a parquet file"),
    "bad weight": ("a.csv", b"text,w\na,heavy\n", {"text": ("text",), "weight": "w"}, DataError, "'heavy'"),
    "negative weight": (
        "a.csv",
        b"text,w\na,-1\n",
        {"text": ("text",), "weight": "w"},
        DataError,
        "at least 0",
    ),
    "no such split": (
        "a.csv",
        b"text,split\na,x\n",
        {"text": ("text",), "split": "y"},
        DataError,
        "split 'y'",
    ),
    "label of plain text": (
        "a.txt",
        b"a\n",
        {"format": "text", "label": "last-word"},
        UsageError,
        "first-word",
    ),
    "folder expected": ("a.txt", b"a\n", {"format": "folder"}, UsageError, "is a file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_a_clear_message(put: Put, tmp_path: Path, case: str) -> None:
    """Each way in which input can be bad has an error of the right kind that says what came and what to do."""
    name, content, options, error, words = BAD[case]
    path = tmp_path / name if content is None else put(name, content)
    with pytest.raises(error, match=words):
        list(read(Source(path, **options)))  # type: ignore[arg-type]


def test_a_truncated_parquet_file(tmp_path: Path) -> None:
    """A parquet file that lost its end is an error, not fewer rows."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"] * 1000}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="truncated or damaged"):
        list(read(Source(path)))


def test_invalid_bytes_far_into_a_file(put: Put) -> None:
    """The line is counted over all blocks, also where a character lies across two."""
    path = put("a.csv", b"text\n" + "ä23456789\n".encode() * 300_000 + b"\xe4\n")
    with pytest.raises(DataError, match="line 300,002 "):
        list(read(Source(path)))


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may read everything")
def test_a_file_that_may_not_be_read(put: Put) -> None:
    """A file without permission is told apart from one that is not there."""
    path = put("a.txt", "a\n")
    path.chmod(0)
    with pytest.raises(StorageError, match="permission denied"):
        list(read(Source(path)))


@pytest.mark.parametrize("options", [{"format": "xls"}, {"header": "maybe"}, {"documents": "page"}])
def test_an_impossible_source_is_refused(options: dict[str, str]) -> None:
    """An option that does not exist is an error that lists those that do."""
    with pytest.raises(UsageError, match="expected one of"):
        Source("a", **options)  # type: ignore[arg-type]


PUBLIC = {
    "imdb": (Source("imdb/train.csv.zst", ("text",), "label"), 25_000, 2),
    "sms_spam": (Source("sms_spam/SMSSpamCollection", ("1",), "0"), 5_574, 2),
    "trec": (Source("trec/train.txt", label="first-word-to-colon", encoding="latin-1"), 5_452, 6),
    "trec fine": (Source("trec/train.txt", label="first-word", encoding="latin-1"), 5_452, 50),
    "sst2": (Source("sst2/train.tsv", ("sentence",), "label"), 6_920, 2),
    "20newsgroups": (Source("20newsgroups/train.csv.xz", ("text",), "label"), 11_314, 20),
    "goemotions": (Source("goemotions/train.tsv", ("text",), "label", ","), 43_410, 711),
    "us_patent_phrase": (Source("us_patent_phrase/train.csv", ("anchor", "target"), "score"), 29_182, 5),
    "mrpc": (Source("mrpc/msr_paraphrase_train.txt", ("#1 String", "#2 String"), "Quality"), 4_076, 2),
    "chnsenticorp": (Source("chnsenticorp/train.csv", ("review",), "label"), 6_212, 2),
    "wisesight_th": (Source("wisesight_th/train.jsonl.xz", ("texts",), "category"), 21_628, 4),
    "germeval2018": (Source("germeval2018/germeval2018.training.txt", ("0",), "1"), 5_009, 2),
    "wikitext-2": (Source("lm/wikitext-2.test.txt.zst"), 1_320, 1),
}


@pytest.mark.data
@pytest.mark.parametrize("name", PUBLIC)
def test_public_sets_are_read_as_they_are(data_folder: Path, name: str) -> None:
    """Every public set reads from its authors' file with the number of documents and labels its authors state."""
    source, documents, labels = PUBLIC[name]
    found = pairs(Source(**{**vars(source), "path": data_folder / source.path}))
    assert len(found) == documents
    assert len({label for _, label in found}) == labels

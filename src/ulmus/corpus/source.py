"""Files -> records (text, label, weight), streamed: csv, tsv, jsonl, parquet, plain text and folders, packed or not.

How: `Source` says where and what; `read` finds the reader (`tables`, `streams`) and makes records of its
columns.
Costs: one block in memory, whatever the size of the file. Does not know what a token is. An empty text is a
document like any other; several text columns become one text with fields, `xxfld 1 ... xxfld 2 ...`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ulmus.corpus.arrow import read_parquet
from ulmus.corpus.documents import texts_of, whole
from ulmus.corpus.folders import labelled_files
from ulmus.corpus.jsonlines import read_jsonl
from ulmus.corpus.packing import plain_suffix
from ulmus.corpus.schema import USUAL_TEXT
from ulmus.corpus.streams import existing, open_text
from ulmus.corpus.tables import read_csv, sniff
from ulmus.errors import DataError, UsageError

__all__ = ["FIRST_WORD", "FIRST_WORD_TO_COLON", "Record", "Source", "read", "read_batches"]

FORMATS = ("auto", "csv", "tsv", "jsonl", "parquet", "text", "folder")
FIRST_WORD = "first-word"  # label of a plain text line: all before the first space
FIRST_WORD_TO_COLON = (
    "first-word-to-colon"  # the same, up to its first colon: DESC of `DESC:manner What is ...`
)
_BY_SUFFIX = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}

Label = str | tuple[str, ...] | None


@dataclass(frozen=True)
class Record:
    """One document. label: None is unlabelled, a tuple is multi-label (it may be empty)."""

    text: str
    label: Label = None
    weight: float = 1.0


@dataclass(frozen=True)
class Source:
    """Where texts are and what is what in them.

    text: column names, or numbers from "0" where there is no header; none is the usual name (`text`,
    `review` ...) or the only column.
    label: column name or number; for plain text "first-word" or "first-word-to-colon"; folders have theirs.
    label_delimiter: parts several labels in one cell (multi-label). weight: column of numbers.
    format: "auto" goes by the suffix below .gz, .zst, .xz; else a table where columns are named, text where
    not.
    header, delimiter, quoting, encoding: of csv-like files; see `tables.sniff` and `streams.open_text`.
    documents: of plain text, "line" or "blank" (line) between them; "auto" is blank where the file has
    blank lines.
    split: keep only this part: name of the upper folder (`train` of train/pos/1.txt), or value in a column
    named "split".
    """

    path: str | Path
    text: str | tuple[str, ...] = ()
    label: str | None = None
    label_delimiter: str | None = None
    weight: str | None = None
    format: str = "auto"
    header: str = "auto"
    delimiter: str | None = None
    quoting: bool | None = None
    encoding: str = "auto"
    documents: str = "auto"
    split: str | None = None

    def __post_init__(self) -> None:
        _one_of("format", self.format, FORMATS)
        _one_of("header", self.header, ("auto", "yes", "no"))
        _one_of("documents", self.documents, ("auto", "line", "blank"))

    @property
    def columns(self) -> tuple[str, ...]:
        """The text columns, also when a single one was given as a string."""
        return (self.text,) if isinstance(self.text, str) else tuple(self.text)


def read(source: Source) -> Iterator[Record]:
    """The records of a source, one after the other.

    Raises DataError (nothing there, empty, damaged, not decodable), UsageError (wrong column or option),
    StorageError.
    """
    return chain.from_iterable(read_batches(source))


def read_batches(source: Source, size: int = 1024) -> Iterator[list[Record]]:
    """The records of a source in lists of `size`, the last one shorter. Errors as of `read`; a missing file at once."""
    path = existing(source.path)
    if size < 1:
        raise UsageError(f"a batch has one record or more; got size={size}.")
    return _batched(_records(source, path), source, size)


def _batched(records: Iterator[Record], source: Source, size: int) -> Iterator[list[Record]]:
    batch = list(islice(records, size))
    if not batch:
        part = f" in the split {source.split!r}" if source.split else ""
        raise DataError(f"expected texts, but {source.path} holds none{part}.")
    while batch:
        yield batch
        batch = list(islice(records, size))


def _records(source: Source, path: Path) -> Iterator[Record]:
    kind = source.format
    if path.is_dir():
        _one_of("format (of a folder)", kind, ("auto", "folder", "text"))
        return _read_folder(source, path)
    if kind == "folder":
        raise UsageError(
            f"expected a folder, but {path} is a file. Leave the format out, or name its folder."
        )
    if kind == "auto":
        kind = _BY_SUFFIX.get(plain_suffix(path)) or _guess(source, path)
    return _read_text(source, path) if kind == "text" else _read_table(source, path, kind)


def _guess(source: Source, path: Path) -> str:
    """The format of a file whose name does not say it: a table where columns are asked for."""
    if not source.columns and source.label in (None, FIRST_WORD, FIRST_WORD_TO_COLON):
        return "text"
    with open_text(path, source.encoding) as stream:
        first = stream.peek(1).split(b"\n", 1)[0]
    return "tsv" if b"\t" in first else "jsonl" if first.startswith(b"{") else "csv"


def _read_table(source: Source, path: Path, kind: str) -> Iterator[Record]:
    wanted = [*source.columns, *(name for name in (source.label, source.weight) if name is not None)]
    wanted += ["split"] * (source.split is not None)

    def choose(names: Sequence[str]) -> list[str]:
        return wanted if source.columns else [_usual(names, path), *wanted]

    if kind == "parquet":
        batches = read_parquet(path, choose)
    elif kind == "jsonl":
        batches = read_jsonl(path, choose, encoding=source.encoding)
    else:
        with open_text(path, source.encoding) as stream:
            sample = stream.peek(1)
        delimiter = source.delimiter or ("\t" if kind == "tsv" else None)
        dialect = sniff(sample, wanted, delimiter=delimiter, quoting=source.quoting, header=source.header)
        batches = read_csv(path, choose, encoding=source.encoding, dialect=dialect)
    to_record = _row_reader(source, path)
    for cells in batches:
        for row in zip(*cells, strict=True):
            record = to_record(row)
            if record is not None:
                yield record


def _usual(names: Sequence[str], path: Path) -> str:
    """The column that is most likely the text when none was named."""
    usual = [name for word in USUAL_TEXT for name in names if name.lower() == word]
    if not usual and len(names) != 1:
        there = ", ".join(map(repr, names[:30]))
        raise UsageError(
            f"which column of {path} is the text? Say it (--text NAME). Its columns are {there}."
        )
    return (usual or list(names))[0]


def _row_reader(source: Source, path: Path) -> Callable[[tuple[Any, ...]], Record | None]:
    """What makes a record of a row (text columns, label, weight, split, as far as they are wanted)."""
    fields = max(1, len(source.columns))
    at_weight = fields + (source.label is not None)

    def to_record(row: tuple[Any, ...]) -> Record | None:
        if source.split is not None and str(row[-1]) != source.split:
            return None
        texts = [_cell(value) for value in row[:fields]]
        text = texts[0] if fields == 1 else " ".join(f"xxfld {i} {text}" for i, text in enumerate(texts, 1))
        label = _label(row[fields], source.label_delimiter) if source.label is not None else None
        return Record(text, label, _weight(row[at_weight], path) if source.weight is not None else 1.0)

    return to_record


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _label(value: Any, delimiter: str | None) -> Label:
    """A cell as label: nothing in it is no label, or none of several; a list is several; null is never a label."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return tuple(_cell(item) for item in value)
    if delimiter is not None:
        return tuple(part.strip() for part in _cell(value).split(delimiter) if part.strip())
    return _cell(value).strip() or None


def _weight(value: Any, path: Path) -> float:
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise DataError(f"a weight is a number, 0 or more; {path} has {value!r}.")
    return weight


def _read_text(source: Source, path: Path) -> Iterator[Record]:
    """Plain text: a document a line, or the lines between blank lines; with labels always a line."""
    if source.label is None:
        yield from map(Record, texts_of(path, source.encoding, source.documents))
        return
    _one_of("label (of plain text)", source.label, (FIRST_WORD, FIRST_WORD_TO_COLON))
    for line in texts_of(path, source.encoding, "line"):
        word, _, text = line.partition(" ")
        if source.label == FIRST_WORD_TO_COLON:
            word = word.partition(":")[0]
        yield Record(text, _label(word, source.label_delimiter))


def _read_folder(source: Source, path: Path) -> Iterator[Record]:
    """Every file of the lowest folders is a document, labelled by its folder; tables among them are read as tables."""
    for file, label in labelled_files(path, source.split):
        kind = _BY_SUFFIX.get(plain_suffix(file))
        if kind is None or source.format != "auto":
            yield Record(whole(file, source.encoding), label)
        else:
            yield from _read_table(replace(source, split=None), file, kind)


def _one_of(name: str, value: str | None, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UsageError(f"{name} is one of {', '.join(allowed)}; got {value!r}.")

"""Files -> records (text, label, weight), streamed: tables, plain text and folders, compressed or not.

How: `Source` says where the texts are and how to read them; what it leaves open is guessed; `read` picks the reader
and turns its columns into records. An empty text is a document like any other; several text columns become one text
with fields, `xxfld 1 ... xxfld 2 ...`.
Memory: one block, whatever the size of the file. Does not know what a token is.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ulmus.corpus.arrow import read_arrow, read_parquet
from ulmus.corpus.cells import Label, label_of, text_of_cell, weight_of
from ulmus.corpus.delimited import read_delimited
from ulmus.corpus.dialect import Dialect, guess
from ulmus.corpus.documents import guess_documents, texts_of, whole
from ulmus.corpus.folders import labelled_files
from ulmus.corpus.indicators import is_set
from ulmus.corpus.jsonlines import read_jsonl
from ulmus.corpus.sample import Sample, sample_of
from ulmus.corpus.schema import USUAL_TEXT, Cells
from ulmus.corpus.signatures import table_format
from ulmus.corpus.streams import existing
from ulmus.errors import DataError, DataWarning, UsageError
from ulmus.fields import join_fields, join_pair

__all__ = [
    "FIRST_WORD", "FIRST_WORD_TO_COLON", "Record", "Source", "columns_of", "read", "read_batches", "resolved",
]  # fmt: skip

FORMATS = ("auto", "csv", "tsv", "jsonl", "parquet", "arrow", "text", "folder")
FIRST_WORD = "first-word"  # label of a plain text line: everything before the first space
# the same, up to its first colon: DESC of `DESC:manner What is ...`
FIRST_WORD_TO_COLON = "first-word-to-colon"
_DELIMITED = ("csv", "tsv")
_FASTTEXT = "__label__"
_FASTTEXT_LABEL = re.compile(rf"(?<!\S){_FASTTEXT}(\S+)\s?")
_SPACE = re.compile("[ \\t]")


@dataclass(frozen=True)
class Record:
    """One document. label: None is unlabelled; a tuple is multi-label and may be empty."""

    text: str
    label: Label = None
    weight: float = 1.0
    kept: tuple[Any, ...] = ()  # the cells of `Source.keep`, unchanged


@dataclass(frozen=True)
class Source:
    """Where texts are and how to read them.

    text: column names, or numbers from "0" if there is no header; none means the common name (`text`, `review` ...) or
    the only column.
    text_b: with `text`, the columns of the second text of a pair; several columns of one side are joined by spaces.
    label: column name or number; several columns hold 0 or 1, each for the class it is named after (multi-label);
    for plain text "first-word" or "first-word-to-colon"; in folders the label is the folder's name.
    label_delimiter: separates several labels in one cell (multi-label); lists saved as text are parsed.
    weight: column of numbers. keep: columns whose cells every record carries along, such as an id.
    format: "auto" goes by the suffix before .gz, .bz2, .zst, .xz, or by the first bytes; else it is a table if columns
    are named, else text. "jsonl" is JSON in any layout; "arrow" includes Feather.
    header, delimiter, quoting: of csv-like files; see `dialect.guess`. encoding: see `streams.open_text`.
    documents: how plain text is divided, by "line" or "blank" lines; "auto": see `documents.guess_documents`.
    split: read only this part: an upper folder (`train` of train/pos/1.txt), files in a folder (train-0.parquet), or
    a value in a column named "split".
    Raises UsageError for an unknown format, header or documents.
    """

    path: str | Path
    text: str | tuple[str, ...] = ()
    label: str | tuple[str, ...] | None = None
    label_delimiter: str | None = None
    weight: str | None = None
    keep: tuple[str, ...] = ()
    format: str = "auto"
    header: str = "auto"
    delimiter: str | None = None
    quoting: bool | None = None
    encoding: str = "auto"
    documents: str = "auto"
    split: str | None = None
    text_b: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _one_of("format", self.format, FORMATS)
        _one_of("header", self.header, ("auto", "yes", "no"))
        _one_of("documents", self.documents, ("auto", "line", "blank"))
        if self.text_b and not self.text:
            raise UsageError("pairs need both columns: give --text COL with --text-b COL.")

    @property
    def columns(self) -> tuple[str, ...]:
        """The text columns as a tuple, even if given as a single string."""
        return (self.text,) if isinstance(self.text, str) else tuple(self.text)

    @property
    def pairs(self) -> bool:
        """Whether every record is a pair of texts, joined into one."""
        return bool(self.text_b)

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The label columns as a tuple: none, one, or several of 0 and 1."""
        if self.label is None:
            return ()
        return (self.label,) if isinstance(self.label, str) else tuple(self.label)


def read(source: Source | str | Path) -> Iterator[Record]:
    """The records of a source, one by one; a path means `Source(path)`.

    Unspecified settings are guessed, see `resolved`. Warns (DataWarning) if a guess may be wrong or a row is skipped.
    Raises DataError (missing, empty, damaged, not decodable), UsageError (wrong column or option), StorageError
    (permission denied).
    """
    return chain.from_iterable(read_batches(source, size=1))  # one by one: large texts are not collected


def read_batches(source: Source | str | Path, size: int = 1024) -> Iterator[list[Record]]:
    """The records of a source in lists of `size`, the last may be shorter. Raises as `read`; a missing file at once."""
    source = _as_source(source)
    path = existing(source.path)
    if size < 1:
        raise UsageError(f"size: expected at least 1 record per batch, got {size}.")
    return _batched(_records(source, path), source, size)


def _batched(records: Iterator[Record], source: Source, size: int) -> Iterator[list[Record]]:
    batch = list(islice(records, size))
    if not batch:
        part = f" in the split {source.split!r}" if source.split else ""
        raise DataError(f"expected texts, but {source.path} contains none{part}.")
    while batch:
        yield batch
        batch = list(islice(records, size))


def resolved(source: Source | str | Path) -> Source:
    """The source with its guesses filled in: format, delimiter, quoting, header, documents, encoding, text column.

    Settings that a format does not have stay unchanged, and so do the files of a folder. Raises and warns as `read`.
    """
    source = _as_source(source)
    path = existing(source.path)
    kind = _format(source, path)
    if kind == "folder":
        return replace(source, format=kind)
    if kind == "text":
        sample = sample_of(path, source.encoding)
        how = "line" if source.label is not None else source.documents
        how = guess_documents(sample, path) if how == "auto" else how
        return replace(source, format=kind, encoding=sample.encoding, documents=how)
    if kind in _DELIMITED:
        sample, dialect = _dialect(source, path, kind)
        source = replace(
            source,
            encoding=sample.encoding,
            delimiter=dialect.delimiter,
            quoting=dialect.quoting,
            header="yes" if dialect.header else "no",
        )
    found: list[str] = []
    next(_cells(source, path, kind, found), None)
    return replace(source, format=kind, text=source.text or tuple(found[:1]))


def columns_of(source: Source) -> tuple[str, ...]:
    """The names of all columns of a table, in order; none of text or a folder. Raises as `read`."""
    path, found = existing(source.path), list[str]()
    if (kind := _format(source, path)) not in ("text", "folder"):
        next(_cells(source, path, kind, found), None)
    return tuple(found[1:])


def _as_source(source: Source | str | Path) -> Source:
    if isinstance(source, Source):
        return source
    if isinstance(source, str | Path):
        return Source(source)
    raise UsageError(f"expected a Source or the path of a file or folder, got a {type(source).__name__}.")


def _records(source: Source, path: Path) -> Iterator[Record]:
    kind = _format(source, path)
    if kind == "folder":
        return _read_folder(source, path)
    return _read_text(source, path) if kind == "text" else _read_table(source, path, kind)


def _format(source: Source, path: Path) -> str:
    """One of FORMATS other than "auto". Raises UsageError if format and path do not match."""
    kind = source.format
    if path.is_dir():
        _one_of("format (of a folder)", kind, ("auto", "folder", "text"))
        return "folder"
    if kind == "folder":
        raise UsageError(f"expected a folder, but {path} is a file. Remove --format, or give its folder.")
    return (table_format(path) or _guess(source, path)) if kind == "auto" else kind


def _guess(source: Source, path: Path) -> str:
    """The format of a file whose name does not tell: a table if columns are named."""
    if not source.columns and source.label in (None, FIRST_WORD, FIRST_WORD_TO_COLON):
        return "text"
    first = next((line for line in sample_of(path, source.encoding).lines() if line.strip()), "")
    return "tsv" if "\t" in first else "jsonl" if first.startswith(("{", "[{", "[\n")) else "csv"


def _dialect(source: Source, path: Path, kind: str) -> tuple[Sample, Dialect]:
    """The sample of a csv-like file, and its dialect."""
    sample = sample_of(path, source.encoding, quotes=source.quoting is None)
    dialect = guess(
        sample,
        _wanted(source),
        path,
        delimiter=source.delimiter or ("\t" if kind == "tsv" else None),
        quoting=source.quoting,
        header=source.header,
    )
    return sample, dialect


def _wanted(source: Source) -> list[str]:
    """The requested columns, text first."""
    weight = [] if source.weight is None else [source.weight]
    split = [] if source.split is None else ["split"]
    return [*source.columns, *source.text_b, *source.label_columns, *weight, *source.keep, *split]


def _cells(source: Source, path: Path, kind: str, found: list[str]) -> Iterator[Cells]:
    """The requested columns of a table in batches; the first one puts the text column and all names into `found`."""

    def choose(names: Sequence[str]) -> list[str]:
        requested = [*([] if source.columns else [_usual(names, path)]), *_wanted(source)]
        found[:] = [requested[0], *names]
        return requested

    several = source.label if isinstance(source.label, str) else None
    if kind == "parquet":
        return read_parquet(path, choose, several=several)
    if kind == "arrow":
        return read_arrow(path, choose, several=several)
    if kind == "jsonl":
        return read_jsonl(path, choose, encoding=source.encoding, several=several)
    _, dialect = _dialect(source, path, kind)
    return read_delimited(
        path, choose, encoding=source.encoding, dialect=dialect, guessed=source.quoting is None
    )


def _read_table(source: Source, path: Path, kind: str) -> Iterator[Record]:
    to_record = _row_reader(source, path)
    for cells in _cells(source, path, kind, []):
        for row in zip(*cells, strict=True):
            record = to_record(row)
            if record is not None:
                yield record


def _usual(names: Sequence[str], path: Path) -> str:
    """The most likely text column if none is named. Raises UsageError if no column has a common name."""
    usual = [name for word in USUAL_TEXT for name in names if name.lower() == word]
    if not usual and len(names) != 1:
        columns = ", ".join(map(repr, names[:30]))
        raise UsageError(
            f"{path} has no column with a common name for texts; specify it with --text NAME. "
            f"Its columns are {columns}."
        )
    return (usual or list(names))[0]


def _row_reader(source: Source, path: Path) -> Callable[[tuple[Any, ...]], Record | None]:
    """A function from a row (text columns, label, weight, kept, split; those requested) to its record."""
    first = max(1, len(source.columns))
    fields = first + len(source.text_b)
    at_weight = fields + len(source.label_columns)
    at_keep = at_weight + (source.weight is not None)

    def to_record(row: tuple[Any, ...]) -> Record | None:
        if source.split is not None and str(row[-1]) != source.split:
            return None
        texts = [text_of_cell(value) for value in row[:fields]]
        if source.pairs:
            text = join_pair(" ".join(texts[:first]), " ".join(texts[first:]))
        else:
            text = texts[0] if fields == 1 else join_fields(texts)
        label = _labels(row[fields:at_weight], source, path)
        weight = weight_of(row[at_weight], path) if source.weight is not None else 1.0
        return Record(text, label, weight, row[at_keep : at_keep + len(source.keep)])

    return to_record


def _labels(cells: tuple[Any, ...], source: Source, path: Path) -> Label:
    """The label of a row: that of one cell, or the names of the columns that are 1; None if all are empty."""
    if not isinstance(source.label, tuple):
        return label_of(cells[0], source.label_delimiter) if cells else None
    empty = [name for name, cell in zip(source.label, cells, strict=True) if not text_of_cell(cell).strip()]
    if len(empty) == len(cells):
        return None
    if empty:
        raise DataError(
            f"{path} has a row with values in some label columns but none in {empty[0]!r}. "
            "Put 0 or 1 in each, or leave all of them empty for an unlabelled text."
        )
    try:
        return tuple(name for name, cell in zip(source.label, cells, strict=True) if is_set(cell, name))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _read_text(source: Source, path: Path) -> Iterator[Record]:
    """Plain text: a document per line, or per group of lines between blank lines; with labels always per line."""
    for name, value in (("split", source.split), ("weight", source.weight)):
        if value is not None:
            raise UsageError(f"{path} is plain text, which has no {name}. Remove the {name} ({value!r}).")
    _no_columns(source, path)
    if source.label is None:
        for number, text in enumerate(texts_of(path, source.encoding, source.documents)):
            if number == 0 and text.startswith(_FASTTEXT):
                warnings.warn(
                    f"{path}: its texts start with labels ({_FASTTEXT}...), which are read as text. "
                    "Read them with --label first-word (label='first-word').",
                    DataWarning,
                    stacklevel=2,
                )
            yield Record(text)
        return
    _one_of("label (of plain text)", " and ".join(source.label_columns), (FIRST_WORD, FIRST_WORD_TO_COLON))
    marked = _FASTTEXT in sample_of(path, source.encoding).text
    for line in texts_of(path, source.encoding, "line"):
        labels, text = _marked(line) if marked or _FASTTEXT in line else _first_word(line)
        if source.label == FIRST_WORD_TO_COLON:
            labels = [word.partition(":")[0] for word in labels]
        label = (labels[0] if len(labels) == 1 else labels) if labels else None
        yield Record(text, label_of(label, source.label_delimiter))


def _marked(line: str) -> tuple[list[str], str]:
    """The labels of a fastText line (any number, anywhere in it) and its text."""
    return _FASTTEXT_LABEL.findall(line), _FASTTEXT_LABEL.sub("", line).strip()


def _first_word(line: str) -> tuple[list[str], str]:
    word, *text = _SPACE.split(line, 1)
    return [word], "".join(text)


def _read_folder(source: Source, path: Path) -> Iterator[Record]:
    """Every file in the lowest folders is a document or a table, labelled by its folder unless a column is named."""
    named = {"label": " and ".join(source.label_columns) or None, "weight": source.weight}
    unused = {name: column for name, column in named.items() if column is not None}
    for file, label, kind in labelled_files(path, source.split, tables=source.format != "text"):
        if kind is None:
            for name in unused:
                warnings.warn(
                    f"{path} contains texts without columns: ignoring the {name} {unused[name]!r}; labels are the "
                    "folder names.",
                    DataWarning,
                    stacklevel=2,
                )
            unused = {}
            _no_columns(source, file)
            yield Record(whole(file, source.encoding), label)
        elif source.label is not None:
            yield from _read_table(replace(source, split=None), file, kind)
        else:
            yield from (
                replace(record, label=label)
                for record in _read_table(replace(source, split=None), file, kind)
            )


def _no_columns(source: Source, path: Path) -> None:
    """Raise UsageError if columns are to be kept (--keep), or hold the second text of a pair."""
    if source.pairs:
        raise UsageError(
            f"{path} is read as plain text, which has no columns for pairs of texts (--text-b). Give a table, or its "
            "--format."
        )
    if source.keep:
        names = ", ".join(map(repr, source.keep))
        raise UsageError(
            f"{path} is read as plain text, which has no column {names} to keep (--keep) or to split by (--group, "
            "--time)."
        )


def _one_of(name: str, value: str | None, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UsageError(f"{name}: expected one of {', '.join(allowed)}, got {value!r}.")

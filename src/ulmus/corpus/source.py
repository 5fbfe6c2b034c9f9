"""Files -> records (text, label, weight), streamed: tables of every format, plain text and folders, packed or not.

How: `Source` says where and what; what it leaves open is guessed; `read` finds the reader and makes records of its
columns.
Costs: one block in memory, whatever the size of the file. Does not know what a token is. An empty text is a
document like any other; several text columns become one text with fields, `xxfld 1 ... xxfld 2 ...`.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ulmus.corpus.arrow import read_arrow, read_parquet
from ulmus.corpus.delimited import read_delimited
from ulmus.corpus.dialect import Dialect, guess
from ulmus.corpus.documents import guess_documents, texts_of, whole
from ulmus.corpus.folders import labelled_files
from ulmus.corpus.indicators import is_set
from ulmus.corpus.jsonlines import read_jsonl
from ulmus.corpus.sample import Sample, sample_of
from ulmus.corpus.saved_lists import saved_list
from ulmus.corpus.schema import USUAL_TEXT, Cells
from ulmus.corpus.signatures import table_format
from ulmus.corpus.streams import existing
from ulmus.errors import DataError, DataWarning, UsageError

__all__ = ["FIRST_WORD", "FIRST_WORD_TO_COLON", "Record", "Source", "read", "read_batches", "resolved"]

FORMATS = ("auto", "csv", "tsv", "jsonl", "parquet", "arrow", "text", "folder")
FIRST_WORD = "first-word"  # label of a plain text line: all before the first space
FIRST_WORD_TO_COLON = (
    "first-word-to-colon"  # the same, up to its first colon: DESC of `DESC:manner What is ...`
)
_DELIMITED = ("csv", "tsv")
_FASTTEXT = "__label__"
_FASTTEXT_LABEL = re.compile(rf"(?<!\S){_FASTTEXT}(\S+)\s?")

_SPACE = re.compile("[ \\t]")

Label = str | tuple[str, ...] | None


@dataclass(frozen=True)
class Record:
    """One document. label: None is unlabelled, a tuple is multi-label (it may be empty)."""

    text: str
    label: Label = None
    weight: float = 1.0
    kept: tuple[Any, ...] = ()  # the cells of `Source.keep`, as the file has them


@dataclass(frozen=True)
class Source:
    """Where texts are and what is what in them.

    text: column names, or numbers from "0" where there is no header; none is the usual name (`text`,
    `review` ...) or the only column.
    label: column name or number; several columns hold 0 or 1 for the class that each is named after (multi-label);
    for plain text "first-word" or "first-word-to-colon"; folders have theirs.
    label_delimiter: parts several labels in one cell (multi-label); lists that were saved as text are read as such.
    weight: column of numbers. keep: columns whose cells every record carries along, such as an id.
    format: "auto" goes by the suffix below .gz, .bz2, .zst, .xz, or the first bytes; else a table where columns are
    named, text where not. "jsonl" is JSON of any arrangement, "arrow" Feather too.
    header, delimiter, quoting: of csv-like files; see `dialect.guess`. encoding: see `streams.open_text`.
    documents: of plain text, "line" or "blank" (line) between them; "auto": see `documents.guess_documents`.
    split: keep only this part: name of the upper folder (`train` of train/pos/1.txt), of files in a folder
    (train-0.parquet), or value in a column named "split".
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

    def __post_init__(self) -> None:
        _one_of("format", self.format, FORMATS)
        _one_of("header", self.header, ("auto", "yes", "no"))
        _one_of("documents", self.documents, ("auto", "line", "blank"))

    @property
    def columns(self) -> tuple[str, ...]:
        """The text columns, also when a single one was given as a string."""
        return (self.text,) if isinstance(self.text, str) else tuple(self.text)

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The columns of the label: none, one, or several of 0 and 1."""
        if self.label is None:
            return ()
        return (self.label,) if isinstance(self.label, str) else tuple(self.label)


def read(source: Source | str | Path) -> Iterator[Record]:
    """The records of a source, one after the other; a path is `Source(path)`.

    What is not said is guessed, see `resolved`. Warns (DataWarning) where a guess may be wrong or a row is left out;
    raises DataError (nothing there, empty, damaged, not decodable), UsageError (wrong column or option),
    StorageError.
    """
    return chain.from_iterable(read_batches(source, size=1))  # large texts are not held together


def read_batches(source: Source | str | Path, size: int = 1024) -> Iterator[list[Record]]:
    """The records of a source in lists of `size`, the last one shorter. Errors as of `read`; a missing file at once."""
    source = _as_source(source)
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


def resolved(source: Source | str | Path) -> Source:
    """The source as `read` reads it: format, delimiter, quoting, header, documents, encoding and text column.

    What a format has none of stays as it is, and so do the files of a folder. Errors and warnings as of `read`.
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
    chosen: list[str] = []
    next(_cells(source, path, kind, chosen), None)
    return replace(source, format=kind, text=source.text or tuple(chosen[:1]))


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
    """One of FORMATS but "auto"."""
    kind = source.format
    if path.is_dir():
        _one_of("format (of a folder)", kind, ("auto", "folder", "text"))
        return "folder"
    if kind == "folder":
        raise UsageError(
            f"expected a folder, but {path} is a file. Leave the format out, or name its folder."
        )
    return (table_format(path) or _guess(source, path)) if kind == "auto" else kind


def _guess(source: Source, path: Path) -> str:
    """The format of a file whose name does not say it: a table where columns are asked for."""
    if not source.columns and source.label in (None, FIRST_WORD, FIRST_WORD_TO_COLON):
        return "text"
    first = next((line for line in sample_of(path, source.encoding).lines() if line.strip()), "")
    return "tsv" if "\t" in first else "jsonl" if first.startswith(("{", "[{", "[\n")) else "csv"


def _dialect(source: Source, path: Path, kind: str) -> tuple[Sample, Dialect]:
    """How a csv-like file is written, and the sample that says so."""
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
    """The columns that are asked for; the text is first."""
    weight = [] if source.weight is None else [source.weight]
    split = [] if source.split is None else ["split"]
    return [*source.columns, *source.label_columns, *weight, *source.keep, *split]


def _cells(source: Source, path: Path, kind: str, chosen: list[str]) -> Iterator[Cells]:
    """The wanted columns of a table in batches; when the first one comes, their names are in `chosen`."""

    def choose(names: Sequence[str]) -> list[str]:
        chosen[:] = [*([] if source.columns else [_usual(names, path)]), *_wanted(source)]
        return chosen

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
    """The column that is most likely the text when none was named."""
    usual = [name for word in USUAL_TEXT for name in names if name.lower() == word]
    if not usual and len(names) != 1:
        there = ", ".join(map(repr, names[:30]))
        raise UsageError(
            f"which column of {path} is the text? Say it (--text NAME). Its columns are {there}."
        )
    return (usual or list(names))[0]


def _row_reader(source: Source, path: Path) -> Callable[[tuple[Any, ...]], Record | None]:
    """What makes a record of a row (text columns, label, weight, kept, split, as far as they are wanted)."""
    fields = max(1, len(source.columns))
    at_weight = fields + len(source.label_columns)
    at_keep = at_weight + (source.weight is not None)

    def to_record(row: tuple[Any, ...]) -> Record | None:
        if source.split is not None and str(row[-1]) != source.split:
            return None
        texts = [_cell(value) for value in row[:fields]]
        text = texts[0] if fields == 1 else " ".join(f"xxfld {i} {text}" for i, text in enumerate(texts, 1))
        label = _labels(row[fields:at_weight], source, path)
        weight = _weight(row[at_weight], path) if source.weight is not None else 1.0
        return Record(text, label, weight, row[at_keep : at_keep + len(source.keep)])

    return to_record


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _labels(cells: tuple[Any, ...], source: Source, path: Path) -> Label:
    """The label of a row: that of one cell, or the names of the columns that hold a one; all of them empty is none."""
    if not isinstance(source.label, tuple):
        return _label(cells[0], source.label_delimiter) if cells else None
    empty = [name for name, cell in zip(source.label, cells, strict=True) if not _cell(cell).strip()]
    if len(empty) == len(cells):
        return None
    if empty:
        raise DataError(
            f"{path} has a row with a value in some label columns and none in {empty[0]!r}. "
            "Put 0 or 1 into each, or leave all of them empty: then the text counts as unlabelled."
        )
    try:
        return tuple(name for name, cell in zip(source.label, cells, strict=True) if is_set(cell, name))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _label(value: Any, delimiter: str | None) -> Label:
    """A cell as label: nothing in it is no label, or none of several; a list is several; null is never a label."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return tuple(_cell(item) for item in value)
    if delimiter is not None and (saved := saved_list(_cell(value))) is not None:
        return saved
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
    for name, value in (("split", source.split), ("weight", source.weight)):
        if value is not None:
            raise UsageError(f"{path} is plain text, which has no {name}. Leave the {name} ({value!r}) out.")
    _no_columns(source, path)
    if source.label is None:
        for number, text in enumerate(texts_of(path, source.encoding, source.documents)):
            if number == 0 and text.startswith(_FASTTEXT):
                warnings.warn(
                    f"{path}: its texts begin with labels ({_FASTTEXT}...), which are read as text. "
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
        yield Record(text, _label(label, source.label_delimiter))


def _marked(line: str) -> tuple[list[str], str]:
    """The labels of a line of fastText, which may be none, several, and anywhere in it, and its text."""
    return _FASTTEXT_LABEL.findall(line), _FASTTEXT_LABEL.sub("", line).strip()


def _first_word(line: str) -> tuple[list[str], str]:
    word, *text = _SPACE.split(line, 1)
    return [word], "".join(text)


def _read_folder(source: Source, path: Path) -> Iterator[Record]:
    """Every file of the lowest folders is a document, or a table, labelled by its folder unless a column is."""
    named = {"label": " and ".join(source.label_columns) or None, "weight": source.weight}
    unused = {name: column for name, column in named.items() if column is not None}
    for file, label, kind in labelled_files(path, source.split, tables=source.format != "text"):
        if kind is None:
            for name in unused:
                warnings.warn(
                    f"{path} holds texts and no columns: the {name} {unused[name]!r} is not used; labels are the "
                    "names of folders.",
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
    """Raise UsageError where columns of plain text are to be kept."""
    if source.keep:
        names = ", ".join(map(repr, source.keep))
        raise UsageError(f"{path} is read as plain text, which has no column {names} to keep (--keep).")


def _one_of(name: str, value: str | None, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UsageError(f"{name} is one of {', '.join(allowed)}; got {value!r}.")

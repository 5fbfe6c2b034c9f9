"""Files -> texts and labels, by the options of the command line.

How: one `Source` per file from the shared reader options; every file is opened and its columns are looked up
(`probe`) before any long work. Files of another kind than DATA (a plain text beside a csv) are read by their
own name.
Cost: labelled texts are held in memory; `Texts` streams and can be read again. Knows no model and no ids.
"""

from __future__ import annotations

import codecs
import dataclasses
import io
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ulmus.cli.options import ReaderOptions
from ulmus.cli.show import note
from ulmus.errors import DataError, UsageError

if TYPE_CHECKING:
    from ulmus.corpus.source import Source

Label = str | tuple[str, ...]
STDIN = Path("-")


class Labelled(NamedTuple):
    """What a labelled file holds; rows without a label are `unlabeled`."""

    texts: list[str]
    labels: list[Label]
    unlabeled: list[str]


@dataclasses.dataclass(frozen=True)
class Columns:
    """Which columns to read: several of the text are its fields, several of the label hold 0 or 1 for each class."""

    text: Sequence[str] = ()
    label: Sequence[str] = ()
    label_delimiter: str | None = None


class Texts:
    """The texts of several files, read anew each time they are iterated over: memory stays flat."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources

    def __iter__(self) -> Iterator[str]:
        from ulmus.corpus.source import read

        for source in self.sources:
            for record in read(source):
                yield record.text


def source(path: Path, options: ReaderOptions, columns: Columns, *, like: Path | None = None) -> Source:
    """How to read `path`. `like` is the file that the options were given for, where that is another one."""
    from ulmus.corpus.signatures import TABLES
    from ulmus.corpus.source import Source

    mine, text, label = options, tuple(columns.text), tuple(dict.fromkeys(columns.label))
    if len(label) > 1 and columns.label_delimiter is not None:
        raise UsageError(
            "several --label columns hold 0 or 1 each, and have nothing to split. Leave --label-delimiter away, or "
            "name the one column with several labels in a cell."
        )
    if like is not None and _kind(path) != _kind(like):
        plain = _kind(path) not in ("folder", *TABLES)
        mine = ReaderOptions(
            encoding=options.encoding, format="text" if plain else "auto", documents=options.documents
        )
        text = () if plain else text
    return Source(
        path=path,
        text=text,
        label=label if len(label) > 1 else next(iter(label), None),
        label_delimiter=character(columns.label_delimiter),
        format=mine.format,
        header={None: "auto", True: "yes", False: "no"}[mine.header],
        delimiter=character(mine.delimiter),
        quoting=mine.quoting,
        encoding=mine.encoding,
        documents=mine.documents,
        split=mine.split if like is None else None,
    )


def is_plain(path: Path, options: ReaderOptions) -> bool:
    """Whether a file is plain text as far as its name and `--format` say, and no table and no folder."""
    from ulmus.corpus.signatures import TABLES

    return options.format == "text" or (options.format == "auto" and _kind(path) not in ("folder", *TABLES))


def probe(sources: Iterable[Source]) -> None:
    """Open every file and look its columns up: errors come now and not after the training."""
    from ulmus.corpus.source import read

    for item in sources:
        next(read(item))


def labelled(item: Source) -> Labelled:
    """All of a labelled file. Raises DataError where no row has a label."""
    from ulmus.corpus.source import read

    found = Labelled([], [], [])
    for record in read(item):
        if record.label is not None:  # of several labels a text may have none: () is an answer
            found.texts.append(record.text)
            found.labels.append(record.label)
        else:
            found.unlabeled.append(record.text)
    if not any(found.labels):
        raise DataError(_no_label(item, len(found.texts) + len(found.unlabeled)))
    return found


def known_only(given: Labelled, classes: Iterable[Label], name: str) -> tuple[Labelled, Counter[str]]:
    """`given` without the texts whose label is not among `classes`, and the count of each label left out."""
    known = {str(name) for name in classes}
    kept, unknown = Labelled([], [], given.unlabeled), Counter[str]()
    for text, label in zip(given.texts, given.labels, strict=True):
        strange = [part for part in parts(label) if part not in known]
        unknown.update(strange)
        if not strange:
            kept.texts.append(text)
            kept.labels.append(label)
    if not kept.texts:
        raise DataError(
            f"no label of {name} is one of the model's classes: the file has {listed(unknown)}; "
            f"the model knows {listed(sorted(known))}. Is it the right --label column?"
        )
    return kept, unknown


def batches(item: Source | None, size: int, options: ReaderOptions) -> Iterator[list[str]]:
    """The texts of a file, or of the standard input as `stdin_texts` reads it, `size` at a time."""
    if item is not None:
        from ulmus.corpus.source import read_batches

        for records in read_batches(item, size=size):
            yield [record.text for record in records]
        return
    texts = stdin_texts(options)
    while batch := list(islice(texts, size)):
        yield batch


def stdin_texts(options: ReaderOptions) -> Iterator[str]:
    """The texts of the standard input, which is plain text: one a line, or the lines between blank lines.

    Raises UsageError where it is to be read as something else, DataError with the line that is not in the encoding.
    """
    from ulmus.corpus.documents import split

    told = {"format": options.format, "delimiter": options.delimiter, "split": options.split}
    for name, value in told.items():
        if value not in (None, "auto", "text"):
            raise UsageError(
                f"--{name} {value} is for files; the standard input is read as plain text. Write it to a file first."
            )
    if sys.stdin.isatty():
        note("Reading texts from the keyboard, one a line; Ctrl-D ends them.")
    yield from split(_stdin_lines(options.encoding), "blank" if options.documents == "blank" else "line")


def _stdin_lines(encoding: str) -> Iterator[str]:
    """The decoded lines of the standard input, as soon as they come."""
    from ulmus.corpus.streams import LARGEST_DOCUMENT, decoder, too_large

    name = "utf-8" if encoding == "auto" else encoding
    decoder(name)
    if "\n".encode(name) != b"\n":
        raise UsageError(f"the standard input is read line by line, which {name} does not allow. Use a file.")
    lines = iter(partial(sys.stdin.buffer.readline, LARGEST_DOCUMENT + 2), b"")
    for number, line in enumerate(lines, start=1):
        if len(line.rstrip(b"\r\n")) > LARGEST_DOCUMENT:
            raise too_large("the standard input", f"line {number:,}")
        if number == 1 and codecs.lookup(name).name == "utf-8":
            line = line.removeprefix(codecs.BOM_UTF8)
        try:
            text = line.decode(name)
        except UnicodeDecodeError as error:
            raise DataError(
                f"line {number} of the standard input is not {'UTF-8' if encoding == 'auto' else name} "
                f"(byte {error.start}: 0x{line[error.start]:02x}). "
                "Say its --encoding, or convert it first, e.g. with iconv -f latin1 -t utf8."
            ) from error
        yield from [text] if number > 1 or text.endswith("\n") else io.StringIO(text, newline="\r")


def parts(label: Label) -> tuple[str, ...]:
    """The labels of one text."""
    return (label,) if isinstance(label, str) else label


def listed(names: Iterable[str], most: int = 8) -> str:
    """Names for a message: the first few, and how many more."""
    every = [repr(name) for name in names]
    rest = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + rest


def character(delimiter: str | None) -> str | None:
    """What people can type in a shell for a tab."""
    return "\t" if delimiter in ("\\t", "tab") else delimiter


def _kind(path: Path) -> str:
    """The ending of the name without the compression: .csv for a.csv.gz."""
    if path.is_dir():
        return "folder"
    from ulmus.corpus.packing import plain_suffix

    return plain_suffix(path)


def _no_label(item: Source, rows: int) -> str:
    if item.label is None:
        return f"{item.path} has {rows:,} texts and no label. Name the column of the label with --label COL."
    empty = "is empty" if len(item.label_columns) == 1 else "are empty or 0"
    columns = listed(item.label_columns)
    return f"no row of {item.path} has a label: column {columns} {empty} in all {rows:,} rows."

"""Files -> texts and labels, by the options of the command line.

How: one `Source` per file from the shared reader options; every file is opened and its columns are checked
(`probe`) before any long work. Files of a different type than DATA (a plain text beside a csv) are read by their
own name.
Cost: labelled texts are held in memory; `Texts` streams and can be iterated over again. Knows no model and no ids.
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
from typing import TYPE_CHECKING, Any, NamedTuple

from ulmus.cli.options import ReaderOptions
from ulmus.cli.show import note
from ulmus.errors import DataError, UsageError

if TYPE_CHECKING:
    from ulmus.corpus.source import Source

Label = str | tuple[str, ...]
STDIN = Path("-")


class Labelled(NamedTuple):
    """The content of a labelled file; `unlabeled` are the texts of rows without a label.

    `beside` has the value of the kept column (`Source.keep`) for each labelled text; it is empty without one.
    """

    texts: list[str]
    labels: list[Label]
    unlabeled: list[str]
    beside: Sequence[Any] = ()


@dataclasses.dataclass(frozen=True)
class Columns:
    """The columns to read: several text columns are joined; several label columns hold 0 or 1 for one class each."""

    text: Sequence[str] = ()
    label: Sequence[str] = ()
    label_delimiter: str | None = None
    text_b: Sequence[str] = ()  # of the second text of a pair


class Texts:
    """The texts of several files, streamed again on each iteration: memory use is constant."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources

    def __iter__(self) -> Iterator[str]:
        from ulmus.corpus.source import read

        for source in self.sources:
            for record in read(source):
                yield record.text


def source(path: Path, options: ReaderOptions, columns: Columns, *, like: Path | None = None) -> Source:
    """How to read `path`. `like`: the file that the options were given for, if it is another one.

    Raises UsageError for a label delimiter with several label columns.
    """
    from ulmus.corpus.signatures import TABLES
    from ulmus.corpus.source import Source

    own, text, label = options, tuple(columns.text), tuple(dict.fromkeys(columns.label))
    text_b = tuple(columns.text_b)
    if len(label) > 1 and columns.label_delimiter is not None:
        raise UsageError(
            "several --label columns hold 0 or 1 each, so there is nothing to split. Remove --label-delimiter, or "
            "give only the one column that holds several labels."
        )
    if like is not None and _kind(path) != _kind(like):
        plain = _kind(path) not in ("folder", *TABLES)
        own = ReaderOptions(
            encoding=options.encoding, format="text" if plain else "auto", documents=options.documents
        )
        text, text_b = ((), ()) if plain else (text, text_b)
    return Source(
        path=path,
        text=text,
        text_b=text_b,
        label=label if len(label) > 1 else next(iter(label), None),
        label_delimiter=character(columns.label_delimiter),
        format=own.format,
        header={None: "auto", True: "yes", False: "no"}[own.header],
        delimiter=character(own.delimiter),
        quoting=own.quoting,
        encoding=own.encoding,
        documents=own.documents,
        split=own.split if like is None else None,
    )


def is_plain(path: Path, options: ReaderOptions) -> bool:
    """Whether a file is plain text, not a table or a folder, according to its name and `--format`."""
    from ulmus.corpus.signatures import TABLES

    return options.format == "text" or (options.format == "auto" and _kind(path) not in ("folder", *TABLES))


def probe(sources: Iterable[Source]) -> None:
    """Open every file and check its columns, so that errors come before the training and not after it."""
    from ulmus.corpus.source import read

    for item in sources:
        next(read(item))


def labelled(item: Source) -> Labelled:
    """The content of a labelled file. Raises DataError if no row has a label."""
    from ulmus.corpus.source import read

    content, beside = Labelled([], [], []), list[Any]()
    for record in read(item):
        if record.label is not None:  # () is a label: multi-label, none of the classes
            content.texts.append(record.text)
            content.labels.append(record.label)
            beside.extend(record.kept)
        else:
            content.unlabeled.append(record.text)
    if not any(content.labels):
        raise DataError(_no_label(item, len(content.texts) + len(content.unlabeled)))
    return content._replace(beside=tuple(beside))


def documents(item: Source | None, texts: list[str]) -> list[Any]:
    """The texts of a source as an estimator takes them: str, or (a, b) if its records are pairs."""
    from ulmus.fields import split_pair

    return [split_pair(text) for text in texts] if item is not None and item.pairs else texts


def known_only(given: Labelled, classes: Iterable[Label], name: str) -> tuple[Labelled, Counter[str]]:
    """`given` without the texts that have a label outside `classes`, and counts of these labels.

    Raises DataError if no text is left. `name`: the file, for the message.
    """
    known = {str(name) for name in classes}
    kept, unknown = Labelled([], [], given.unlabeled), Counter[str]()
    for text, label in zip(given.texts, given.labels, strict=True):
        outside = [part for part in parts(label) if part not in known]
        unknown.update(outside)
        if not outside:
            kept.texts.append(text)
            kept.labels.append(label)
    if not kept.texts:
        raise DataError(
            f"none of the labels in {name} is a class of the model. The file has {listed(unknown)}; "
            f"the model has {listed(sorted(known))}. Check the --label column."
        )
    return kept, unknown


def batches(item: Source | None, size: int, options: ReaderOptions) -> Iterator[list[str]]:
    """The texts of a file, or of the standard input (see `stdin_texts`), in lists of `size` texts."""
    if item is not None:
        from ulmus.corpus.source import read_batches

        for records in read_batches(item, size=size):
            yield [record.text for record in records]
        return
    texts = stdin_texts(options)
    while batch := list(islice(texts, size)):
        yield batch


def stdin_texts(options: ReaderOptions) -> Iterator[str]:
    """The texts of the standard input, which is plain text: one per line, or separated by blank lines.

    Raises UsageError for options that only apply to files, DataError for a line that is not in the encoding.
    """
    from ulmus.corpus.documents import split

    file_options = {"format": options.format, "delimiter": options.delimiter, "split": options.split}
    for name, value in file_options.items():
        if value not in (None, "auto", "text"):
            raise UsageError(
                f"--{name} {value} applies to files only; the standard input is read as plain text. "
                "Save it to a file first."
            )
    if sys.stdin.isatty():
        note("Reading texts from the keyboard, one per line; end with Ctrl-D.")
    yield from split(_stdin_lines(options.encoding), "blank" if options.documents == "blank" else "line")


def _stdin_lines(encoding: str) -> Iterator[str]:
    """The decoded lines of the standard input, as soon as they arrive."""
    from ulmus.corpus.streams import LARGEST_DOCUMENT, decoder, too_large

    name = "utf-8" if encoding == "auto" else encoding
    decoder(name)
    if "\n".encode(name) != b"\n":
        raise UsageError(
            f"the standard input is read line by line, which is not possible in {name}. Use a file."
        )
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
                "Specify its encoding with --encoding, or convert it first, e.g. with iconv -f latin1 -t utf8."
            ) from error
        yield from [text] if number > 1 or text.endswith("\n") else io.StringIO(text, newline="\r")


def parts(label: Label) -> tuple[str, ...]:
    """The labels of one text."""
    return (label,) if isinstance(label, str) else label


def listed(names: Iterable[str], most: int = 8) -> str:
    """Names for a message: the first `most`, and the number of the others."""
    quoted = [repr(name) for name in names]
    rest = f" and {len(quoted) - most} more" if len(quoted) > most else ""
    return ", ".join(quoted[:most]) + rest


def character(delimiter: str | None) -> str | None:
    """The delimiter, with `\\t` and `tab`, which can be typed in a shell, as a tab character."""
    return "\t" if delimiter in ("\\t", "tab") else delimiter


def _kind(path: Path) -> str:
    """The suffix without that of the compression (.csv for a.csv.gz), or `folder`."""
    if path.is_dir():
        return "folder"
    from ulmus.corpus.packing import plain_suffix

    return plain_suffix(path)


def _no_label(item: Source, rows: int) -> str:
    if item.label is None:
        return f"{item.path} has {rows:,} texts and no labels. Specify the label column with --label COL."
    empty = "is empty" if len(item.label_columns) == 1 else "are empty or 0"
    columns = listed(item.label_columns)
    return f"no row of {item.path} has a label: column {columns} {empty} in all {rows:,} rows."

"""Files of texts to label: written by `learning-curve --suggest`, filled in by a person, read by `--add`.

A csv with the text columns of the data, an empty label column, `reason` and `score`. Cells that a spreadsheet would run
as a formula are escaped, and taken back when they are read. Knows no model.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ulmus.cli import guard, inputs
from ulmus.cli.writers import csv_rows, escaped, unescaped

if TYPE_CHECKING:
    from ulmus.corpus.source import Source
    from ulmus.studies.suggestion import Suggestion

__all__ = ["CURVE", "NEXT", "Given", "Names", "named", "read_all", "write"]

_LABEL, _OWN = "label", ("reason", "score")


@dataclass
class Given:
    """N labelled texts with their groups, and M texts without a label with the cells to write them by."""

    texts: list[str] = field(default_factory=list)
    labels: list[inputs.Label] = field(default_factory=list)
    groups: list[Any] = field(default_factory=list)
    unlabeled: list[str] = field(default_factory=list)
    cells: list[tuple[str, ...]] = field(default_factory=list)  # as many as there are text columns


@dataclass(frozen=True)
class Names:
    """The columns of the data, and their names in a file of texts to label."""

    text: tuple[str, ...] = ()  # of the data; none if it is no table
    text_b: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    group: str | None = None

    @classmethod
    def of(cls, data: Source, *, group: str | None = None) -> Names:
        """The columns that a source is read from, a guessed text column included."""
        from ulmus.corpus.source import resolved

        used = resolved(data)
        if used.format in ("text", "folder"):
            return cls(group=group)
        return cls(used.columns, used.text_b, used.label_columns, group)

    @property
    def own(self) -> tuple[str, ...]:
        """The text columns of the data; none if it is no table."""
        return (*self.text, *self.text_b)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the text columns in a file of texts to label."""
        return tuple(map(named, self.own)) or ("text",)

    @property
    def label(self) -> str:
        """The names of the label columns there."""
        return ", ".join(self.label_columns)

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The label columns there."""
        return tuple(map(named, self.labels)) or (_LABEL,)

    def header(self) -> list[str]:
        """All columns of a file of texts to label."""
        known = (*self.columns, *self.label_columns)
        return [*known, *(name if name not in known else f"ulmus {name}" for name in _OWN)]

    def source(self, path: Path, label_delimiter: str | None) -> Source:
        """How to read a file of texts to label, whatever a spreadsheet has made of its delimiter."""
        from ulmus.corpus.source import Source

        first = len(self.text) or 1
        labels = self.label_columns
        return Source(
            path=path,
            text=self.columns[:first],
            text_b=self.columns[first:],
            label=labels if len(labels) > 1 else labels[0],
            label_delimiter=inputs.character(label_delimiter),
            header="yes",
        )


def read_all(data: Source, more: Sequence[Source], filled: Sequence[Source], names: Names) -> Given:
    """The texts of the data, of files without labels, and of files of texts to label.

    A row without a label counts as unlabelled; in a file of texts to label so does one that has none of several labels.
    """
    given = Given()
    groups = (names.group,) if names.group is not None else ()
    _read(given, data, names.own, groups)
    for source in more:
        _read(given, source, Names.of(source).own)
    before = set(given.unlabeled)
    for source in filled:
        found = Given()
        _read(found, source, names.columns, groups, to_fill=True)
        given.texts += found.texts
        given.labels += found.labels
        given.groups += found.groups
        for text, cells in zip(found.unlabeled, found.cells, strict=True):
            if text not in before:
                given.unlabeled.append(text)
                given.cells.append(cells)
    return given


def write(file: TextIO, names: Names, rows: Sequence[tuple[tuple[str, ...], Suggestion]]) -> None:
    """The cells of the suggested texts, with an empty label, as csv."""
    table = csv_rows(file)
    table.writerow(map(escaped, names.header()))
    for cells, suggestion in rows:
        empty = [""] * (len(names.columns) - len(cells) + len(names.label_columns))
        table.writerow([*map(escaped, cells), *empty, escaped(suggestion.reason), f"{suggestion.score:.4f}"])


def _read(
    given: Given,
    source: Source,
    columns: tuple[str, ...],
    groups: tuple[str, ...] = (),
    *,
    to_fill: bool = False,
) -> None:
    """Add the records of a source. `columns` are its text columns; none: it is no table.

    `to_fill`: a file of texts to label, whose cells are escaped, and where none of several labels means that nobody has
    labelled the text yet.
    """
    from ulmus.corpus.source import read

    for record in read(replace(source, keep=(*columns, *groups))):
        cells = tuple("" if cell is None else str(cell) for cell in record.kept[: len(columns)])
        text = record.text
        if to_fill:
            cells = tuple(map(unescaped, cells))
            text = _text(cells, source)
        if record.label is None or (to_fill and not record.label):
            given.unlabeled.append(text)
            given.cells.append(cells or (text,))
        else:
            given.texts.append(text)
            given.labels.append(record.label)
            given.groups.extend(record.kept[len(columns) :])


def _text(cells: Sequence[str], source: Source) -> str:
    """The text of a row, from the cells of its text columns, as `read` makes it."""
    from ulmus.fields import join_fields, join_pair

    if source.pairs:
        first = len(source.columns)
        return join_pair(" ".join(cells[:first]), " ".join(cells[first:]))
    return cells[0] if len(cells) == 1 else join_fields(cells)


def named(column: str) -> str:
    """The name of a column; numbers, which files without a header have, are no names."""
    return f"column {column}" if column.isdecimal() else column


def _is_curve(path: Path) -> bool:
    """Whether the file was written by `ulmus learning-curve --out`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"sizes", "scores", "law"} <= found.keys()


def _is_unfilled(path: Path) -> bool:
    """Whether the file has texts to label, and nobody has filled in a label yet: those are not to be lost."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, ValueError, csv.Error):
        return False
    if not rows or len(rows[0]) < 4 or not all(map(str.endswith, rows[0][-2:], _OWN)):
        return False
    return all(len(row) == len(rows[0]) and not row[-3].strip() for row in rows[1:])


CURVE = guard.Kind("learning curve", _is_curve, (".json",))
NEXT = guard.Kind("file of texts to label in which no label is filled in", _is_unfilled, (".csv",))

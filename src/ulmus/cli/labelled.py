"""The table of `ulmus label`: read with all its columns, and written again with the labels that people gave.

A row keeps its cells; a column of labels is filled where it was empty, or added; a column of names follows. The file
is written whole or not at all. Knows no page and no model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulmus.cli import guard, outputs, show
from ulmus.cli.to_label import named
from ulmus.cli.writers import cell_text, csv_rows, escaped
from ulmus.errors import DataError, UsageError

if TYPE_CHECKING:
    from ulmus.corpus.source import Source

__all__ = ["LABELLED", "Table", "journal_of", "read_table"]

_WHO = "who"


@dataclass(frozen=True)
class Table:
    """The N rows of a file: texts, labels (None: without), and the cells of all columns."""

    columns: tuple[str, ...]
    texts: list[str]
    labels: list[str | None]
    cells: list[tuple[Any, ...]]
    text: str  # name of the text column in the output
    label: str  # and of the labels

    def digest(self) -> str:
        """The SHA-256 of all texts in order."""
        found = hashlib.sha256()
        for text in self.texts:
            found.update(text.encode("utf-8", "surrogatepass") + b"\0")
        return found.hexdigest()

    def write(self, path: Path, answers: Sequence[tuple[str, str]]) -> None:
        """Write all rows with these (label, who), one for each row, as csv or lines of JSON. Raises StorageError.

        In csv a cell that a spreadsheet would run as a formula is escaped; JSON keeps every value.
        """
        with outputs.writing(path) as file:
            if path.suffix == ".jsonl":
                for row in self._rows(answers):
                    file.write(show.dumps(dict(zip(self._names(), row, strict=True))) + "\n")
                return
            table = csv_rows(file)
            table.writerow(map(escaped, self._names()))
            table.writerows([escaped(cell_text(value)) for value in row] for row in self._rows(answers))

    def _names(self) -> list[str]:
        names = [*self.columns, *([] if self.label in self.columns else [self.label])]
        return [
            *names,
            next(name for name in (_WHO, f"ulmus {_WHO}", f"{_WHO} labelled") if name not in names),
        ]

    def _rows(self, answers: Sequence[tuple[str, str]]) -> Iterator[list[Any]]:
        """The cells of each row; those without a label have None."""
        at = self.columns.index(self.label) if self.label in self.columns else len(self.columns)
        for cells, own, (label, who) in zip(self.cells, self.labels, answers, strict=True):
            yield [*cells[:at], own or label or None, *cells[at + 1 :], None if own else who or None]


def read_table(source: Source, label: str) -> Table:
    """All rows of a file; `label` is the column of labels, which it need not have.

    Raises DataError for a row with several labels, UsageError for a label column that is the text column.
    """
    from ulmus.corpus.source import columns_of, read, resolved

    used = resolved(source)
    names = columns_of(used)
    text, known = used.columns[0] if names else "text", label in names
    if label == text:
        raise UsageError(f"--label {label} is the text column. Give the labels another name.")
    table = Table(tuple(map(named, names)) or (text,), [], [], [], named(text), named(label))
    for record in read(replace(used, label=label if known else None, keep=names)):
        if known and isinstance(record.label, tuple):
            raise DataError(
                f"{source.path} has a list of labels in column {label!r}: expected one label a text, or none."
            )
        table.texts.append(record.text)
        table.labels.append(record.label if known and isinstance(record.label, str) else None)
        table.cells.append(record.kept if names else (record.text,))
    return table


def journal_of(path: Path) -> Path:
    """The journal beside a labelled file."""
    return path.with_name(f"{path.name}.journal.jsonl")


LABELLED = guard.Kind(
    "labelled file with its journal beside it", lambda path: journal_of(path).is_file(), (".csv", ".jsonl")
)

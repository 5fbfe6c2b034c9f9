"""Predictions -> csv, lines of JSON, or the one JSON object of `--json`; written batch by batch.

One class per format, with the same two methods: `write` a batch, `finish` with the summary. With `rows` the file
already holds so many, and no beginning is written. Memory use is constant. In csv a cell that a spreadsheet would run
as a formula is prefixed with an apostrophe (`escaped`); JSON values are unchanged. Knows no model and no file name.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import Any, Protocol, TextIO

from ulmus.cli import inputs, show

_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠].", re.DOTALL)  # a sign alone is a label, not a formula
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def escaped(cell: str) -> str:
    """The cell, prefixed with an apostrophe if a spreadsheet would take it for a formula; numbers are not."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def unescaped(cell: str) -> str:
    """The cell that `escaped` was given."""
    return cell[1:] if cell[:1] == "'" and escaped(cell[1:]) == cell else cell


def csv_rows(file: TextIO) -> Any:
    """A writer of csv rows that end with \\n, and in which every line end inside a cell is quoted."""
    return csv.writer(_Rows(file), lineterminator="\r\n")


def columns(classes: Sequence[str], keep: Sequence[str], name: str) -> list[str]:
    """The names of the columns, all different: row, the kept ones, the label's `name`, a probability per class."""
    own = ["row", name]
    kept = [f"input({name})" if name in own else name for name in keep]
    return ["row", *kept, name, *(f"p({name})" if name in {*own, *kept} else name for name in classes)]


class Writer(Protocol):
    """The interface of all formats."""

    rows: int  # texts written so far

    def write(
        self, labels: Sequence[inputs.Label | float], probabilities: Any, kept: Sequence[Sequence[Any]]
    ) -> None:
        """Append a batch of N predictions; `probabilities` is (N, C), `kept` holds N rows of kept columns."""

    def finish(self, summary: dict[str, Any]) -> None:
        """Write whatever follows the last prediction."""


class CsvWriter:
    """row,<kept columns>,label,<one column per class>; probabilities with 6 digits.

    `name` is the heading of the labels; numbers (regression) have no classes.
    """

    def __init__(
        self,
        file: TextIO,
        classes: list[str],
        keep: Sequence[str] = (),
        *,
        name: str = "label",
        rows: int = 0,
    ) -> None:
        self.rows = rows
        self._csv = csv_rows(file)
        if not rows:
            self._csv.writerow(map(escaped, columns(classes, keep, name)))

    def write(
        self, labels: Sequence[inputs.Label | float], probabilities: Any, kept: Sequence[Sequence[Any]]
    ) -> None:
        """Append one line per text; `probabilities` is (N, C)."""
        for label, row, cells in zip(labels, probabilities, kept, strict=True):
            texts = [escaped(text) for text in (*map(cell_text, cells), _label(label))]
            self._csv.writerow([self.rows, *texts, *(f"{value:.6f}" for value in row)])
            self.rows += 1

    def finish(self, summary: dict[str, Any]) -> None:
        """Write nothing: a csv file ends with its last row."""


class _Rows:
    """The file of a csv.writer, which quotes a lone carriage return only if its rows end with \\r\\n."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> None:
        """Append a row that ends with \\r\\n, with \\n instead."""
        self._file.write(row.removesuffix("\r\n") + "\n")


class JsonLinesWriter:
    """One object per line: row, kept (if columns are kept), label (a list if multi-label), probabilities.

    `name` is the key of the labels; numbers (regression) have no classes, and so no probabilities.
    """

    before, between, after = "", "\n", "\n"

    def __init__(
        self,
        file: TextIO,
        classes: list[str],
        keep: Sequence[str] = (),
        *,
        name: str = "label",
        rows: int = 0,
    ) -> None:
        self.rows = rows
        self._file, self._classes, self._keep, self._name = file, classes, keep, name
        if not rows:
            file.write(self.before)

    def write(
        self, labels: Sequence[inputs.Label | float], probabilities: Any, kept: Sequence[Sequence[Any]]
    ) -> None:
        """Append one object per text; `probabilities` is (N, C)."""
        for label, row, cells in zip(labels, probabilities, kept, strict=True):
            by_class = {name: round(float(value), 6) for name, value in zip(self._classes, row, strict=True)}
            copied = {"kept": dict(zip(self._keep, cells, strict=True))} if self._keep else {}
            shown = {"probabilities": by_class} if self._classes else {}
            value = round(label, 6) if isinstance(label, float) else label
            line = show.dumps({"row": self.rows, **copied, self._name: value, **shown})
            self._file.write((self.between if self.rows else "") + line)
            self.rows += 1

    def finish(self, summary: dict[str, Any]) -> None:  # noqa: ARG002 - this format has no summary
        """End the last line."""
        if self.rows:
            self._file.write(self.after)


class JsonWriter(JsonLinesWriter):
    """The one object of `--json` without `-o`: {"predictions": [...], "n": ...}."""

    before, between = '{"predictions": [', ", "

    def finish(self, summary: dict[str, Any]) -> None:
        """Close the list and add the summary."""
        self._file.write("], " + show.dumps(summary)[1:] + "\n")


def _label(label: inputs.Label | float) -> str:
    return f"{label:.6g}" if isinstance(label, float) else ",".join(inputs.parts(label))


def cell_text(value: Any) -> str:
    """A value of any table as the text of a csv cell; None is an empty cell."""
    if isinstance(value, (list, tuple, dict)):
        return show.dumps(value)
    return "" if value is None else str(value)

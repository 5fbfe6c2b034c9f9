"""Predictions -> csv, lines of JSON, or the one JSON object of `--json`; written as they come.

One class per format, with the same two methods: `write` a batch, `finish` with the summary. Memory does not
grow. Knows no model and no file name.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any, Protocol, TextIO

from ulmus.cli import inputs, show


class Writer(Protocol):
    """What the three formats have in common."""

    rows: int  # texts written so far

    def write(self, labels: Sequence[inputs.Label], probabilities: Any) -> None:
        """Append the N predictions of a batch; `probabilities` is (N, C)."""

    def finish(self, summary: dict[str, Any]) -> None:
        """Write what stands below the last one."""


class CsvWriter:
    """row,label,<one column per class>; probabilities with 6 digits."""

    def __init__(self, file: TextIO, classes: list[str]) -> None:
        self.rows = 0
        self._csv = csv.writer(file, lineterminator="\n")
        taken = {"row", "label"}
        self._csv.writerow(["row", "label", *(f"p({name})" if name in taken else name for name in classes)])
        self._file = file

    def write(self, labels: Sequence[inputs.Label], probabilities: Any) -> None:
        """Append one line per text."""
        for label, row in zip(labels, probabilities, strict=True):
            shown = ",".join(inputs.parts(label))
            self._csv.writerow([self.rows, shown, *(f"{value:.6f}" for value in row)])
            self.rows += 1

    def finish(self, summary: dict[str, Any]) -> None:
        """Nothing stands below the last line of a csv file."""


class JsonLinesWriter:
    """One object a line: row, label (a list where texts have several), probabilities by class."""

    before, between, after = "", "\n", "\n"

    def __init__(self, file: TextIO, classes: list[str]) -> None:
        self.rows = 0
        self._file, self._classes = file, classes
        file.write(self.before)

    def write(self, labels: Sequence[inputs.Label], probabilities: Any) -> None:
        """Append one object per text."""
        for label, row in zip(labels, probabilities, strict=True):
            shares = {name: round(float(value), 6) for name, value in zip(self._classes, row, strict=True)}
            line = show.dumps({"row": self.rows, "label": label, "probabilities": shares})
            self._file.write((self.between if self.rows else "") + line)
            self.rows += 1

    def finish(self, summary: dict[str, Any]) -> None:  # noqa: ARG002 - lines have no place for a summary
        """End the last line."""
        if self.rows:
            self._file.write(self.after)


class JsonWriter(JsonLinesWriter):
    """The one object of `--json` without `-o`: {"predictions": [...], "n": ...}."""

    before, between = '{"predictions": [', ", "

    def finish(self, summary: dict[str, Any]) -> None:
        """Close the list and add the summary."""
        self._file.write("], " + show.dumps(summary)[1:] + "\n")

"""Entities of texts -> csv, lines of JSON, or the one JSON object of `--json`; written batch by batch.

One class per format, with the same two methods: `write` a batch, `finish` with the summary. Memory use is constant.
In csv a cell that a spreadsheet would run as a formula is prefixed with an apostrophe; JSON values are unchanged. Knows
no model.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ulmus.cli import outputs, show
from ulmus.cli.writers import escaped

if TYPE_CHECKING:
    from ulmus.tasks.tagger.fitted import Span

__all__ = ["CsvSpans", "JsonSpans", "span_writer"]

COLUMNS = ["row", "start", "end", "label", "text", "score"]


class CsvSpans:
    """One line per entity; texts without one have none."""

    def __init__(self, file: TextIO) -> None:
        self.rows = 0
        self._csv = csv.writer(file, lineterminator="\n")
        self._csv.writerow(COLUMNS)

    def write(self, found: Sequence[Sequence[Span]]) -> None:
        """Append the entities of a batch of texts."""
        for spans in found:
            for start, end, label, text, score in spans:
                self._csv.writerow([self.rows, start, end, escaped(label), escaped(text), f"{score:.6f}"])
            self.rows += 1

    def finish(self, summary: dict[str, Any]) -> None:
        """Write nothing: a csv file ends with its last row."""


class JsonSpans:
    """One object per text: row, spans; `whole`: all of them in one object, with the summary."""

    def __init__(self, file: TextIO, *, whole: bool = False) -> None:
        self.rows = 0
        self._file, self._whole = file, whole
        self._file.write('{"predictions": [' * whole)

    def write(self, found: Sequence[Sequence[Span]]) -> None:
        """Append one object per text."""
        for spans in found:
            kept = [{**span._asdict(), "score": round(span.score, 6)} for span in spans]
            between = ", " if self._whole and self.rows else ""
            self._file.write(
                between + show.dumps({"row": self.rows, "spans": kept}) + "\n" * (not self._whole)
            )
            self.rows += 1

    def finish(self, summary: dict[str, Any]) -> None:
        """Close the list, if there is one, and add the summary."""
        if self._whole:
            self._file.write("], " + show.dumps(summary)[1:] + "\n")


@contextmanager
def span_writer(output: Path | None, *, json: bool) -> Iterator[CsvSpans | JsonSpans]:
    """The writer for a file, or for standard output, as csv or as the one object of `--json`."""
    if output is not None:
        with outputs.writing(output) as file:
            yield JsonSpans(file) if output.suffix == ".jsonl" else CsvSpans(file)
        return
    yield JsonSpans(sys.stdout, whole=True) if json else CsvSpans(sys.stdout)
    sys.stdout.flush()

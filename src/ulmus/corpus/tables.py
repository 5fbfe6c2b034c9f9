"""csv and tsv -> batches of the columns that are wanted, streamed.

How: through pyarrow's reader in record batches. Everything csv-like is read as text.
Costs: one block (16 MB) or row batch in memory. Knows columns and cells, no labels and no rules.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from ulmus.corpus.schema import ROWS, USUAL_TEXT, Cells, Choose, find_columns
from ulmus.corpus.streams import open_text
from ulmus.errors import DataError, UsageError

__all__ = ["Dialect", "read_csv", "sniff"]

_BLOCK = 16 << 20  # bytes; no row of a csv file may be longer
_SAMPLE = 1 << 20  # bytes looked at to guess the dialect


@dataclass(frozen=True)
class Dialect:
    """How a csv-like file is written: one character parts cells, `"` may enclose them, the first row may name them."""

    delimiter: str
    quoting: bool
    header: bool
    names: tuple[str, ...]


def sniff(
    sample: bytes,
    wanted: Sequence[str],
    *,
    delimiter: str | None = None,
    quoting: bool | None = None,
    header: str = "auto",
) -> Dialect:
    """The dialect of a file from its first bytes, where it is not given.

    header "auto": the first row is one when it holds a wanted name. Numbers as names, or none at all, say nothing:
    then it is one when it holds a usual name of a text column. quoting None: on for commas and semicolons; for
    tabs only when every cell with a quotation mark is properly enclosed.
    """
    text = sample.decode("utf-8", "ignore")
    first = text.split("\n", 1)[0]
    if delimiter is None:
        delimiter = max("\t,;|", key=lambda sign: (first.count(sign), -"\t,;|".index(sign)))
        delimiter = delimiter if delimiter in first else ","
    if len(delimiter) != 1:
        raise UsageError(f"the delimiter is one character such as , or ; or a tab; got {delimiter!r}.")
    if quoting is None:
        quoting = delimiter != "\t" or _is_enclosed(text, delimiter)
    rows = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE,
    )
    csv.field_size_limit(max(csv.field_size_limit(), _BLOCK))
    row = next((row for row in rows if row), [""])
    if header == "auto":
        named = any(name in row for name in wanted)
        numbered = all(name.isdigit() for name in wanted)
        usual = any(name.strip().lower() in USUAL_TEXT for name in row)
        header = "yes" if named or usual or not numbered else "no"
    names = row if header == "yes" else [str(i) for i in range(len(row))]
    return Dialect(delimiter, quoting, header == "yes", tuple(name.strip() for name in names))


def _is_enclosed(text: str, delimiter: str) -> bool:
    """Whether every cell with a quotation mark in the first 200 lines is enclosed by two, those inside doubled."""
    cells = [
        cell for line in text.split("\n")[:200] for cell in line.rstrip("\r").split(delimiter) if '"' in cell
    ]
    return bool(cells) and all(
        len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', "")
        for cell in cells
    )


def read_csv(path: Path, choose: Choose, *, encoding: str, dialect: Dialect) -> Iterator[Cells]:
    """The wanted columns of a csv-like file in batches, all cells as text (an empty cell is "")."""
    positions = find_columns(dialect.names, choose(dialect.names), path, by_number=True)
    numbers = [str(i) for i in range(len(dialect.names))]
    read = pa_csv.ReadOptions(
        use_threads=False,
        block_size=_BLOCK,
        column_names=numbers,
        skip_rows_after_names=int(dialect.header),
    )
    parse = pa_csv.ParseOptions(
        delimiter=dialect.delimiter,
        quote_char='"' if dialect.quoting else False,
        newlines_in_values=dialect.quoting,
        ignore_empty_lines=len(numbers) > 1,
    )
    convert = pa_csv.ConvertOptions(
        column_types=dict.fromkeys(numbers, pa.string()),
        include_columns=[numbers[i] for i in dict.fromkeys(positions)],
        strings_can_be_null=False,
        check_utf8=False,  # the stream has checked it
    )
    with open_text(path, encoding) as stream:
        try:
            for batch in pa_csv.open_csv(stream, read, parse, convert):
                for i in range(0, batch.num_rows, ROWS):
                    part = batch.slice(i, ROWS)
                    yield [part.column(numbers[p]).to_pylist() for p in positions]
        except pa.ArrowInvalid as error:
            raise DataError(
                f"{path} cannot be read as a table with {len(numbers)} columns parted by {dialect.delimiter!r}, "
                f"quoting {'on' if dialect.quoting else 'off'}: {str(error)[:300]}. Mend the row, or say the "
                "delimiter and quoting."
            ) from error

"""Results -> stdout: a table for people, one JSON object for programs; notes -> stderr.

How: rich draws tables; if stdout is not a terminal, they are plain ASCII, without colours, 200 characters wide.
JSON is ASCII with null for NaN, so that it passes every pipe. Everything shown to people passes
`terminal.printable`: no label, file name or model card can send control characters.
Knows no command and no model. Cost: the import of rich, when a table is drawn.
"""

from __future__ import annotations

import json
import math
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from ulmus.config import json_value
from ulmus.errors import DataWarning
from ulmus.terminal import printable

_PIPE_WIDTH = 200  # characters
# key of a report -> heading of its column
SCORES = {"accuracy": "accuracy", "micro_f1": "micro F1", "macro_f1": "macro F1"}
_LISTED = 12  # items of a list that are shown


def rank() -> int:
    """The number of this process under torchrun or a compatible launcher; 0 for the first, which alone reports."""
    return int(os.environ.get("RANK", "0")) if several() else 0


def several() -> bool:
    """Whether a launcher started several processes."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def note(message: str) -> None:
    """Print a message on stderr, once if there are several processes."""
    if not rank():
        typer.echo(printable(message, lines=True), err=True)


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Turn each different DataWarning into one note; other warnings are unchanged."""
    seen: set[str] = set()
    with warnings.catch_warnings():
        shown = warnings.showwarning
        warnings.simplefilter("always", DataWarning)

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, DataWarning):
                shown(message, category, *where, **more)
            elif str(message) not in seen:
                seen.add(str(message))
                note(f"Warning: {message}")

        warnings.showwarning = show
        yield


def say(message: str) -> None:
    """Print one or more lines of a result on stdout."""
    typer.echo(printable(message, lines=True))


def as_json(value: Any) -> None:
    """Print the one JSON object of `--json`."""
    typer.echo(dumps(value))


def dumps(value: Any) -> str:
    """ASCII JSON in one line; numpy numbers become numbers, NaN and infinity null."""
    return json.dumps(json_value(value), allow_nan=False, default=str)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> None:
    """Draw a table on stdout: the first column left-aligned, the others right-aligned if they are `numbers`."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    tty = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if tty else _PIPE_WIDTH, highlight=False)
    drawn = Table(box=box.SIMPLE_HEAD if tty else box.ASCII2)
    for number, column in enumerate(columns):
        drawn.add_column(
            Text(printable(column)), justify="right" if number and numbers else "left", overflow="fold"
        )
    for row in rows:
        drawn.add_row(*(Text(printable(cell)) for cell in row))
    console.print(drawn)


def scores(parts: Mapping[str, Mapping[str, float]], title: str) -> None:
    """Draw a table of accuracies and F1 scores, one row per part of a classifier."""
    columns = {key: name for key, name in SCORES.items() if any(key in row for row in parts.values())}
    rows = [[name, *(percent(row.get(key)) for key in columns)] for name, row in parts.items()]
    table([title, *columns.values()], rows)


def percent(value: float | None) -> str:
    """A fraction as a percentage: 0.8731 -> 87.3 %; None and NaN -> a dash."""
    return "-" if value is None or math.isnan(value) else f"{100 * value:.1f} %"


def seconds(value: float) -> str:
    """A duration: 4.2 s, 3 min 20 s, 1 h 02 min."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def flat(nested: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested dicts as (dotted key, value) pairs."""
    rows: list[tuple[str, Any]] = []
    for key, item in nested.items():
        name = f"{prefix}{key}"
        rows.extend(flat(item, f"{name}.") if isinstance(item, Mapping) and item else [(name, item)])
    return rows


def value(item: Any) -> str:
    """A table cell: a number with four significant digits, the first items of a list."""
    if isinstance(item, (list, tuple)):
        rest = f" and {len(item) - _LISTED} more" if len(item) > _LISTED else ""
        return ", ".join(str(part) for part in item[:_LISTED]) + rest or "-"
    return f"{item:.4g}" if isinstance(item, float) else str(item)

"""Results -> stdout: a table for people, one JSON object for programs; what is said on the way -> stderr.

How: rich draws tables; where stdout is not a terminal their frames are plain ASCII, without colours, 200 wide.
JSON holds no NaN (null instead) and only ASCII, so that it passes every pipe. Whatever is shown to people passes
`terminal.printable`: no label, name or card sends a control character.
Knows no command and no model. Costs the import of rich, when a table is drawn.
"""

from __future__ import annotations

import json
import math
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
_LISTED = 12  # names shown of a list


def note(message: str) -> None:
    """Say something to the user, beside the result."""
    typer.echo(printable(message, lines=True), err=True)


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """What the reader warns of becomes a note, each once; other warnings stay what they are."""
    told: set[str] = set()
    with warnings.catch_warnings():
        shown = warnings.showwarning
        warnings.simplefilter("always", DataWarning)

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, DataWarning):
                shown(message, category, *where, **more)
            elif str(message) not in told:
                told.add(str(message))
                note(f"Warning: {message}")

        warnings.showwarning = show
        yield


def say(message: str) -> None:
    """A line, or several, of the result for people."""
    typer.echo(printable(message, lines=True))


def as_json(value: Any) -> None:
    """Print the one JSON object of `--json`."""
    typer.echo(dumps(value))


def dumps(value: Any) -> str:
    """ASCII JSON in one line; numpy numbers become numbers, NaN and infinity null."""
    return json.dumps(json_value(value), allow_nan=False, default=str)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> None:
    """Draw a table on stdout: the first column to the left, the others too unless they are numbers."""
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
    """A table of accuracies and F1, one row for each way to classify."""
    known = {"accuracy": "accuracy", "micro_f1": "micro F1", "macro_f1": "macro F1"}
    columns = {key: name for key, name in known.items() if any(key in row for row in parts.values())}
    rows = [[name, *(percent(row.get(key)) for key in columns)] for name, row in parts.items()]
    table([title, *columns.values()], rows)


def percent(value: float | None) -> str:
    """A share as people write it: 0.8731 -> 87.3 %; unknown -> a dash."""
    return "-" if value is None or math.isnan(value) else f"{100 * value:.1f} %"


def seconds(value: float) -> str:
    """A duration: 4.2 s, 3 min 20 s, 1 h 02 min."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def flat(nested: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested tables as dotted keys."""
    rows: list[tuple[str, Any]] = []
    for key, item in nested.items():
        name = f"{prefix}{key}"
        rows.extend(flat(item, f"{name}.") if isinstance(item, Mapping) and item else [(name, item)])
    return rows


def value(item: Any) -> str:
    """A cell of a table: four digits of a number, the first names of a list."""
    if isinstance(item, (list, tuple)):
        rest = f" and {len(item) - _LISTED} more" if len(item) > _LISTED else ""
        return ", ".join(str(part) for part in item[:_LISTED]) + rest or "-"
    return f"{item:.4g}" if isinstance(item, float) else str(item)

"""Rows of named columns that look right in a notebook (HTML) and anywhere else (aligned text).

Texts are escaped and shortened for show; `rows` has them whole. Knows no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ulmus.evaluation.markup import STYLE, safe, shortened, table
from ulmus.terminal import printable

__all__ = ["Listing", "facts"]

_CHARACTERS = 300  # of a text that are shown in HTML
_WIDTH = 60  # characters of a cell in plain text


@dataclass(frozen=True)
class Listing:
    """A title, the names of the columns, and rows of as many cells: texts, labels, numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows by column, as pandas or polars take them."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def _repr_html_(self) -> str:
        """The table in a notebook."""
        numbers = [i for i in range(len(self.columns)) if all(_is_number(row[i]) for row in self.rows)]
        rows = [[_html(cell) for cell in row] for row in self.rows]
        drawn = table(rows, [safe(name) for name in self.columns], numbers=numbers, name=self.title)
        return f'<style>{STYLE}</style><div class="ulmus"><p><b>{safe(self.title)}</b></p>{drawn}</div>'

    def __repr__(self) -> str:
        cells = [self.columns, *(tuple(map(_plain, row)) for row in self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        lines = [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        return "\n".join([self.title, *lines])


def facts(title: str, named: Iterable[tuple[str, str]], *listings: Listing) -> str:
    """HTML of names with what they stand for, and of tables under it; for a notebook."""
    rows: list[Sequence[str]] = [(safe(name), safe(text)) for name, text in named if text]
    body = table(rows, numbers=())
    under = "".join(listing._repr_html_() for listing in listings if listing.rows)
    return f'<style>{STYLE}</style><div class="ulmus"><p><b>{safe(title)}</b></p>{body}</div>{under}'


def _html(cell: Any) -> str:
    text = shortened(cell, _CHARACTERS) if isinstance(cell, str) else _plain(cell)
    return f'<span dir="auto">{safe(text)}</span>' if isinstance(cell, str) else safe(text)


def _plain(cell: Any) -> str:
    if isinstance(cell, float):
        return f"{cell:.4g}"
    if isinstance(cell, tuple):
        cell = ", ".join(map(str, cell))
    return shortened(printable("" if cell is None else str(cell)), _WIDTH)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)

"""Pairs of texts in any common form: a list of (a, b), an array (N, 2), a table of two columns.

Each becomes one text with two fields (`fields.join_pair`), so that all else deals with texts alone. Knows no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ulmus.corpus.columns import as_list, as_texts
from ulmus.errors import UsageError
from ulmus.fields import join_pair

__all__ = ["Documents", "as_documents"]


class Documents(NamedTuple):
    """N texts, or N pairs of texts, each joined into one."""

    texts: list[str]
    pairs: bool


def as_documents(values: Any, what: str = "texts", *, pairs: bool | None = None) -> Documents:
    """Texts as for `as_texts`, or pairs of them.

    `pairs` says which of them a model takes; None: either. Raises UsageError for anything else.
    """
    both = _of_table(values) if _is_table(values) else _of_rows(values, what)
    if both is None:
        texts = as_texts(values, what)
        if pairs and texts:
            raise UsageError(
                f"{what}: this model takes pairs of texts: expected [(a, b), ...] or a table of two columns, got "
                "single texts. On the command line, give both columns: --text COL --text-b COL."
            )
        return Documents(texts, bool(pairs))
    if pairs is False:
        raise UsageError(f"{what}: this model takes single texts, got pairs. Give one column of texts.")
    first, second = (as_texts(column, what) for column in both)
    return Documents(list(map(join_pair, first, second)), pairs=True)


def _is_table(values: Any) -> bool:
    return not isinstance(values, Mapping) and tuple(getattr(values, "shape", ()))[1:] == (2,)


def _of_table(values: Any) -> tuple[Any, Any]:
    """The two columns of a table or an array (N, 2)."""
    if hasattr(values, "iloc"):  # pandas
        return values.iloc[:, 0], values.iloc[:, 1]
    if hasattr(values, "columns") and not callable(values.columns):  # Arrow; polars
        first, second = (values[name] if isinstance(name, str) else name for name in values.columns)
        return first, second
    return values[:, 0], values[:, 1]


def _of_rows(values: Any, what: str) -> tuple[list[Any], list[Any]] | None:
    """The two columns of a list of pairs; None if its first row is none."""
    if isinstance(values, (str, bytes, Mapping)) or len(getattr(values, "shape", (0,))) != 1:
        return None
    rows = as_list(values, what)
    if not rows or not isinstance(rows[0], (tuple, list, np.ndarray)):
        return None
    for i, row in enumerate(rows):
        if not isinstance(row, (tuple, list, np.ndarray)) or len(row) != 2:
            raise UsageError(
                f"{what}: expected pairs of texts, (a, b), got {str(row)[:40]!r} at position {i}."
            )
    return [row[0] for row in rows], [row[1] for row in rows]

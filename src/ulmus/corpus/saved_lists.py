"""Lists saved as text -> their members: `['joy', 'anger']` in a csv file written by pandas.

Parsed with a regular expression and unescaped character by character; nothing is evaluated. Knows no columns.
"""

from __future__ import annotations

import re

from ulmus.errors import DataError

__all__ = ["looks_saved", "saved_list"]

_ESCAPE = r"\\(?:[\\'\"/abfnrtv]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})"
_QUOTED = rf"'(?:[^'\\]|{_ESCAPE})*'|\"(?:[^\"\\]|{_ESCAPE})*\""
_NUMBER = r"[+-]?\d+(?:\.\d*)?"
_ITEM = re.compile(rf"\s*(?:({_QUOTED})|({_NUMBER}))\s*(,|(?=\s|$)|$)")
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_EMPTY = {"set()", "frozenset()", "[]", "()", "{}"}
# Anything else that starts like this is a truncated list, or one of other values than strings.
_BEGUN = re.compile(r"[\[({]\s*['\"]")
_CONTROL = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def saved_list(cell: str) -> tuple[str, ...] | None:
    """The members of a list, tuple, set or array of strings or numbers saved as text; None for any other cell.

    Members are quoted strings or numbers, separated by commas or (numpy) white space.
    Raises DataError for a cell that starts like such a list but is not one.
    """
    cell = cell.strip()
    members = () if cell in _EMPTY else _members(cell)
    if members is None and _BEGUN.match(cell):
        raise DataError(
            f"the cell {cell[:60]!r} looks like a saved list of labels but cannot be parsed. "
            "Expected strings or numbers in brackets, such as ['joy', 'anger']."
        )
    return members


def looks_saved(label: object) -> bool:
    """Whether a single label looks like a saved list: it has quotation marks, or more than one member."""
    if not isinstance(label, str):
        return False
    members = _members(label.strip())
    return members is not None and (len(members) > 1 or "'" in label or '"' in label)


def _members(cell: str) -> tuple[str, ...] | None:
    if not cell or _BRACKETS.get(cell[0]) != cell[-1]:
        return None
    inner, at, members = cell[1:-1].rstrip(), 0, list[str]()
    if cell[0] == "(" and not set(inner) & set(",'\""):
        return None  # a remark in parentheses, not a tuple
    if not inner.strip():
        return ()
    while at < len(inner):
        item = _ITEM.match(inner, at)
        if item is None or item.end() == at:
            return None
        quoted, number, _ = item.groups()
        members.append(number if quoted is None else _unescaped(quoted[1:-1]))
        at = item.end()
    return tuple(members)


def _unescaped(text: str) -> str:
    def character(escape: re.Match[str]) -> str:
        code = escape[0][1:]
        return chr(int(code[1:], 16)) if len(code) > 1 else _CONTROL.get(code, code)

    plain = re.sub(_ESCAPE, character, text)
    return plain.encode("utf-16", "surrogatepass").decode(
        "utf-16", "surrogatepass"
    )  # JSON escapes surrogate pairs

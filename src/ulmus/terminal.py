"""Untrusted text -> text that is safe to print on a terminal: control characters are escaped; lines of progress.

A label, a file name or a model card from elsewhere can contain escape sequences that move the cursor, change the
window title, or reverse the writing direction; here they are shown as in a Python string literal (`\\x1b`). All
messages go through `printable`; data that a command writes (csv, JSON) do not. `use_utf8` makes the standard
streams UTF-8 regardless of the locale. `Live` shows how far a long task has got. Knows nothing else.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, TextIO

__all__ = ["Live", "in_notebook", "printable", "use_utf8"]

# C0 controls, DEL, C1 controls, line and paragraph separators, directional embeddings, overrides and isolates,
# lone surrogates, which no encoding accepts
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LAYOUT = "\n\t"


def printable(text: str, *, lines: bool = False) -> str:
    """The text with control characters and lone surrogates escaped; `lines` keeps newlines and tabs."""
    return _UNSAFE.sub(lambda match: _shown(match[0], lines), text)


def use_utf8() -> None:
    """Make stdout and stderr UTF-8 with \\n line endings; characters that cannot be encoded are escaped."""
    for stream in (sys.stdout, sys.stderr):
        # a program may have replaced the stream by another object
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")


class Live:
    """One line of progress: updated in place on a terminal and in a notebook, elsewhere a new line every `every_s`.

    `due` says whether it is time to show something; `keep` writes a line that stays; `end` removes the one that was
    updated in place. In a notebook all of it is one output of the cell, in plain text.
    """

    def __init__(self, stream: TextIO | None = None, *, every_s: float = 15.0) -> None:
        self._out = stream or sys.stderr
        self._display = in_notebook() if stream is None else None
        self.in_place = self._display is not None or self._out.isatty()
        self._every_s = 0.5 if self.in_place else every_s
        self._shown_s = time.monotonic()
        self._kept: list[str] = []  # the lines that stay in a notebook
        self._line = ""
        self._handle: Any = None  # of the output of the cell

    def due(self) -> bool:
        """Whether the line is older than half a second, or `every_s` where each is a new one."""
        return time.monotonic() - self._shown_s >= self._every_s

    def show(self, text: str) -> None:
        """Show this text instead of the last one."""
        self._shown_s, self._line = time.monotonic(), printable(text)
        if self._display is not None:
            self._update()
        else:
            self._write(f"\r{self._line}\x1b[K" if self.in_place else f"{self._line}\n")

    def keep(self, text: str) -> None:
        """Write a line that stays."""
        if self._display is not None:
            self._kept.append(printable(text))
            self._update()
        else:
            self._write(f"\r{printable(text)}\x1b[K\n" if self.in_place else f"{printable(text)}\n")

    def end(self) -> None:
        """Remove the line from a terminal or a notebook."""
        shown, self._line = self._line, ""
        if self._display is not None and shown:
            self._update()
        elif self.in_place and shown:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()

    def _update(self) -> None:
        shown = {"text/plain": "\n".join([*self._kept, self._line]).rstrip("\n")}
        if self._handle is None and self._display is not None:
            self._handle = self._display(shown, raw=True, display_id=True)
        elif self._handle is not None:
            self._handle.update(shown, raw=True)


def in_notebook() -> Callable[..., Any] | None:
    """IPython's `display` if this process is the kernel of a notebook, else None. Loads nothing that is not loaded."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is None:
        return None
    display: Callable[..., Any] = import_module("IPython.display").display
    return display


def _shown(character: str, lines: bool) -> str:
    keep = lines and character in _LAYOUT
    return character if keep else character.encode("unicode_escape").decode("ascii")

"""Untrusted text -> text that is safe to print on a terminal: control characters are escaped.

A label, a file name or a model card from elsewhere can contain escape sequences that move the cursor, change the
window title, or reverse the writing direction; here they are shown as in a Python string literal (`\\x1b`). All
messages go through `printable`; data that a command writes (csv, JSON) do not. `use_utf8` makes the standard
streams UTF-8 regardless of the locale. Knows nothing else.
"""

from __future__ import annotations

import re
import sys

__all__ = ["printable", "use_utf8"]

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


def _shown(character: str, lines: bool) -> str:
    keep = lines and character in _LAYOUT
    return character if keep else character.encode("unicode_escape").decode("ascii")

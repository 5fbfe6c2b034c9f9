"""Text of any origin -> what may be sent to a terminal: control characters are shown, never sent.

A label, a file name or the card of a foreign model can hold escape sequences that move the cursor, change the
title of the window, or turn the direction of reading; here they become what a Python string literal would show
(`\\x1b`). Everything that people are told goes through `printable`; data that a command writes (csv, JSON) does not.
`use_utf8` makes the standard streams UTF-8 whatever the locale says. Knows nothing else.
"""

from __future__ import annotations

import re
import sys

__all__ = ["printable", "use_utf8"]

# C0 controls, DEL, C1 controls, line and paragraph separators, embeddings, overrides and isolates of the direction,
# halves of surrogate pairs, which no encoding takes
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LAYOUT = "\n\t"


def printable(text: str, *, lines: bool = False) -> str:
    """The text with every control character and lone surrogate as its escape; newlines and tabs stay with `lines`."""
    return _UNSAFE.sub(lambda found: _shown(found[0], lines), text)


def use_utf8() -> None:
    """Make stdout and stderr UTF-8 with plain newlines; what cannot be encoded is escaped and raises nothing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where a program has put another object in its place
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")


def _shown(character: str, lines: bool) -> str:
    keep = lines and character in _LAYOUT
    return character if keep else character.encode("unicode_escape").decode("ascii")

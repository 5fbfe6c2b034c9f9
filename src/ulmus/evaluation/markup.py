"""What all pages of HTML share: escaping, one style sheet, tables, and the frame of a page.

No script and nothing from elsewhere: a policy in each page says so to the browser. Every text is escaped; control
characters and changes of the writing direction are shown as escapes. Colours follow the light or dark theme of the
reader. Knows no result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from ulmus.terminal import printable

__all__ = ["PAGE", "STYLE", "document", "generator", "safe", "shortened", "table"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
STYLE = """
.ulmus{color-scheme:light dark;--for:20 110 220;--against:230 110 0;--line:128 128 128;
 font:15px/1.65 system-ui,sans-serif;max-width:60em;margin:0 0 2em}
.ulmus .text{white-space:pre-wrap;overflow-wrap:anywhere;margin:.6em 0}
.ulmus .text span{border-radius:3px;padding:1px 0}
.ulmus .for{background:rgb(var(--for)/var(--a))}
.ulmus .against{background:rgb(var(--against)/var(--a))}
.ulmus table{border-collapse:collapse;margin:.4em 0;font-size:13px;line-height:1.4}
.ulmus td,.ulmus th{padding:1px 12px 1px 0;text-align:left;font-weight:normal;vertical-align:top;background:none}
.ulmus .n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.ulmus .bar{display:inline-block;height:.7em;border-radius:2px;background:rgb(var(--for)/.7)}
.ulmus .note{font-size:13px;opacity:.8}
.ulmus summary{cursor:pointer}
@media (prefers-color-scheme:dark){.ulmus{--for:70 150 255;--against:255 140 30}}
""".strip()
PAGE = """
:root{color-scheme:light dark}
body{margin:2em auto;max-width:60em;padding:0 1em;background:#fff;color:#1b1b1b}
@media (prefers-color-scheme:dark){body{background:#161618;color:#e6e6e6}}
""".strip()


def generator(command: str) -> str:
    """The element by which a page of this command is recognised."""
    return f'<meta name="generator" content="{command}">'


def document(title: str, body: str, *, mark: str, style: str = "") -> str:
    """A whole page around a body of HTML; `mark` is an element for its head, `style` comes after the shared sheet."""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{mark}\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{safe(title)}</title>\n<style>\n{STYLE}\n{PAGE}\n{style}\n</style>\n</head>\n<body>\n"
        f"{body}\n</body>\n</html>\n"
    )


def table(
    rows: Iterable[Sequence[str]], head: Sequence[str] = (), *, numbers: Sequence[int] = (1,), name: str = ""
) -> str:
    """Rows of escaped cells; those of the columns `numbers` are aligned to the right. Nothing without rows.

    With a `head` the first cell of a row names it, and a wide table is scrolled by itself; `name` says what it is.
    """

    def row(cells: Sequence[str], tag: str, scope: str = "") -> str:
        made = []
        for i, cell in enumerate(cells):
            own = "th" if tag == "td" and head and i == 0 else tag
            attribute = (scope or ' scope="row"') if own == "th" else ""
            attribute += ' class="n"' if i in numbers else ""
            made.append(f"<{own}{attribute}>{cell}</{own}>")
        return f"<tr>{''.join(made)}</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    if not body:
        return ""
    if not head:
        return f"<table>{body}</table>"
    top = row(head, "th", ' scope="col"')
    region = f'<div class="wide" role="region" tabindex="0" aria-label="{safe(name)}">'
    return f"{region}<table><thead>{top}</thead><tbody>{body}</tbody></table></div>"


def shortened(text: str, most: int) -> str:
    """The text, or its first `most` characters and an ellipsis."""
    return text if len(text) <= most else text[:most] + " …"


def safe(text: Any) -> str:
    """The text as HTML."""
    return escape(printable(str(text), lines=True))

"""Explanations -> HTML: a fragment for notebooks, or a page of its own.

No script, nothing from elsewhere; every text and class is escaped, control characters and changes of the writing
direction are shown as escapes. Colours follow the light or dark theme of the reader; what they say is in numbers too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from ulmus.evaluation.explanation import Explanation
from ulmus.terminal import printable

__all__ = ["MARK", "fragment", "page"]

MARK = '<meta name="generator" content="ulmus explain">'  # by which a page is recognised
CLASSES = 6  # that get a text of their own, the most probable ones
LISTED = 8  # of the strongest tokens
SHORT = 60  # characters of a segment in a table
STRONGEST = 0.55  # opacity of the colour of the strongest token
_FOR, _AGAINST = (f'<span class="{kind}" style="--a:.4">{kind}</span>' for kind in ("for", "against"))
_STYLE = """
.ulmus{color-scheme:light dark;--for:20 110 220;--against:230 110 0;--line:128 128 128;
 font:15px/1.65 system-ui,sans-serif;max-width:60em;margin:0 0 2em}
.ulmus .text{white-space:pre-wrap;overflow-wrap:anywhere;margin:.6em 0}
.ulmus .text span{border-radius:3px;padding:1px 0}
.ulmus .for{background:rgb(var(--for)/var(--a))}
.ulmus .against{background:rgb(var(--against)/var(--a))}
.ulmus table{border-collapse:collapse;margin:.4em 0;font-size:13px;line-height:1.4}
.ulmus td,.ulmus th{padding:1px 12px 1px 0;text-align:left;font-weight:normal;vertical-align:top;background:none}
.ulmus td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.ulmus .bar{display:inline-block;height:.7em;border-radius:2px;background:rgb(var(--for)/.7)}
.ulmus .note{font-size:13px;opacity:.8}
.ulmus summary{cursor:pointer}
@media (prefers-color-scheme:dark){.ulmus{--for:70 150 255;--against:255 140 30}}
""".strip()
_PAGE = """
:root{color-scheme:light dark}
body{margin:2em auto;max-width:60em;padding:0 1em;background:#fff;color:#1b1b1b}
@media (prefers-color-scheme:dark){body{background:#161618;color:#e6e6e6}}
.ulmus{border-bottom:1px solid rgb(var(--line)/.4);padding-bottom:1em}
""".strip()


def page(explanations: Sequence[Explanation], *, title: str) -> str:
    """A whole HTML page."""
    body = "\n".join(map(_article, explanations))
    return (
        f'<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n{MARK}\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{_safe(title)}</title>\n<style>\n{_STYLE}\n{_PAGE}\n</style>\n</head>\n<body>\n"
        f"<h1>{_safe(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def fragment(explanation: Explanation) -> str:
    """One explanation with its style, to stand in another page."""
    return f"<style>{_STYLE}</style>{_article(explanation)}"


def _article(given: Explanation) -> str:
    parts = [f"<p><b>{_safe(_outcome(given))}</b></p>"]
    if not given.numeric:
        parts.append(_table(_class_rows(given)))
    order = sorted(range(len(given.classes)), key=lambda k: (-given.probabilities[k], k))
    # of two classes, one's share is the other's with the sign changed
    chosen = order[:1] if len(order) < 3 and not isinstance(given.prediction, tuple) else order[:CLASSES]
    for rank, k in enumerate(chosen):
        inner = f"{_text(given, k)}{_table(_strongest_rows(given, k))}"
        about = f"{_FOR} and {_AGAINST} {_safe(given.classes[k])}"
        parts.append(
            f'<div class="note">{about}</div>{inner}'
            if len(chosen) == 1
            else f"<details{' open' * (not rank)}><summary>{about}</summary>{inner}</details>"
        )
    if given.running is not None:
        parts.append(_table(_running_rows(given, order[0])))
    parts.append(f'<p class="note">{_safe(_note(given, order[0]))}</p>')
    return f'<div class="ulmus">{"".join(parts)}</div>'


def _outcome(given: Explanation) -> str:
    if given.numeric:
        return f"{given.prediction:.4g}"
    if isinstance(given.prediction, tuple):
        return ", ".join(map(str, given.prediction)) or "no label"
    return f"{given.prediction} ({100 * given.probabilities[given.shown]:.1f} %)"


def _class_rows(given: Explanation) -> Iterator[list[str]]:
    order = sorted(range(len(given.classes)), key=lambda k: (-given.probabilities[k], k))
    for k in order[: 2 * CLASSES]:
        yield [_safe(given.classes[k]), *_bar(float(given.probabilities[k]))]
    if len(order) > 2 * CLASSES:
        yield [f"and {len(order) - 2 * CLASSES:,} more"]


def _text(given: Explanation, k: int) -> str:
    """The text with each token coloured by its share for class k."""
    largest = float(abs(given.scores[:, k]).max(initial=0.0)) or 1.0
    parts, end = [], 0
    for (start, until), share in zip(given.spans, given.scores[:, k], strict=True):
        parts.append(_safe(given.text[end:start]))
        strength = STRONGEST * abs(float(share)) / largest
        token = _safe(given.text[start:until])
        if strength >= 0.01:
            kind = "for" if share > 0 else "against"
            token = f'<span class="{kind}" style="--a:{strength:.2f}" title="{share:+.3f}">{token}</span>'
        parts.append(token)
        end = until
    return f'<div class="text" dir="auto">{"".join(parts)}{_safe(given.text[end:])}</div>'


def _strongest_rows(given: Explanation, k: int) -> Iterator[list[str]]:
    for token, share in given.strongest(given.classes[k], top=LISTED):
        kind = "for" if share > 0 else "against"
        yield [
            f'<span class="{kind}" style="--a:.4" dir="auto">{_safe(_short(token))}</span>',
            f"{share:+.2f}",
        ]


def _running_rows(given: Explanation, k: int) -> Iterator[list[str]]:
    yield ["up to the segment", _safe(given.classes[k])]
    running = given.running if given.running is not None else given.scores[:0]
    for token, row in zip(given.tokens, running, strict=True):
        shown = [f"{row[k]:.4g}"] if given.numeric else _bar(float(row[k]))
        yield [f'<span dir="auto">{_safe(_short(token))}</span>', *shown]


def _note(given: Explanation, k: int) -> str:
    what = "the number" if given.numeric else "log odds" if len(given.classes) < 3 else "evidence"
    return (
        f"Shares of {given.unit}s in the {what} of {given.classes[k]}: {float(given.base[k]):+.2f} without any, "
        f"{float(given.base[k] + given.scores[:, k].sum()):+.2f} in all. "
        + "; ".join(f"{_PARTS[name]}: {how}" for name, how in given.method.items())
        + "."
    )


_PARTS = {"lm": "network", "counts": "word counts"}


def _bar(share: float) -> list[str]:
    return [f"{100 * share:.1f} %", f'<span class="bar" style="width:{8 * share:.2f}em"></span>']


def _table(rows: Iterator[list[str]]) -> str:
    """Rows of escaped cells; the second column is numbers."""
    made = []
    for cells in rows:
        inner = "".join(f"<td{' class=n' * (i == 1)}>{cell}</td>" for i, cell in enumerate(cells))
        made.append(f"<tr>{inner}</tr>")
    return f"<table>{''.join(made)}</table>" if made else ""


def _short(text: str) -> str:
    return text if len(text) <= SHORT else text[:SHORT] + " …"


def _safe(text: Any) -> str:
    return escape(printable(str(text), lines=True))

"""Explanations -> HTML: a fragment for notebooks, or a page of its own.

No script, nothing from elsewhere; every text and class is escaped, control characters and changes of the writing
direction are shown as escapes. Colours follow the light or dark theme of the reader; what they say is in numbers too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ulmus.evaluation.explanation import Explanation
from ulmus.evaluation.markup import STYLE, document, generator, safe, shortened, table

__all__ = ["MARK", "coloured", "fragment", "page"]

MARK = generator("ulmus explain")
CLASSES = 6  # that get a text of their own, the most probable ones
LISTED = 8  # of the strongest tokens
SHORT = 60  # characters of a segment in a table
STRONGEST = 0.55  # opacity of the colour of the strongest token
_FOR, _AGAINST = (f'<span class="{kind}" style="--a:.4">{kind}</span>' for kind in ("for", "against"))
_PAGE = ".ulmus{border-bottom:1px solid rgb(var(--line)/.4);padding-bottom:1em}"


def page(explanations: Sequence[Explanation], *, title: str) -> str:
    """A whole HTML page."""
    body = "\n".join([f"<h1>{safe(title)}</h1>", *map(_article, explanations)])
    return document(title, body, mark=MARK, style=_PAGE)


def fragment(explanation: Explanation) -> str:
    """One explanation with its style, to stand in another page."""
    return f"<style>{STYLE}</style>{_article(explanation)}"


def _article(given: Explanation) -> str:
    parts = [f"<p><b>{safe(_outcome(given))}</b></p>"]
    if not given.numeric:
        parts.append(table(_class_rows(given)))
    order = sorted(range(len(given.classes)), key=lambda k: (-given.probabilities[k], k))
    # of two classes, one's share is the other's with the sign changed
    chosen = order[:1] if len(order) < 3 and not isinstance(given.prediction, tuple) else order[:CLASSES]
    for rank, k in enumerate(chosen):
        inner = f"{coloured(given, k)}{table(_strongest_rows(given, k))}"
        about = f"{_FOR} and {_AGAINST} {safe(given.classes[k])}"
        parts.append(
            f'<div class="note">{about}</div>{inner}'
            if len(chosen) == 1
            else f"<details{' open' * (not rank)}><summary>{about}</summary>{inner}</details>"
        )
    if given.running is not None:
        parts.append(table(_running_rows(given, order[0])))
    parts.append(f'<p class="note">{safe(_note(given, order[0]))}</p>')
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
        yield [safe(given.classes[k]), *_bar(float(given.probabilities[k]))]
    if len(order) > 2 * CLASSES:
        yield [f"and {len(order) - 2 * CLASSES:,} more"]


def coloured(given: Explanation, k: int, *, most: int | None = None) -> str:
    """The text, or its first tokens up to `most` characters, with each token coloured by its share for class k."""
    largest = float(abs(given.scores[:, k]).max(initial=0.0)) or 1.0
    parts, end = list[str](), 0
    for (start, until), share in zip(given.spans, given.scores[:, k], strict=True):
        if most is not None and until > most and end:
            return f'<div class="text" dir="auto">{"".join(parts)} …</div>'
        parts.append(safe(given.text[end:start]))
        strength = STRONGEST * abs(float(share)) / largest
        token = safe(given.text[start:until])
        if strength >= 0.01:
            kind = "for" if share > 0 else "against"
            token = f'<span class="{kind}" style="--a:{strength:.2f}" title="{share:+.3f}">{token}</span>'
        parts.append(token)
        end = until
    return f'<div class="text" dir="auto">{"".join(parts)}{safe(given.text[end:])}</div>'


def _strongest_rows(given: Explanation, k: int) -> Iterator[list[str]]:
    for token, share in given.strongest(given.classes[k], top=LISTED):
        kind = "for" if share > 0 else "against"
        yield [
            f'<span class="{kind}" style="--a:.4" dir="auto">{safe(shortened(token, SHORT))}</span>',
            f"{share:+.2f}",
        ]


def _running_rows(given: Explanation, k: int) -> Iterator[list[str]]:
    yield ["up to the segment", safe(given.classes[k])]
    running = given.running if given.running is not None else given.scores[:0]
    for token, row in zip(given.tokens, running, strict=True):
        shown = [f"{row[k]:.4g}"] if given.numeric else _bar(float(row[k]))
        yield [f'<span dir="auto">{safe(shortened(token, SHORT))}</span>', *shown]


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

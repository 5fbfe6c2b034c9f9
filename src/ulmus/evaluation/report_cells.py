"""What the sections of a report have in common: names, excerpts, shares and sentences as escaped HTML."""

from __future__ import annotations

import math
from typing import Any

from ulmus.evaluation.markup import safe, shortened

__all__ = ["EXCERPT", "NAME", "bar", "class_name", "excerpt", "paragraph", "percent", "small_print"]

EXCERPT, NAME = 400, 60  # characters that are shown of a text and of the name of a class


def class_name(label: Any) -> str:
    """The name of a class, or its first characters."""
    return safe(shortened(str(label), NAME))


def excerpt(text: str) -> str:
    """The beginning of a text."""
    return f'<span class="excerpt" dir="auto">{safe(shortened(text, EXCERPT))}</span>'


def percent(share: float, digits: int = 1) -> str:
    """A share, 0..1, in per cent; a dash for NaN."""
    return "–" if math.isnan(share) else f"{100 * share:.{digits}f} %"


def bar(share: float) -> str:
    """A bar as long as a share, 0..1, which is also given as a number."""
    width = 0.0 if math.isnan(share) else 6 * share
    return f'<span class="bar" aria-hidden="true" style="width:{width:.2f}em"></span>'


def paragraph(*sentences: str) -> str:
    """A paragraph of sentences, leaving out empty ones; nothing without any."""
    said = " ".join(filter(None, sentences))
    return f"<p>{safe(said)}</p>" if said else ""


def small_print(sentence: str) -> str:
    """A sentence in small print."""
    return f'<p class="note">{safe(sentence)}</p>'

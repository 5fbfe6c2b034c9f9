"""The card of a language model: its training texts, how it was trained, and its scores; plain data in the model file.

The user's entries (name, language, licence ...) come first, then what was measured. `bits_per_byte` is that of the
training texts (`text/familiar.py`): comparing it with other texts tells whether they are in the same language.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ulmus.tasks.circumstances import circumstances
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.settings import RunSettings
from ulmus.text.familiar import bits_per_byte
from ulmus.text.tokenizer import Tokenizer

__all__ = ["card", "last_rows", "minutes_of"]


def card(
    about: Mapping[str, Any],
    texts: RunTexts,
    tokenizer: Tokenizer,
    history: list[dict[str, Any]],
    *,
    settings: RunSettings,
) -> dict[str, Any]:
    """The card after training, from the user's entries `about` and the rows of the training log, `history`."""
    bits = bits_per_byte(tokenizer, texts.to_learn)
    measured = {
        "tokens_read": sum(row["seen"] for row in last_rows(history)),
        "bits_per_byte": bits if math.isfinite(bits) else None,
    }
    made = circumstances(settings, minutes=minutes_of(history))
    return {**about, **measured, "data": {"texts": texts.key}, **made}


def last_rows(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last row of each stage of the training log."""
    return list({row["stage"]: row for row in history}.values())


def minutes_of(history: list[dict[str, Any]]) -> float:
    """Minutes of training, all stages together."""
    return float(sum(row["seconds"] for row in last_rows(history))) / 60

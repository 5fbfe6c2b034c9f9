"""A fitted language model: one frozen value that training returns, files hold and all else takes.

Knows no training and no files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.language_model.network import LMNetwork
from ulmus.text.tokenizer import Tokenizer
from ulmus.text.vocab import Remap

__all__ = ["FittedLanguageModel"]


@dataclass(frozen=True)
class FittedLanguageModel:
    """A network with its tokenizer, scores, card and training log."""

    config: LMConfig
    tokenizer: Tokenizer
    network: LMNetwork  # in evaluation mode
    metrics: dict[str, Any] = field(default_factory=dict)  # perplexity and more on the held-out set
    card: dict[str, Any] = field(default_factory=dict)  # training texts and how it was trained
    history: list[dict[str, Any]] = field(default_factory=list)  # rows of the training log
    remap: Remap | None = None  # of the vocabulary, if it was fine-tuned

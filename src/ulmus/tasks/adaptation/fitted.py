"""A transformer with its language-model head: one frozen value that opening and training return and files hold.

Knows no training and no files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ulmus.models.language_head import HeadedTransformer
from ulmus.tasks.adaptation.config import AdaptationConfig
from ulmus.text.pretrained import PretrainedTokenizer

__all__ = ["FittedTransformer"]


@dataclass(frozen=True)
class FittedTransformer:
    """A transformer with its tokenizer, scores, card and training log."""

    tokenizer: PretrainedTokenizer
    transformer: HeadedTransformer  # in evaluation mode
    mask: int | None  # id of the mask token; None: a decoder
    config: AdaptationConfig = field(default_factory=AdaptationConfig)  # of the training
    metrics: dict[str, Any] = field(default_factory=dict)  # perplexity on the held-out set, before and after
    card: dict[str, Any] = field(default_factory=dict)  # training texts and how it was trained
    history: list[dict[str, Any]] = field(default_factory=list)  # rows of the training log
    new_head: bool = False  # the head is not trained yet

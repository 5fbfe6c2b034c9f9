"""All settings of adapting a transformer to texts. One frozen dataclass. Knows nothing but numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from ulmus.config import check_range
from ulmus.train.schedules import Schedule

__all__ = ["AdaptationConfig"]

ENOUGH_TOKENS = 2_000_000  # training tokens, in several epochs if need be
MAX_EPOCHS = 20  # each masks other tokens
MIN_POSITIVE = 1e-9  # lower bound of settings that must be greater than 0


@dataclass(frozen=True)
class AdaptationConfig:
    """How a transformer is trained on texts without labels. Raises ConfigError: a value out of range.

    The rate is that of published fine-tuning (Devlin et al. 2019, appendix A.3): warm-up, then linear decay.
    """

    share: float = 0.15  # of the tokens, to be predicted by an encoder
    whole_words: bool = True  # mask all tokens of a word, if the tokenizer says what a word is
    schedule: Schedule = field(default_factory=lambda: Schedule("slanted_triangular", peak=5e-5, turn=0.06))
    head_peak: float = 1e-3  # peak learning rate of a new head, while it trains alone
    epochs: int | None = None  # None: enough for 2 million tokens, at most 20
    tokens_per_batch: int = 2_048  # padding included
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of the gradient

    def __post_init__(self) -> None:
        check_range(self, "share", 0.01, 0.9)
        check_range(self, "tokens_per_batch epochs", 1)
        check_range(self, "weight_decay", 0)
        check_range(self, "head_peak clip", MIN_POSITIVE)

    def epochs_for(self, tokens: int | None) -> int:
        """Epochs for texts of so many tokens; None: the maximum, if a time budget ends the training."""
        if self.epochs is not None or tokens is None:
            return self.epochs or MAX_EPOCHS
        return min(max(1, -(-ENOUGH_TOKENS // max(tokens, 1))), MAX_EPOCHS)

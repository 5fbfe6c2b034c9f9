"""All settings of distillation. One frozen dataclass. Knows nothing but numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from ulmus.config import check_range
from ulmus.errors import ConfigError
from ulmus.tasks.language_model.config import MIN_POSITIVE
from ulmus.train.schedules import Schedule

__all__ = ["DistillationConfig"]


@dataclass(frozen=True)
class DistillationConfig:
    """How a language model learns the vectors of a teacher. Raises ConfigError: a value out of range."""

    shortest: int = 30  # bytes of a passage, at least
    longest: int = 1_200  # bytes of a passage, at most
    similarity: float = 10.0  # weight of 1 - cosine, beside the loss per token of the language model
    language_model: float = 1.0  # weight of that; 0: the model forgets how to write
    schedule: Schedule = field(default_factory=lambda: Schedule("one_cycle", peak=5e-3, turn=0.1))
    epochs: int = 1
    batch_size: int = 64  # passages
    token_budget: int = 8_000  # ids in a batch, padding included
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of the gradient

    def __post_init__(self) -> None:
        check_range(self, "shortest epochs batch_size token_budget", 1)
        check_range(self, "longest", 8)  # (a character takes up to four bytes)
        check_range(self, "similarity language_model weight_decay", 0)
        check_range(self, "clip", MIN_POSITIVE)
        if self.shortest > self.longest:
            raise ConfigError(f"shortest: expected at most longest ({self.longest}), got {self.shortest}.")

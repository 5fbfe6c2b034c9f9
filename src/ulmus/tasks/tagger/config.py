"""All settings of a tagger's training, in one frozen dataclass. The defaults were not searched for."""

from __future__ import annotations

from dataclasses import dataclass, field

from ulmus.config import check_range
from ulmus.errors import ConfigError
from ulmus.models.encoder import Dropouts
from ulmus.tasks.language_model.config import MIN_POSITIVE, LMConfig
from ulmus.train.schedules import Schedule

__all__ = ["TaggerConfig", "transformer_config"]


@dataclass(frozen=True)
class TaggerConfig:
    """Settings of the tagger, and of the language model below it (used when one is trained).

    Raises ConfigError: a value out of range.
    """

    language_model: LMConfig | None = None  # None: the config of the chosen size
    dropouts: Dropouts = field(
        default_factory=lambda: Dropouts(
            input=0.4, hidden=0.3, output=0.4, embedding=0.05, weight=0.5, mult=0.4
        )
    )
    own: int = 32  # width of a word's own features: the word, its affixes, its shape
    buckets: int = 1 << 16  # rows of the table of these features, which are hashed
    hidden: int = 100  # width of the LSTM of the head, in each direction
    drop: float = 0.4  # dropout before and after it
    longest: int = 200  # words; a longer text is tagged in parts
    batch_size: int = 16  # sentences; fewer if there are few
    token_budget: int = 8_000  # ids in a batch, padding included
    factor: float = 2.6  # each lower layer group trains at 1/factor of the rate above it
    weight_decay: float = 0.01
    clip: float = 1.0
    schedule: str = "one_cycle"  # or slanted_triangular, flat_cosine, constant
    # stages: head alone, then with the top layer, then all layers
    head_peak: float = 5e-3
    top_peak: float = 3e-3
    all_peak: float = 3e-3
    head_epochs: int = 2
    top_epochs: int = 1
    all_epochs: int | None = None  # None: 6 for 10,000 sentences or more, up to 20 for few
    give_back: float = (
        0.2  # at the end one epoch with the held-out sentences too, at this fraction of the rate
    )
    # auto | always | none: fine-tune a given language model on the texts; sentences with tags are few texts
    tune: str = "none"

    def __post_init__(self) -> None:
        check_range(self, "own hidden batch_size token_budget head_epochs top_epochs all_epochs", 1)
        check_range(self, "longest", 8)
        check_range(self, "buckets", 2, 1 << 24)
        check_range(self, "drop", 0, 0.9)
        check_range(self, "weight_decay give_back", 0)
        check_range(self, "factor clip head_peak top_peak all_peak", MIN_POSITIVE)
        Schedule(self.schedule)  # checks its name
        if self.tune not in ("auto", "always", "none"):
            raise ConfigError(f"tune: expected auto, always or none, got {self.tune!r}.")

    def epochs_for(self, sentences: int) -> int:
        """Epochs of the last stage for so many sentences."""
        if self.all_epochs is not None:
            return self.all_epochs
        return 6 if sentences >= 10_000 else 8 if sentences >= 3_000 else 12 if sentences >= 800 else 20


def transformer_config() -> TaggerConfig:
    """The defaults for a pretrained transformer: once the head has learnt, low rates, all layers nearly alike."""
    return TaggerConfig(
        factor=1.2, schedule="slanted_triangular", head_peak=2e-3, top_peak=5e-4, all_peak=2e-4, all_epochs=4
    )

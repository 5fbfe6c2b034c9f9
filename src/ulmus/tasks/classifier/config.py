"""All that a classifier is trained with, in one frozen dataclass. Measured on IMDb and the demo; knows only numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from ulmus.config import check_range
from ulmus.errors import ConfigError
from ulmus.models.encoder import Dropouts
from ulmus.tasks.language_model.config import SMALL, LMConfig

__all__ = ["ClassifierConfig"]


@dataclass(frozen=True)
class ClassifierConfig:
    """Reading, teaching and training of the classifier, and the language model below it (used when one is trained)."""

    language_model: LMConfig | None = None  # None: the config of the chosen size
    # Howard & Ruder 2018, section 4.1, times 0.4: models this small and short of text lose more to them than they gain
    dropouts: Dropouts = field(
        default_factory=lambda: Dropouts(
            input=0.4, hidden=0.3, output=0.4, embedding=0.05, weight=0.5, mult=0.4
        )
    )
    head_hidden: int = 50
    head_dropouts: tuple[float, float] = (0.4, 0.1)  # before the first and the last linear layer
    max_len: int = 256  # tokens at the end of a document that gradients reach
    longest: int = 2_000  # tokens of a document that training reads, from its head and its tail
    batch_size: int = 64  # documents; fewer where there are few labels
    token_budget: int = 24_000  # ids with padding in a batch
    factor: float = 2.6  # each lower layer group trains at 1/factor of the rate above it
    weight_decay: float = 0.01
    clip: float = 1.0
    # stages on the true labels: head alone, then with the top layer, then everything
    head_peak: float = 1e-2
    top_peak: float = 5e-3
    all_peak: float = 5e-3
    head_epochs: int = 1
    top_epochs: int = 1
    all_epochs: int | None = None  # None: 3 for 10,000 labels or more, up to 12 for few
    # teaching
    start_epochs: int = 20  # of the head alone, on features of documents that were read once
    teach_texts: int = (
        20_000  # unlabelled documents to read with soft labels, again and again where there are fewer
    )
    teach_first: float = 0.5  # share of them that teaches before the measurement; all teach when giving back
    teach_epochs: int = 4  # most times that a document is read with its soft label in one training
    teach_peak: float = 1e-2
    teach_power: float = 2.0  # soft labels are the teacher's probabilities to this power, normalised
    teach_confident: float = 0.8  # share of the unlabelled documents that may be drawn: the surest ones
    teach_repeat: int = 3  # how often a truly labelled document comes in the last teaching epoch
    after_teaching: float = 0.2  # the true labels' rates, after teaching, as a share of the above
    # giving back: one more epoch with the held-back labels, at a share of the teaching rate
    give_back_taught: float = 0.5  # after teaching
    give_back: float = 0.1  # without
    give_back_most: int = 5_000  # labels; with more, a fifth of them or less was held back and is not missed
    tune: str = "auto"  # auto | always | none: fine-tune a given language model on the texts

    def __post_init__(self) -> None:
        check_range(self, "head_hidden max_len longest batch_size token_budget", 1)
        check_range(
            self, "head_epochs top_epochs all_epochs start_epochs teach_epochs teach_texts teach_repeat", 1
        )
        check_range(self, "weight_decay", 0)
        check_range(self, "factor clip head_peak top_peak all_peak teach_peak teach_power", SMALL)
        check_range(self, "after_teaching give_back give_back_taught", SMALL)
        check_range(self, "teach_first teach_confident", SMALL, 1)
        if not all(0 <= p < 1 for p in self.head_dropouts):
            raise ConfigError(f"head_dropouts: expected 0 <= p < 1, got {self.head_dropouts}.")
        if self.tune not in ("auto", "always", "none"):
            raise ConfigError(f"tune: expected auto, always or none, got {self.tune!r}.")

    def teach_epochs_for(self, documents: int, *, first: bool) -> int:
        """How often to read so many documents with soft labels, before the measurement or when giving back."""
        wanted = self.teach_texts * (self.teach_first if first else 1)
        return min(max(1, round(wanted / max(documents, 1))), self.teach_epochs)

    def epochs_for(self, labels: int) -> int:
        """Epochs of the last stage for so many labelled documents."""
        if self.all_epochs is not None:
            return self.all_epochs
        return 3 if labels >= 10_000 else 5 if labels >= 3_000 else 8 if labels >= 800 else 12

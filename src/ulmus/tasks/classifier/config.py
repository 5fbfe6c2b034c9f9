"""All settings of a classifier's training, in one frozen dataclass; the defaults were tuned on IMDb and the demo."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ulmus.config import check_range
from ulmus.errors import ConfigError
from ulmus.models.encoder import Dropouts
from ulmus.tasks.language_model.config import MIN_POSITIVE, LMConfig

__all__ = ["ClassifierConfig", "transformer_config"]


@dataclass(frozen=True)
class ClassifierConfig:
    """Settings of the classifier, and of the language model below it (used when one is trained).

    Raises ConfigError: a value out of range.
    """

    language_model: LMConfig | None = None  # None: the config of the chosen size
    # Howard & Ruder 2018, section 4.1, times 0.4: full dropout costs models this small, on so little text, accuracy
    dropouts: Dropouts = field(
        default_factory=lambda: Dropouts(
            input=0.4, hidden=0.3, output=0.4, embedding=0.05, weight=0.5, mult=0.4
        )
    )
    head_hidden: int = 0  # 0: a linear head; its regression on frozen features decides whether to fine-tune
    head_dropouts: tuple[float, float] = (0.4, 0.1)  # before the first and the last linear layer
    max_len: int = 256  # gradients reach the last so many tokens of a document
    longest: int = 2_000  # tokens of a document used in training, from its head and its tail
    batch_size: int = 64  # documents; fewer if there are few labels
    epoch_steps: int = (
        64  # steps that an epoch has at least, unless batches would have fewer than 8 documents
    )
    token_budget: int = 24_000  # ids in a batch, padding included
    factor: float = 1.1  # each lower layer group trains at 1/factor of the rate above it
    frozen_groups: int = 0  # lowest layer groups that never train: 1 is the embeddings
    weight_decay: float = 0.01
    clip: float = 1.0
    schedule: str = "slanted_triangular"  # of the learning rate, on true labels and in teaching
    # stages on true labels: head alone, then with the top layer, then all layers. An encoder that knows what texts mean
    # needs no gradual unfreezing: with 100 labelled questions all layers at once gained seven points
    head_peak: float = 1e-2
    top_peak: float = 5e-3
    all_peak: float = 2e-3
    head_epochs: int = 0
    top_epochs: int = 0
    all_epochs: int | None = None  # None: as many as `steps` and `most_epochs` say
    most_epochs: int = 25
    steps: int = 300  # as many epochs, at least 2, as make about so many steps
    longer: float = 4.0  # times as many epochs are tried too, if there is time; 1: never
    # with fewer labels pairs of documents are compared instead (`contrastive.py`)
    pairs_below: int = 200
    pairs_each: int = 10  # labels of a class on average; with fewer there are hardly any pairs within one
    pairs_peak: float = 3e-3
    pairs_steps: int = 80
    pairs_batch: int = 32  # documents
    # teaching
    start_epochs: int = 20  # of the head alone, on precomputed features
    teach_texts: int = 20_000  # unlabelled documents with soft labels, repeated if there are fewer
    teach_first: float = (
        0.5  # fraction of them that teaches before the evaluation; all of them teach after it
    )
    teach_epochs: int = 4  # at most so many passes over a document with its soft label in one training
    teach_peak: float = 1e-2
    teach_power: float = 2.0  # soft labels are the teacher's probabilities to this power, normalised
    teach_confident: float = 0.8  # fraction of the unlabelled documents to draw from, the most confident ones
    teach_repeat: int = 3  # passes over each document with a true label in the last teaching epoch
    after_teaching: float = 0.2  # factor on the rates of the stages above, after teaching
    # after the evaluation: train with the held-out labels too, at a fraction of the teaching rate
    give_back_taught: float = 0.5  # after teaching
    anew: bool = (
        True  # without teaching: fine-tune from the beginning on all labels; False: one more epoch at
    )
    give_back: float = 0.1
    give_back_most: int = 5_000  # not with more labels: the held-out ones are a fifth or less and not missed
    regression_loss: str = "squared-error"  # or "huber", for numbers with outliers
    tune: str = "auto"  # auto | always | none: fine-tune a given language model on the texts

    def __post_init__(self) -> None:
        check_range(self, "head_hidden head_epochs top_epochs frozen_groups pairs_below", 0)
        check_range(self, "max_len longest batch_size epoch_steps token_budget pairs_steps pairs_each", 1)
        check_range(self, "pairs_batch", 2)
        check_range(
            self, "all_epochs most_epochs steps start_epochs teach_epochs teach_texts teach_repeat", 1
        )
        check_range(self, "weight_decay", 0)
        check_range(self, "longer", 1)
        check_range(
            self, "factor clip head_peak top_peak all_peak pairs_peak teach_peak teach_power", MIN_POSITIVE
        )
        check_range(self, "after_teaching give_back give_back_taught", MIN_POSITIVE)
        check_range(self, "teach_first teach_confident", MIN_POSITIVE, 1)
        if not all(0 <= p < 1 for p in self.head_dropouts):
            raise ConfigError(f"head_dropouts: expected 0 <= p < 1, got {self.head_dropouts}.")
        if self.regression_loss not in ("squared-error", "huber"):
            raise ConfigError(
                f"regression_loss: expected squared-error or huber, got {self.regression_loss!r}."
            )
        if self.tune not in ("auto", "always", "none"):
            raise ConfigError(f"tune: expected auto, always or none, got {self.tune!r}.")

    def unfrozen(self, groups: int) -> int | None:
        """How many of the layer `groups` train when all do that ever train; None: all."""
        return max(groups - self.frozen_groups, 1) if self.frozen_groups else None

    def teach_epochs_for(self, documents: int, *, first: bool) -> int:
        """Epochs of teaching with so many documents, before the evaluation (`first`) or after it."""
        wanted = self.teach_texts * (self.teach_first if first else 1)
        return min(max(1, round(wanted / max(documents, 1))), self.teach_epochs)

    def batch_for(self, documents: int) -> int:
        """Documents in a batch, if there are so many to train on."""
        return min(max(documents // self.epoch_steps, 8), self.batch_size)

    def for_longer(self, labels: int) -> ClassifierConfig:
        """The same with `longer` times the epochs, but no more than `most_epochs`, in batches of twice the size."""
        epochs = min(
            round(self.longer * self.epochs_for(labels)), max(self.most_epochs, self.epochs_for(labels))
        )
        return replace(self, all_epochs=epochs, epoch_steps=max(self.epoch_steps // 2, 1))

    def epochs_for(self, labels: int) -> int:
        """Epochs of the last stage on true labels, for so many labelled documents."""
        if self.all_epochs is not None:
            return self.all_epochs
        return min(max(2, round(self.steps * self.batch_for(labels) / max(labels, 1))), self.most_epochs)


def transformer_config() -> ClassifierConfig:
    """The defaults for a pretrained transformer: rates twenty times lower, documents of one window, no word vectors."""
    return ClassifierConfig(
        longest=253,  # one window of 256 places
        token_budget=4_096,
        frozen_groups=1,  # half of the weights of a small transformer, most of the time of a step on short texts
        all_peak=1e-4,
        pairs_peak=6e-5,
        teach_peak=5e-5,
        anew=False,  # it takes as long again, and gained nothing
        longer=1.0,
        give_back=1.0,
    )

"""All settings of a language model: shape, tokenizer, training. One frozen dataclass, two sizes.

`base` is the published AWD-LSTM (400/1150/3, Merity et al. 2017). `small` trains several times faster on two CPU cores:
in equal time it sees so much more text that its perplexity is lower. Knows nothing but numbers.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

from ulmus.config import check_range, did_you_mean
from ulmus.errors import ConfigError, UlmusError
from ulmus.models.encoder import Dropouts, EncoderConfig
from ulmus.text.tokenizer import TokenizerConfig
from ulmus.train.protocol import LoopConfig
from ulmus.train.schedules import Schedule

__all__ = ["LMConfig", "check_loss", "lm_config"]

ENOUGH_TOKENS = 20_000_000  # training tokens for a model from random weights, in several epochs if need be
MAX_EPOCHS = 30
FULL_RATE_TOKENS = 1_000_000  # with so many tokens or more, fine-tuning uses its full learning rate
MAX_LOSS = 700.0  # nats per token: a perplexity with 300 digits; guessing costs about 10
MIN_POSITIVE = 1e-9  # lower bound of settings that must be greater than 0


@dataclass(frozen=True)
class LMConfig:
    """Shape, tokenizer and training of a language model. Lengths in tokens, rates per optimizer step.

    Raises ConfigError: a value out of range, or an unknown cell or optimizer.
    """

    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    embedding: int = 400  # E, width of embeddings and of the last layer
    hidden: int = 1150  # D, width of the other layers
    layers: int = 3  # L
    cell: str = "lstm"  # or "qrnn"
    cutoffs: tuple[int, ...] = ()  # first ids of the adaptive softmax's tails; (): full softmax
    dropouts: Dropouts = field(default_factory=Dropouts)
    alpha: float = 2.0  # activation regularisation
    beta: float = 1.0  # temporal-activation regularisation
    backwards: bool = False
    batch_size: int = 64  # B, parallel streams
    bptt: int = 70  # T, mean
    schedule: Schedule = field(default_factory=lambda: Schedule("one_cycle", peak=5e-3, turn=0.1))
    epochs: int | None = None  # None: enough for 20 million tokens, at most 30
    optimizer: str = "adamw"  # or "sgd"
    ema: float | None = None  # decay of a running average of the weights, which is evaluated and kept
    # averaging starts when the loss is above that of so many evaluations before
    nt_asgd: int | None = None
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of the gradient
    # fine-tuning: the vocabulary's rows, of which each step updates few, train at four times the rate of training from
    # scratch, each lower layer at less (Howard & Ruder 2018, 3.2); measured for `small`, `base` has the same ratio
    tune_peak: float = 2e-2  # for a million tokens or more, less for fewer (`tune_rate`)
    tune_epochs: int | None = None  # None: enough for 5 million tokens, at most 4
    tune_factor: float = 5.0  # each layer trains at 1/factor of the rate above it

    def __post_init__(self) -> None:
        check_range(self, "embedding hidden batch_size bptt epochs tune_epochs", 1)
        check_range(self, "layers", 1, 100)
        check_range(self, "alpha beta weight_decay", 0)
        check_range(self, "clip tune_peak tune_factor", MIN_POSITIVE)
        # these check the cell and the optimizer
        self.encoder(1)
        LoopConfig(optimizer=self.optimizer, ema=self.ema, nt_asgd=self.nt_asgd)

    def encoder(self, vocab_size: int) -> EncoderConfig:
        """Shape of the encoder for a vocabulary of this size."""
        return EncoderConfig(vocab_size, self.embedding, self.hidden, self.layers, self.cell)

    def epochs_for(self, tokens: int | None, *, tuning: bool = False) -> int:
        """Epochs for a corpus of so many tokens; None: the maximum, if a time budget ends the training."""
        given, enough, most = (
            (self.tune_epochs, ENOUGH_TOKENS // 4, 4) if tuning else (self.epochs, ENOUGH_TOKENS, MAX_EPOCHS)
        )
        return given or (most if tokens is None else min(max(1, -(-enough // max(tokens, 1))), most))

    def tune_rate(self, tokens: int) -> float:
        """Peak learning rate of fine-tuning on a corpus of so many tokens: lower for few, which are soon overfitted.

        It grows with their fourth root. 52,000 tokens of questions: perplexity 28.2 at 0.23 of `tune_peak`, 25.4 at
        0.46, 27.1 at 0.94; 527,000 of docstrings: 32.8 at 0.73, 32.2 at 1.
        """
        return self.tune_peak * min(1.0, math.pow(tokens / FULL_RATE_TOKENS, 0.25))


_SMALL = LMConfig(
    tokenizer=TokenizerConfig(max_size=20_000),
    embedding=256,
    hidden=512,
    layers=2,
    cutoffs=(2_000, 8_000),
    dropouts=Dropouts(mult=0.2),
    schedule=Schedule("one_cycle", peak=1e-2, turn=0.1),
    tune_peak=4e-2,
)
SIZES = {"small": _SMALL, "base": LMConfig()}


def lm_config(
    size: str = "small", *, kind: str = "word", backwards: bool = False, cell: str | None = None
) -> LMConfig:
    """The config of a size for a tokenizer type `kind`, with the size's own cell or another one.

    Raises ConfigError: an unknown size, tokenizer type or cell.
    """
    if size not in SIZES:
        raise ConfigError(
            f"size: expected one of {', '.join(SIZES)}, got {size!r}.{did_you_mean(size, SIZES)}"
        )
    config = SIZES[size]
    tokenizer = config.tokenizer if kind == "word" else TokenizerConfig(kind=kind)
    return dataclasses.replace(config, tokenizer=tokenizer, backwards=backwards, cell=cell or config.cell)


def check_loss(nll: float) -> None:
    """Raise UlmusError if a training ends with a loss, in nats per token, too large for a perplexity."""
    if nll > MAX_LOSS:
        raise UlmusError(
            f"The training diverged: its final loss is {nll:,.0f} nats per token, so the model is useless. "
            "Use a lower learning rate (`peak` of the schedule, `tune_peak` for fine-tuning)."
        )

"""All that a language model is made with: its shape, its text rules, its training. One frozen dataclass, two sizes.

`base` is the published AWD-LSTM (400/1150/3, Merity et al. 2017). `small` learns several times faster on two CPU cores:
at equal time it has read so much more text that it predicts better. Knows nothing but numbers.
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

READ_ENOUGH = 20_000_000  # tokens that a model from nothing should read, over and over if need be
MOST_EPOCHS = 30
TUNED_ALL = 1_000_000  # tokens of texts from which on fine-tuning learns at its full rate
HOPELESS = 700.0  # nats a token: a perplexity with 300 digits; guessing costs about 10
SMALL = 1e-9  # what must be above 0 is at least this


@dataclass(frozen=True)
class LMConfig:
    """Shape, text and training of a language model. Lengths in tokens, rates per optimizer step."""

    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    embedding: int = 400  # E, width of embeddings and of the last layer
    hidden: int = 1150  # D, width of the other layers
    layers: int = 3  # L
    cell: str = "lstm"  # or "qrnn"
    cutoffs: tuple[int, ...] = ()  # first ids of the adaptive softmax's tails; () = full softmax
    dropouts: Dropouts = field(default_factory=Dropouts)
    alpha: float = 2.0  # activation regularisation
    beta: float = 1.0  # temporal-activation regularisation
    backwards: bool = False
    batch_size: int = 64  # B, parallel streams
    bptt: int = 70  # T, mean
    schedule: Schedule = field(default_factory=lambda: Schedule("one_cycle", peak=5e-3, turn=0.1))
    epochs: int | None = None  # None: as many as make 20 million tokens, at most 30
    optimizer: str = "adamw"  # or "sgd"
    ema: float | None = None  # decay of a running average of the weights, which are judged and kept
    nt_asgd: int | None = (
        None  # average all weights since the loss was above that of so many evaluations before
    )
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of the gradient
    # fine-tuning: the vocabulary's rows, few of which a step touches, learn at four times the rate from nothing, layers
    # at less and less of that (Howard & Ruder 2018, 3.2); measured for `small`, `base` has the same ratio
    tune_peak: float = 2e-2  # for a million tokens and more, less for fewer (`tune_rate`)
    tune_epochs: int | None = None  # None: as many as make 5 million tokens, at most 4
    tune_factor: float = 5.0  # each layer learns at 1/factor of the rate above it

    def __post_init__(self) -> None:
        check_range(self, "embedding hidden batch_size bptt epochs tune_epochs", 1)
        check_range(self, "layers", 1, 100)
        check_range(self, "alpha beta weight_decay", 0)
        check_range(self, "clip tune_peak tune_factor", SMALL)
        self.encoder(1)  # (knows which cells there are)
        LoopConfig(
            optimizer=self.optimizer, ema=self.ema, nt_asgd=self.nt_asgd
        )  # (and the loop which optimizers)

    def encoder(self, vocab_size: int) -> EncoderConfig:
        """Shape of the encoder for a vocabulary of this size."""
        return EncoderConfig(vocab_size, self.embedding, self.hidden, self.layers, self.cell)

    def epochs_for(self, tokens: int | None, *, tuning: bool = False) -> int:
        """How often to read a corpus of so many tokens; None: the most, for a clock that decides."""
        given, enough, most = (
            (self.tune_epochs, READ_ENOUGH // 4, 4) if tuning else (self.epochs, READ_ENOUGH, MOST_EPOCHS)
        )
        return given or (most if tokens is None else min(max(1, -(-enough // max(tokens, 1))), most))

    def tune_rate(self, tokens: int) -> float:
        """Peak rate of fine-tuning on a corpus of so many tokens: few, which are soon known by heart, at a lower one.

        With their fourth root. 52,000 tokens of questions: perplexity 28.2 at 0.23 of `tune_peak`, 25.4 at 0.46, 27.1
        at 0.94; 527,000 of docstrings: 32.8 at 0.73, 32.2 at all of it.
        """
        return self.tune_peak * min(1.0, math.pow(tokens / TUNED_ALL, 0.25))


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
    """The config of a size for a kind of token, with the cell it is best with or another one.

    Raises ConfigError for a size or a cell there is not.
    """
    if size not in SIZES:
        raise ConfigError(
            f"size: expected one of {', '.join(SIZES)}, got {size!r}. {did_you_mean(size, SIZES)}"
        )
    config = SIZES[size]
    tokenizer = config.tokenizer if kind == "word" else TokenizerConfig(kind=kind)
    return dataclasses.replace(config, tokenizer=tokenizer, backwards=backwards, cell=cell or config.cell)


def check_loss(nll: float) -> None:
    """Raise UlmusError where a training ends with a loss, in nats a token, that makes no perplexity."""
    if nll > HOPELESS:
        raise UlmusError(
            f"The training diverged: it ends with a loss of {nll:,.0f} nats a token, and the model would write "
            "nonsense. Use a lower learning rate (`peak` of the schedule, `tune_peak` for fine-tuning)."
        )

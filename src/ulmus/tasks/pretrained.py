"""What a classifier or tagger starts from: a pretrained encoder and its tokenizer, of a language model or a checkpoint.

Knows no label and no training.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ulmus.errors import BundleError
from ulmus.models.checkpoint_folder import check_folder
from ulmus.models.encoder import Encoder
from ulmus.models.transformer import open_transformer
from ulmus.tasks.adaptation import file
from ulmus.tasks.folders import folder_tokenizer
from ulmus.tasks.ids import AnyTokenizer
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.language_model.fitted import FittedLanguageModel

__all__ = ["Pretrained", "check_encoder", "open_checkpoint"]


@dataclass(frozen=True)
class Pretrained:
    """An encoder with its tokenizer."""

    encoder: Encoder
    tokenizer: AnyTokenizer
    lm_config: LMConfig | None = None  # of the language model that the encoder comes from, if there is one
    metrics: dict[str, Any] = field(default_factory=dict)  # of its training

    @classmethod
    def of(cls, model: FittedLanguageModel) -> Pretrained:
        """The encoder of a language model."""
        return cls(model.network.encoder, model.tokenizer, model.config, model.metrics)

    @property
    def backwards(self) -> bool:
        """Whether the encoder processes documents from their end."""
        return self.lm_config is not None and self.lm_config.backwards


def check_encoder(path: str | Path) -> None:
    """Raise BundleError unless a transformer's encoder can be opened there: cheap checks of a folder or a file."""
    if file.is_file(path):
        file.check_file(path)
    else:
        check_folder(path)


def open_checkpoint(path: str | Path) -> Pretrained:
    """The encoder and tokenizer in a local folder of the `transformers` format, or in a file of `ulmus tune`.

    Nothing is downloaded. Raises BundleError: an unusable folder or file; MissingExtra: the package `transformers` is
    missing.
    """
    if file.is_file(path):
        encoder, tokenizer, metrics = file.load_encoder(path)
        return Pretrained(encoder, tokenizer, metrics=metrics)
    check_folder(path)
    tokenizer = folder_tokenizer(Path(path))
    encoder = open_transformer(path, tokenizer.layout)
    rows = encoder.vocabulary()
    if len(tokenizer) > rows:
        raise BundleError(
            f"{path}: the tokenizer has {len(tokenizer):,} tokens, the model {rows:,}. "
            "Copy the tokenizer's files from where the model came from."
        )
    return Pretrained(encoder, tokenizer)

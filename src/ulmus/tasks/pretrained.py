"""What a classifier or tagger starts from: a pretrained encoder and its tokenizer, of a language model or a checkpoint.

Knows no label and no training.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ulmus.errors import BundleError
from ulmus.models.checkpoint_folder import check_folder, open_tokenizer
from ulmus.models.encoder import Encoder
from ulmus.models.transformer import Transformer, open_transformer
from ulmus.tasks.ids import AnyTokenizer
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.language_model.fitted import FittedLanguageModel
from ulmus.text.pretrained import PretrainedTokenizer

__all__ = ["Pretrained", "open_checkpoint"]


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


def open_checkpoint(
    folder: str | Path, *, window: int | None = None, overlap: int | None = None
) -> Pretrained:
    """The encoder and tokenizer in a local folder of the `transformers` format. Nothing is downloaded.

    `window`, `overlap`: tokens, see `TransformerConfig`. Raises BundleError: an unusable folder; ConfigError: an
    impossible window; MissingExtra: the package `transformers` is missing.
    """
    check_folder(folder)
    tokenizer = _tokenizer(Path(folder))
    encoder: Transformer = open_transformer(folder, tokenizer.layout, window=window, overlap=overlap)
    rows = encoder.vocabulary()
    if len(tokenizer) > rows:
        raise BundleError(
            f"{folder}: the tokenizer has {len(tokenizer):,} tokens, the model {rows:,}. "
            "Copy the tokenizer's files from where the model came from."
        )
    return Pretrained(encoder, tokenizer)


def _tokenizer(folder: Path) -> PretrainedTokenizer:
    """tokenizer.json, or what `transformers` makes of the older files of a tokenizer."""
    file = folder / "tokenizer.json"
    if file.is_file():
        return PretrainedTokenizer(file.read_text(encoding="utf-8"))
    backend = getattr(open_tokenizer(folder), "backend_tokenizer", None)
    if backend is None:
        raise BundleError(f"{folder} has no tokenizer.json, and none can be made of its tokenizer's files.")
    return PretrainedTokenizer(backend.to_str())

"""The tokenizer in the folder of a transformer. Knows no model and no text."""

from __future__ import annotations

from pathlib import Path

from ulmus.errors import BundleError
from ulmus.models.checkpoint_folder import open_tokenizer
from ulmus.text.pretrained import PretrainedTokenizer

__all__ = ["folder_tokenizer", "mask_token"]


def folder_tokenizer(folder: Path) -> PretrainedTokenizer:
    """tokenizer.json, or what `transformers` makes of the older files of a tokenizer. Raises BundleError."""
    file = folder / "tokenizer.json"
    if file.is_file():
        return PretrainedTokenizer(file.read_text(encoding="utf-8"))
    backend = getattr(open_tokenizer(folder), "backend_tokenizer", None)
    if backend is None:
        raise BundleError(f"{folder} has no tokenizer.json, and none can be made of its tokenizer's files.")
    return PretrainedTokenizer(backend.to_str())


def mask_token(folder: Path) -> int:
    """The id of the token that stands for a hidden one. Raises BundleError: there is none."""
    number = open_tokenizer(folder).mask_token_id
    if number is None:
        raise BundleError(
            f"{folder}: its tokenizer has no mask token, which training on masked tokens needs. "
            "Copy the tokenizer's files from where the model came from."
        )
    return int(number)

"""The saved form of a tokenizer: a standard `tokenizer.json` that carries our configuration.

How: model, pre-tokenizer and normalizer are written by `tokenizers` itself; the configuration lies under
the key "ulmus" of the pre-tokenizer, where other readers skip it. Loaded elsewhere, the file cuts and
numbers the words as we do, lower-cased, without the markers for case and repeats. Knows no texts. Reading
runs nothing: it is JSON, checked key by key.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from tokenizers import Tokenizer as Standard
from tokenizers import models

from ulmus.config import from_dict
from ulmus.errors import ConfigError, DataError
from ulmus.text.vocab import SPECIALS

__all__ = ["FORMAT", "build", "dump", "fingerprint", "load"]

FORMAT = 1
_KEY = "ulmus"


def dump(config: Any, standard: Standard) -> str:
    """JSON of the standard tokenizer with `config` (a dataclass) inside."""
    standard.add_special_tokens(list(SPECIALS))
    tree = json.loads(standard.to_str())
    tree["pre_tokenizer"][_KEY] = {"format": FORMAT, **dataclasses.asdict(config)}
    return json.dumps(tree, ensure_ascii=False)


def load(text: str) -> tuple[dict[str, Any], list[str], models.Model]:
    """(configuration as a tree, tokens in the order of their ids, model). Raises DataError for anything else."""
    try:
        tree = json.loads(text)
        config = dict(tree["pre_tokenizer"][_KEY])
        version = config.pop("format")
        standard = Standard.from_str(text)
    except Exception as error:  # `tokenizers` raises bare Exception
        raise DataError(
            f"expected a tokenizer.json written by Ulmus; this one does not load ({type(error).__name__}: {error}). "
            "Train a tokenizer, or take the file from the model it belongs to."
        ) from error
    if version != FORMAT:
        raise DataError(f"expected a tokenizer of format {FORMAT}, got {version!r}. Update Ulmus to read it.")
    ids = sorted(standard.get_vocab(with_added_tokens=False).items(), key=lambda item: item[1])
    if [i for _, i in ids] != list(range(len(ids))):
        raise DataError(
            "the ids of a vocabulary run from 0 without a gap; those of this tokenizer.json do not."
        )
    return config, [token for token, _ in ids], standard.model


def build(cls: type[Any], tree: Any) -> Any:
    """A dataclass from its tree. Raises DataError for a key or a type it does not have."""
    try:
        return from_dict(tree, cls, where="the tokenizer's configuration")
    except ConfigError as error:
        raise DataError(f"{error} Take the tokenizer from the model it belongs to.") from error


def fingerprint(text: str) -> str:
    """16 hex digits of a text's SHA-256."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]

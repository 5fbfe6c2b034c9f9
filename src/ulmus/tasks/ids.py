"""Texts -> a tokenizer and an id store, kept in a work folder where there is one.

A second run with the same work folder finds tokenizer and ids there and tokenizes nothing again. Knows no model.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ulmus.data.store import IdStore, content_key
from ulmus.errors import DataError, VocabMismatch
from ulmus.storage import whole_file
from ulmus.tasks.progress import during
from ulmus.text.tokenizer import Tokenizer, TokenizerConfig

__all__ = ["check_vocabulary", "chosen", "cut", "trained_tokenizer"]


def trained_tokenizer(texts: Iterable[str], config: TokenizerConfig, folder: Path | None = None) -> Tokenizer:
    """A tokenizer trained on `texts`, or the one that `folder` holds for the same texts and config.

    Raises DataError when the texts have no tokens at all.
    """
    path = None
    if folder is not None:
        key = content_key(config, texts=during(texts, "looking for a vocabulary of these texts"))
        path = folder / f"tokenizer-{key[:16]}.json"
    if path is not None and path.exists():
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):  # a damaged one is made anew
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["sha256"] == _sum(kept["tokenizer"]):
                return Tokenizer.from_json(kept["tokenizer"])
        warnings.warn(f"{path} is damaged: the tokenizer is trained anew.", RuntimeWarning, stacklevel=2)
    tokenizer = Tokenizer.train(during(texts, "counting what the vocabulary is made of"), config)
    if path is not None:
        text = tokenizer.to_json()
        with whole_file(path) as file:
            file.write(json.dumps({"sha256": _sum(text), "tokenizer": text}).encode())
    return tokenizer


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def cut(texts: Iterable[str], tokenizer: Tokenizer, folder: Path | None = None, name: str = "ids") -> IdStore:
    """The ids of `texts`, mapped from `folder` (written there unless it has them already) or in memory without one.

    Raises DataError when there is no text.
    """

    def documents() -> Iterator[list[Any]]:
        return tokenizer.encode_all(during(texts, "cutting the texts"))

    if folder is None:
        store = IdStore.from_arrays([ids for batch in documents() for ids in batch])
    else:
        key = content_key(tokenizer.fingerprint, texts=during(texts, "looking for ids of these texts"))
        store = IdStore.open_or_write(folder / name, key=key, vocab_size=len(tokenizer), batches=documents)
    if not len(store):
        raise DataError("expected texts, got none.")
    return store


def check_vocabulary(tokenizer: Tokenizer, told: Mapping[str, Any]) -> None:
    """Raise VocabMismatch when weights were trained with another vocabulary than the tokenizer's."""
    if told["fingerprint"] != tokenizer.vocab.fingerprint:
        raise VocabMismatch(
            f"the weights were trained with vocabulary {told['fingerprint']} ({told['size']:,} tokens), the tokenizer "
            f"has {tokenizer.vocab.fingerprint} ({len(tokenizer):,})."
        )


def chosen(texts: Iterable[str], documents: np.ndarray) -> Iterable[str]:
    """The documents of these numbers, which rise."""
    if isinstance(texts, Sequence):
        return [texts[i] for i in documents]
    known = set(documents.tolist())
    return [text for i, text in enumerate(texts) if i in known]

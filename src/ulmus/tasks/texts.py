"""Texts as users hold them -> lists of str, a tokenizer, an id store; kept in a work folder where there is one.

Lists, tuples, numpy arrays, pandas and polars columns and Arrow arrays are texts; so is anything that can be iterated
twice, such as files read as a stream: then nothing is held in memory. A second run with the same work folder finds
tokenizer and ids there and cuts nothing again. Knows no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ulmus.data.store import IdStore, content_key
from ulmus.errors import DataError, UsageError, VocabMismatch
from ulmus.storage import whole_file
from ulmus.tasks.watch import during
from ulmus.text.tokenizer import Tokenizer, TokenizerConfig

__all__ = [
    "as_list", "as_texts", "check_vocabulary", "chosen", "cut", "hold_back", "missing", "others", "readable",
    "trained_tokenizer",
]  # fmt: skip

HELD_BACK = 500  # documents, at most, that measure the perplexity when no others are given


def as_list(values: Any, what: str = "texts") -> list[Any]:
    """A plain list of a list, tuple, array, pandas/polars column or Arrow array. Raises UsageError for a table."""
    if isinstance(values, (str, bytes)):
        raise UsageError(
            f"{what}: expected a list of them, got a single {type(values).__name__}. Put it in a list."
        )
    if isinstance(values, Mapping) or len(getattr(values, "shape", (0,))) != 1:
        raise UsageError(
            f"{what}: expected one column or a list, got a {type(values).__name__}{_shape(values)}."
        )
    for name in ("to_pylist", "to_list", "tolist"):  # Arrow; pandas and polars; numpy
        if hasattr(values, name):
            return list(getattr(values, name)())
    return list(values)


def _shape(values: Any) -> str:
    return f" of shape {tuple(values.shape)}" if hasattr(values, "shape") else ""


def as_texts(values: Any, what: str = "texts") -> list[str]:
    """A list of str. A missing value (None, NaN, NA) is an empty text. Raises UsageError for anything else."""
    return [_text(value, what, i) for i, value in enumerate(as_list(values, what))]


def others(texts: list[str], *known: list[str]) -> list[str]:
    """Those of `texts` that are none of the `known` ones."""
    seen = {text.strip() for some in known for text in some}
    return [text for text in texts if text.strip() not in seen]


def readable(texts: Any, what: str = "texts") -> Iterable[str]:
    """Texts that can be read several times: columns as lists, streams as they are. Raises UsageError for others."""
    if isinstance(texts, Iterator):
        raise UsageError(
            f"{what}: expected texts that can be read several times, got a {type(texts).__name__} that "
            "ends after the first. Put them in a list."
        )
    column = isinstance(texts, (str, bytes, list, tuple, Mapping)) or hasattr(texts, "shape")
    return as_texts(texts, what) if column or hasattr(texts, "to_pylist") else texts


def missing(value: Any) -> bool:
    """Whether a value of a column is none: None, NaN, pandas' NA or NaT."""
    return (
        value is None
        or (isinstance(value, float) and value != value)
        or type(value).__name__ in ("NAType", "NaTType")
    )


def _text(value: Any, what: str, i: int) -> str:
    if isinstance(value, str):
        return str(value)
    if missing(value):
        return ""
    raise UsageError(
        f"{what}: expected str, got {type(value).__name__} at position {i} ({str(value)[:40]!r})."
    )


def trained_tokenizer(texts: Iterable[str], config: TokenizerConfig, folder: Path | None = None) -> Tokenizer:
    """A tokenizer trained on `texts`, or the one that `folder` holds for the same texts and config.

    Raises DataError when the texts have no tokens at all.
    """
    path = None
    if folder is not None:
        key = content_key(config, texts=during(texts, "looking for a vocabulary of these texts"))
        path = folder / f"tokenizer-{key[:16]}.json"
    if path is not None and path.exists():
        return Tokenizer.from_json(path.read_text(encoding="utf-8"))
    tokenizer = Tokenizer.train(during(texts, "counting what the vocabulary is made of"), config)
    if path is not None:
        with whole_file(path) as file:
            file.write(tokenizer.to_json().encode())
    return tokenizer


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


def hold_back(lengths: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Document numbers to train on and to measure on: 1 in 50, at most 500; none of fewer than 10.

    None either when those drawn have no two tokens, of `lengths` (N,), to measure anything on.
    """
    documents = len(lengths)
    held = min(documents // 50, HELD_BACK) or int(documents >= 10)
    order = np.random.default_rng(seed).permutation(documents)
    if lengths[order[:held]].sum() < 2:
        held = 0
    return np.sort(order[held:]), np.sort(order[:held])


def chosen(texts: Iterable[str], documents: np.ndarray) -> Iterable[str]:
    """The documents of these numbers, which rise."""
    if isinstance(texts, Sequence):
        return [texts[i] for i in documents]
    known = set(documents.tolist())
    return [text for i, text in enumerate(texts) if i in known]

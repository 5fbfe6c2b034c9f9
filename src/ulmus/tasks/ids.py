"""The texts of a run -> a tokenizer and token ids, both cached in the work folder if there is one.

The language model and the classifier share one `RunTexts`: its texts are hashed once, and tokenized once per tokenizer.
A second run with the same work folder reuses the tokenizer and the ids. Knows no model.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ulmus.data.store import IdStore, content_key
from ulmus.errors import DataError, VocabMismatch
from ulmus.storage import whole_file
from ulmus.tasks.progress import ProgressTexts, with_progress
from ulmus.text.pretrained import MarkedTokenizer, PretrainedTokenizer
from ulmus.text.tokenizer import Tokenizer, TokenizerConfig
from ulmus.train.processes import processes

__all__ = ["AnyTokenizer", "RunTexts", "check_vocabulary", "tokenized", "vocabulary_of"]

AnyTokenizer = Tokenizer | PretrainedTokenizer


class RunTexts:
    """Documents that can be iterated over several times (a list, or a stream that restarts).

    The first `learn` of them (None: all) are for training, the rest for evaluation only. `name` is the file name of the
    ids in the work folder; `verbose` reports the progress of long passes on stderr.
    """

    def __init__(
        self,
        texts: Iterable[str],
        folder: Path | None = None,
        *,
        learn: int | None = None,
        name: str = "ids",
        verbose: bool = False,
    ) -> None:
        self.texts, self.folder, self.learn, self.name = texts, folder, learn, name
        self._passes = ProgressTexts(texts) if verbose and processes().first else texts
        self._stores: dict[str, IdStore] = {}

    @cached_property
    def key(self) -> str:
        """Digest of all texts, in hex; takes one pass over them."""
        return content_key(None, texts=self.reported("Checking for cached ids"))

    def reported(self, what: str) -> Iterable[str]:
        """All texts, for one pass of work called `what`."""
        return with_progress(self._passes, what)

    @property
    def to_learn(self) -> Iterable[str]:
        """The training texts."""
        if self.learn is None:
            return self.texts
        return (
            self.texts[: self.learn] if isinstance(self.texts, Sequence) else islice(self.texts, self.learn)
        )

    def tokenizer(self, config: TokenizerConfig) -> Tokenizer:
        """A tokenizer trained on the training texts, or the cached one; all processes get the same.

        Raises DataError: the texts have no tokens.
        """
        if processes().count == 1:
            return self._trained(config)
        return Tokenizer.from_json(processes().from_first(lambda: self._trained(config).to_json()))

    def _trained(self, config: TokenizerConfig) -> Tokenizer:
        if self.folder is None:
            return Tokenizer.train(self._counting(), config)
        path = self.folder / f"tokenizer-{content_key([config, self.key, self.learn])[:16]}.json"
        if path.exists():
            # a damaged file is replaced
            with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                kept = json.loads(path.read_text(encoding="utf-8"))
                if kept["sha256"] == _digest(kept["tokenizer"]):
                    return Tokenizer.from_json(kept["tokenizer"])
            warnings.warn(f"{path} is damaged; retraining the tokenizer.", RuntimeWarning, stacklevel=2)
        tokenizer = Tokenizer.train(self._counting(), config)
        text = tokenizer.to_json()
        with whole_file(path) as file:
            file.write(json.dumps({"sha256": _digest(text), "tokenizer": text}).encode())
        return tokenizer

    def ids(self, tokenizer: AnyTokenizer | MarkedTokenizer) -> IdStore:
        """The ids of all texts, in memory or mapped from the work folder. Raises DataError: there are no texts."""
        if tokenizer.fingerprint not in self._stores:
            # only the latest is needed again
            self._stores = {tokenizer.fingerprint: self._tokenized(tokenizer)}
        return self._stores[tokenizer.fingerprint]

    def rows(self, documents: np.ndarray) -> Iterable[str]:
        """The texts of these document numbers (K,), which must be in ascending order."""
        if isinstance(self.texts, Sequence):
            return [self.texts[i] for i in documents]
        wanted = set(documents.tolist())
        return [text for i, text in enumerate(self.texts) if i in wanted]

    def _counting(self) -> Iterable[str]:
        return islice(self.reported("Building the vocabulary"), self.learn)

    def _tokenized(self, tokenizer: AnyTokenizer | MarkedTokenizer) -> IdStore:
        def documents() -> Iterator[list[Any]]:
            return tokenizer.encode_all(self.reported("Tokenizing"))

        if self.folder is None:
            store = IdStore.from_arrays([ids for batch in documents() for ids in batch])
        else:
            key = content_key([tokenizer.fingerprint, self.key])
            with processes().first_before_others():  # the others find it written
                store = IdStore.open_or_write(
                    self.folder / self.name, key=key, vocab_size=len(tokenizer), batches=documents
                )
        if not len(store):
            raise DataError("expected texts, got none.")
        return store


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def tokenized(texts: Iterable[str], tokenizer: AnyTokenizer) -> IdStore:
    """The ids of texts, in memory. Raises DataError: there are no texts."""
    return RunTexts(texts).ids(tokenizer)


def vocabulary_of(tokenizer: AnyTokenizer) -> str:
    """The fingerprint of the tokenizer's vocabulary."""
    return tokenizer.vocab.fingerprint if isinstance(tokenizer, Tokenizer) else tokenizer.fingerprint


def check_vocabulary(tokenizer: AnyTokenizer, expected: Mapping[str, Any]) -> None:
    """Raise VocabMismatch if the weights were trained with a different vocabulary from the tokenizer's."""
    if expected["fingerprint"] != vocabulary_of(tokenizer):
        raise VocabMismatch(
            f"the weights were trained with vocabulary {expected['fingerprint']} ({expected['size']:,} tokens), the "
            f"tokenizer has {vocabulary_of(tokenizer)} ({len(tokenizer):,})."
        )

"""str <-> ids: one `Tokenizer` for words, subwords (unigram, BPE) and characters, trained on the user's own texts.

How: a text is cleaned (`rules`) and split at white space, each chunk is expanded into tokens through a caching table
(`expand`), and a batch is gathered from the table by numpy. Subwords are trained and split by
`tokenizers`; the saved form is its standard `tokenizer.json`, with this tokenizer's configuration under the
pre-tokenizer's key "ulmus".
Large corpora are tokenized in several processes (`parallel`). Costs: docs/performance.md. Knows no files and no model.
"""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import models

from ulmus.errors import ConfigError, DataError, VocabMismatch
from ulmus.text import decode, saved
from ulmus.text.decode_subwords import join_subwords
from ulmus.text.expand import Expander, Table, WordExpander
from ulmus.text.parallel import counted, encoded
from ulmus.text.rules import RulesConfig, fix_html, merge_repeats, repair
from ulmus.text.subwords import SubwordExpander, train_model
from ulmus.text.vocab import SPECIALS, Vocab

__all__ = ["KINDS", "Counting", "Tokenizer", "TokenizerConfig"]

KINDS = ("word", "unigram", "bpe", "char")
_SIZES = {"word": 60_000, "unigram": 12_000, "bpe": 12_000, "char": 8_000}
_CHUNK = re.compile(r"\n|\S+")
_SLICE = 256  # texts gathered at a time
_FLUSH = 500_000  # distinct chunks counted before they are expanded


@dataclass(frozen=True)
class TokenizerConfig:
    """The type of tokens, their number and the rules. Raises ConfigError for invalid values.

    min_freq: tokens rarer than this in the training texts become `xxunk` (word and char).
    max_size: most tokens, special ones included; None is the default of the kind (word 60,000, unigram and
    bpe 12,000, char 8,000).
    """

    kind: str = "word"
    min_freq: int = 3
    max_size: int | None = None
    rules: RulesConfig = field(default_factory=RulesConfig)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"kind: expected one of {', '.join(KINDS)}, got {self.kind!r}.")
        if self.min_freq < 1:
            raise ConfigError(f"min_freq: expected at least 1 occurrence, got {self.min_freq}.")
        if self.max_size is not None and self.max_size < 20:
            raise ConfigError(f"max_size: expected at least 20 tokens, got {self.max_size}.")

    @property
    def size(self) -> int:
        """The largest vocabulary this configuration allows, in tokens."""
        return self.max_size or _SIZES[self.kind]


class Tokenizer:
    """Converts texts to token ids and back; created by `Tokenizer.train` or `Tokenizer.from_json`."""

    def __init__(self, config: TokenizerConfig, vocab: Vocab, model: models.Model | None = None) -> None:
        self.config = config
        self.vocab = vocab
        self._expand = _expander(config, model)
        self._table = Table(self._expand, vocab)
        self._lock, self._process = threading.Lock(), os.getpid()
        self._json: str | None = None

    @classmethod
    def train(cls, texts: Iterable[str], config: TokenizerConfig | None = None) -> Tokenizer:
        """Build the vocabulary from `texts`, which are iterated once and never collected in memory.

        If no token occurs `min_freq` times, as in a handful of texts, the most frequent ones form the vocabulary.
        Raises DataError for no texts, only white space, or a text that is not a str.
        """
        config = config or TokenizerConfig()
        counts = counted(texts, Counting(config), lambda: asdict(config))
        if not counts:
            raise DataError("expected texts to train a tokenizer on, got none with anything but white space.")
        most = max((n for token, n in counts.items() if token not in SPECIALS), default=1)
        min_freq = min(config.min_freq, most)
        if config.kind in ("unigram", "bpe"):
            model, tokens = train_model(counts, config.kind, size=config.size, min_freq=min_freq)
            trained = cls(config, Vocab(tokens), model)
            # so that its scores equal those of the saved file exactly
            return cls.from_json(trained.to_json())
        return cls(config, Vocab.from_counts(counts, min_freq, config.size))

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that differ if any token, rule or splitting expression differs."""
        return saved.fingerprint(self.to_json())

    def filled(self, tokens: Iterable[str]) -> Tokenizer:
        """A word tokenizer with the missing ones of `tokens` appended, up to the maximum size."""
        own = self.vocab
        more = [token for token in tokens if token not in own]
        return Tokenizer(self.config, Vocab([*own.tokens, *more][: self.config.size]))

    def __len__(self) -> int:
        return len(self.vocab)

    def __repr__(self) -> str:
        return f"Tokenizer({self.config.kind}, {len(self):,} tokens, {self.fingerprint})"

    def encode(self, text: str) -> NDArray[np.int32]:
        """The ids of a text, (T,) int32; `xxbos` first if the rules say so. Raises DataError unless it is a str."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """The ids of each text, a list of (T_i,) int32: as `encode` for each, but faster. Raises as `encode`."""
        encoded: list[NDArray[np.int32]] = []
        self._after_fork()
        with self._lock:
            for i in range(0, len(texts), _SLICE):
                encoded += self._encode_slice(texts[i : i + _SLICE])
        return encoded

    def encode_all(self, texts: Iterable[str]) -> Iterator[list[NDArray[Any]]]:
        """As `encode_batch` for any number of texts, one list per thousand or so; uses several processes for many.

        The ids, (T_i,) of each text, are int32, or uint16 if that suffices and they come from another process.
        Raises DataError as `encode`.
        """
        return encoded(texts, self.encode_batch, self.to_json)

    def tokens(self, text: str) -> list[str]:
        """The tokens of a text as strings, including those outside the vocabulary."""
        chunks = _chunks(text, self.config.rules)
        if self.config.rules.repeat_words:
            chunks = merge_repeats(chunks, self._expand.split)
        return [token for chunk in self._framed(chunks) for token in self._expand(chunk)]

    def decode(self, ids: Iterable[int], *, unknown: str = "") -> str:
        """Readable text: case, repeats and spacing restored, special tokens dropped, `unknown` for each `xxunk`.

        White space becomes single spaces: exactly for subwords and characters, by typographic rules for words; other
        characters are restored if every token is in the vocabulary. Raises VocabMismatch for an id out of range.
        """
        numbers = [int(i) for i in ids]
        if numbers and not 0 <= min(numbers) <= max(numbers) < len(self):
            raise VocabMismatch(
                f"expected ids from 0 to {len(self) - 1:,} (vocabulary {self.vocab.fingerprint}), got "
                f"{min(numbers):,} to {max(numbers):,}. Decode with the tokenizer that produced the ids."
            )
        tokens = [self.vocab.tokens[i] for i in numbers]
        if self.config.kind == "word":
            return decode.join_words(list(decode.units(tokens, unknown)), self._expand.split)
        return join_subwords(tokens, self._expand.split, unknown)

    def to_json(self) -> str:
        """The standard `tokenizer.json` (loads in `tokenizers.Tokenizer.from_str`), with our configuration inside."""
        if self._json is None:
            self._json = saved.dump(self.config, self._expand.standard(self.vocab))
        return self._json

    @classmethod
    def from_json(cls, text: str) -> Tokenizer:
        """The inverse of `to_json`. Raises DataError for anything that `to_json` did not write."""
        tree, tokens, model = saved.load(text)
        config = saved.build(TokenizerConfig, tree)
        tokenizer = cls(config, Vocab(tokens), model)
        tokenizer._json = text
        return tokenizer

    def __reduce__(self) -> tuple[Any, ...]:
        return self.from_json, (self.to_json(),)

    def _after_fork(self) -> None:
        """Reset lock and table in a forked process: a thread of the parent may have held the lock during a change."""
        if self._process != os.getpid():
            self._lock, self._process = threading.Lock(), os.getpid()
            self._table.forget()

    def _framed(self, chunks: list[str]) -> list[str]:
        rules = self.config.rules
        return [" xxbos"] * rules.bos + chunks + [" xxeos"] * rules.eos

    def _encode_slice(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        if self._table.full:
            self._table.forget()
        chunks: list[str] = []
        ends: list[int] = []  # where each text ends in `chunks`
        for text in texts:
            chunks += self._framed(_chunks(text, self.config.rules))
            ends.append(len(chunks))
        parts = np.split(self._table.numbers(chunks), ends[:-1])
        if self.config.rules.repeat_words:
            for n, part in enumerate(parts):
                if (same := part[1:] == part[:-1]).any() and (same[1:] & same[:-1]).any():
                    own = chunks[ends[n] - len(part) : ends[n]]
                    parts[n] = self._table.numbers(merge_repeats(own, self._expand.split))
        ids, lengths = self._table.gather(np.concatenate(parts))
        bounds = np.cumsum([len(part) for part in parts])[:-1]  # in chunks
        ends_in_ids = np.concatenate(([0], np.cumsum(lengths)))[bounds]
        return np.split(ids, ends_in_ids)


def _chunks(text: str, rules: RulesConfig) -> list[str]:
    """The text cleaned and split at white space; with the whitespace rule off a line end is a chunk."""
    if not isinstance(text, str):
        raise DataError(
            f"expected texts (str), got {type(text).__name__}: {text!r:.60}. Remove it or convert it to str."
        )
    if rules.html and ("<" in text or "&" in text):
        text = fix_html(text)
    text = repair(text)
    return text.split() if rules.whitespace else _CHUNK.findall(text)


class Counting:
    """Counts each token (for subwords: each run to be split into subwords) in the texts added.

    Counts chunks, and expands the distinct ones only at the end or when there are `_FLUSH` of them.
    """

    def __init__(self, config: TokenizerConfig) -> None:
        self._rules = config.rules
        self._expand: Callable[[str], list[str]]
        subword = config.kind in ("unigram", "bpe")
        self._expand = SubwordExpander(config.rules, None).runs if subword else _expander(config, None)
        self._chunks: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()

    def add(self, texts: Iterable[str]) -> None:
        """Add these texts to the counts."""
        for text in texts:
            self._chunks.update(_chunks(text, self._rules))
            if len(self._chunks) > _FLUSH:
                self.total()

    def total(self) -> Counter[str]:
        """The counts so far."""
        tokens = self._tokens
        for chunk, n in self._chunks.items():
            for token in self._expand(chunk):
                tokens[token] += n
        self._chunks.clear()
        return tokens


def _expander(config: TokenizerConfig, model: models.Model | None) -> Expander:
    if config.kind == "word":
        return WordExpander(config.rules)
    return SubwordExpander(config.rules, None if config.kind == "char" else model)

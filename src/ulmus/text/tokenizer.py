"""str <-> ids: one `Tokenizer` for words, subwords (unigram, BPE) and characters, trained on the user's own texts.

How: a text is repaired (`rules`), parted at white space, each chunk expanded into tokens through a table
that remembers chunks (`expand`), a batch gathered from the table by numpy. Subwords are trained and cut by
`tokenizers`; the saved form is its standard `tokenizer.json`, with this tokenizer's configuration under the
pre-tokenizer's key "ulmus".
Large corpora are read in several processes (`parallel`). Costs: docs/performance.md. Knows no files and no model.
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
from ulmus.text.decode_pieces import join_pieces
from ulmus.text.expand import Expander, Table, WordExpander
from ulmus.text.parallel import counted, encoded
from ulmus.text.pieces import PieceExpander, train_model
from ulmus.text.rules import RulesConfig, fix_html, merge_repeats, repair
from ulmus.text.vocab import SPECIALS, Vocab

__all__ = ["KINDS", "Counting", "Tokenizer", "TokenizerConfig"]

KINDS = ("word", "unigram", "bpe", "char")
_SIZES = {"word": 60_000, "unigram": 12_000, "bpe": 12_000, "char": 8_000}
_CHUNK = re.compile(r"\n|\S+")
_SLICE = 256  # texts gathered at a time
_FLUSH = 500_000  # different chunks counted before they are expanded


@dataclass(frozen=True)
class TokenizerConfig:
    """What kind of tokens, how many, under which rules.

    min_freq: tokens rarer than this in the training texts become `xxunk` (word and char kinds).
    max_size: most tokens with the nine special ones; None is the kind's default (word 60,000, unigram and
    bpe 12,000, char 8,000).
    """

    kind: str = "word"
    min_freq: int = 3
    max_size: int | None = None
    rules: RulesConfig = field(default_factory=RulesConfig)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"the kind of a tokenizer is one of {', '.join(KINDS)}; got {self.kind!r}.")
        if self.min_freq < 1:
            raise ConfigError(f"min_freq is a number of occurrences, 1 or more; got {self.min_freq}.")
        if self.max_size is not None and self.max_size < 20:
            raise ConfigError(f"max_size is a number of tokens, 20 or more; got {self.max_size}.")

    @property
    def size(self) -> int:
        """The largest vocabulary this configuration allows, in tokens."""
        return self.max_size or _SIZES[self.kind]


class Tokenizer:
    """Cuts texts into tokens and numbers them; made by `Tokenizer.train` or `Tokenizer.from_json`."""

    def __init__(self, config: TokenizerConfig, vocab: Vocab, model: models.Model | None = None) -> None:
        self.config = config
        self.vocab = vocab
        self._expand = _expander(config, model)
        self._table = Table(self._expand, vocab)
        self._lock, self._process = threading.Lock(), os.getpid()
        self._json: str | None = None

    @classmethod
    def train(cls, texts: Iterable[str], config: TokenizerConfig | None = None) -> Tokenizer:
        """Builds the vocabulary from `texts`, which are read once and never held together in memory.

        Where no token comes `min_freq` times, as in a handful of texts, the most frequent ones make the vocabulary.
        """
        config = config or TokenizerConfig()
        counts = counted(texts, Counting(config), lambda: asdict(config))
        if not counts:
            raise DataError(
                "expected texts to train a tokenizer on, got none with anything but white space in it."
            )
        most = max((n for token, n in counts.items() if token not in SPECIALS), default=1)
        min_freq = min(config.min_freq, most)
        if config.kind in ("unigram", "bpe"):
            model, tokens = train_model(counts, config.kind, size=config.size, min_freq=min_freq)
            trained = cls(config, Vocab(tokens), model)
            return cls.from_json(
                trained.to_json()
            )  # so that its scores are those of the saved file, to the last bit
        return cls(config, Vocab.from_counts(counts, min_freq, config.size))

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that differ when any token, any rule or the way of cutting differs."""
        return saved.fingerprint(self.to_json())

    def filled(self, tokens: Iterable[str]) -> Tokenizer:
        """A tokenizer of words with those of `tokens` that it lacks after its own, as far as there is room."""
        own = self.vocab
        more = [token for token in tokens if token not in own]
        return Tokenizer(self.config, Vocab([*own.tokens, *more][: self.config.size]))

    def __len__(self) -> int:
        return len(self.vocab)

    def __repr__(self) -> str:
        return f"Tokenizer({self.config.kind}, {len(self):,} tokens, {self.fingerprint})"

    def encode(self, text: str) -> NDArray[np.int32]:
        """The ids of a text, (T,) int32; `xxbos` first where the rules say so."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """The ids of each text, a list of (T_i,) int32; the same as `encode` for each, faster."""
        encoded: list[NDArray[np.int32]] = []
        self._after_fork()
        with self._lock:
            for i in range(0, len(texts), _SLICE):
                encoded += self._encode_slice(texts[i : i + _SLICE])
        return encoded

    def encode_all(self, texts: Iterable[str]) -> Iterator[list[NDArray[Any]]]:
        """The same for any number of texts, a list for each thousand or so; many are cut in several processes.

        The ids are int32, or uint16 where that is enough and other processes sent them.
        """
        return encoded(texts, self.encode_batch, self.to_json)

    def tokens(self, text: str) -> list[str]:
        """The tokens of a text as strings, those outside the vocabulary too."""
        chunks = _chunks(text, self.config.rules)
        if self.config.rules.repeat_words:
            chunks = merge_repeats(chunks, self._expand.cut)
        return [token for chunk in self._framed(chunks) for token in self._expand(chunk)]

    def decode(self, ids: Iterable[int], *, unknown: str = "") -> str:
        """Readable text: case, repeats and spacing restored, special tokens dropped, `unknown` for each `xxunk`.

        White space comes back as single spaces. Subword and char kinds restore it exactly, the word kind by
        the rules of typography; the other characters of a text whose tokens are all in the vocabulary come
        back unchanged.
        """
        numbers = [int(i) for i in ids]
        if numbers and not 0 <= min(numbers) <= max(numbers) < len(self):
            raise VocabMismatch(
                f"expected ids from 0 to {len(self) - 1:,} (vocabulary {self.vocab.fingerprint}), got "
                f"{min(numbers):,} to {max(numbers):,}. Decode with the tokenizer that made the ids."
            )
        tokens = [self.vocab.tokens[i] for i in numbers]
        if self.config.kind == "word":
            return decode.join_words(list(decode.units(tokens, unknown)), self._expand.cut)
        return join_pieces(tokens, self._expand.cut, unknown)

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
        """In a process that was forked: a thread that stayed behind may hold the lock, in the middle of a change."""
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
                    parts[n] = self._table.numbers(merge_repeats(own, self._expand.cut))
        ids, lengths = self._table.gather(np.concatenate(parts))
        bounds = np.cumsum([len(part) for part in parts])[:-1]  # in chunks
        ends_in_ids = np.concatenate(([0], np.cumsum(lengths)))[bounds]
        return np.split(ids, ends_in_ids)


def _chunks(text: str, rules: RulesConfig) -> list[str]:
    """The text repaired and parted at white space; with the whitespace rule off a line end is a chunk."""
    if not isinstance(text, str):
        raise DataError(
            f"expected texts (str), got {type(text).__name__}: {text!r:.60}. Leave it out or make it a str."
        )
    if rules.html and ("<" in text or "&" in text):
        text = fix_html(text)
    text = repair(text)
    return text.split() if rules.whitespace else _CHUNK.findall(text)


class Counting:
    """How often each token (subword kinds: each run that pieces are to be made of) stands in the texts it is given.

    Counts chunks, and expands the different ones only at the end or when there are `_FLUSH` of them.
    """

    def __init__(self, config: TokenizerConfig) -> None:
        self._rules = config.rules
        self._expand: Callable[[str], list[str]]
        subword = config.kind in ("unigram", "bpe")
        self._expand = PieceExpander(config.rules, None).runs if subword else _expander(config, None)
        self._chunks: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()

    def add(self, texts: Iterable[str]) -> None:
        """Count these texts too."""
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
    return PieceExpander(config.rules, None if config.kind == "char" else model)

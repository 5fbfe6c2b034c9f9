"""The tokenizer of a pretrained transformer: a `tokenizer.json`, used as it is.

Ids are those of the text alone; `layout` has the special tokens that the model expects around them. A text that
contains the characters of a special token (`[SEP]`) is ordinary text. Fields, `xxfld 1 ... xxfld 2 ...`, are joined by
the separator between the two texts of a pair. Costs: a million tokens a second. Knows no files and no model.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding
from tokenizers import Tokenizer as Backend

from ulmus.errors import ConfigError, DataError
from ulmus.special_tokens import Layout
from ulmus.text.parallel import batches
from ulmus.text.words import AlignedIds, Word

__all__ = ["MarkedTokenizer", "PretrainedTokenizer"]

_FIELD = re.compile(r"(?:^|(?<=\s))xxfld \d+ ")
_SURROGATE = re.compile("[\ud800-\udfff]")
_FIRST, _SECOND = "one", "two"  # any two texts, to see what is put around them
LONGEST_WORD = 8  # tokens; what is longer is text written without spaces, or no word


class PretrainedTokenizer:
    """Texts -> ids by a saved tokenizer. Raises ConfigError: not the JSON of a tokenizer."""

    def __init__(self, text: str) -> None:
        try:
            backend = Backend.from_str(text)
        except Exception as error:
            raise ConfigError(f"expected the contents of a tokenizer.json, got: {error}.") from error
        backend.no_truncation()
        pad = backend.padding["pad_id"] if backend.padding else _pad(backend)
        backend.no_padding()
        self.layout = _layout(backend, pad)
        backend.encode_special_tokens = True
        self._backend, self._text = backend, text
        self._size = 1 + max(backend.get_vocab(with_added_tokens=True).values())

    @classmethod
    def from_json(cls, text: str) -> PretrainedTokenizer:
        """The tokenizer saved by `to_json`, or in a tokenizer.json. Raises ConfigError."""
        return cls(text)

    def to_json(self) -> str:
        """The tokenizer.json that it was made from."""
        return self._text

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that differ if anything in the tokenizer.json differs."""
        canonical = json.dumps(json.loads(self._text), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def __len__(self) -> int:
        """One more than the largest id; there may be gaps below it."""
        return self._size

    def __repr__(self) -> str:
        return f"PretrainedTokenizer({len(self):,} tokens, {self.fingerprint})"

    def encode(self, text: str) -> NDArray[np.int32]:
        """The ids of a text, (T,) int32, without the model's special tokens. Raises DataError unless it is a str."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """The ids of each text, a list of (T_i,) int32. Raises DataError unless all are str."""
        return self._encoded(texts, lambda encoding: encoding.ids, self.layout.separator)

    def encode_marked(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """As `encode_batch`, (T_i,) int32, but 2 * id, or 2 * id + 1 if the token continues the word of the one before.

        No token of a word of more than `LONGEST_WORD` tokens is marked, and none at all unless `knows_words`.
        """
        separator = tuple(2 * number for number in self.layout.separator)
        return self._encoded(texts, _marked if self.knows_words else _unmarked, separator)

    @cached_property
    def knows_words(self) -> bool:
        """Whether the tokenizer splits texts into words before it splits words into tokens."""
        encoding = self._backend.encode(f"{_FIRST} {_SECOND}", add_special_tokens=False)
        return len(set(encoding.word_ids)) > 1

    @cached_property
    def special(self) -> tuple[int, ...]:
        """Ids of all special tokens, the unknown one included, in ascending order."""
        added = self._backend.get_added_tokens_decoder()
        return tuple(sorted(number for number, token in added.items() if token.special))

    def _encoded(
        self, texts: Sequence[str], numbers: Callable[[Encoding], list[int]], separator: tuple[int, ...]
    ) -> list[NDArray[np.int32]]:
        """The `numbers` of each text's fields, joined by `separator`."""
        for text in texts:
            if not isinstance(text, str):
                raise DataError(f"expected a text (str), got {type(text).__name__}.")
        fields = [_FIELD.split(text)[1:] or [text] if _FIELD.match(text) else [text] for text in texts]
        flat = [_plain(field.strip()) for several in fields for field in several]
        encodings = iter(self._backend.encode_batch_fast(flat, add_special_tokens=False))
        return [_joined([numbers(next(encodings)) for _ in several], separator) for several in fields]

    def encode_all(self, texts: Iterable[str]) -> Iterator[list[NDArray[Any]]]:
        """As `encode_batch` for any number of texts: lists of (T_i,) int32, one per thousand texts or so.

        Raises DataError as `encode`.
        """
        for batch in batches(texts):
            yield self.encode_batch(batch)

    def encode_words(self, sentences: Sequence[Sequence[Word]]) -> list[AlignedIds]:
        """The ids of each sentence as of its text, and which of them are of which word.

        A token may cover parts of two words; a word of which nothing is left has the id before it, or that of padding.
        """
        texts, places = [], []
        for words in sentences:
            text, own = "", []
            for word in words:
                text += " " * (word.space and bool(text))
                own.append((len(text), len(text) + len(word.text)))
                text += word.text
            texts.append(_plain(text))
            places.append(own)
        encoded = self._backend.encode_batch(texts, add_special_tokens=False)
        return [self._aligned(one.ids, one.offsets, own) for one, own in zip(encoded, places, strict=True)]

    def _aligned(
        self, ids: list[int], offsets: list[tuple[int, int]], words: list[tuple[int, int]]
    ) -> AlignedIds:
        """Ids with their characters, and words with theirs -> the ids of each word."""
        first: list[int] = []
        last: list[int] = []
        token = 0
        for start, end in words:
            while token < len(ids) and offsets[token][1] <= start:
                token += 1
            until = token
            while until < len(ids) and offsets[until][0] < end:
                until += 1
            first.append(min(token, until - 1) if until else 0)
            last.append(max(until - 1, 0))
            token = max(until - 1, 0)
        return AlignedIds(ids or [self.layout.pad] * bool(words), first, last)

    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        """Ids (T,) -> text."""
        return str(self._backend.decode(np.asarray(ids).tolist(), skip_special_tokens=True))


@dataclass(frozen=True)
class MarkedTokenizer:
    """A tokenizer whose ids say which tokens continue a word: those of `PretrainedTokenizer.encode_marked`."""

    tokenizer: PretrainedTokenizer

    @property
    def fingerprint(self) -> str:
        """Differs from that of the tokenizer."""
        return f"{self.tokenizer.fingerprint}-marked"

    def __len__(self) -> int:
        return 2 * len(self.tokenizer)

    def encode_all(self, texts: Iterable[str]) -> Iterator[list[NDArray[Any]]]:
        """Marked ids, lists of (T_i,) int32, one per thousand texts or so. Raises DataError unless all are str."""
        for batch in batches(texts):
            yield self.tokenizer.encode_marked(batch)


def _marked(encoding: Encoding) -> list[int]:
    """2 * id, plus 1 if the token continues a word of at most `LONGEST_WORD` tokens."""
    words = encoding.word_ids
    lengths = Counter(words)
    before = [None, *words][: len(words)]
    return [
        2 * number + (word is not None and word == last and lengths[word] <= LONGEST_WORD)
        for number, word, last in zip(encoding.ids, words, before, strict=True)
    ]


def _plain(text: str) -> str:
    """The text as UTF-8 can hold it: half a surrogate pair becomes U+FFFD, one character for one."""
    return _SURROGATE.sub("\ufffd", text)


def _unmarked(encoding: Encoding) -> list[int]:
    return [2 * number for number in encoding.ids]


def _joined(fields: list[list[int]], separator: tuple[int, ...]) -> NDArray[np.int32]:
    """The numbers of the fields of a text, with the separator between them."""
    joined = list(fields[0])
    for field in fields[1:]:
        joined += [*separator, *field]
    return np.array(joined, np.int32)


def _layout(backend: Backend, pad: int) -> Layout:
    """What the tokenizer puts around one text and between two. Raises ConfigError: it finds no token in any text."""
    first = next((text for text in (_FIRST, *backend.get_vocab()) if _tokens(backend, text)), None)
    if first is None:
        raise ConfigError(
            "the tokenizer finds no token in any text. Copy its files from where they came from."
        )
    second = _SECOND if _tokens(backend, _SECOND) else first
    one, two = backend.encode(first), backend.encode(first, second)
    prefix, suffix = _around(one.ids, one.sequence_ids)
    places = [i for i, sequence in enumerate(two.sequence_ids) if sequence == 0]
    later = next(i for i, sequence in enumerate(two.sequence_ids) if sequence == 1)
    separator, kind = tuple(two.ids[places[-1] + 1 : later]), two.type_ids[later]
    if separator or suffix:
        return Layout(prefix, separator or suffix, suffix, kind, pad)
    line_break = backend.encode("\n", add_special_tokens=False).ids  # what else tells two texts apart
    return Layout(prefix, tuple(line_break), suffix, 0, pad)


def _tokens(backend: Backend, text: str) -> list[int]:
    """The ids of a text. Raises ConfigError: it has an unknown word, and the tokenizer no token for such."""
    try:
        ids: list[int] = backend.encode(text, add_special_tokens=False).ids
    except Exception as error:  # `tokenizers` raises bare Exceptions
        raise ConfigError(f"the tokenizer cannot tokenize {text!r}: {error}.") from error
    return ids


def _around(ids: list[int], sequences: list[int | None]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The special tokens before and after a text."""
    own = [i for i, sequence in enumerate(sequences) if sequence is not None]
    return tuple(ids[: own[0]]), tuple(ids[own[-1] + 1 :])


def _pad(backend: Backend) -> int:
    """The id of the padding token; 0 if there is none with a usual name: padding is masked, any id will do."""
    names = ("[PAD]", "<pad>", "<|endoftext|>", "</s>")
    return next((number for name in names if (number := backend.token_to_id(name)) is not None), 0)

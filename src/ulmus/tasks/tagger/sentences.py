"""Tagged texts and sentences -> parts of words with tag numbers -> ids; and back: tags -> entities of the text.

A part is a sentence, or so much of a long text as is tagged at once; no part ends within a marked entity.
Tags are numbers: 0 is O, 1 + 2k begins an entity of type k, 2 + 2k continues it. Knows no tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from typing import NamedTuple, Protocol

import numpy as np

from ulmus.data.tag_batches import WordStore
from ulmus.evaluation.entities import Entity
from ulmus.text.shapes import word_features
from ulmus.text.words import AlignedIds, Word, words_of_text, words_of_tokens

__all__ = ["Aligning", "Part", "joined", "parts_of", "tag_names", "word_store"]

_STOPS = frozenset(".!?\u2026\u3002\uff01\uff1f")  # a part ends after one of these if it can


class Aligning(Protocol):
    """What a tagger needs of a tokenizer."""

    def encode_words(self, sentences: Sequence[Sequence[Word]]) -> list[AlignedIds]:
        """The ids of each sentence, word by word."""


class Part(NamedTuple):
    """Words that are tagged together."""

    sentence: int  # number of the text or sentence that they are from
    words: list[Word]
    tags: list[int]  # of each word; all 0 where nothing is marked

    def entities(self, types: Sequence[str], tags: Sequence[int]) -> Iterator[tuple[int, int, Entity]]:
        """First and last word of each entity that valid `tags` (W,) mark, and the entity in the text's positions."""
        begins = [i for i, tag in enumerate(tags) if tag % 2]
        for i in begins:
            j = i
            while j + 1 < len(tags) and tags[j + 1] == tags[i] + 1:
                j += 1
            yield i, j, Entity(self.words[i].start, self.words[j].end, types[tags[i] // 2])


def tag_names(types: Sequence[str]) -> list[str]:
    """The tags (K,) in the order of their numbers."""
    return ["O", *(f"{prefix}-{name}" for name in types for prefix in "BI")]


def joined(sentences: Sequence[str | Sequence[str]]) -> list[str]:
    """The texts as they are; of tokens the text that they are tokens of, more or less."""
    return [text if isinstance(text, str) else _spelled(words_of_tokens(text)) for text in sentences]


def _spelled(words: Sequence[Word]) -> str:
    return "".join(" " * word.space + word.text for word in words)


def parts_of(
    sentences: Sequence[str | Sequence[str]],
    entities: Sequence[Sequence[Entity]] | None = None,
    *,
    types: Sequence[str] = (),
    longest: int,
) -> list[Part]:
    """The parts, of `longest` words at most, of texts or sentences, with the tags of their `entities` of these types.

    A word that an entity's end lies within is split there. Texts without a word have no part.
    """
    numbers = {name: k for k, name in enumerate(types)}
    parts: list[Part] = []
    for number, sentence in enumerate(sentences):
        marked = entities[number] if entities is not None else []
        words = words_of_text(sentence) if isinstance(sentence, str) else words_of_tokens(sentence)
        words = _split_at(words, {end for entity in marked for end in entity[:2]})
        tags = _tags(words, marked, numbers)
        parts += [Part(number, words[i:j], tags[i:j]) for i, j in _ranges(words, tags, longest)]
    return parts


def word_store(parts: Sequence[Part], tokenizer: Aligning, buckets: int) -> WordStore:
    """The ids, features (numbers below `buckets`) and tags of the parts."""
    aligned = tokenizer.encode_words([part.words for part in parts])
    return WordStore(
        [one.ids for one in aligned],
        [np.array([one.first, one.last], np.int32).T for one in aligned],
        word_features([word.text for part in parts for word in part.words], buckets),
        np.array([tag for part in parts for tag in part.tags], np.int64),
    )


def _split_at(words: list[Word], borders: set[int]) -> list[Word]:
    if borders <= {end for word in words for end in (word.start, word.end)}:
        return words
    pieces: list[Word] = []
    for word in words:
        cuts = [word.start, *sorted(b for b in borders if word.start < b < word.end), word.end]
        for start, end in pairwise(cuts):
            text = word.text[start - word.start : end - word.start]
            pieces.append(Word(text, word.space and start == word.start, start, end))
    return pieces


def _tags(words: Sequence[Word], marked: Sequence[Entity], numbers: dict[str, int]) -> list[int]:
    tags = [0] * len(words)
    queue = iter(sorted(marked))
    entity = next(queue, None)
    begun = False
    for i, word in enumerate(words):
        while entity is not None and word.start >= entity.end:
            entity, begun = next(queue, None), False
        if entity is not None and word.end > entity.start:
            tags[i] = (2 if begun else 1) + 2 * numbers[entity.label]
            begun = True
    return tags


def _ranges(words: Sequence[Word], tags: Sequence[int], longest: int) -> Iterator[tuple[int, int]]:
    """Beginnings and ends of the parts: after the end of a sentence if there is one in their second half.

    A part is longer only if an entity is.
    """
    start = 0
    while len(words) - start > longest:
        most = start + longest
        ends = [i for i in range(most, start + longest // 2, -1) if tags[i] == 0 or tags[i] % 2]
        stops = [i for i in ends if words[i - 1].text in _STOPS]
        beyond = (i for i in range(most + 1, len(words)) if tags[i] == 0 or tags[i] % 2)
        end = next(chain(stops, ends, beyond), len(words))
        yield start, end
        start = end
    if start < len(words):
        yield start, len(words)

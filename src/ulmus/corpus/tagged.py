"""Texts or sentences with marked entities: from files (CoNLL columns, jsonl with spans) and from Python lists.

In a text the entities are spans of characters, in a sentence of tokens spans of tokens; all else is the same for both.
Tags in any scheme (IOB1, IOB2, IO, BIOES, BMES, BILOU) become entities at once; `O` is no entity. Knows no words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ulmus.corpus.columns import as_list
from ulmus.corpus.conll import read_conll
from ulmus.corpus.jsonvalues import read_objects
from ulmus.corpus.packing import plain_suffix
from ulmus.corpus.streams import existing
from ulmus.errors import DataError, UsageError
from ulmus.evaluation.entities import Entity, entities

__all__ = ["FORMATS", "Tagged", "read_tagged"]

FORMATS = ("auto", "conll", "jsonl")
_TAG = re.compile(r"O|[BIEMSLU]-.+", re.DOTALL)
_JSON = {".json", ".jsonl", ".ndjson"}


@dataclass(frozen=True)
class Tagged:
    """N texts, or sentences of tokens, and the entities of each, which do not overlap."""

    sentences: list[str] | list[list[str]]
    entities: list[list[Entity]]

    @classmethod
    def of(cls, sentences: Any, tags: Any) -> Tagged:
        """From Python: lists of tokens with one tag each, or texts with spans.

        A span is (start, end, label) in characters, end exclusive, or a dict with these keys. Raises UsageError for
        another number of tags than tokens or a mixture of texts and lists, DataError for what is no tag or span.
        """
        given, marked = as_list(sentences, "sentences"), as_list(tags, "tags")
        if len(given) != len(marked):
            raise UsageError(
                f"each sentence needs its tags: got {len(given):,} sentences and tags for {len(marked):,}."
            )
        if all(isinstance(text, str) for text in given):
            spans = [
                _spans(text, row, f"text {n}")
                for n, (text, row) in enumerate(zip(given, marked, strict=True), 1)
            ]
            return cls(given, spans)
        if any(isinstance(text, str) for text in given):
            raise UsageError(
                "expected texts with spans, or lists of tokens with tags; got a mixture of both."
            )
        tokens = [as_list(sentence, "a sentence") for sentence in given]
        rows = zip(tokens, marked, strict=True)
        return cls(
            tokens, [_entities(sentence, row, f"sentence {n}") for n, (sentence, row) in enumerate(rows, 1)]
        )

    @property
    def types(self) -> list[str]:
        """The types of the entities, sorted."""
        return sorted({entity.label for row in self.entities for entity in row})

    def rows(self, index: Iterable[int]) -> Tagged:
        """The sentences of these numbers."""
        chosen = list(index)
        return Tagged([self.sentences[i] for i in chosen], [self.entities[i] for i in chosen])  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.sentences)


def read_tagged(path: str | Path, *, format: str = "auto", encoding: str = "auto") -> Tagged:  # noqa: A002
    """The content of a file: CoNLL columns (last column: tag), or jsonl objects with `text` and `spans`.

    `format` auto: jsonl if the name says so, else conll. Raises DataError for a file without sentences, an unknown tag
    or a span outside its text, with the line; UsageError for an unknown format; StorageError.
    """
    if format not in FORMATS:
        raise UsageError(f"format: expected one of {', '.join(FORMATS)}, got {format!r}.")
    file = existing(path)
    if format == "jsonl" or (format == "auto" and plain_suffix(file) in _JSON):
        return _read_spans(file, encoding)
    tokens: list[list[str]] = []
    found: list[list[Entity]] = []
    for line, words, tags in read_conll(file, encoding):
        tokens.append(words)
        found.append(_entities(words, tags, f"{file}, the sentence at line {line:,}"))
    if not tokens:
        raise DataError(f"expected sentences, but {file} has none.")
    return Tagged(tokens, found)


def _read_spans(path: Path, encoding: str) -> Tagged:
    unit, objects = read_objects(path, encoding)
    texts: list[str] = []
    found: list[list[Entity]] = []
    for number, row in objects:
        where = f"{path}, {unit} {number:,}"
        if not isinstance(row.get("text"), str) or not isinstance(row.get("spans"), list):
            raise DataError(
                f'{where} has the keys {", ".join(map(repr, row)) or "(none)"}; expected "text", a string, and '
                '"spans", a list of {"start": 0, "end": 6, "label": "PER"} in characters.'
            )
        texts.append(row["text"])
        found.append(_spans(row["text"], row["spans"], where))
    if not texts:
        raise DataError(f"expected texts, but {path} has none.")
    return Tagged(texts, found)


def _entities(tokens: Sequence[str], tags: Any, where: str) -> list[Entity]:
    """The entities of a sentence. Raises DataError for an unknown tag, UsageError for another number of tags."""
    row = as_list(tags, "tags")
    if len(row) != len(tokens):
        raise UsageError(f"{where} has {len(tokens):,} tokens and {len(row):,} tags. Give one tag per token.")
    for tag in row:
        if not isinstance(tag, str) or not _TAG.fullmatch(tag):
            raise DataError(
                f"{where} has the tag {tag!r}. Expected O, or a prefix and a type, such as B-PER and I-PER "
                "(BIO, IOB1, BIOES or BILOU)."
            )
    return entities(row)


def _spans(text: str, spans: Any, where: str) -> list[Entity]:
    """The spans of a text, sorted. Raises DataError for an invalid one, or for two that overlap."""
    found = sorted(_span(text, span, where) for span in as_list(spans, "spans"))
    for one, other in pairwise(found):
        if other.start < one.end:
            raise DataError(
                f"{where} has spans that overlap: {tuple(one)} and {tuple(other)}. Keep one of them: a character "
                "belongs to one span at most."
            )
    return found


def _span(text: str, span: Any, where: str) -> Entity:
    if isinstance(span, Mapping):
        parts: list[Any] = [span.get(key) for key in ("start", "end", "label")]
    else:
        parts = list(span)[:3] if isinstance(span, Sequence) and not isinstance(span, str) else []
    if (
        len(parts) < 3
        or not all(type(n) is int for n in parts[:2])
        or not isinstance(parts[2], str)
        or not parts[2]
    ):
        raise DataError(
            f"{where} has the span {span!r:.80}. Expected start and end (whole numbers) and a label."
        )
    start, end, label = parts
    if not 0 <= start < end <= len(text) or not text[start:end].strip():
        raise DataError(
            f"{where} has a span from {start} to {end}, which marks nothing in its {len(text):,} characters. "
            "Positions count characters (not bytes) from 0; the end is exclusive."
        )
    return Entity(start, end, label)

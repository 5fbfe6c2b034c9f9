"""fill-mask and ner: what stands at a place of a text. Axes: N texts, T tokens, C classes, V vocabulary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from ulmus.corpus.columns import as_texts
from ulmus.errors import BundleError, DataError, UsageError
from ulmus.tasks.pipelines.checkpoint import Checkpoint, Model, checkpoint
from ulmus.tasks.pipelines.windows import Windows, forward, windows
from ulmus.text.splitter import Splitter

__all__ = ["fill_mask", "ner"]

_CHUNK = re.compile(r"\S+")
_OUTSIDE = "O"


def fill_mask(texts: Sequence[str], model: Model, *, top_k: int = 5) -> list[dict[str, Any]]:
    """{"masks": [[{"token", "score", "text"}, ...], ...]} for each of N texts: `top_k` guesses for each of its masks.

    A mask is written as the model's own, such as [MASK] or <mask>. `token` is what to put there, `score` its
    probability, 0 to 1, and `text` the text with that mask replaced (other masks stay).
    Raises UsageError: unusable texts, or top_k below 1. DataError: a text without a mask, or longer than the model
    takes. BundleError: a tokenizer without a mask. The errors of `load`.
    """
    given, found = as_texts(texts), checkpoint("fill-mask", model)
    tokenizer, mask = found.tokenizer, found.tokenizer.mask_token
    if top_k < 1:
        raise UsageError(f"top_k: expected 1 or more, got {top_k}.")
    if mask is None:
        raise BundleError(f"{found.folder}: the tokenizer has no mask token, which fill-mask needs.")
    for number, text in enumerate(given):
        if mask not in text:
            raise DataError(f"text {number} has no {mask}: write {mask} where a word is to be guessed.")
    if not given:
        return []
    parts = windows(found, given, overlap=False, special=True)
    if longer := {number for number in parts.text if parts.text.count(number) > 1}:
        raise DataError(
            f"text {min(longer)} is longer than the {found.limit:,} tokens that the model takes. "
            f"Shorten it around {mask}."
        )

    def take(outputs: Any, row: int, k: int) -> list[tuple[list[float], list[int]]]:
        ids = parts.inputs["input_ids"][k]
        places = [i for i, token in enumerate(ids) if token == tokenizer.mask_token_id]
        best = outputs.logits[row, places].softmax(dim=1)  # (masks, V)
        values, tokens = best.topk(min(top_k, best.shape[1]), dim=1)
        return list(zip(values.tolist(), tokens.tolist(), strict=True))

    return [
        {"masks": [_guesses(tokenizer, text, at, *best) for at, best in enumerate(masks)]}
        for text, masks in zip(given, forward(found, parts, take), strict=True)
    ]


def _guesses(
    tokenizer: Any, text: str, at: int, values: list[float], tokens: list[int]
) -> list[dict[str, Any]]:
    """The guesses for mask number `at` of a text."""
    pieces = text.split(tokenizer.mask_token)
    before = tokenizer.mask_token.join(pieces[: at + 1])
    after = tokenizer.mask_token.join(pieces[at + 1 :])
    words = [str(tokenizer.decode([token])).strip() for token in tokens]
    return [
        {"token": word, "score": value, "text": before + word + after}
        for word, value in zip(words, values, strict=True)
    ]


def ner(texts: Sequence[str], model: Model) -> list[dict[str, Any]]:
    """{"entities": [{"label", "start", "end", "text", "score"}, ...]} for each of N texts, which are read whole.

    `text` is `texts[n][start:end]`; entities do not overlap and are in order. A word has the class of its first token,
    and an entity begins at a B- or where the class changes; `score` is the mean probability of its words, 0 to 1.
    A text longer than the model takes is read in overlapping windows, whose probabilities are averaged.
    Raises UsageError: unusable texts. The errors of `load`.
    """
    given, found = as_texts(texts), checkpoint("ner", model)
    if not given:
        return []
    parts = windows(found, given, overlap=True)
    rows = forward(
        found, parts, lambda out, row, k: out.logits[row, : len(parts.own[k])].softmax(dim=1).cpu()
    )
    places = _places(parts, rows, len(given))
    split = Splitter("word")
    return [{"entities": _entities(text, split, at, found)} for text, at in zip(given, places, strict=True)]


def _places(parts: Windows, rows: list[Tensor], texts: int) -> list[dict[tuple[int, int], Tensor]]:
    """For each text: (start, end) of each of its tokens -> probabilities (C,), averaged over the windows."""
    found: list[dict[tuple[int, int], list[Tensor]]] = [{} for _ in range(texts)]
    for number, offsets, own, probabilities in zip(parts.text, parts.offsets, parts.own, rows, strict=True):
        seen = set()
        for at, mine, row in zip(offsets, own, probabilities, strict=True):
            if mine and at not in seen and at[0] < at[1]:  # the bytes of one character are several tokens
                seen.add(at)
                found[number].setdefault(at, []).append(row)
    return [{at: sum(several[1:], several[0]) / len(several) for at, several in one.items()} for one in found]


def _words(
    text: str, split: Splitter, places: dict[tuple[int, int], Tensor]
) -> Iterator[tuple[int, int, Tensor]]:
    """Start, end and the probabilities (C,) of the first token of each word."""
    tokens = sorted((start + _spaces(text[start:end]), end, row) for (start, end), row in places.items())
    at, end = 0, 0
    for chunk in _CHUNK.finditer(text):
        start = chunk.start()
        for word in split(chunk[0]):
            stop = start + len(word)
            while at < len(tokens) and tokens[at][0] < max(start, end):
                at += 1
            if at < len(tokens) and tokens[at][0] < stop:
                end = max(stop, tokens[at][1])  # a token may cover several words
                yield start, end, tokens[at][2]
            start = stop


def _spaces(text: str) -> int:
    """Number of spaces at the beginning of a token."""
    return len(text) - len(text.lstrip())


def _entities(
    text: str, split: Splitter, places: dict[tuple[int, int], Tensor], found: Checkpoint
) -> list[dict[str, Any]]:
    """The entities of a text."""
    entities: list[dict[str, Any]] = []
    scores: list[list[float]] = []
    labels, before = found.labels, _OUTSIDE
    for start, end, row in _words(text, split, places):
        tag = labels[int(row.argmax())]
        kind = tag.removeprefix("B-").removeprefix("I-")
        if kind != _OUTSIDE and (tag.startswith("B-") or kind != before):
            entities.append({"label": kind, "start": start, "end": end})
            scores.append([])
        if kind != _OUTSIDE:
            entities[-1]["end"] = end
            scores[-1].append(float(row.max()))
        before = kind
    return [
        {**entity, "text": text[entity["start"] : entity["end"]], "score": sum(values) / len(values)}
        for entity, values in zip(entities, scores, strict=True)
    ]

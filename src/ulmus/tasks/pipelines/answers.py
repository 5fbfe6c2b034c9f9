"""question-answering: a question and a text -> the span of the text that answers it. Axes: N texts, T tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ulmus.corpus.columns import as_texts
from ulmus.errors import UsageError
from ulmus.tasks.pipelines.checkpoint import Model, checkpoint
from ulmus.tasks.pipelines.windows import Windows, forward, windows

__all__ = ["question_answering"]


class _Span(NamedTuple):
    """A candidate: characters of the text, and its probability in its window."""

    score: float
    start: int
    end: int


def question_answering(
    texts: Sequence[str], model: Model, *, question: str | Sequence[str], longest: int = 30
) -> list[dict[str, Any]]:
    """{"answer", "start", "end", "score", "no_answer"} for each of N texts: the likeliest answer to the question.

    question: one for all texts, or one for each. longest: tokens of an answer, at most. `answer` is
    `texts[n][start:end]`; `score`, 0 to 1, is the product of the probabilities of its start and its end, `no_answer`
    that of the place where models put questions without an answer (0 for other models). A text longer than the model
    takes is searched in overlapping windows: `score` is the best, `no_answer` the lowest. An empty text has the empty
    answer with score 0. Source: Devlin et al. 2019, section 4.2.
    Raises UsageError: unusable texts, or not one question for each. DataError: a question as long as the model takes.
    The errors of `load`.
    """
    given, found = as_texts(texts), checkpoint("question-answering", model)
    asked = [question] * len(given) if isinstance(question, str) else as_texts(question, "question")
    if len(asked) != len(given):
        raise UsageError(f"expected a question for each text, got {len(asked)} for {len(given)} texts.")
    if longest < 1:
        raise UsageError(f"longest: expected 1 or more tokens, got {longest}.")
    if not given:
        return []
    parts = windows(found, asked, given, divided=1, overlap=True)

    def take(outputs: Any, row: int, k: int) -> tuple[_Span, float]:
        size = len(parts.own[k])
        return _best(outputs.start_logits[row, :size], outputs.end_logits[row, :size], parts, k, longest)

    results: list[list[tuple[_Span, float]]] = [[] for _ in given]
    for number, result in zip(parts.text, forward(found, parts, take), strict=True):
        results[number].append(result)
    return [
        _answer(text, max(span for span, _ in several), min(none for _, none in several))
        for text, several in zip(given, results, strict=True)
    ]


def _best(starts: Tensor, ends: Tensor, parts: Windows, k: int, longest: int) -> tuple[_Span, float]:
    """The likeliest span in window k by logits (T,) of starts and ends, and the probability of no answer.

    Probabilities are over the tokens of the text and the first token, which stands for no answer.
    """
    inside = torch.tensor(parts.own[k], device=starts.device)  # (T,)
    if not bool(inside.any()):
        return _Span(0.0, 0, 0), 1.0
    allowed = inside.clone()
    allowed[0] = True
    start, end = (
        logits.float().masked_fill(~allowed, -torch.inf).softmax(dim=0) for logits in (starts, ends)
    )
    none = 0.0 if bool(inside[0]) else float(start[0] * end[0])
    # (T, T): from the token of the row to that of the column, not backwards and not too long
    spans = torch.outer(start * inside, end * inside).triu().tril(longest - 1)
    best = int(spans.argmax())
    i, j = divmod(best, len(starts))
    return _Span(float(spans[i, j]), parts.offsets[k][i][0], parts.offsets[k][j][1]), none


def _answer(text: str, span: _Span, none: float) -> dict[str, Any]:
    """The result for a text; white space that a token has around it is not part of the answer."""
    answer = text[span.start : span.end]
    start = span.start + len(answer) - len(answer.lstrip())
    answer = answer.strip()
    return {
        "answer": answer,
        "start": start,
        "end": start + len(answer),
        "score": span.score,
        "no_answer": none,
    }

"""sentiment-analysis and zero-shot-classification: texts -> a label each, with the probability of every label.

Texts are read whole: the outputs for several windows of a text are averaged, weighted by their tokens.
Axes: N texts, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ulmus.corpus.columns import as_texts
from ulmus.errors import BundleError, UsageError
from ulmus.tasks.pipelines.checkpoint import Checkpoint, Model, checkpoint
from ulmus.tasks.pipelines.windows import averaged, forward, windows

__all__ = ["sentiment_analysis", "zero_shot_classification"]


def sentiment_analysis(texts: Sequence[str], model: Model) -> list[dict[str, Any]]:
    """{"label", "score", "scores": {label: probability}} for each of N texts, by any model that classifies texts.

    `label` is the likeliest one and `score` its probability, 0 to 1. Probabilities sum to 1, or are independent of each
    other if the model says so (multi-label). Raises UsageError: unusable texts. The errors of `load`.
    """
    given, found = as_texts(texts), checkpoint("sentiment-analysis", model)
    logits = _logits(found, given)
    config = found.model.config
    several = config.problem_type == "multi_label_classification" or logits.shape[1] == 1
    return _chosen(found.labels, logits.sigmoid() if several else logits.softmax(dim=1))


def zero_shot_classification(
    texts: Sequence[str],
    model: Model,
    *,
    labels: Sequence[str],
    template: str = "This example is {}.",
    multi_label: bool = False,
) -> list[dict[str, Any]]:
    """{"label", "score", "scores": {label: probability}} for each of N texts, by a model of entailment.

    Each of `labels` (C,) is put into `template`; what counts is how far a text entails the sentence. Probabilities sum
    to 1 over the labels; with `multi_label` each is entailment against contradiction, independent of the other labels.
    Source: Yin et al. 2019, section 4. Raises UsageError: unusable texts, no labels, a template without {}.
    BundleError: a model that does not know entailment. The errors of `load`.
    """
    given, names = as_texts(texts), list(dict.fromkeys(labels))
    if isinstance(labels, str) or not names:
        raise UsageError("labels: expected one or more names of classes to choose from.")
    if "{}" not in template:
        raise UsageError(f"template: expected a sentence with {{}} for the label, got {template!r}.")
    found = checkpoint("zero-shot-classification", model)
    entails, contradicts = _position(found, "entail"), _position(found, "contra")
    pairs = [text for text in given for _ in names]
    logits = _logits(found, pairs, [template.replace("{}", name) for name in names] * len(given))
    by_label = logits.view(len(given), len(names), logits.shape[1])  # (N C, .) -> (N, C, .)
    if multi_label:
        scores = by_label[:, :, [contradicts, entails]].softmax(dim=2)[:, :, 1]
    else:
        scores = by_label[:, :, entails].softmax(dim=1)
    return _chosen(names, scores)


def _logits(found: Checkpoint, texts: list[str], others: list[str] | None = None) -> Tensor:
    """Outputs (N, C) for texts or pairs, averaged over the windows of each."""
    if not texts:
        return torch.zeros(0, len(found.labels))
    given = windows(found, texts, others, overlap=False)
    return averaged(forward(found, given, lambda outputs, row, _: outputs.logits[row]), given, len(texts))


def _chosen(labels: Sequence[str], scores: Tensor) -> list[dict[str, Any]]:
    """Probabilities (N, C) -> a dict per text, its labels from the likeliest to the least likely."""
    results = []
    for row in scores.tolist():
        ranked = dict(sorted(zip(labels, row, strict=True), key=lambda item: -item[1]))
        label = next(iter(ranked))
        results.append({"label": label, "score": ranked[label], "scores": ranked})
    return results


def _position(found: Checkpoint, beginning: str) -> int:
    """The class whose name begins so. Raises BundleError if there is none."""
    for number, name in enumerate(found.labels):
        if name.lower().startswith(beginning):
            return number
    raise BundleError(
        f"{found.folder} has the classes {', '.join(found.labels)}; {found.task} needs a model of natural language "
        "inference, with the classes entailment and contradiction."
    )

"""A fitted model and labelled texts -> the report on them, and on its training: see `evaluation/report.py`.

Costs: the predictions, tens more for each mistake that is explained, near-duplicates among all texts (5 s for 50,000),
and for a training word counts that are fitted five times. Axes: N documents, C classes, K chosen documents.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ulmus.corpus.columns import as_list
from ulmus.corpus.times import as_times
from ulmus.errors import UsageError
from ulmus.evaluation.calibration import decisions
from ulmus.evaluation.confusions import most_confused
from ulmus.evaluation.label_errors import label_errors
from ulmus.evaluation.outcome import Outcome
from ulmus.evaluation.report import Confusion, Doubt, Doubts, Mistake, Pictured, Report, Twin, Twins
from ulmus.evaluation.slices import Slice, by_group, by_length, by_order
from ulmus.evaluation.typical import portraits
from ulmus.fields import split_pair
from ulmus.linear.features import CountFeatures
from ulmus.serve.explaining import explained
from ulmus.tasks.classifier.asked import Asked
from ulmus.tasks.classifier.fitted import FittedClassifier
from ulmus.tasks.classifier.material import Beside
from ulmus.text.words import words_of_text

__all__ = ["Assessed", "as_shown", "doubts", "facts", "pictured", "report", "slices", "twins"]

MISTAKES, EXPLAINED = 8, 20_000  # mistakes that are shown; characters of a text that is explained
CONFUSED, EXAMPLES = 6, 3  # pairs of classes, and texts of each
SHOWN = 40  # doubtful labels and near-duplicates
CLASSES, COMPARED = 8, 5_000  # classes that get typical texts, and texts that these are chosen from


class Assessed(NamedTuple):
    """Labelled texts, what the model predicted for them, and the scores."""

    texts: list[str]
    outcome: Outcome
    scores: dict[str, Any]
    near: np.ndarray | None = None  # (N,) number of the training text that each is nearly the same as, or -1


def report(asked: Asked, given: Assessed, *, beside: Beside, train: Sequence[str] | None = None) -> Report:
    """The report on labelled texts that the model was not trained on."""
    made = Report(
        title="Evaluation",
        facts=facts(asked.model),
        scores=given.scores,
        notes=_beware(given, compared=train is not None),
        slices=slices(given, beside),
        history=asked.model.history,
    )
    if train is not None and given.near is not None:
        labels = [_true(given.outcome, i) for i in range(len(given.texts))]
        made = replace(made, twins=twins(given.texts, labels, given.near, train, known=None))
    if asked.model.objective.numeric:
        return replace(made, **_of_numbers(asked, given))
    return replace(made, **of_classes(asked, given), doubts=_own_doubts(given))


def of_classes(asked: Asked, given: Assessed) -> dict[str, Any]:
    """What a report says of predicted classes."""
    outcome = given.outcome
    found: dict[str, Any] = {"interval": outcome.interval(), "gain": outcome.gain()}
    found["reliability"] = outcome.reliability()
    rows = outcome.worst(MISTAKES)
    decided, sure = outcome.decided(outcome.main), outcome.confidence()
    names = [outcome.named(decided[i]) for i in rows]
    explanations = _explained(asked, [given.texts[i] for i in rows], names)
    found["mistakes"] = tuple(
        Mistake(int(i), as_shown(given.texts[i]), _true(outcome, i), name, float(sure[i]), explanation)
        for i, name, explanation in zip(rows, names, explanations, strict=True)
    )
    if outcome.target.ndim == 1:
        counts = given.scores["confusion"]["counts"]
        found["confusions"] = tuple(
            Confusion(
                str(outcome.names[one.true]),
                str(outcome.names[one.predicted]),
                one.documents,
                tuple(as_shown(given.texts[i]) for i in outcome.confused(one.true, one.predicted, EXAMPLES)),
            )
            for one in most_confused(counts, CONFUSED)
        )
        found["portraits"] = pictured(asked.model, given.texts, outcome.target, outcome.names)
    return found


def _of_numbers(asked: Asked, given: Assessed) -> dict[str, Any]:
    """What a report says of predicted numbers."""
    objective, outcome = asked.model.objective, given.outcome
    true, predicted = (
        np.asarray(objective.decide(values), np.float64)
        for values in (outcome.target.astype(np.float64), outcome.proba)
    )
    rows = np.argsort(-np.abs(predicted - true), kind="stable")[:MISTAKES]
    explanations = _explained(asked, [given.texts[i] for i in rows], [""] * len(rows))
    mistakes = tuple(
        Mistake(
            int(i), as_shown(given.texts[i]), f"{true[i]:.4g}", f"{predicted[i]:.4g}",
            float(abs(predicted[i] - true[i])), explanation,
        )
        for i, explanation in zip(rows, explanations, strict=True)
    )  # fmt: skip
    return {"numbers": (true, predicted), "mistakes": mistakes}


def _explained(asked: Asked, texts: list[str], decided: Sequence[str]) -> list[Any]:
    """An explanation of each text, or None: of very long ones, and where the model decides otherwise by now."""
    short = [i for i, text in enumerate(texts) if len(text) <= EXPLAINED]
    found: list[Any] = [None] * len(texts)
    for i, one in zip(short, explained(asked, [texts[i] for i in short], "auto"), strict=True):
        given = one.prediction if isinstance(one.prediction, tuple) else (one.prediction,)
        same = one.numeric or (", ".join(map(str, given)) or "no label") == decided[i]
        found[i] = one if same else None
    return found


def slices(given: Assessed, beside: Beside | None = None) -> dict[str, list[Slice]]:
    """Accuracy by length in words, and by group and time where they are given. Raises UsageError, DataError."""
    outcome, beside = given.outcome, beside or Beside()
    if outcome.main not in outcome.thresholds:  # numbers
        if beside.groups is not None or beside.times is not None:
            raise UsageError("groups, times: predictions of numbers have no accuracy. Leave them out.")
        return {}
    right = outcome.right(outcome.main)
    lengths = np.array([len(words_of_text(text)) for text in given.texts])
    found = {"length in words": by_length(lengths, right)}
    if beside.groups is not None:
        found["group"] = by_group(as_list(beside.groups, "groups"), right)
    if beside.times is not None:
        times = as_times(beside.times, len(right))
        found["time"] = by_order(times.numbers, right, lambda rows: f"from {times.oldest(rows)}")
    return found


def _own_doubts(given: Assessed) -> Doubts | None:
    """Labels of the evaluated texts that the model itself doubts; those unknown to it are left out."""
    rows = np.flatnonzero(~given.outcome.unknown)
    source = "The probabilities are the model's own, on texts whose labels it has not been shown."
    if given.scores.get("seen"):
        source = (
            "The probabilities are the model's own; it was trained on some of these texts, and repeats what it was "
            "shown there."
        )
    classes = given.outcome.proba.shape[1]
    return doubts(
        [given.texts[i] for i in rows],
        given.outcome.target[rows]
        if given.outcome.target.ndim == 1
        else given.outcome.target[rows, :classes],
        given.outcome.proba[rows],
        given.outcome.names,
        source=source,
        rows=rows,
    )


def doubts(
    texts: Sequence[str],
    target: np.ndarray,
    proba: np.ndarray,
    names: Sequence[Any],
    *,
    source: str,
    rows: np.ndarray | None = None,
) -> Doubts | None:
    """The likely label errors among targets (N,) or (N, C), given probabilities (N, C); None without any label.

    `rows` (N,) are the numbers by which the texts are called.
    """
    if not len(texts) or proba.shape[1] < 2:
        return None
    found = label_errors(target, proba)
    rows = np.arange(len(texts)) if rows is None else rows
    shown = []
    columns = (found.documents, found.suggested, found.confidence)
    for i, k, confidence in zip(*(column[:SHOWN].tolist() for column in columns), strict=True):
        label = str(names[k])
        if target.ndim == 1:
            given = str(names[target[i]])
        else:
            given = ", ".join(str(names[j]) for j in np.flatnonzero(target[i]).tolist()) or "no label"
            label = f"not {label}" if target[i, k] else f"also {label}"
        shown.append(Doubt(int(rows[i]), as_shown(texts[i]), given, label, confidence))
    _, right = decisions(target, proba)
    return Doubts(len(texts), len(found.documents), 1 - float(right.mean()), source, tuple(shown))


def twins(
    texts: Sequence[str],
    labels: Sequence[str],
    near: np.ndarray,
    train: Sequence[str],
    *,
    known: Sequence[str] | None,
) -> Twins:
    """The texts that are nearly the same as one of `train`, whose numbers are `near` (N,), -1 for none.

    `known` are the labels of the training texts; texts with another one come first.
    """
    rows, first = np.flatnonzero(near >= 0).tolist(), near.tolist()
    if known is not None:
        rows.sort(key=lambda i: labels[i] == known[first[i]])
    shown = tuple(
        Twin(
            as_shown(texts[i]),
            labels[i],
            as_shown(train[first[i]]),
            None if known is None else known[first[i]],
        )
        for i in rows[:SHOWN]
    )
    return Twins(len(rows), len(texts), shown)


def pictured(
    model: FittedClassifier, texts: Sequence[str], target: np.ndarray, names: Sequence[Any]
) -> tuple[Pictured, ...]:
    """Typical and odd texts of the most frequent classes, by their TF-IDF; `target` is (N,). None of pairs."""
    features = model.counts.model_.features
    if not isinstance(features, CountFeatures):
        return ()
    rows = np.arange(len(texts))[:: max(1, -(-len(texts) // COMPARED))]
    most = np.argsort(-np.bincount(target, minlength=len(names)), kind="stable")[:CLASSES]
    found = portraits(features.transform([texts[i] for i in rows]), target[rows], classes=len(names))

    def shown(chosen: Sequence[int]) -> tuple[str, ...]:
        return tuple(texts[rows[i]] for i in chosen)

    return tuple(
        Pictured(str(names[one.label]), shown(one.typical), shown(one.odd))
        for one in found
        if one.label in most
    )


def facts(model: FittedClassifier) -> tuple[tuple[str, str], ...]:
    """How a model was made: names and values; what its file does not say is left out."""
    report, card = model.report, model.card
    trained, given = _table(report.get("trained_on")), card.get("command", "")
    amounts = ""
    if "labelled" in trained:
        what = "numbers" if model.objective.numeric else f"{len(model.classes):,} classes"
        amounts = f"{trained['labelled']:,} labelled texts ({what})"
        amounts += f" and {trained['unlabeled']:,} without a label" if trained.get("unlabeled") else ""
    minutes = f"{report['minutes']:.3g} minutes" if "minutes" in report else ""
    weights = sum(int(weight.numel()) for weight in model.network.parameters())
    several = f"{len(model.members)} networks, the first " if model.others else ""
    parts = f"{several}{type(model.network.encoder).__name__} with {weights:,} weights, {len(model.tokenizer):,} tokens"
    share = f"{100 * report['weight']:.0f} % network" if isinstance(report.get("weight"), float) else ""
    versions = [f"{name} {version}" for name, version in _table(card.get("versions")).items()]
    return (
        ("trained on", amounts),
        ("for", " on ".join(filter(None, [minutes, str(card.get("machine", ""))]))),
        ("finished", str(card.get("date", ""))),
        ("network", parts),
        ("mix", f"{share}, the rest word counts" if share and share != "100 % network" else share),
        ("command", shlex.join(map(str, given)) if isinstance(given, list) else str(given)),
        ("seed", str(card.get("seed", ""))),
        ("versions", ", ".join(versions)),
    )


def as_shown(text: str) -> str:
    """A text as people read it: of a pair, the two texts one above the other."""
    try:
        return "\n".join(split_pair(text))
    except ValueError:
        return text


def _beware(given: Assessed, *, compared: bool) -> tuple[str, ...]:
    """The warnings of the scores, and whether the model was trained on some of the texts or knows not all labels."""
    scores = given.scores
    said = list(scores.get("warnings", ()))
    if scores.get("seen") and not compared:
        said.append(
            f"about {100 * scores['seen']:.1f} % of these texts were trained on; the scores are too good."
        )
    if unknown := int(given.outcome.unknown.sum()):
        said.append(f"{unknown:,} texts have a label that is not a class of the model and count as errors.")
    return tuple(said)


def _true(outcome: Outcome, i: int) -> str:
    """The true class, classes or number of a document, as text."""
    target = outcome.target[i]
    return f"{float(target[0]):.4g}" if target.dtype.kind == "f" else outcome.named(target)


def _table(item: Any) -> dict[str, Any]:
    return item if isinstance(item, dict) else {}

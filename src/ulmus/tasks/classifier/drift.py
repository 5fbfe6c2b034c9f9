"""Have the texts changed since a classifier was trained? What its file holds for this, and the comparison.

The profile in a model file has means and standard deviations (length, words without an entry, rarity of the others,
confidence on held-out documents) and how often each class was predicted for these: no text and no word.
Costs: counting 2,000 of the training texts once more; for new texts, the predictions. Axes: N texts, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ulmus.errors import DataError
from ulmus.evaluation.calibration import decisions
from ulmus.evaluation.drift import Drift, Shift, Summary, class_shifts, shift, summary
from ulmus.evaluation.objectives import Objective
from ulmus.fields import split_pair
from ulmus.linear.familiarity import familiarity
from ulmus.linear.features import CountFeatures
from ulmus.tasks.classifier.asked import Asked
from ulmus.tasks.classifier.fitted import FittedClassifier
from ulmus.tasks.classifier.material import Material
from ulmus.tasks.classifier.training_report import held_out

__all__ = ["drift", "profile"]

MOST = 2_000  # training texts, drawn at random, that the profile is of
NAMES = {
    "length": "words a text",
    "unknown": "unknown words",
    "rarity": "rarity of known words",
    "confidence": "confidence",
}


def profile(model: FittedClassifier, m: Material, *, seed: int) -> dict[str, Any]:
    """What a model file holds of its training texts, as plain numbers; empty where nothing was counted."""
    drawn = np.sort(np.random.default_rng(seed).permutation(len(m.texts))[:MOST])
    found = _of_words(model, [m.texts[i] for i in drawn], counted=m.learnt)
    kept: dict[str, Any] = {name: one._asdict() for name, one in found.items()}
    given = None if model.objective.numeric else held_out(model, m)
    if given is not None:
        proba = given.outcome.proba
        kept["confidence"] = summary(_confidence(proba, model.objective))._asdict()
        kept["predicted"] = {"n": len(proba), "counts": _predicted(model, proba).tolist()}
    return kept


def drift(asked: Asked, texts: Sequence[str]) -> Drift:
    """How N new texts differ from those of the training.

    Raises DataError: no texts, or a model file without a profile.
    """
    model = asked.model
    if not texts:
        raise DataError("expected texts to compare with those of the training, got none.")
    if not model.profile:
        raise DataError(
            "the model file holds no summary of its training texts: it was written by an earlier version of Ulmus. "
            "Train the model again."
        )
    try:
        before = {name: Summary.restore(one) for name, one in model.profile.items() if name in NAMES}
        predicted = model.profile.get("predicted")
        counts = None if predicted is None else np.array(predicted["counts"], np.int64)
        known = 0 if predicted is None else int(predicted["n"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the summary of the training texts in the model file is damaged ({error!r})."
        ) from error
    now = _of_words(model, texts)
    if model.objective.numeric:
        return Drift(len(texts), _shifts(before, now))
    proba = model.probabilities(list(texts), model.parts[:1], asked.inference)[model.parts[0]]
    now["confidence"] = summary(_confidence(proba, model.objective))
    compared = "Classes are compared with the predictions for the held-out documents of the training."
    if counts is None or len(counts) != len(model.classes) or known < 1:
        counts, known = _labels(model)
        compared = (
            "Classes are compared with the labels of the training, as there was no held-out set: predictions may "
            "differ from labels even where texts have not changed."
        )
    classes = class_shifts(model.classes, counts, _predicted(model, proba), texts=(known, len(texts)))
    return Drift(len(texts), _shifts(before, now), classes, compared)


def _of_words(model: FittedClassifier, texts: Sequence[str], *, counted: int = 0) -> dict[str, Summary]:
    """Summaries of the words of texts; of pairs, each of their texts counts."""
    features = model.counts.model_.features
    if not isinstance(features, CountFeatures):
        features, texts = features.single, [part for text in texts for part in split_pair(text)]
        counted *= 2
    found = familiarity(features, texts, counted=counted)
    return {
        "length": summary(found.words),
        "unknown": summary(found.unknown),
        "rarity": summary(found.rarity),
    }


def _confidence(proba: np.ndarray, objective: Objective) -> np.ndarray:
    """The probability of each decision, (K,)."""
    return decisions(np.zeros((len(proba), proba.shape[1]) if objective.multi_label else len(proba)), proba)[
        0
    ]


def _predicted(model: FittedClassifier, proba: np.ndarray) -> np.ndarray:
    """How many documents each class (C,) is predicted for."""
    decided = model.objective.decide(proba, model.thresholds[model.parts[0]])
    return model.objective.counts(decided, len(model.classes))


def _labels(model: FittedClassifier) -> tuple[np.ndarray, int]:
    """How many labels each class (C,) has in the training, and how many there are. Raises DataError: unknown."""
    trained = model.report.get("trained_on")
    counts = trained.get("label_counts") if isinstance(trained, Mapping) else None
    if not isinstance(counts, list) or len(counts) != len(model.classes):
        raise DataError("the model file does not say how many texts of each class it was trained on.")
    return np.array(counts, np.int64), max(int(np.sum(counts)), 1)


def _shifts(before: Mapping[str, Summary], now: Mapping[str, Summary]) -> tuple[Shift, ...]:
    """Those measures that both have."""
    return tuple(
        shift(name, before[key], now[key]) for key, name in NAMES.items() if key in before and key in now
    )

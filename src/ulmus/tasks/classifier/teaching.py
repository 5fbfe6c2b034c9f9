"""Teaching: the word counts' probabilities for unlabelled texts train encoder and head.

Counts know which words matter, the encoder learns in which order (the student passes its teacher). Knows no strings.
Axes: N documents, C classes, F features.
"""

from __future__ import annotations

import numpy as np

from ulmus.data.feature_batches import FeatureBatches
from ulmus.evaluation.objectives import Objective
from ulmus.tasks.classifier.network import HeadNetwork
from ulmus.tasks.classifier.training import Lesson, Run
from ulmus.tasks.settings import RunSettings
from ulmus.train.loop import Stage, Trainer
from ulmus.train.schedules import Schedule

__all__ = ["most_confident", "start_head", "teach"]


def most_confident(
    proba: np.ndarray, *, most: int, share: float, objective: Objective, seed: int
) -> np.ndarray:
    """Up to `most` document numbers, drawn from the `share` of which the teacher is most confident, class by class."""
    confidence, likeliest = objective.confidence(proba), objective.likeliest(proba)
    kept: list[int] = []
    for k in np.unique(likeliest):
        mine = np.flatnonzero(likeliest == k)
        kept += mine[np.argsort(-confidence[mine], kind="stable")[: max(1, int(share * len(mine)))]].tolist()
    return np.sort(np.random.default_rng(seed).permutation(kept)[:most])


def teach(run: Run, lesson: Lesson, *, epochs: int = 1, rate: float = 1.0) -> None:
    """Train all layers on soft labels; `rate` scales the learning rate."""
    c = run.config
    stage = Stage(
        lesson.name,
        epochs,
        Schedule("one_cycle", peak=c.teach_peak * rate),
        factor=c.factor,
        weight_decay=c.weight_decay,
        minutes=lesson.minutes,
    )
    run.train(lesson, [stage])


def start_head(run: Run, features: np.ndarray, targets: np.ndarray) -> None:
    """Train the head on features (N, F) of documents and `targets` (N, C), before the encoder learns with it.

    A head that knows nothing would first pull the encoder away from what it knows (Kumar et al. 2022, *Fine-Tuning can
    Distort Pretrained Features*, section 3); on features that are there already it learns in seconds.
    """
    c = run.config
    settings = RunSettings(seed=run.settings.seed, device=run.settings.device, precision="float32")
    stage = Stage(
        "head", c.start_epochs, Schedule("one_cycle", peak=c.head_peak), weight_decay=c.weight_decay
    )
    batches = FeatureBatches(features, targets, batch_size=c.batch_size, seed=settings.seed)
    Trainer(HeadNetwork(run.network), [stage], train=batches, config=settings.loop(clip=c.clip)).run()

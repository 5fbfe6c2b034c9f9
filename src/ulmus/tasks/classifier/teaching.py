"""Teaching: the word-count model labels unlabelled texts, and its soft labels train encoder and head.

The counts know which words matter; the encoder also learns from their order, so the student can surpass its teacher.
Knows no strings. Axes: N documents, C classes, F features.
"""

from __future__ import annotations

import numpy as np
import torch

from ulmus.data.array_batches import ArrayBatches
from ulmus.evaluation.objectives import Objective
from ulmus.tasks.classifier.network import HeadNetwork
from ulmus.tasks.classifier.training import Training, TrainingSet
from ulmus.tasks.settings import RunSettings
from ulmus.train.loop import Stage, Trainer
from ulmus.train.processes import processes
from ulmus.train.schedules import Schedule

__all__ = ["most_confident", "start_head", "teach"]


def most_confident(
    proba: np.ndarray, *, most: int, share: float, objective: Objective, seed: int
) -> np.ndarray:
    """Up to `most` document numbers, drawn from the `share` of each class of which the teacher is most confident.

    `proba` (N, C) are the teacher's probabilities; the numbers come in ascending order.
    """
    confidence, likeliest = objective.confidence(proba), objective.likeliest(proba)
    kept: list[int] = []
    for k in np.unique(likeliest):
        mine = np.flatnonzero(likeliest == k)
        kept += mine[np.argsort(-confidence[mine], kind="stable")[: max(1, int(share * len(mine)))]].tolist()
    return np.sort(np.random.default_rng(seed).permutation(kept)[:most])


def teach(training: Training, training_set: TrainingSet, *, epochs: int = 1, rate: float = 1.0) -> None:
    """Train all layers on soft labels; `rate` scales the learning rate."""
    c, groups = training.config, len(training.network.layer_groups())
    stage = Stage(
        training_set.name,
        epochs=epochs,
        unfreeze=c.unfrozen(groups),
        schedule=Schedule(c.schedule, peak=c.teach_peak * rate),
        factor=c.factor,
        weight_decay=c.weight_decay,
        minutes=training_set.minutes,
    )
    training.run(training_set, [stage])


def start_head(training: Training, features: np.ndarray, targets: np.ndarray) -> None:
    """Train the head alone on features (N, F) of documents and `targets` (N, C), before the encoder is trained with it.

    A random head would distort the encoder's pretrained features first (Kumar et al. 2022, *Fine-Tuning can Distort
    Pretrained Features*, section 3); on precomputed features the head trains in seconds.
    """
    c = training.config
    settings = RunSettings(seed=training.settings.seed, device=training.settings.device, precision="float32")
    stage = Stage(
        "head",
        epochs=c.start_epochs,
        schedule=Schedule("one_cycle", peak=c.head_peak),
        weight_decay=c.weight_decay,
    )
    same = processes().same
    features = same(features)
    training.network.head.fit_scale(torch.from_numpy(features))
    batches = ArrayBatches(features, same(targets), batch_size=c.batch_size, seed=settings.seed)
    Trainer(HeadNetwork(training.network), [stage], train=batches, config=settings.loop(clip=c.clip)).run()

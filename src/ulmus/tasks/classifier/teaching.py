"""Teaching: the word counts' probabilities for unlabelled texts train encoder and head.

Counts know which words matter, the encoder learns in which order (the student passes its teacher). Knows no strings.
Axes: N documents, C classes.
"""

from __future__ import annotations

import numpy as np

from ulmus.data.feature_batches import FeatureBatches
from ulmus.data.label_batches import LabelBatches
from ulmus.data.store import IdStore
from ulmus.evaluation.objectives import Objective
from ulmus.tasks.classifier.network import HeadNetwork
from ulmus.tasks.classifier.training import Run
from ulmus.train.loop import LoopConfig, Stage, Trainer
from ulmus.train.schedules import Schedule

__all__ = ["start_head", "surest", "teach"]


def surest(proba: np.ndarray, *, most: int, share: float, objective: Objective, seed: int) -> np.ndarray:
    """Up to `most` document numbers, drawn from the `share` of which the teacher is surest, class by class."""
    sure, likeliest = objective.confidence(proba), objective.likeliest(proba)
    kept: list[int] = []
    for k in np.unique(likeliest):
        mine = np.flatnonzero(likeliest == k)
        kept += mine[np.argsort(-sure[mine], kind="stable")[: max(1, int(share * len(mine)))]].tolist()
    return np.sort(np.random.default_rng(seed).permutation(kept)[:most])


def teach(
    run: Run,
    name: str,
    store: IdStore,
    targets: np.ndarray,
    documents: np.ndarray,
    *,
    valid: LabelBatches | None = None,
    epochs: int = 1,
    minutes: float | None = None,
    share: float = 1.0,
) -> None:
    """Train all layers on soft labels: `targets` (documents of the store, C); `documents` to read (may repeat).

    `share` scales the learning rate.
    """
    c = run.config
    schedule = Schedule("one_cycle", peak=c.teach_peak * share)
    stage = Stage(name, epochs, schedule, None, c.factor, c.weight_decay, minutes)
    run.train(name.replace(" ", "-"), [stage], run.batches(store, targets, documents), valid)


def start_head(run: Run, features: np.ndarray, targets: np.ndarray) -> None:
    """Train the head on features (N, F) of documents and `targets` (N, C), before the encoder learns with it.

    A head that knows nothing would first pull the encoder away from what it knows (Kumar et al. 2022, *Fine-Tuning can
    Distort Pretrained Features*, section 3); on features that are there already it learns in seconds.
    """
    c = run.config
    stage = Stage(
        "head", c.start_epochs, Schedule("one_cycle", peak=c.head_peak), weight_decay=c.weight_decay
    )
    batches = FeatureBatches(features, targets, batch_size=c.batch_size, seed=run.seed)
    config = LoopConfig(seed=run.seed, device=run.device, clip=c.clip)
    Trainer(HeadNetwork(run.network), [stage], train=batches, config=config).run()

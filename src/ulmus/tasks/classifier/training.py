"""What all trainings of one classifier share, and how one of them runs: the training loop over batches of documents.

Knows no strings. Axes: N documents, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ulmus.config import to_dict
from ulmus.data.label_batches import LabelBatches
from ulmus.data.store import IdStore
from ulmus.tasks.checkpoints import checkpoint
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.inference import Inference
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.settings import RunSettings
from ulmus.train.loop import Stage, Trainer

__all__ = ["Lesson", "Run", "padded"]


@dataclass(frozen=True)
class Lesson:
    """Documents to train on, and what they teach."""

    name: str
    store: IdStore
    targets: np.ndarray  # (documents of the store,) class numbers or (documents of the store, C)
    documents: np.ndarray  # numbers of those to read; may repeat
    minutes: float | None = None
    weights: np.ndarray | None = None  # (documents of the store,) how much each counts; None: all the same


@dataclass(frozen=True)
class Run:
    """A network in training, and how it is trained; the history grows by the rows of each training."""

    network: ClassifierNetwork
    config: ClassifierConfig
    settings: RunSettings = field(default_factory=RunSettings)
    backwards: bool = False  # documents are read from their end
    longest: int | None = None  # tokens of a document that training reads; None: those of the config
    history: list[dict[str, Any]] = field(default_factory=list)

    def train(self, lesson: Lesson, stages: list[Stage], valid: LabelBatches | None = None) -> float | None:
        """Run the stages; the best loss on `valid` in the last of them."""
        weights, batches = self.network.class_weight, self.batches(lesson)
        trainer = Trainer(
            self.network,
            stages,
            train=batches,
            valid=valid,
            config=self.settings.loop(clip=self.config.clip, keep_best=valid is not None),
            callbacks=self.settings.watching("documents"),
            checkpoint=checkpoint(
                self.settings.folder,
                lesson.name.replace(" ", "-"),
                self.network,
                batches=[batches, valid],
                settings=[
                    *(to_dict(stage) | {"minutes": None} for stage in stages),
                    *(to_dict(self.config), self.settings.seed, self.settings.precision),
                    None if weights is None else weights.tolist(),
                ],
            ),
        )
        history = trainer.run()
        self.history.extend(history.rows)
        return history.best

    def inference(self) -> Inference:
        """The network as it is now, at rest."""
        return Inference(
            self.network,
            self.settings.device,
            self.settings.precision,
            self.backwards,
            self.config.token_budget,
        )

    def batches(self, lesson: Lesson) -> LabelBatches:
        """Shuffled training batches; small where there are few documents, so that there are some steps."""
        size = int(np.clip(len(lesson.documents) // 20, 8, self.config.batch_size))
        return LabelBatches(
            lesson.store,
            lesson.targets,
            weights=lesson.weights,
            batch_size=size,
            token_budget=self.config.token_budget,
            shuffle=True,
            seed=self.settings.seed,
            documents=lesson.documents,
            max_tokens=self.most_tokens,
            backwards=self.backwards,
        )

    @property
    def most_tokens(self) -> int:
        """Tokens of a document that training reads."""
        return self.longest or self.config.longest


def padded(targets: np.ndarray, rows: int) -> np.ndarray:
    """Targets of the first documents of a store -> one row for each of its documents (the rest are never read)."""
    return np.concatenate([targets, np.zeros((rows - len(targets), *targets.shape[1:]), targets.dtype)])

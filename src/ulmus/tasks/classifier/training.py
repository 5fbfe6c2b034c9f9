"""What all trainings of one classifier share: its network, its settings, and the loop over batches of documents.

Knows no strings. Axes: N documents, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
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
from ulmus.train.processes import processes

__all__ = ["Training", "TrainingSet", "padded"]


@dataclass(frozen=True)
class TrainingSet:
    """Documents to train on, and their targets."""

    name: str
    store: IdStore
    targets: np.ndarray  # (documents of the store,) class numbers or (documents of the store, C)
    documents: np.ndarray  # (K,) numbers of those to train on; may repeat
    minutes: float | None = None
    weights: np.ndarray | None = None  # (documents of the store,) weight of each; None: all the same
    batch_size: int | None = None  # documents, drawn at random; None: that of the config, of similar lengths

    def shared(self) -> TrainingSet:
        """The set as the first of several processes has it: rounding could make soft labels differ."""
        same = processes().same
        weights = None if self.weights is None else same(self.weights)
        return replace(self, targets=same(self.targets), documents=same(self.documents), weights=weights)


@dataclass(frozen=True)
class Training:
    """A network in training and how it is trained; each training appends its rows to the history."""

    network: ClassifierNetwork
    config: ClassifierConfig
    settings: RunSettings = field(default_factory=RunSettings)
    backwards: bool = False  # process documents from their end
    longest: int | None = None  # tokens of a document used in training; None: those of the config
    history: list[dict[str, Any]] = field(default_factory=list)

    def run(
        self, training_set: TrainingSet, stages: list[Stage], valid: LabelBatches | None = None
    ) -> float | None:
        """Run the stages, or resume them; return the best loss on `valid` (nats) in the last stage, None without it."""
        weights, batches = self.network.class_weight, self.batches(training_set.shared())
        trainer = Trainer(
            self.network,
            stages,
            train=batches,
            valid=valid,
            config=self.settings.loop(clip=self.config.clip, keep_best=valid is not None),
            callbacks=self.settings.all_callbacks("documents"),
            checkpoint=checkpoint(
                self.settings.folder,
                training_set.name.replace(" ", "-"),
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

    def for_longer(self, labels: int) -> Training:
        """The same training of more epochs, of so many labelled documents."""
        return replace(self, config=self.config.for_longer(labels))

    def inference(self) -> Inference:
        """The network with its present weights, for inference by all processes together."""
        return Inference(
            self.network,
            self.settings.device,
            self.settings.precision,
            self.backwards,
            self.config.token_budget,
            together=processes(),
        )

    def batches(self, training_set: TrainingSet) -> LabelBatches:
        """Shuffled training batches; small if there are few documents, so that an epoch has several steps."""
        return LabelBatches(
            training_set.store,
            training_set.targets,
            weights=training_set.weights,
            batch_size=training_set.batch_size or self.config.batch_for(len(training_set.documents)),
            alike=training_set.batch_size is None,
            token_budget=self.config.token_budget,
            shuffle=True,
            seed=self.settings.seed,
            documents=training_set.documents,
            max_tokens=self.most_tokens,
            backwards=self.backwards,
        )

    @property
    def most_tokens(self) -> int:
        """Tokens of a document used in training."""
        return self.longest or self.config.longest


def padded(targets: np.ndarray, rows: int) -> np.ndarray:
    """Targets (N,) or (N, C) of the first documents of a store -> one row for each of its `rows` documents.

    The added rows are 0 and never used.
    """
    return np.concatenate([targets, np.zeros((rows - len(targets), *targets.shape[1:]), targets.dtype)])

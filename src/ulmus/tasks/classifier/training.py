"""What all trainings of one classifier share, and how one of them runs: the training loop over batches of documents.

Knows no strings. Axes: N documents, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ulmus.config import to_dict
from ulmus.data.label_batches import LabelBatches
from ulmus.data.store import IdStore
from ulmus.models.inference import Reader
from ulmus.tasks.checkpoints import checkpoint
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.train.callbacks import Callback
from ulmus.train.device import resolve_device, resolve_precision
from ulmus.train.loop import LoopConfig, Stage, Trainer

__all__ = ["Run", "padded"]

MOST_IDS = 1_000_000  # of a batch that is judged on a CPU, padding included


@dataclass
class Run:
    """What all trainings of one classifier share."""

    network: ClassifierNetwork
    config: ClassifierConfig
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    folder: Path | None = None  # of the checkpoints
    callbacks: list[Callback] = field(default_factory=list)
    backwards: bool = False  # documents are read from their end
    longest: int | None = None  # tokens of a document that training reads; None: those of the config
    history: list[dict[str, Any]] = field(default_factory=list)

    def train(
        self, name: str, stages: list[Stage], batches: LabelBatches, valid: LabelBatches | None
    ) -> float | None:
        """Run the stages; the best loss on `valid` in the last of them."""
        weights = self.network.class_weight
        trainer = Trainer(
            self.network,
            stages,
            train=batches,
            valid=valid,
            config=LoopConfig(
                seed=self.seed,
                device=self.device,
                precision=self.precision,
                clip=self.config.clip,
                keep_best=valid is not None,
            ),
            callbacks=self.callbacks,
            checkpoint=checkpoint(
                self.folder,
                name,
                self.network,
                batches=[batches, valid],
                settings=[
                    *(to_dict(stage) | {"minutes": None} for stage in stages),
                    *(to_dict(self.config), self.seed, self.precision),
                    None if weights is None else weights.tolist(),
                ],
            ),
        )
        history = trainer.run()
        self.history += history.rows
        return history.best

    def reader(self) -> Reader:
        """The encoder as it is now, laid out for reading on a CPU."""
        cpu = torch.device("cpu")
        wanted = "auto" if self.precision == "fp16" else self.precision  # (fp16 is for GPUs)
        precision = wanted if wanted == "int8" else resolve_precision(wanted, cpu)
        return Reader(self.network.encoder.to(cpu), precision)

    def batches(self, store: IdStore, targets: np.ndarray | None, documents: np.ndarray) -> LabelBatches:
        """Shuffled training batches; small where there are few documents, so that there are some steps."""
        size = int(np.clip(len(documents) // 20, 8, self.config.batch_size))
        return LabelBatches(
            store,
            targets,
            batch_size=size,
            token_budget=self.config.token_budget,
            shuffle=True,
            seed=self.seed,
            documents=documents,
            max_tokens=self.most_tokens,
            backwards=self.backwards,
        )

    @property
    def most_tokens(self) -> int:
        """Tokens of a document that training reads."""
        return self.longest or self.config.longest

    def judging(
        self, store: IdStore, targets: np.ndarray | None, documents: np.ndarray, *, whole: bool = True
    ) -> LabelBatches | None:
        """Documents in batches for measuring, whole or as training reads them; None for no documents."""
        if not len(documents):
            return None
        on_cpu = resolve_device(self.device).type == "cpu"
        budget = MOST_IDS if on_cpu else self.config.token_budget  # (a `Reader` splits long documents itself)
        return LabelBatches(
            store,
            targets,
            batch_size=64,
            token_budget=budget,
            documents=documents,
            max_tokens=None if whole else self.most_tokens,
            backwards=self.backwards,
        )


def padded(targets: np.ndarray, rows: int) -> np.ndarray:
    """Targets of the first documents of a store -> one row for each of its documents (the rest are never read)."""
    return np.concatenate([targets, np.zeros((rows - len(targets), *targets.shape[1:]), targets.dtype)])

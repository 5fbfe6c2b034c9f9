"""The classifier's trainings, one function each: soft labels of a teacher, then gradual unfreezing on true labels.

    teach(...)         the word-count model's probabilities for unlabelled texts train encoder and head: counts know
                       which words matter, the encoder learns in which order (the student passes its teacher)
    true_labels(...)   head, then the top layer with it, then everything (Howard & Ruder 2018, section 3.3)

Every one is the training loop over other batches. Knows no strings. Axes: N documents, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ulmus.config import to_dict
from ulmus.data.feature_batches import FeatureBatches
from ulmus.data.label_batches import LabelBatches
from ulmus.data.store import IdStore
from ulmus.models.reader import Reader
from ulmus.tasks.checkpoints import checkpoint
from ulmus.tasks.classifier_config import ClassifierConfig
from ulmus.tasks.labels import Labels
from ulmus.tasks.networks import ClassifierNetwork, HeadNetwork
from ulmus.train.callbacks import Callback
from ulmus.train.device import resolve_device, resolve_precision, reuse_memory
from ulmus.train.evaluate import evaluate
from ulmus.train.loop import LoopConfig, Stage, Trainer
from ulmus.train.schedules import Schedule

__all__ = [
    "Run",
    "document_features",
    "label_stages",
    "padded",
    "probabilities",
    "soft_labels",
    "start_head",
    "surest",
    "teach",
    "true_labels",
]
FITTED = 20  # rounds in which soft labels find the weights of their classes
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


def soft_labels(proba: np.ndarray, power: float, multi_label: bool) -> np.ndarray:
    """Probabilities (N, C) sharpened: to the power, normalised over the classes (or over yes and no).

    Each class has a weight by which it stays as frequent as it was: without, a frequent class would swallow the others,
    since what little is known of a document leans to it (iterative proportional fitting: Deming & Stephan 1940).
    """
    sharp = np.maximum(proba, 1e-12) ** power
    rest = np.maximum(1 - proba, 1e-12) ** power
    frequent, weight = np.clip(proba.mean(axis=0), 1e-12, 1 - 1e-12), np.ones(proba.shape[1])
    for _ in range(FITTED):
        total = weight * sharp + rest if multi_label else (sharp @ weight)[:, None]
        found = np.clip((weight * sharp / total).mean(axis=0), 1e-12, 1 - 1e-12)
        weight *= frequent / found * ((1 - found) / (1 - frequent) if multi_label else 1.0)
    total = weight * sharp + rest if multi_label else (sharp @ weight)[:, None]
    return np.asarray(weight * sharp / total, np.float32)


def surest(proba: np.ndarray, *, most: int, share: float, multi_label: bool, seed: int) -> np.ndarray:
    """Up to `most` document numbers, drawn from the `share` of which the teacher is surest, class by class."""
    sure = np.abs(proba - 0.5).mean(axis=1) if multi_label else proba.max(axis=1)
    likeliest = np.zeros(len(sure), np.int64) if multi_label else proba.argmax(axis=1)
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


def label_stages(
    c: ClassifierConfig, labels: int, *, taught: bool, minutes: float | None = None
) -> list[Stage]:
    """Gradual unfreezing. After teaching, the head already knows the classes: fewer epochs, lower rates."""
    epochs = min(2, c.epochs_for(labels)) if taught else c.epochs_for(labels)
    share = c.after_teaching if taught else 1.0
    split = [None if minutes is None else part * minutes for part in (0.1, 0.2, 0.7)]

    def stage(name: str, epochs: int, peak: float, unfreeze: int | None, minutes: float | None) -> Stage:
        schedule = Schedule("one_cycle", peak=peak * share)
        return Stage(name, epochs, schedule, unfreeze, c.factor, c.weight_decay, minutes)

    return [
        stage("head", c.head_epochs, c.head_peak, 1, split[0]),
        stage("head and top layer", c.top_epochs, c.top_peak, 2, split[1]),
        stage("all layers", epochs, c.all_peak, None, split[2]),
    ]


def true_labels(
    run: Run,
    name: str,
    store: IdStore,
    labels: Labels,
    documents: np.ndarray,
    valid: LabelBatches | None,
    *,
    taught: bool,
    minutes: float | None = None,
) -> bool:
    """Train on labelled documents 0..N-1 of the store, top down; the best evaluation on `valid` is kept.

    After teaching, the weights from before come back when `valid` shows that they were better; True: they were not.
    """
    targets = padded(labels.hot() if labels.multi_label else labels.target, len(store))
    stages = label_stages(run.config, len(documents), taught=taught, minutes=minutes)
    before, weights = None, {}
    if taught and valid is not None:
        before = evaluate(run.network, valid, device=run.device, precision=run.precision)["loss"]
        weights = {key: t.clone() for key, t in run.network.state_dict().items()}
    best = run.train(name, stages, run.batches(store, targets, documents), valid)
    if before is None or best is None or best <= before:
        return True
    run.network.load_state_dict(weights)
    return False


def padded(targets: np.ndarray, rows: int) -> np.ndarray:
    """Targets of the first documents of a store -> one row for each of its documents (the rest are never read)."""
    return np.concatenate([targets, np.zeros((rows - len(targets), *targets.shape[1:]), targets.dtype)])


def probabilities(
    run: Run,
    store: IdStore,
    documents: np.ndarray | None = None,
    *,
    reader: Reader | None = None,
    whole: bool = True,
) -> np.ndarray:
    """Class probabilities (N, C) of documents in their order, read whole or as training reads them.

    On a CPU `reader` reads them, by default one made for this call from the network as it is now.
    """
    chosen = np.arange(len(store)) if documents is None else documents
    batches = run.judging(store, None, chosen, whole=whole)
    if batches is None:
        return np.zeros((0, run.network.classes))
    device = resolve_device(run.device)
    if device.type == "cpu":
        outputs, index = _read(reader or run.reader(), batches, run.network.head.to("cpu").eval())
    else:
        found = evaluate(run.network, batches, device=device, precision=run.precision, collect=True)
        outputs, index = np.asarray(found["outputs"]), np.asarray(found["index"])
    place = np.empty(len(store), np.int64)
    place[index] = np.arange(len(index))
    logits = outputs[place[chosen]].astype(np.float64)  # (N, C)
    if run.network.multi_label:
        return np.asarray(1 / (1 + np.exp(-logits)))
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def document_features(run: Run, store: IdStore, documents: np.ndarray, *, whole: bool = True) -> np.ndarray:
    """What the encoder makes of documents of the store, (N, F) in their order, read on the CPU."""
    batches = run.judging(store, None, documents, whole=whole)
    if batches is None:
        return np.zeros((0, run.network.encoder.config.pooled()), np.float32)
    features, index = _read(run.reader(), batches, torch.nn.Identity())
    place = np.empty(len(store), np.int64)
    place[index] = np.arange(len(index))
    return np.asarray(features[place[documents]])


@torch.no_grad()
def _read(reader: Reader, batches: LabelBatches, head: torch.nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """What the head makes of the features, (N, .), and document numbers (N,), in the order of the batches."""
    reuse_memory()
    batches.set_epoch(0)
    outputs, index = [], []
    for batch in batches:
        features = reader.features(torch.from_numpy(batch.ids), torch.from_numpy(batch.lengths))
        outputs.append(head(features).numpy())
        index.append(batch.index)
    return np.concatenate(outputs), np.concatenate(index)

"""Training on true labels: all layers, or from the top: the head, then head and top layer, then all layers.

Source: gradual unfreezing, Howard & Ruder 2018, section 3.3. Knows no strings. Axes: N documents, C classes.
"""

from __future__ import annotations

from ulmus.data.label_batches import LabelBatches
from ulmus.tasks.budget import SHARES
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.training import Training, TrainingSet
from ulmus.train.evaluate import evaluate
from ulmus.train.loop import Stage
from ulmus.train.processes import processes
from ulmus.train.schedules import Schedule

__all__ = ["label_stages", "train_on_labels"]


def label_stages(
    c: ClassifierConfig, labels: int, groups: int = 0, *, taught: bool, minutes: float | None = None
) -> list[Stage]:
    """The stages of gradual unfreezing for so many `labels`. After teaching: fewer epochs, lower rates.

    `groups` is the number of layer groups, if the lowest ones stay frozen.
    """
    epochs = min(2, c.epochs_for(labels)) if taught else c.epochs_for(labels)
    rate = c.after_teaching if taught else 1.0
    head, top, everything = SHARES.unfreezing
    wanted = [
        ("head", c.head_epochs, c.head_peak, 1, head),
        ("head and top layer", c.top_epochs, c.top_peak, 2, top),
        ("all layers", epochs, c.all_peak, c.unfrozen(groups), everything),
    ]
    wanted = [stage for stage in wanted if stage[1]]  # without those of 0 epochs
    shares = sum(share for *_, share in wanted)
    return [
        Stage(
            name,
            epochs=epochs,
            schedule=Schedule(c.schedule, peak=peak * rate),
            unfreeze=unfreeze,
            factor=c.factor,
            weight_decay=c.weight_decay,
            minutes=None if minutes is None else minutes * share / shares,
        )
        for name, epochs, peak, unfreeze, share in wanted
    ]


def train_on_labels(
    training: Training, training_set: TrainingSet, valid: LabelBatches | None = None, *, taught: bool
) -> bool:
    """Train on labelled documents with gradual unfreezing, and keep the weights with the lowest loss on `valid`.

    After teaching, the weights from before are restored if their loss on `valid` was lower. Returns False if they were.
    """
    labels, minutes = len(training_set.documents), training_set.minutes
    groups = len(training.network.layer_groups())
    stages = label_stages(training.config, labels, groups, taught=taught, minutes=minutes)
    before, weights = None, {}
    if taught and valid is not None:
        settings = training.settings
        before = evaluate(
            training.network,
            valid,
            device=settings.device,
            precision=settings.precision,
            together=processes(),
        )["loss"]
        weights = {key: t.clone() for key, t in training.network.state_dict().items()}
    best = training.run(training_set, stages, valid)
    if before is None or best is None or best <= before:
        return True
    training.network.load_state_dict(weights)
    return False

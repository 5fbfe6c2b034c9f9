"""Training on true labels, top down: head, then the top layer with it, then everything.

Source: gradual unfreezing, Howard & Ruder 2018, section 3.3. Knows no strings. Axes: N documents, C classes.
"""

from __future__ import annotations

from ulmus.data.label_batches import LabelBatches
from ulmus.tasks.budget import SHARES
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.training import Lesson, Run
from ulmus.train.evaluate import evaluate
from ulmus.train.loop import Stage
from ulmus.train.schedules import Schedule

__all__ = ["label_stages", "true_labels"]


def label_stages(
    c: ClassifierConfig, labels: int, *, taught: bool, minutes: float | None = None
) -> list[Stage]:
    """Gradual unfreezing. After teaching, the head already knows the classes: fewer epochs, lower rates."""
    epochs = min(2, c.epochs_for(labels)) if taught else c.epochs_for(labels)
    rate = c.after_teaching if taught else 1.0
    split = [None if minutes is None else share * minutes for share in SHARES.unfreezing]

    def stage(name: str, epochs: int, peak: float, unfreeze: int | None, minutes: float | None) -> Stage:
        return Stage(
            name,
            epochs,
            Schedule("one_cycle", peak=peak * rate),
            unfreeze=unfreeze,
            factor=c.factor,
            weight_decay=c.weight_decay,
            minutes=minutes,
        )

    return [
        stage("head", c.head_epochs, c.head_peak, 1, split[0]),
        stage("head and top layer", c.top_epochs, c.top_peak, 2, split[1]),
        stage("all layers", epochs, c.all_peak, None, split[2]),
    ]


def true_labels(run: Run, lesson: Lesson, valid: LabelBatches | None = None, *, taught: bool) -> bool:
    """Train on labelled documents, top down; the best evaluation on `valid` is kept.

    After teaching, the weights from before come back when `valid` shows that they were better; True: they were not.
    """
    stages = label_stages(run.config, len(lesson.documents), taught=taught, minutes=lesson.minutes)
    before, weights = None, {}
    if taught and valid is not None:
        settings = run.settings
        before = evaluate(run.network, valid, device=settings.device, precision=settings.precision)["loss"]
        weights = {key: t.clone() for key, t in run.network.state_dict().items()}
    best = run.train(lesson, stages, valid)
    if before is None or best is None or best <= before:
        return True
    run.network.load_state_dict(weights)
    return False

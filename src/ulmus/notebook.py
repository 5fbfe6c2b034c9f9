"""Looking at models in a notebook: what a batch holds, what was predicted, where a model errs, how training went.

    from ulmus import notebook
    notebook.show_results(model, texts, labels)       # texts, labels, predictions
    notebook.top_losses(model, texts, labels)         # the worst of them first
    notebook.show_batch(batches, model.tokenizer_)    # the texts of a batch, with their targets
    notebook.plot_history(model)                      # losses by epoch, as a matplotlib figure

Tables are `Listing`s: HTML in a notebook, aligned text elsewhere, `to_dicts()` for pandas. Knows no layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ulmus.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ulmus.data.label_batches import LabelBatches
    from ulmus.data.lm_batches import LMBatches
    from ulmus.evaluation.listing import Listing
    from ulmus.tasks.classifier.base import TextEstimator
    from ulmus.tasks.ids import AnyTokenizer

__all__ = ["plot_history", "show_batch", "show_results", "top_losses"]


def show_results(model: TextEstimator, texts: Any, labels: Any, *, rows: int = 10) -> Listing:
    """The first `rows` texts with their labels and what a classifier or regressor predicts for them.

    Raises UsageError, DataError: unusable texts or labels, or not fitted.
    """
    return _compared(model, texts, labels, rows, worst=False)


def top_losses(model: TextEstimator, texts: Any, labels: Any, *, rows: int = 10) -> Listing:
    """The `rows` texts with the highest loss: confident errors, wrong labels, texts of another kind.

    The loss is that of the prediction, in nats; of numbers, half the squared error in standard deviations. Raises as
    `show_results`.
    """
    return _compared(model, texts, labels, rows, worst=True)


def show_batch(
    batches: LabelBatches | LMBatches,
    tokenizer: AnyTokenizer,
    *,
    classes: Sequence[Any] = (),
    number: int = 0,
    rows: int = 8,
) -> Listing:
    """The first `rows` documents of a batch as readable text, with what is to be predicted for each.

    Of classes the target is a number, or the name in `classes`; of a language model it is the same text one token
    later. Raises UsageError: no batch of that number.
    """
    from ulmus.data.lm_batches import LMBatches
    from ulmus.evaluation.listing import Listing

    if not 0 <= number < len(batches):
        raise UsageError(f"number: there are {len(batches):,} batches, got {number}.")
    if isinstance(batches, LMBatches):
        x, y = batches.batch(number)
        found: list[tuple[Any, ...]] = [
            (tokenizer.decode(a), tokenizer.decode(b)) for a, b in zip(x[:rows], y[:rows], strict=True)
        ]
        return Listing(f"{x.shape[0]} streams of {x.shape[1]} tokens", ("input", "target"), tuple(found))
    batch = batches.batch(number)
    found = []
    for i in range(min(rows, len(batch.ids))):
        length = int(batch.lengths[i])
        target = None if batch.targets is None else _named(batch.targets[i], classes)
        found.append((tokenizer.decode(batch.ids[i, :length]), length, target))
    title = f"{len(batch.ids)} documents, padded to {batch.ids.shape[1]} tokens"
    return Listing(title, ("text", "tokens", "target"), tuple(found))


def plot_history(model: Any) -> Figure:
    """Training and validation loss of each epoch, by stage. Raises UsageError: not fitted, or nothing was trained."""
    history = [row for row in model.history_ if "train_loss" in row]
    if not history:
        raise UsageError("there are no epochs to plot: no network was trained.")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    stages = [str(row.get("stage", "")) for row in history]
    for stage in dict.fromkeys(stages):
        at = [i for i, name in enumerate(stages, 1) if name == stage]
        (line,) = axes.plot(
            at, [history[i - 1]["train_loss"] for i in at], marker="o", label=f"{stage}, training"
        )
        known = [i for i in at if "loss" in history[i - 1]]
        if known:
            losses = [history[i - 1]["loss"] for i in known]
            axes.plot(known, losses, "--s", color=line.get_color(), label=f"{stage}, held out")
    axes.set(xlabel="epoch of the run", ylabel="loss in nats")
    axes.legend(frameon=False)
    return figure


def _compared(model: TextEstimator, texts: Any, labels: Any, rows: int, *, worst: bool) -> Listing:
    import numpy as np

    from ulmus.corpus.pairs import as_documents
    from ulmus.evaluation.listing import Listing

    outputs = model.outputs(texts)
    fitted = model.fitted_
    objective, target = fitted.objective, model._targets(labels).target
    given = as_documents(texts, pairs=fitted.pairs).texts
    if len(target) != len(given):
        raise UsageError(f"each text needs a label: got {len(given)} texts and {len(target)} labels.")
    losses = np.array([
        objective.loss(objective.scores(outputs[i : i + 1]), target[i : i + 1]) for i in range(len(given))
    ])  # fmt: skip
    order = np.argsort(-losses, kind="stable") if worst else np.arange(len(given))
    chosen = [int(i) for i in order[:rows]]
    predicted = model.labels_of(outputs[chosen])
    truth = list(labels)
    found: list[tuple[Any, ...]] = []
    for i, label in zip(chosen, predicted, strict=True):
        sure = () if objective.numeric else (float(outputs[i].max()),)
        right = () if objective.numeric or _same(label, truth[i]) else ("wrong",)
        found.append((given[i], truth[i], label, *sure, float(losses[i]), *(right or ("",))))
    probability = () if objective.numeric else ("highest probability",)
    columns = ("text", "label", "prediction", *probability, "loss", "")
    title = (
        f"The {len(found)} highest losses of {len(given):,} texts" if worst else f"{len(found)} predictions"
    )
    return Listing(title, columns, tuple(found))


def _same(label: Any, truth: Any) -> bool:
    several = isinstance(label, tuple)
    return set(map(str, label)) == set(map(str, truth)) if several else str(label) == str(truth)


def _named(target: Any, classes: Sequence[Any]) -> Any:
    if getattr(target, "ndim", 0):
        named = classes or range(len(target))
        return tuple(name for name, value in zip(named, target, strict=True) if value > 0.5)
    return classes[int(target)] if classes else int(target)

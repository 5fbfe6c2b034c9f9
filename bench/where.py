"""Where the time of a training step or of predictions goes: `python bench/where.py DATA_FOLDER [WORK ...]`.

DATA_FOLDER is what `compare.py --data-folder` keeps. Works: lm, lm-adaptive, classifier, predict-bf16, predict-int8.
The own time of every torch operation is counted under one heading; the remaining wall-clock time is Python and waiting.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import measure
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rows_ulmus import CUTOFFS, _classifier, _classifier_network, training
from torch.profiler import ProfilerActivity, profile

HEADINGS = {  # the first that fits
    "matrix products": ("_linear_pointwise", "qlinear", "mkldnn_rnn_layer", "aten::mm", "aten::addmm"),
    "optimizer, clipping": ("adamw", "_norm", "_foreach"),
    "random masks": ("random_", "bernoulli"),
    "gates, softmax": ("sigmoid", "tanh", "softmax", "addcmul", "aten::mul", "aten::add", "aten::sub"),
    "copies, casts, layouts": ("copy_", "_reorder", "aten::cat", "aten::fill_", "aten::zero_"),
}
DOCUMENTS = 256  # that are predicted


def step_of(folder: Path, work: str) -> Callable[[], object]:
    """One step, ready to be called again and again."""
    from ulmus.data.label_batches import Batch
    from ulmus.tasks.language_model.config import LMConfig
    from ulmus.tasks.language_model.network import build
    from ulmus.train.device import to_device

    if work.startswith("predict-"):
        model = _classifier(folder, work.removeprefix("predict-"))
        texts = measure.texts(folder, "predict.jsonl")[:DOCUMENTS]
        return lambda: model.predict_proba(texts)
    if work == "classifier":
        ids, labels = (np.load(folder / f"{name}.npy") for name in ("block", "block_labels"))
        lengths = np.full(len(ids), ids.shape[1])
        batch = to_device(Batch(ids, lengths, labels, np.arange(len(ids))), torch.device("cpu"))
        train = training(_classifier_network(), "bf16")
        return lambda: train(batch)
    stream = torch.from_numpy(np.load(folder / "lm.npy"))
    pair = stream[:, : measure.STEPS].contiguous(), stream[:, 1 : measure.STEPS + 1].contiguous()
    config = LMConfig(cutoffs=CUTOFFS if work == "lm-adaptive" else ())
    step = training(build(config, measure.VOCABULARY, seed=0), "bf16")
    return lambda: step(pair)


def shares(step: Callable[[], object]) -> tuple[float, dict[str, float]]:
    """Seconds of one step after two that do not count, and the share of each heading."""
    for _ in range(2):
        step()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        took = measure.seconds(step)
    found = dict.fromkeys([*HEADINGS, "other operations"], 0.0)
    for event in profiled.key_averages():
        if "::" not in event.key:
            continue  # a function of ours, in Python
        names = (name for name, parts in HEADINGS.items() if any(part in event.key for part in parts))
        found[next(names, "other operations")] += event.self_cpu_time_total / 1e6 / took
    return took, found | {"Python, waiting": 1 - sum(found.values())}


def main() -> None:
    """Measure and print."""
    measure.all_cores()
    works = sys.argv[2:] or ["lm", "lm-adaptive", "classifier", "predict-bf16", "predict-int8"]
    results = {work: shares(step_of(Path(sys.argv[1]), work)) for work in works}
    table = Table("share of the time", *(f"{work}, {took:.2f} s" for work, (took, _) in results.items()))
    for name in next(iter(results.values()))[1]:
        table.add_row(name, *(f"{found[name]:.1%}" for _, found in results.values()))
    (Console() if sys.stdout.isatty() else Console(width=140)).print(table)


if __name__ == "__main__":
    main()

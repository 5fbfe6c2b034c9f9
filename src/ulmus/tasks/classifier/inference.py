"""Documents of a store -> class probabilities or pooled features, in their order.

Axes: N documents, C classes, F features.
"""

from __future__ import annotations

import numpy as np
import torch

from ulmus.data.label_batches import LabelBatches
from ulmus.data.store import IdStore
from ulmus.models.inference import Reader
from ulmus.tasks.classifier.training import Run
from ulmus.train.device import resolve_device, reuse_memory
from ulmus.train.evaluate import evaluate

__all__ = ["document_features", "probabilities"]


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
    return run.network.objective.probabilities(logits)


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

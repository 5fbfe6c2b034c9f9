"""Inference with a classifier's network: documents of a store -> class probabilities or pooled features, in order.

On a CPU the encoder's weights are packed once and long documents are processed in chunks; on a GPU whole batches go
through the network. Axes: N documents, C classes, F features.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ulmus.data.label_batches import LabelBatches
from ulmus.data.store import IdStore
from ulmus.models.encoder import EncoderInference
from ulmus.models.encoders import for_inference
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.train.device import resolve_device, resolve_precision, reuse_memory
from ulmus.train.evaluate import evaluate
from ulmus.train.processes import ALONE, Processes

__all__ = ["Inference"]

MAX_IDS = 1_000_000  # in a batch on a CPU, padding included
BATCH = 64  # documents


@dataclass(frozen=True)
class Inference:
    """A network with its present weights, prepared for inference on a device, in a precision and a direction.

    The methods raise ConfigError: an unknown or unavailable device or precision.
    """

    network: ClassifierNetwork
    device: str = "auto"
    precision: str = "auto"
    backwards: bool = False  # process documents from their end
    token_budget: int = 24_000  # ids in a batch on a GPU, padding included
    together: Processes = (
        ALONE  # those that call the methods with the same documents: on a CPU each takes a part
    )

    @cached_property
    def encoder(self) -> EncoderInference:
        """The encoder prepared for a CPU. `auto` is the fastest precision that is the same alone and in a batch."""
        cpu = torch.device("cpu")
        wanted = "auto" if self.precision == "fp16" else self.precision  # fp16 is for GPUs
        if wanted == "auto" and not self.network.encoder.steady_bf16:
            wanted = "float32"
        precision = wanted if wanted == "int8" else resolve_precision(wanted, cpu)
        return for_inference(self.network.encoder.to(cpu), precision)

    def batches(
        self,
        store: IdStore,
        documents: np.ndarray,
        *,
        targets: np.ndarray | None = None,
        most_tokens: int | None = None,
    ) -> LabelBatches | None:
        """Batches of the `documents` (N,), whole or truncated to `most_tokens`; None if there are none.

        `targets` are (documents of the store,) or (documents of the store, C).
        """
        if not len(documents):
            return None
        return LabelBatches(
            store,
            targets,
            batch_size=BATCH,
            # a CPU processes long documents in chunks
            token_budget=MAX_IDS if self._on_cpu else self.token_budget,
            documents=documents,
            max_tokens=most_tokens,
            backwards=self.backwards,
        )

    def probabilities(
        self, store: IdStore, documents: np.ndarray | None = None, *, most_tokens: int | None = None
    ) -> np.ndarray:
        """Class probabilities (N, C) of documents (None: all) in their order."""
        chosen = np.arange(len(store)) if documents is None else documents
        batches = self.batches(store, chosen, most_tokens=most_tokens)
        if batches is None:
            return np.zeros((0, self.network.classes))
        if self._on_cpu:
            outputs, index = self._forward(batches, self.network.head.to("cpu").eval())
        else:
            result = evaluate(
                self.network,
                batches,
                device=resolve_device(self.device),
                precision=self.precision,
                collect=True,
            )
            outputs, index = np.asarray(result["outputs"]), np.asarray(result["index"])
        return self.network.objective.probabilities(_in_order(outputs, index, chosen).astype(np.float64))

    def features(
        self, store: IdStore, documents: np.ndarray, *, most_tokens: int | None = None
    ) -> np.ndarray:
        """Pooled encoder features (N, F) of documents of the store in their order, computed on the CPU."""
        batches = self.batches(store, documents, most_tokens=most_tokens)
        if batches is None:
            return np.zeros((0, self.network.encoder.config.pooled()), np.float32)
        return _in_order(*self._forward(batches, torch.nn.Identity()), documents)

    @property
    def _on_cpu(self) -> bool:
        return resolve_device(self.device).type == "cpu"

    @torch.no_grad()
    def _forward(self, batches: LabelBatches, head: torch.nn.Module) -> tuple[np.ndarray, np.ndarray]:
        """Outputs (N, .) of the head and document numbers (N,), in the order of the batches."""
        reuse_memory()
        batches.set_epoch(0)
        outputs, index = [], []
        for batch in batches:
            own = self.together.part(batch)
            features = self.encoder.features(torch.from_numpy(own.ids), torch.from_numpy(own.lengths))
            outputs.append(self.together.gathered(head(features)).numpy())
            index.append(batch.index)
        return np.concatenate(outputs), np.concatenate(index)


def _in_order(rows: np.ndarray, index: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """Rows (N, .) of the documents `index` (N,) in any order -> in the order of `documents` (N,)."""
    place = np.empty(int(index.max()) + 1, np.int64)
    place[index] = np.arange(len(index))
    return np.asarray(rows[place[documents]])

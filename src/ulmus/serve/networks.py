"""The networks of an exported model: token ids -> features of documents -> scores, by ONNX Runtime.

A recurrent encoder processes a document in chunks of `STEPS` tokens and carries its state and its pooling from one to
the next, so memory does not grow with the length of a document. A transformer's windows are pooled. Axes: N documents,
T tokens, B documents at a time, F features, C classes, D features of a layer, W windows, K places of a window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ulmus.errors import BundleError, MissingExtra
from ulmus.serve.windows import Window, windows
from ulmus.special_tokens import BOS, FLD, Layout

__all__ = ["Network", "RecurrentEncoder", "Sessions", "TransformerEncoder"]

STEPS = 256  # tokens of a document in one chunk
WINDOW_TOKENS = 4_096  # of windows in one forward pass, padding included
LARGEST = 1 << 16  # of any width in a file
Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]
IN, OUT = "{}", "{}-after"  # the names of a state before and after a chunk


@dataclass(frozen=True)
class Sessions:
    """Makes the sessions of one model's graphs; large weights are not inside the graphs but in `tensors`.

    threads: of each product; 0: as many as there are cores.
    """

    graphs: Mapping[str, bytes]
    tensors: Mapping[str, Any]
    threads: int = 0

    def open(self, name: str) -> Any:
        """The session of a graph, and what must live as long. Raises BundleError: an unusable graph; MissingExtra."""
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtra.of("onnx", "onnxruntime", "An exported model") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave the cores to others
        options.log_severity_level = 4
        options.enable_cpu_mem_arena = False  # it would keep the memory of the longest document
        prefix = f"{name}/"
        own = {key[len(prefix) :]: array for key, array in self.tensors.items() if key.startswith(prefix)}
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in own.values()]
        try:
            options.add_external_initializers(list(own), values)
            session = onnxruntime.InferenceSession(
                self.graphs[f"{name}.onnx"], options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime has many kinds
            raise BundleError(f"the graph {name} cannot be used: {str(error)[:300]}") from error
        return session, values


class Encoder(Protocol):
    """Documents -> features."""

    def features(self, documents: list[Numbers]) -> Floats:
        """Features (N, F) of the ids (T,) of each document."""


class RecurrentEncoder:
    """LSTM or QRNN layers over chunks of documents, with concat pooling.

    entry: states (the two widths of each layer's state) and widths (of its output), `batch` documents at a time.
    """

    def __init__(self, session: Any, entry: Mapping[str, Any]) -> None:
        self._session, self._held = session
        self._states = [(_width(h), _width(c)) for h, c in entry["states"]]
        self._widths = [_width(width) for width in entry["widths"]]
        self._batch = _width(entry["batch"])
        if len(self._states) != len(self._widths) or not self._widths:
            raise ValueError("states and widths of different numbers of layers")

    def features(self, documents: list[Numbers]) -> Floats:
        """Features (N, F) of the ids (T,) of each document: the top layer's last output, maxima and means."""
        order = sorted(range(len(documents)), key=lambda i: -len(documents[i]))
        features = np.zeros((len(documents), self._widths[-1] + 2 * sum(self._widths)), np.float32)
        for first in range(0, len(order), self._batch):
            some = order[first : first + self._batch]
            features[some] = self._pooled([documents[i] for i in some])
        return features

    def _pooled(self, documents: list[Numbers]) -> Floats:
        """Features (B, F) of documents, the longest first."""
        lengths = np.array([len(ids) for ids in documents])
        carried, last = self._start(len(documents)), np.zeros((len(documents), self._widths[-1]), np.float32)
        for start in range(0, int(lengths.max(initial=0)), STEPS):
            active = int((lengths > start).sum())
            here = np.minimum(lengths[:active] - start, STEPS)
            ids = np.zeros((int(here[0]), active), np.int64)
            for b, own in enumerate(documents[:active]):
                ids[: here[b], b] = own[start : start + STEPS]
            given = {IN.format(name): value[:active] for name, value in carried.items()}
            names = [*(OUT.format(name) for name in carried), "last"]
            *after, top = self._session.run(names, given | {"ids": ids, "lengths": here})
            for name, value in zip(carried, after, strict=True):
                carried[name][:active] = value
            ends = lengths[:active] - start <= STEPS
            last[:active][ends] = top[ends]
        layers, n = range(len(self._widths)), np.maximum(lengths, 1)[:, None].astype(np.float32)
        tops = [np.where(lengths[:, None] > 0, carried[f"max{k}"], np.float32(0)) for k in layers]
        return np.concatenate([last, *tops, *(carried[f"sum{k}"] / n for k in layers)], axis=1)

    def _start(self, documents: int) -> dict[str, Floats]:
        """State and pooling of this number of documents before their first token."""
        found = {}
        for k, ((h, c), width) in enumerate(zip(self._states, self._widths, strict=True)):
            found[f"h{k}"], found[f"c{k}"] = (np.zeros((documents, w), np.float32) for w in (h, c))
            found[f"max{k}"] = np.full((documents, width), -np.inf, np.float32)
            found[f"sum{k}"] = np.zeros((documents, width), np.float32)
        return found


class TransformerEncoder:
    """A transformer over overlapping windows of documents, pooled.

    entry: window, overlap, layout and causal as in `TransformerConfig`; inputs, the names that the graph takes; `batch`
    windows at a time.
    """

    def __init__(self, session: Any, entry: Mapping[str, Any]) -> None:
        self._session, self._held = session
        layout: dict[str, Any] = dict(entry["layout"])
        special: dict[str, Any] = {
            name: tuple(map(int, layout.pop(name))) for name in ("prefix", "separator", "suffix")
        }
        self._layout = Layout(**special, **layout)
        self._size, self._overlap = _width(entry["window"]), int(entry["overlap"])
        self._causal, self._typed = entry["causal"] is True, entry["typed"] is True
        self._width, self._batch = _width(entry["width"]), _width(entry["batch"])
        room = self._size - len(self._layout.prefix) - len(self._layout.suffix) - 1
        if not 0 <= self._overlap < room:
            raise ValueError("windows without room for text")

    def features(self, documents: list[Numbers]) -> Floats:
        """Features (N, F) of the ids (T,) of each document: summary tokens, means of the last two layers."""
        kinds: dict[str, Any] = {"size": self._size, "overlap": self._overlap, "layout": self._layout}
        parts = [(n, part) for n, ids in enumerate(documents) for part in windows(ids, **kinds)]
        sums = np.zeros((len(documents), 3 * self._width), np.float32)
        numbers = np.bincount([n for n, _ in parts], minlength=len(documents))[:, None]
        parts.sort(key=lambda part: -len(part[1].ids))
        while parts:
            length = len(parts[0][1].ids)
            most = min(self._batch, max(1, WINDOW_TOKENS // length))
            some = [part for part in parts[:most] if len(part[1].ids) == length]
            parts = parts[len(some) :]
            for (n, _), row in zip(some, self._rows([part for _, part in some]), strict=True):
                sums[n] += row
        numbers = numbers.astype(np.float32)
        tokens = np.array([max(len(ids), 1) for ids in documents], np.float32)[:, None]
        return np.concatenate([sums[:, : self._width] / numbers, sums[:, self._width :] / tokens], axis=1)

    def _rows(self, parts: list[Window]) -> Floats:
        """The sums (W, F) over the tokens that each window owns; all have the same padded length."""
        given = {
            "input_ids": np.stack([p.ids for p in parts]),
            "attention_mask": np.stack([p.mask for p in parts]),
        }
        if self._typed:
            given["token_type_ids"] = np.stack([p.types for p in parts])
        below, top = self._session.run(["below", "top"], given)  # (W, K, D) each
        return np.stack(
            [
                np.concatenate(
                    [top[w, p.last if self._causal else 0], *(o[w, p.own].sum(axis=0) for o in (below, top))]
                )
                for w, p in enumerate(parts)
            ]
        )


@dataclass(frozen=True)
class Network:
    """An encoder and its head. `backwards`: documents from their end; `pairs`: both texts one by one."""

    encoder: Encoder
    head: Any
    backwards: bool
    pairs: bool

    def scores(self, documents: list[Numbers]) -> NDArray[np.float64]:
        """Scores (N, C) of the ids (T,) of each document."""
        ids = [_reversed(one) for one in documents] if self.backwards else documents
        if self.pairs:
            both = [_taken_apart(one) for one in ids]
            u, v = (self.encoder.features([pair[k] for pair in both]) for k in (0, 1))
            features = np.concatenate([u, v, np.abs(u - v), u * v], axis=1)
        else:
            features = self.encoder.features(ids)
        session, _ = self.head
        return np.asarray(session.run(["scores"], {"features": features})[0], np.float64)


def _reversed(ids: Numbers) -> Numbers:
    """The ids (T,) from their end; a leading xxbos stays where it is."""
    kept = int(len(ids) > 0 and ids[0] == BOS)
    return np.concatenate([ids[:kept], ids[kept:][::-1]])


def _taken_apart(ids: Numbers) -> tuple[Numbers, Numbers]:
    """The ids (T,) of a pair -> those of its texts (T',), without marks; as `models.pairs.split_pairs`."""
    n, marks = len(ids), np.flatnonzero(ids == FLD)
    forward = n > 1 and ids[1] == FLD
    inner = marks[1:2] if forward else marks[:1]
    middle, own = (int(inner[0]), 1) if len(inner) else (max(n // 4, 1), 0)
    early = slice(3, middle) if forward else slice(1, middle - own)
    late = slice(middle + 2 * own, n) if forward else slice(middle + own, max(n - 2, 0))
    first, second = (early, late) if forward else (late, early)
    return np.concatenate([ids[:1], ids[first]]), np.concatenate([ids[:1], ids[second]])


def _width(number: Any) -> int:
    """A number from a file, within reason. Raises ValueError."""
    if type(number) is not int or not 1 <= number <= LARGEST:
        raise ValueError(f"expected a number from 1 to {LARGEST:,}, got {number!r}")
    return number

"""A fitted word-count model for prediction alone: texts -> probabilities, in numpy; loaded from arrays in milliseconds.

`CountModel.scorer` makes one. The n-grams are kept as the arrays of their index, not as strings: a hundred thousand of
them load in a twentieth of a second. Knows no class names, no files.
Legend: N documents, F n-grams, C classes, K outputs, S symbols.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmus.errors import BundleError
from ulmus.evaluation.objectives import Objective
from ulmus.fields import split_pair
from ulmus.linear.index import NgramIndex
from ulmus.linear.rows import OVERLAPS, Rows, pair_columns, products, tf_idf
from ulmus.linear.shares import shares

__all__ = ["CountScorer", "of_texts"]

Floats = NDArray[np.float32]
Proba = NDArray[np.float64]


@dataclass(frozen=True)
class CountScorer:
    """What `CountModel` predicts with. basis (F, LSA) is that of pairs, None for a model of single texts.

    blocks: the n-grams, unit by unit. idf (F,), weights (F, K) or one row for each column of pairs, bias (K,),
    known: the classes (C',) that the outputs are of.
    """

    blocks: tuple[NgramIndex, ...]
    objective: Objective
    classes: int
    known: NDArray[np.int64]
    idf: Floats
    weights: Floats
    bias: Floats
    basis: Floats | None = None

    def proba_of(self, texts: Sequence[str]) -> Proba:
        """Probabilities (N, C) of texts, or of joined pairs."""
        x = tf_idf(self._counts(texts), self.idf) if self.basis is None else self._pairs(texts)
        proba = np.zeros((len(texts), self.classes))
        proba[:, self.known] = self.objective.probabilities(x.times(self.weights) + self.bias)
        return proba

    def shares(self, text: str, starts: NDArray[np.int64]) -> Proba:
        """What each token of a text adds to the score of each class, (U, C): as `CountModel.shares`; `starts` (U,)."""
        x = tf_idf(self._counts([text]), self.idf)
        row = np.zeros(len(self.idf))
        row[x.columns] = x.values
        found = shares(self.blocks, text, starts, row=row, weights=self.weights)
        added = np.zeros((len(found), self.classes))
        added[:, self.known[len(self.known) - found.shape[1] :]] = found
        return added[: len(starts)]

    def _counts(self, texts: Sequence[str]) -> Rows:
        """How often each n-gram stands in each text, (N, F)."""
        parts = [block.rows(texts) for block in self.blocks]
        if len(parts) == 1:
            return parts[0]
        starts = np.cumsum([0, *(part.width for part in parts)])
        row = np.concatenate([part.row() for part in parts])
        columns = np.concatenate([p.columns + first for p, first in zip(parts, starts[:-1], strict=True)])
        order = np.argsort(row, kind="stable")
        ends = np.searchsorted(row[order], np.arange(len(texts) + 1))
        values = np.concatenate([part.values for part in parts])
        return Rows(values[order], columns[order], ends, int(starts[-1]))

    def _pairs(self, texts: Sequence[str]) -> Rows:
        pairs = [split_pair(text) for text in texts]
        first, second = (self._counts([pair[k] for pair in pairs]) for k in (0, 1))
        words = np.concatenate([block.lengths() == 1 for block in self.blocks])
        own = np.array([of_texts(a, b) for a, b in pairs], np.float32).reshape(len(pairs), 2)
        basis = np.zeros((len(self.idf), 0), np.float32) if self.basis is None else self.basis
        return pair_columns(first, second, own, idf=self.idf, words=words, basis=basis)

    def to_arrays(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays of any shape, and a JSON dict that `from_arrays` needs too."""
        arrays: dict[str, NDArray[Any]] = {"idf": self.idf, "weights": self.weights, "bias": self.bias}
        if self.basis is not None:
            arrays["basis"] = self.basis
        blocks = []
        for b, block in enumerate(self.blocks):
            arrays[f"symbols-{b}"] = np.frombuffer("\n".join(block.symbols).encode(), np.uint8).copy()
            arrays |= {f"level-{b}-{n}": level for n, level in enumerate(block.levels, 2)}
            blocks.append({"unit": block.unit, "anchored": block.anchored, "levels": len(block.levels)})
        return arrays, {"classes": [int(k) for k in self.known], "blocks": blocks}

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, Any],
        meta: Mapping[str, Any],
        *,
        classes: int,
        objective: Objective,
    ) -> CountScorer:
        """The inverse of `to_arrays`, arrays of any shape. Raises BundleError: they do not belong together."""
        try:
            blocks = tuple(_block(arrays, b, entry) for b, entry in enumerate(meta["blocks"]))
            known = np.array([int(k) for k in meta["classes"]], np.int64)
            idf, weights, bias = (np.asarray(arrays[name], np.float32) for name in ("idf", "weights", "bias"))
            basis = None if "basis" not in arrays else np.asarray(arrays["basis"], np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"The word counts of the model file are damaged: {error!r}.") from error
        size, outputs = sum(map(len, blocks)), objective.outputs(len(known))
        columns = size if basis is None else 3 * size + len(products(OVERLAPS))
        if (
            (idf.shape, weights.shape, bias.shape) != ((size,), (columns, outputs), (outputs,))
            or (basis is not None and (basis.ndim != 2 or len(basis) != size))
            or not len(known)
            or known[0] < 0
            or known[-1] >= classes
            or np.any(np.diff(known) <= 0)
        ):
            raise BundleError(
                "The word counts of the model file are damaged: its arrays do not fit each other."
            )
        return cls(blocks, objective, classes, known, idf, weights, bias, basis)


def _block(arrays: Mapping[str, Any], b: int, entry: Mapping[str, Any]) -> NgramIndex:
    """The n-grams of a unit. Raises KeyError, TypeError, ValueError: damaged entries."""
    if entry["unit"] not in ("word", "char", "subword") or not 0 <= int(entry["levels"]) < 16:
        raise ValueError(f"unknown n-grams {entry!r}")
    symbols = np.asarray(arrays[f"symbols-{b}"], np.uint8).tobytes().decode().split("\n")
    levels = [np.asarray(arrays[f"level-{b}-{n}"], np.int64) for n in range(2, int(entry["levels"]) + 2)]
    if any(level.ndim != 1 or np.any(np.diff(level) <= 0) for level in levels):
        raise ValueError("n-grams that are not in order")
    found = {symbol: i for i, symbol in enumerate(symbols, 1)}
    if len(found) != len(symbols):
        raise ValueError("the same word twice")
    return NgramIndex(entry["unit"], anchored=entry["anchored"] is True, symbols=found, levels=levels)


def of_texts(a: str, b: str) -> tuple[float, float]:
    """The cosine of the character trigrams of two texts, and the ratio of their lengths."""
    one, other = _trigrams(a), _trigrams(b)
    dot = sum(n * other[gram] for gram, n in one.items() if gram in other)
    size = sum(n * n for n in one.values()) * sum(n * n for n in other.values())
    longest = max(len(a), len(b))
    return dot / size**0.5 if size else 0.0, min(len(a), len(b)) / longest if longest else 1.0


def _trigrams(text: str) -> Counter[str]:
    spaced = f" {' '.join(text.lower().split())} "
    return Counter(spaced[i : i + 3] for i in range(len(spaced) - 2))

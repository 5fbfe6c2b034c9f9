"""How far probabilities can be believed: predictions in bins of confidence, with how many of each bin are right.

Knows no text and no model. Axes: N documents, C classes, K decisions, B bins.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Reliability", "decisions", "reliability"]

Floats = NDArray[np.float64]


class Reliability(NamedTuple):
    """Decisions in B bins of equal width from 0 to 1, by their confidence."""

    counts: NDArray[np.int64]  # (B,) decisions in each bin
    confidence: Floats  # (B,) their mean confidence; NaN in an empty bin
    accuracy: Floats  # (B,) the share of them that are right; NaN in an empty bin

    @property
    def error(self) -> float:
        """The expected calibration error, 0..1 (Guo et al. 2017, section 2); 0 without any decision."""
        gaps = np.abs(np.nan_to_num(self.confidence - self.accuracy))
        return float((gaps * self.counts).sum() / max(int(self.counts.sum()), 1))

    @property
    def overconfident(self) -> float:
        """Mean confidence less the share of right decisions, -1..1: above 0, the probabilities are too high."""
        gaps = np.nan_to_num(self.confidence - self.accuracy)
        return float((gaps * self.counts).sum() / max(int(self.counts.sum()), 1))


def decisions(target: NDArray[Any], proba: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The confidence (K,) of each decision, and whether it is right (K,).

    Single-label, `target` (N,): the most probable class of each document, so K is N. Multi-label, (N, C): whether each
    class applies, so K is N * C. `proba` is (N, C).
    """
    if target.ndim == 2:
        return np.maximum(proba, 1 - proba).ravel(), np.asarray(((proba >= 0.5) == (target > 0)).ravel())
    return proba.max(axis=1), np.asarray(proba.argmax(axis=1) == target)


def reliability(target: NDArray[Any], proba: Floats, *, bins: int = 15) -> Reliability:
    """Decisions on targets (N,) or (N, C) with probabilities (N, C), in bins of their confidence."""
    sure, right = decisions(target, np.asarray(proba, np.float64))
    bin_of = np.clip((sure * bins).astype(np.int64), 0, bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(bin_of, sure, minlength=bins) / counts
        accuracy = np.bincount(bin_of, right, minlength=bins) / counts
    return Reliability(counts, confidence, accuracy)

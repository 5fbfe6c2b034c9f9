"""What was predicted, counted batch by batch: how often each label, or the mean and the range of numbers.

`state` is what a stopped run leaves to its continuation, `summary` what people read. Constant memory. Knows no file.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ulmus.cli import inputs

__all__ = ["Tally"]


class Tally:
    """Counts of labels, or with `numeric` the sum and the range of numbers; `state` is that of an earlier one."""

    def __init__(self, *, numeric: bool, state: Mapping[str, Any]) -> None:
        self.numeric = numeric
        self._labels = Counter[str]({} if numeric else state)
        self._numbers = {"n": 0, "sum": 0.0, "min": math.inf, "max": -math.inf} | (
            dict(state) if numeric else {}
        )

    def add(self, labels: Sequence[Any]) -> None:
        """Count a batch of labels or numbers."""
        if not self.numeric:
            self._labels.update(part for label in labels for part in inputs.parts(label))
            return
        known = self._numbers
        known["n"] += len(labels)
        known["sum"] += sum(labels)
        known["min"], known["max"] = min(known["min"], *labels), max(known["max"], *labels)

    def state(self) -> dict[str, Any]:
        """The counts as JSON."""
        return dict(self._numbers if self.numeric else self._labels)

    def summary(self) -> dict[str, Any]:
        """{"labels": counts, the most frequent first}, or mean, min and max of the numbers, if there are any."""
        if not self.numeric:
            return {"labels": dict(self._labels.most_common())}
        known = self._numbers
        return (
            {"mean": known["sum"] / known["n"], "min": known["min"], "max": known["max"]}
            if known["n"]
            else {}
        )

"""Numbers in any common form -> the targets of a regression, beside `Labels` for classes.

Costs: milliseconds. Knows no text and no model. Axis: N documents.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ulmus.corpus.columns import as_list, missing
from ulmus.corpus.labels import Labels
from ulmus.errors import DataError, UsageError
from ulmus.evaluation.objectives import Regression

__all__ = ["Numbers", "Targets", "as_numbers", "look_like_numbers"]

MANY_WHOLE = 50  # different whole numbers that may well be names of classes
MANY = 3  # the same of other numbers


@dataclass(frozen=True)
class Numbers:
    """The target (N, 1) of N documents, in standard deviations from the mean that `objective` holds."""

    target: np.ndarray
    objective: Regression

    classes: ClassVar[tuple[str, ...]] = ("number",)  # a model has one output
    multi_label: ClassVar[bool] = False

    @classmethod
    def of(cls, values: Any, *, cost: str = "squared-error") -> Numbers:
        """The numbers of training documents, which determine mean, spread and range.

        `cost` is the loss that a network minimises. Raises UsageError: no numbers; DataError: all the same, or of
        impossible spread.
        """
        numbers = as_numbers(values)
        if not len(numbers) or numbers.min() == numbers.max():
            raise DataError(
                "expected at least two different numbers to learn, got "
                + (f"only {numbers[0]:g}. Check the label column." if len(numbers) else "none.")
            )
        with np.errstate(over="ignore"):
            try:
                objective = Regression.of(numbers, cost)
            except ValueError as error:
                raise DataError(
                    f"the numbers from {numbers.min():g} to {numbers.max():g} are too large or too close to each other "
                    "to compute their spread. Scale them first."
                ) from error
        return cls(objective.standardised(numbers), objective)

    def like(self, values: Any) -> Numbers:
        """The numbers of other documents, on the same scale. Raises UsageError: no numbers."""
        return Numbers(self.objective.standardised(as_numbers(values)), self.objective)

    def rows(self, index: np.ndarray) -> Numbers:
        """The numbers of the documents `index` (n,), on the same scale."""
        return Numbers(self.target[index], self.objective)

    def hot(self) -> np.ndarray:
        """The target (N, 1) as float32."""
        return self.objective.hot(self.target, 1)

    def learnable(self) -> np.ndarray:
        """The target for training a network: (N, 1) float32."""
        return self.hot()

    def counts(self) -> np.ndarray:
        """The number of documents, (1,)."""
        return self.objective.counts(self.target, 1)

    def __len__(self) -> int:
        return len(self.target)


Targets = Labels | Numbers


def as_numbers(values: Any, what: str = "labels") -> np.ndarray:
    """Numbers (N,) float64 from numbers or strings of numbers. Raises UsageError for anything else."""
    rows = as_list(values, what)
    if any(missing(row) for row in rows):
        raise UsageError(f"{what}: a document has no number (None). Pass texts without one as `unlabeled`.")
    return np.array([_number(row, what, i) for i, row in enumerate(rows)], np.float64)


def _number(value: Any, what: str, i: int) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(
            f"{what}: regression expects finite numbers, got {str(value)[:40]!r} at position {i}. "
            "For classes use a classifier."
        )
    return number


def look_like_numbers(names: tuple[Any, ...]) -> bool:
    """Whether the names of classes are probably quantities: more than a few numbers that are not all whole."""
    try:
        numbers = [float(name) for name in names]
    except (TypeError, ValueError):
        return False
    if not all(map(math.isfinite, numbers)) or any(isinstance(name, bool) for name in names):
        return False
    return len(numbers) > (MANY_WHOLE if all(number.is_integer() for number in numbers) else MANY)

"""The report on a classifier or regressor as one value: all that its page shows, in plain numbers and texts.

`tasks/classifier/reporting.py` makes it; `report_page.py` draws it. Knows no model.
Axes: N documents, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ulmus.errors import UsageError
from ulmus.evaluation.calibration import Reliability
from ulmus.evaluation.explanation import Explanation
from ulmus.evaluation.metrics import Interval
from ulmus.evaluation.slices import Slice
from ulmus.storage import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Confusion", "Doubt", "Doubts", "Mistake", "Pictured", "Report", "Twin", "Twins"]


class Confusion(NamedTuple):
    """Documents of one class that were predicted as another, and the first of them that the model was surest of."""

    true: str
    predicted: str
    documents: int
    examples: tuple[str, ...]


class Mistake(NamedTuple):
    """A wrong prediction, and which words it rests on, if it was explained."""

    row: int  # of the document in the data, from 0
    text: str
    true: str
    predicted: str
    confidence: float  # probability of the prediction, 0..1; of numbers, how far it is off
    explanation: Explanation | None = None


class Doubt(NamedTuple):
    """A label that is probably wrong."""

    row: int  # of the document in the data, from 0
    text: str
    given: str
    suggested: str
    confidence: float  # probability of the given label, 0..1


class Doubts(NamedTuple):
    """The labels that are probably wrong, the most suspicious first."""

    of: int  # labels that were looked at
    documents: int  # whose labels are named; `shown` are the first of them
    disagree: float  # share of all labels, 0..1, that are not the most probable class
    source: str  # sentence: whose probabilities these are
    shown: tuple[Doubt, ...]


class Twin(NamedTuple):
    """A text that is nearly the same as a training text, or equal to it."""

    text: str
    label: str
    known: str  # the training text
    known_label: str | None  # None: not known


class Twins(NamedTuple):
    """Texts that are nearly the same as a training text; those with another label come first."""

    documents: int
    of: int
    shown: tuple[Twin, ...]


class Pictured(NamedTuple):
    """A class by its texts: the most typical ones, and the oddest."""

    label: str
    typical: tuple[str, ...]
    odd: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Report:
    """What a model was made from, how good it is on labelled texts, and what is remarkable in these.

    What is None or empty was not measured, and has no section in the page.
    """

    title: str
    facts: tuple[tuple[str, str], ...]  # how the model was made: names and values
    scores: Mapping[str, Any]  # as `evaluate` gives them; of a training, those of the held-out documents
    measured: str = ""  # sentence: on which documents
    interval: tuple[float, float] | None = None  # of the accuracy, 95 %
    gain: Interval | None = None  # in accuracy over the word counts
    reliability: Reliability | None = None
    slices: Mapping[str, Sequence[Slice]] = field(default_factory=dict)  # by what they are made by
    confusions: Sequence[Confusion] = ()
    mistakes: Sequence[Mistake] = ()
    doubts: Doubts | None = None
    twins: Twins | None = None
    portraits: Sequence[Pictured] = ()
    numbers: tuple[np.ndarray, np.ndarray] | None = None  # of a regressor: true and predicted ones, (N,) each
    history: Sequence[Mapping[str, Any]] = ()  # rows of the training log
    curve: Sequence[Mapping[str, Any]] = ()  # loss and learning rate step by step, if they were observed
    notes: Sequence[str] = ()  # what to beware of

    def figures(self) -> dict[str, Figure]:
        """The pictures of the report by name, as matplotlib figures."""
        from ulmus.evaluation import figures

        made: dict[str, Figure] = {}
        if self.reliability is not None:
            made["calibration"] = figures.calibration(self.reliability)
            made["confidence"] = figures.confidence(self.reliability)
        if self.numbers is not None:
            made["numbers"] = figures.scatter(*self.numbers)
        if self.history:
            made["curves"] = figures.curves(self.history, self.curve)
            made["rates"] = figures.rates(self.curve or self.history)
        return made

    def save(self, path: str | Path) -> None:
        """Write the report as one HTML page. Raises UsageError: another suffix than .html. StorageError."""
        from ulmus.evaluation.report_page import page

        if Path(path).suffix != ".html":
            raise UsageError(f"{path}: expected a name ending in .html. Rename the report.")
        with whole_file(path) as file:
            file.write(page(self).encode("utf-8", "backslashreplace"))

    def _repr_html_(self) -> str:
        """The report in a notebook."""
        from ulmus.evaluation.report_page import fragment

        return fragment(self)

    def __repr__(self) -> str:
        there = [name for name in ("doubts", "twins", "mistakes", "portraits") if getattr(self, name)]
        return f"<Report {self.title!r} on {self.scores.get('n', 0):,} texts; {', '.join(there) or 'scores'}>"

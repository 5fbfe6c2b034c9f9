"""The finished trainings of an ablation -> a table, a plot, JSON: the score of each row, and its difference from the
full recipe.

Differences are between trainings with the same labels and the same seed; spread is the standard deviation over seeds.
Knows no training.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulmus.storage import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FULL", "Ablation", "Cell"]

FULL = "full recipe"


@dataclass(frozen=True)
class Cell:
    """A row at one number of labels: mean and standard deviation over seeds, in points; None without two seeds."""

    row: str
    labels: int
    score: float
    spread: float | None
    difference: float | None  # from the full recipe; None for the full recipe itself
    difference_spread: float | None


@dataclass(frozen=True)
class Ablation:
    """What an ablation measured; `trainings` has one dict for each."""

    measure: str  # accuracy or micro_f1
    tested: int  # documents that every training was measured on
    rows: tuple[str, ...]  # the full recipe first
    sizes: tuple[int, ...]  # numbers of labels
    seeds: tuple[int, ...]
    trainings: tuple[dict[str, Any], ...]

    def cell(self, row: str, labels: int) -> Cell:
        """The numbers of one row."""
        scores = self._scores(row, labels)
        mean, spread = _summary(scores)
        if row == FULL:
            return Cell(row, labels, mean, spread, None, None)
        full = self._scores(FULL, labels)
        differences = [score - base for score, base in zip(scores, full, strict=True)]
        return Cell(row, labels, mean, spread, *_summary(differences))

    def table(self) -> tuple[list[str], list[list[str]]]:
        """The names of the columns, and the rows, as text: mean ± standard deviation over seeds, in points."""
        columns = ["row"]
        for size in self.sizes:
            columns += [f"{size:,} labels", "difference"]
        return columns, [[row, *self._texts(row)] for row in self.rows]

    def markdown(self) -> str:
        """The table in Markdown, and what its numbers are."""
        columns, rows = self.table()
        lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{self.caption}\n"

    @property
    def caption(self) -> str:
        """What the numbers are."""
        spread = (
            f", mean ± standard deviation of {len(self.seeds)} seeds"
            if len(self.seeds) > 1
            else ", of one seed"
        )
        name = {"accuracy": "Accuracy", "micro_f1": "Micro F1"}[self.measure]
        return (
            f"{name} in %{spread}, on {self.tested:,} documents that no training has seen. Difference: from the "
            "full recipe with the same labels and seed, in points."
        )

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        cells = [vars(self.cell(row, size)) for size in self.sizes for row in self.rows]
        return {
            "measure": self.measure,
            "tested": self.tested,
            "sizes": list(self.sizes),
            "seeds": list(self.seeds),
            "rows": cells,
            "trainings": list(self.trainings),
        }

    def figure(self) -> Figure:
        """The differences from the full recipe with their spread, a panel for each number of labels."""
        from matplotlib.figure import Figure  # heavy: imported only when a plot is requested

        rows = [row for row in self.rows if row != FULL][::-1]
        width, height = 2.5 + 3 * len(self.sizes), 1.2 + 0.35 * len(rows)
        figure = Figure(figsize=(width, height), layout="constrained")
        panels = figure.subplots(1, len(self.sizes), sharey=True, squeeze=False)[0]
        for axes, size in zip(panels, self.sizes, strict=True):
            cells = [self.cell(row, size) for row in rows]
            places = range(len(rows))
            axes.axvline(0, color="gray", linewidth=1)
            axes.errorbar(
                [cell.difference for cell in cells],
                places,
                xerr=[cell.difference_spread or 0.0 for cell in cells],
                fmt="o",
                capsize=3,
            )
            axes.set(title=f"{size:,} labels", xlabel="points from the full recipe")
            axes.set_yticks(places, rows)
        return figure

    def plot(self, path: str | Path) -> Path:
        """Write `figure` as PNG. Raises StorageError."""
        with whole_file(path) as file:
            self.figure().savefig(file, format="png", dpi=120)
        return Path(path)

    def _scores(self, row: str, labels: int) -> list[float]:
        """Scores in points, in the order of the seeds."""
        found = {one["seed"]: one for one in self.trainings if (one["row"], one["labels"]) == (row, labels)}
        return [100 * float(found[seed][self.measure]) for seed in self.seeds]

    def _texts(self, row: str) -> list[str]:
        texts = []
        for size in self.sizes:
            cell = self.cell(row, size)
            texts.append(_with_spread(f"{cell.score:.1f}", cell.spread))
            difference = "" if cell.difference is None else f"{cell.difference:+.1f}"
            texts.append(_with_spread(difference, cell.difference_spread))
        return texts


def _summary(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean, and standard deviation of two values or more."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def _with_spread(text: str, spread: float | None) -> str:
    return text if spread is None else f"{text} ± {spread:.1f}"

"""The points of `scaling.py` as a table and as a figure: `python bench/scaling_figure.py RESULTS.json FIGURE.png`.

One panel a question, both axes logarithmic: time and memory as multiples of the leftmost point's, and a dashed line
for what grows as fast as the task. Knows nothing of how the points were measured.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from rich.console import Console
from rich.table import Table

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

Point = dict[str, Any]
PANELS = {
    "corpus": "text, MB",
    "vocabulary": "vocabulary, words",
    "length": "document, tokens",
    "threads": "threads",
}
COLOURS = ("#1f5fa8", "#c8511b")


def series(rows: list[Point], panel: str) -> dict[str, list[Point]]:
    """The points of a panel by series, in the order of x."""
    found: dict[str, list[Point]] = {}
    for row in sorted((r for r in rows if r["panel"] == panel), key=lambda r: float(r["x"])):
        found.setdefault(row["series"], []).append(row)
    return found


def show(rows: list[Point]) -> None:
    """Print the table."""
    table = Table("what", "series", title="growth; x is how many times that of the first row of a series")
    for name in ("size", "seconds", "peak MB", "size x", "time x", "memory x"):
        table.add_column(name, justify="right")
    for panel, axis in PANELS.items():
        for name, points in series(rows, panel).items():
            for row in points:
                grown = [f"{row[key] / points[0][key]:.2f}" for key in ("x", "seconds", "peak_mb")]
                size = f"{row['x']:,} {axis.split(', ')[-1]}"
                table.add_row(panel, name, size, f"{row['seconds']:.3g}", f"{row['peak_mb']:,.0f}", *grown)
        table.add_section()
    (Console() if sys.stdout.isatty() else Console(width=110)).print(table)


def amount(value: float, _: object = None) -> str:
    """3000 -> 3k."""
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def panel_of(axes: Axes, found: dict[str, list[Point]], label: str, *, falling: bool) -> None:
    """Time and memory of each series over x."""
    xs = sorted({float(row["x"]) for points in found.values() for row in points})
    for colour, (name, points) in zip(COLOURS, found.items(), strict=False):
        x, first = [row["x"] for row in points], points[0]
        for key, style, unit in (("seconds", "o-", "s"), ("peak_mb", "s:", "MB")):
            values = [row[key] / first[key] for row in points]
            at = f"{first[key]:.2g}" if first[key] < 100 else f"{first[key]:,.0f}"
            axes.plot(x, values, style, color=colour, ms=4, lw=1.4, label=f"{name}: 1 = {at} {unit}")
    ideal = [xs[0] / x if falling else x / xs[0] for x in xs]
    axes.plot(xs, ideal, "--", color="0.6", lw=1, label="linear", zorder=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(xs)
    axes.xaxis.set_major_formatter(FuncFormatter(amount))
    axes.yaxis.set_major_formatter(FuncFormatter(amount))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = axes.get_ylim()
    if high / low < 20:
        axes.set_yticks([t for t in (0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10) if low <= t <= high])
    axes.set_xlabel(label)
    axes.grid(alpha=0.25, lw=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=6.5, frameon=False, loc="best")


def draw(rows: list[Point], path: Path) -> None:
    """Write the figure."""
    figure, grid = plt.subplots(2, 2, figsize=(8.4, 6.2), layout="constrained")
    for axes, (panel, label) in zip(grid.flat, PANELS.items(), strict=True):
        if found := series(rows, panel):
            panel_of(axes, found, label, falling=panel == "threads")
    for axes in grid[:, 0]:
        axes.set_ylabel("times the leftmost point")
    figure.suptitle("How cost grows (solid: time, dotted: peak memory)", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["points"], Path(sys.argv[2]))

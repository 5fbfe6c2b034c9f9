"""The pictures of a report: matplotlib figures, for notebooks, and the same as SVG inside a page.

Each figure is drawn with colours that stand for others (`INK`, `FIRST`, `SECOND`); in the SVG they become those of the
page, light or dark. The same numbers give the same bytes: no date, no random identifiers. No text of a user is drawn.
Costs: the import of matplotlib, then a tenth of a second a figure. Axis: B bins of confidence.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from ulmus.evaluation.calibration import Reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["as_svg", "calibration", "confidence", "curves", "rates", "scatter"]

Row = Mapping[str, Any]
INK, FIRST, SECOND = (
    "#565758",
    "#1a6edc",
    "#e56e01",
)  # text and lines, what is shown, and what it is compared with
_PAGE = {INK: "currentColor", FIRST: "rgb(var(--for))", SECOND: "rgb(var(--against))"}
_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "ulmus",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
}
_SIZE = (4.6, 3.1)  # inches
FEW = 40  # points that are marked


def calibration(found: Reliability) -> Figure:
    """The share of right predictions against their mean confidence, bin by bin; points have the size of their bin."""
    figure, axes = _figure("confidence of the prediction", "share that is right")
    there = found.counts > 0
    low = min(float(np.nanmin(found.confidence, initial=1)), float(np.nanmin(found.accuracy, initial=1)))
    axes.plot([low, 1], [low, 1], color=SECOND, linestyle="--", linewidth=1)
    axes.plot(found.confidence[there], found.accuracy[there], color=FIRST, linewidth=1.2)
    sizes = 12 + 90 * found.counts[there] / max(int(found.counts.max()), 1)
    axes.scatter(found.confidence[there], found.accuracy[there], s=sizes, color=FIRST)
    axes.set_ylim(-0.04, 1.04)
    return figure


def confidence(found: Reliability) -> Figure:
    """How many predictions have which confidence: right ones, and wrong ones hatched on top of them."""
    figure, axes = _figure("confidence of the prediction", "predictions")
    bins = len(found.counts)
    left, width = np.arange(bins) / bins, 0.9 / bins
    right = np.nan_to_num(found.accuracy) * found.counts
    axes.bar(left, right, width, align="edge", color=FIRST, label="right")
    axes.bar(
        left,
        found.counts - right,
        width,
        bottom=right,
        align="edge",
        facecolor="none",
        edgecolor=SECOND,
        hatch="////",
        label="wrong",
    )
    first = int(np.flatnonzero(found.counts)[0]) if found.counts.any() else 0
    axes.set_xlim(first / bins - 0.02, 1.02)
    axes.legend(frameon=False, labelcolor=INK)
    return figure


def curves(history: Sequence[Row], curve: Sequence[Row] = ()) -> Figure:
    """The training loss, step by step where that was observed, and of each epoch the loss on held-out documents.

    `history` has a row an epoch, `curve` a row a step: each with its stage, whose points are joined.
    """
    figure, axes = _figure("step" if curve else "epoch, stage after stage", "loss")
    if curve:
        _lines(axes, curve, "loss", FIRST, "training")
    else:
        _lines(axes, history, "train_loss", FIRST, "training")
        _lines(axes, history, "loss", SECOND, "held out", marker="s")
        if axes.lines:
            axes.legend(frameon=False, labelcolor=INK)
    return figure


def rates(rows: Sequence[Row]) -> Figure:
    """The learning rate: of each step, or at the end of each epoch, as the rows have it."""
    steps = bool(rows) and "step" in rows[0]
    figure, axes = _figure("step" if steps else "epoch, stage after stage", "learning rate")
    _lines(axes, rows, "lr", FIRST, "learning rate")
    return figure


def scatter(target: np.ndarray, predicted: np.ndarray) -> Figure:
    """Predicted numbers (N,) against true ones (N,), with the line on which they are equal; 2,000 at most."""
    figure, axes = _figure("true", "predicted")
    step = max(1, len(target) // 2_000)
    target, predicted = target[::step], predicted[::step]
    axes.scatter(target, predicted, s=9, color=FIRST, alpha=0.5, linewidths=0)
    ends = [float(min(target.min(), predicted.min())), float(max(target.max(), predicted.max()))]
    axes.plot(ends, ends, color=SECOND, linestyle="--", linewidth=1)
    return figure


def as_svg(figure: Figure, name: str, about: str) -> str:
    """An element for a page; `name` makes its identifiers different from those of other figures.

    `about`, one sentence of plain text, is for those who cannot see it.
    """
    import matplotlib as mpl

    made = io.StringIO()
    with mpl.rc_context(_SETTINGS):
        figure.savefig(
            made,
            format="svg",
            transparent=True,
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
        )
    svg = made.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)
    for color, of_page in _PAGE.items():
        svg = svg.replace(color, of_page)
    head, rest = svg.split(">", 1)
    size = re.search(r'viewBox="[^"]*"', head)
    box = size[0] if size else ""
    return (
        f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" xmlns="http://www.w3.org/2000/svg" {box} class="figure" '
        f'role="img" aria-label="{about}">{rest}'
    )


def _figure(x: str, y: str) -> tuple[Figure, Axes]:
    """An empty figure with the names of its axes, drawn with the font of the page."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Made

    with mpl.rc_context(_SETTINGS):
        figure = Made(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.tick_params(colors=INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)
    return figure, axes


def _lines(axes: Axes, rows: Sequence[Row], column: str, color: str, label: str, *, marker: str = "") -> None:
    """A line for each stage of consecutive rows; a number that is missing is left out."""
    if len(rows) <= FEW:
        marker = marker or "o"  # a stage of one point has no line
    _whole_numbers(axes)
    for _, stage in groupby(
        enumerate(rows, 1), key=lambda item: (item[1].get("stage"), item[1].get("network"))
    ):
        points = [(row.get("step", i), row[column]) for i, row in stage if _number(row.get(column))]
        if points:
            x, y = zip(*points, strict=True)
            axes.plot(x, y, color=color, marker=marker, markersize=4, linewidth=1.2, label=label)
            label = "_"


def _whole_numbers(axes: Axes) -> None:
    """Steps and epochs have no fractions."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))

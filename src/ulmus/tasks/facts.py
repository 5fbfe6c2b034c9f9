"""What a model is, for a notebook: its settings and state, its scores on held-out texts, as HTML.

Reads what every estimator has (`repr`, `report_` or `metrics_`); an entry that is missing is left out. Knows no task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ulmus.evaluation.listing import Listing, facts

__all__ = ["html"]

_PARTS = {"combined": "combined", "lm": "network", "counts": "word counts"}
_TEXTS = ("labelled", "unlabeled", "sentences", "entities", "documents", "tokens")


def html(model: Any) -> str:
    """The facts about a model, fitted or not."""
    report: Mapping[str, Any] = {}
    if "fitted_" in model.__dict__:
        report = getattr(model, "report_", None) or getattr(model, "metrics_", None) or {}
    scores = {title: report[part] for part, title in _PARTS.items() if isinstance(report.get(part), Mapping)}
    rows = [*_amounts(report)]
    rows += [(name, _shown(report[name])) for name in ("perplexity", "f1", "verdict") if name in report]
    return facts(repr(model).strip("<>"), rows, _scores(scores, report.get("n")))


def _amounts(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    trained = report.get("trained_on")
    if isinstance(trained, Mapping):
        numbers = [f"{trained[name]:,} {name}" for name in _TEXTS if isinstance(trained.get(name), int)]
        yield "trained on", ", ".join(numbers)


def _scores(parts: Mapping[str, Mapping[str, Any]], texts: Any) -> Listing:
    """A row of numbers for each part that was measured."""
    keys = list(
        dict.fromkeys(key for row in parts.values() for key, value in row.items() if isinstance(value, float))
    )
    rows = [(title, *(row.get(key) for key in keys)) for title, row in parts.items()]
    measured = f" on {texts:,} texts" if isinstance(texts, int) else ""
    return Listing(f"Scores{measured}", ("", *(key.replace("_", " ") for key in keys)), tuple(rows))


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""What watches the trainings of a task: a progress bar where one is wanted, a JSON-lines log where there is a folder.

Knows no model.
"""

from __future__ import annotations

from pathlib import Path

from ulmus.train.callbacks import Callback, JsonLog, Progress

__all__ = ["watchers"]

LOG = "log.jsonl"


def watchers(folder: Path | None, *, verbose: bool, unit: str) -> list[Callback]:
    """Callbacks for a training: progress in `unit`s (tokens or documents) on stderr, a log in the work folder."""
    shown: list[Callback] = [Progress(unit=unit)] if verbose else []
    return shown + ([JsonLog(folder / LOG)] if folder else [])

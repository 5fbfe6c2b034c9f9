"""What a model file records about its making, so that the training can be repeated: command, versions, machine, seed.

The same seed, texts, threads and command give the same file, byte for byte, on a CPU, as long as no clock decides. So a
file holds readings of the clock (the date, minutes, seconds) only if a time budget was given, which is recorded as
`budget`. Knows no model and no text.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ulmus import __version__
from ulmus.tasks.settings import RunSettings
from ulmus.train.device import resolve_device

__all__ = ["LIBRARY", "as_loaded", "as_saved", "circumstances", "command"]

LIBRARY = "Python"  # the command of a training that no command line began
CLOCK = ("minutes", "date")


def circumstances(settings: RunSettings, *, minutes: float) -> dict[str, Any]:
    """The entries of a card on a training that took so many minutes and ends now."""
    budget = {} if settings.minutes is None else {"budget": settings.minutes}
    return {
        "command": command(),
        "seed": settings.seed,
        "versions": {
            "ulmus": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "machine": machine(resolve_device(settings.device)),
        **budget,
        "minutes": round(minutes, 2),
        "date": datetime.now(UTC).date().isoformat(),
    }


def as_saved(
    card: Mapping[str, Any], metrics: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The manifest's entries `card`, `metrics` and `history`, without the clock unless there was a time budget."""
    distilled = card.get("distilled")
    if _timeless(distilled if isinstance(distilled, Mapping) else card):  # the last training
        metrics = {key: value for key, value in metrics.items() if key not in CLOCK}
        history = [{key: value for key, value in row.items() if key != "seconds"} for row in history]
    return {"card": _lasting(card), "metrics": dict(metrics), "history": list(history)}


def as_loaded(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The entries `card` (empty in a file of an early version) and `history` of a manifest.

    Raises KeyError, TypeError: no history, or entries of an unexpected type.
    """
    card, history = manifest.get("card", {}), manifest["history"]
    if not isinstance(card, dict):
        raise TypeError("a card of the wrong type")
    if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
        raise TypeError("a history of the wrong type")
    return {"card": card, "history": history}


def _lasting(card: Mapping[str, Any]) -> dict[str, Any]:
    """A card, and the cards in it of models made before, without the clock where there was no time budget."""
    dropped = CLOCK if _timeless(card) else ()
    return {
        key: _lasting(value) if isinstance(value, Mapping) else value
        for key, value in card.items()
        if key not in dropped
    }


def _timeless(card: Mapping[str, Any]) -> bool:
    """Whether the card is of a training without a time budget; cards of earlier versions do not say."""
    return "seed" in card and "budget" not in card


def command() -> list[str] | str:
    """The arguments of this process if it is `ulmus`, with the home folder as ~; else `LIBRARY`."""
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.stem
    if name != "ulmus":
        return LIBRARY
    home = str(Path.home()).rstrip(os.sep)
    return [name, *(arg.replace(home + os.sep, "~" + os.sep) if home else arg for arg in sys.argv[1:])]


def machine(device: torch.device) -> str:
    """The GPU, or the processor and the number of threads in use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor()}, {torch.get_num_threads()} threads"


def processor() -> str:
    """The name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()

"""The card of a language model: its training texts, how it was trained, and its scores; plain data in the model file.

The user's entries (name, language, licence ...) come first, then what was measured. `bits_per_byte` is that of the
training texts (`text/familiar.py`): comparing it with other texts tells whether they are in the same language.
"""

from __future__ import annotations

import math
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ulmus import __version__
from ulmus.text.familiar import bits_per_byte
from ulmus.text.tokenizer import Tokenizer

__all__ = ["card", "circumstances", "last_rows"]


def card(
    about: Mapping[str, Any],
    texts: Iterable[str],
    tokenizer: Tokenizer,
    history: list[dict[str, Any]],
    *,
    device: torch.device,
) -> dict[str, Any]:
    """The card after training, from the user's entries `about` and the rows of the training log, `history`."""
    bits = bits_per_byte(tokenizer, texts)
    measured = {
        "tokens_read": sum(row["seen"] for row in last_rows(history)),
        "bits_per_byte": bits if math.isfinite(bits) else None,
    }
    return {**about, **measured, **circumstances(history, device=device)}


def last_rows(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last row of each stage of the training log."""
    return list({row["stage"]: row for row in history}.values())


def circumstances(history: list[dict[str, Any]], *, device: torch.device) -> dict[str, Any]:
    """How long the training took, where and when, and the command."""
    return {
        "minutes": round(sum(row["seconds"] for row in last_rows(history)) / 60, 1),
        "machine": machine(device),
        "versions": {"ulmus": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "date": datetime.now(UTC).date().isoformat(),
        "command": command(),
    }


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


def command() -> str:
    """The command line of this process, without the program's folder; `python -m ulmus` becomes `ulmus`."""
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    return shlex.join([name, *sys.argv[1:]])

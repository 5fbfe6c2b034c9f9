"""The card of a language model: what it was made from and how, and what it can; plain data in the model file.

What the user says of the texts (name, language, licence ...) comes first, then what was measured. `bits_per_byte` is
what the texts themselves need (`text/familiar.py`): by it the language of other texts is told.
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

__all__ = ["card"]


def card(
    about: Mapping[str, Any],
    texts: Iterable[str],
    tokenizer: Tokenizer,
    history: list[dict[str, Any]],
    *,
    device: torch.device,
) -> dict[str, Any]:
    """What is known when the training is over; `about` is what the user says, and `history` the rows of the run."""
    last = {row["stage"]: row for row in history}.values()  # the last row of each stage
    bits = bits_per_byte(tokenizer, texts)
    return {
        **about,
        "tokens_read": sum(row["seen"] for row in last),
        "minutes": round(sum(row["seconds"] for row in last) / 60, 1),
        "bits_per_byte": bits if math.isfinite(bits) else None,
        "machine": machine(device),
        "versions": {"ulmus": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "date": datetime.now(UTC).date().isoformat(),
        "command": command(),
    }


def machine(device: torch.device) -> str:
    """The processor or the GPU, and how many cores are used."""
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
    """The command line of this process, without the folders of the program; `python -m ulmus` is `ulmus`."""
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    return shlex.join([name, *sys.argv[1:]])

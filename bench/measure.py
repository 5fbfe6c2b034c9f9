"""What both sides of `compare.py` and `scaling.py` measure with: a clock, peak memory, operations of an AWD-LSTM.

Runs in Ulmus' environment and in the other library's: standard library, numpy and torch only, torch on first use.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

VOCABULARY = 30_000
EMBEDDING, HIDDEN = 400, 1150
BATCH, STEPS = 64, 72  # of the language model's row
DOCUMENTS, LENGTH = 32, 288  # of the classifier's row
PART = "ULMUS_BENCH_PART"  # which repeat of how many: "2/3"
DEVICE = "ULMUS_BENCH_DEVICE"  # where training steps run: "cpu", "cuda"


def all_cores() -> int:
    """Let torch use every core; how many those are."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(cores)
    return cores


def device() -> Any:
    """The torch device that training steps run on."""
    import torch

    return torch.device(os.environ.get(DEVICE, "cpu"))


def settle() -> None:
    """Wait until a GPU is through with what it was given."""
    if os.environ.get(DEVICE, "cpu").startswith("cuda"):
        import torch

        torch.cuda.synchronize()


def gpu_mb() -> float | None:
    """Largest memory that torch held on the GPU so far; None on a CPU."""
    if not os.environ.get(DEVICE, "cpu").startswith("cuda"):
        return None
    import torch

    return torch.cuda.max_memory_reserved() / 2**20


def seconds(work: Callable[[], Any]) -> float:
    """Seconds that one call takes."""
    settle()
    started = time.perf_counter()
    work()
    settle()
    return time.perf_counter() - started


def median_s(work: Callable[[], Any], *, times: int, warm: int = 1) -> float:
    """Median seconds of `times` calls after `warm` that do not count."""
    took = [seconds(work) for _ in range(warm + times)]
    return statistics.median(took[warm:])


def cpu_s(command: list[str]) -> float:
    """User and system seconds of a command that runs to its end."""
    import subprocess

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return used() - before


def median_cpu_s(command: list[str], *, times: int) -> float:
    """Median of `cpu_s` over so many calls; one before them fills the file cache."""
    cpu_s(command)
    return statistics.median(cpu_s(command) for _ in range(times))


def peak_mb() -> float:
    """Largest resident memory of this process so far. (`ru_maxrss` would count what its parent held as well.)"""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def children_mb() -> float:
    """Largest resident memory of any one process that this one started and waited for; 0 for none.

    An upper bound: a child is charged with what this process held when it started it.
    """
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def report(value: float, unit: str, **more: Any) -> None:
    """Print the one JSON line that a measuring process ends with."""
    print(
        json.dumps(
            {
                "value": value,
                "unit": unit,
                "peak_mb": peak_mb(),
                "children_mb": children_mb(),
                "gpu_mb": gpu_mb(),
            }
            | more
        ),
        flush=True,
    )


def texts(folder: Path, name: str) -> list[str]:
    """The texts of a file of JSON strings, one a line."""
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def share(raw: list[str]) -> list[str]:
    """The texts of this repeat: each of three repeats uses another third."""
    part, parts = map(int, os.environ.get(PART, "1/1").split("/"))
    return raw[(part - 1) * len(raw) // parts : part * len(raw) // parts]


def settings(folder: Path) -> dict[str, Any]:
    """What `prepare.py` noted about its files, and how often to measure."""
    return dict(json.loads((folder / "settings.json").read_text(encoding="utf-8")))


def encoder_flops(embedding: int = EMBEDDING, hidden: int = HIDDEN, layers: int = 3) -> float:
    """Multiplications and additions of the LSTM layers for one token, forward."""
    widths = [embedding, *[hidden] * (layers - 1), embedding]
    return sum(2.0 * 4 * after * (before + after) for before, after in pairwise(widths))


def softmax_flops(vocabulary: float = VOCABULARY, embedding: int = EMBEDDING) -> float:
    """The same of the decoder."""
    return 2.0 * vocabulary * embedding

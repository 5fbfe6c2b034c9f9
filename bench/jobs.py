"""Runs the trainings of a benchmark in parallel, one process and one core each, and saves each result at once.

A child is the benchmark's own script with `child` and what it is to do; the last line that it prints is its result, a
JSON object, which becomes a line of the file of results. Nothing in that file is done again.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CORE = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}
Children = list[tuple[list[str], "subprocess.Popen[str]"]]


def run(
    script: str, waiting: Sequence[Sequence[Any]], options: Sequence[Any], *, jobs: int, out: Path
) -> None:
    """Start `script child WHAT... OPTIONS...` for all that wait, `jobs` at a time; keep results in `out`.

    A child that fails is told and left for the next time. Interrupted, all children are, and save where they are.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    left = [list(map(str, what)) for what in waiting]
    running: Children = []
    try:
        while left or running:
            while left and len(running) < jobs:
                what = left.pop(0)
                print(f"{' '.join(what)}, {len(left)} more", flush=True)
                command = [sys.executable, script, "child", *what, *map(str, options)]
                environment = os.environ | CORE
                child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
                running.append((what, child))
            time.sleep(0.5)
            for what, child in [pair for pair in running if pair[1].poll() is not None]:
                running.remove((what, child))
                _keep(what, child, out)
    except KeyboardInterrupt:
        for _, child in running:
            child.wait()
        raise


def _keep(what: list[str], child: subprocess.Popen[str], out: Path) -> None:
    said = child.communicate()[0].strip()
    if child.returncode:
        print(f"{' '.join(what)} failed with {child.returncode}", flush=True)
        return
    print(said, flush=True)
    with out.open("a", encoding="utf-8") as file:
        file.write(said.splitlines()[-1] + "\n")


def rows(out: Path) -> list[dict[str, Any]]:
    """What is done."""
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def told(values: Sequence[float], digits: int = 1) -> str:
    """Mean ± standard deviation, the latter of more than one."""
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"

"""LSTM or QRNN for `small`? At equal time on IMDb: `python bench/cells.py [NAME ...] [--minutes 30] [--threads N]`.

Each candidate is a language model trained from scratch on the 75,000 training reviews (the same 500 are held out), with
the vocabulary, softmax, dropouts and learning rates of `small`; only the layers differ. The measure is the perplexity
after the same minutes, not after the same tokens. With --at-once all run in parallel with the same number of threads,
so that other load on the machine slows all of them alike. Needs $ULMUS_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

CANDIDATES: dict[str, dict[str, Any]] = {
    "lstm": {},
    "qrnn": {"cell": "qrnn"},
    "qrnn-640-3": {"cell": "qrnn", "hidden": 640, "layers": 3},
    "qrnn-768-4": {"cell": "qrnn", "hidden": 768, "layers": 4},
}


def trained(name: str, minutes: float, threads: int) -> dict[str, Any]:
    """Train one candidate in this process."""
    import torch
    from prepare import reviews

    from ulmus import LanguageModel
    from ulmus.tasks.language_model.config import lm_config

    torch.set_num_threads(threads)
    config = dataclasses.replace(lm_config("small"), **CANDIDATES[name])
    model = LanguageModel(config, minutes=minutes, verbose=False).fit(reviews()[0])
    last = model.history_[-1]
    seen = last["steps"] * config.batch_size * config.bptt
    return {
        "name": name,
        "layers": f"{config.cell} {config.embedding}/{config.hidden}/{config.layers}",
        "perplexity": model.metrics_["perplexity"],
        "million_tokens": seen / 1e6,
        "minutes": last["seconds"] / 60,
        "threads": threads,
    }


def started(name: str, options: argparse.Namespace) -> subprocess.Popen[str]:
    """A process that trains one candidate and prints what came of it."""
    command = [sys.executable, __file__, "--child", name, f"{options.minutes}", f"{options.threads}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What the process printed last."""
    out, _ = process.communicate()
    if process.returncode:
        sys.exit(process.returncode)
    return dict(json.loads(out.strip().splitlines()[-1]))


def main() -> None:
    """Train, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CANDIDATES)}; none is all")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--at-once", action="store_true", help="side by side rather than one after the other")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "cells.json")
    options = parser.parse_args()
    if unknown := set(options.names) - set(CANDIDATES):
        parser.error(f"no such candidate: {', '.join(sorted(unknown))}. There are {', '.join(CANDIDATES)}.")
    names = options.names or list(CANDIDATES)
    if options.at_once:
        found = [result(process) for process in [started(name, options) for name in names]]
    else:
        found = [result(started(name, options)) for name in names]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    table = Table("candidate", "layers", "perplexity", "million tokens read", "minutes", "threads")
    for row in found:
        told = (
            f"{row['perplexity']:.1f}",
            f"{row['million_tokens']:.1f}",
            f"{row['minutes']:.1f}",
            str(row["threads"]),
        )
        table.add_row(row["name"], row["layers"], *told)
    Console().print(table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(trained(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))))
    else:
        main()

"""Kill `ulmus predict` at random moments: are rows lost or doubled?

    python bench/kill_predict.py MODEL.ulmus DATA.csv --text COL --keep COL [--kills 100] [--out predictions.csv]

The command runs to its end once. Then it is run again and again, each time killed (SIGKILL) after a random part of the
time that took, until its output appears, which must have the same bytes; then from the beginning, until it was killed
so often. The processes are forked after the libraries are loaded, so that a kill hits the work and not the imports.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import time
from pathlib import Path

import pyarrow.parquet as pq

import ulmus.tasks.classifier.bulk  # noqa: F401 - what the forked processes need is loaded here
from ulmus.cli import app


def started(arguments: list[str]) -> int:
    """The id of a process that runs the command."""
    child = os.fork()
    if child:
        return child
    try:
        app(arguments, prog_name="ulmus")
    except SystemExit as stop:
        os._exit(int(stop.code or 0))
    os._exit(1)


def killed(child: int, seconds: float) -> bool:
    """Whether the process was still at work after so many seconds; raises if it failed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if status:
                raise SystemExit(f"the command failed with {os.waitstatus_to_exitcode(status)}")
            return False
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def numbers(path: Path) -> list[int]:
    """The numbers of the rows of an output."""
    if path.suffix == ".parquet":
        return list(pq.read_table(path, columns=["row"])["row"].to_pylist())
    with path.open(encoding="utf-8", newline="") as file:
        return [int(row["row"]) for row in csv.DictReader(file)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--text", default="text")
    parser.add_argument("--keep", default="id")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("/tmp/kill_predict/predictions.csv"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    out, rng = given.out, random.Random(given.seed)
    whole = out.with_name(f"whole{out.suffix}")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    command = [
        "predict",
        str(given.model),
        str(given.data),
        "--text",
        given.text,
        "--keep",
        given.keep,
        "--quiet",
    ]
    began = time.monotonic()
    killed(started([*command, "-o", str(whole)]), 3600)
    seconds, expected = time.monotonic() - began, numbers(whole)
    kills = resumed = ends = lost = doubled = different = 0
    while kills < given.kills or not out.exists():
        resumed += (out.parent / f".{out.name}.work" / "state.json").exists()
        limit = rng.uniform(0, seconds) if kills < given.kills else 3600
        kills += killed(started([*command, "-o", str(out)]), limit)
        if out.exists():
            rows = numbers(out)
            ends += 1
            lost += len(set(expected) - set(rows))
            doubled += len(rows) - len(set(rows))
            different += out.read_bytes() != whole.read_bytes()
            if kills < given.kills:
                out.unlink()
    print(
        f"{len(expected):,} rows in {seconds:.1f} s; {kills} kills, {resumed} runs resumed, {ends} outputs completed"
    )
    print(f"rows lost: {lost}; doubled: {doubled}; outputs with other bytes: {different}")


if __name__ == "__main__":
    main()

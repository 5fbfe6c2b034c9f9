"""`ulmus predict` with many texts: memory, kills, Ray. Minutes, so they run with `-m slow`."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

WriteCsv = Callable[[Path, Sequence[str], Sequence[Sequence[str]]], Path]
Reviews = Callable[[int, int], list[list[str]]]
SCRIPT = "import sys; from ulmus.cli import app, predict; predict._BATCH = {batch}; app(sys.argv[1:])"


def started(*arguments: object, batch: int = 1024) -> subprocess.Popen[str]:
    """`ulmus predict` in a process of its own."""
    command = [sys.executable, "-c", SCRIPT.format(batch=batch), "predict", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def done(*arguments: object, batch: int = 1024) -> str:
    """What the command printed; it must succeed."""
    process = started(*arguments, batch=batch)
    stdout, stderr = process.communicate(timeout=1200)
    assert process.returncode == 0, stderr
    return stdout


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_memory_does_not_grow_with_the_file(
    name: str, classifier: Path, reviews: Reviews, write_csv: WriteCsv, tmp_path: Path
) -> None:
    """Ten times the rows, 60 MB of kept cells among them, need at most a tenth more memory."""
    peaks = []
    for rows in (1_500, 15_000):
        data = tmp_path / f"{rows}.csv"
        write_csv(data, ["text", "note"], [[text, "x" * 4_000] for text, _ in reviews(rows, 5)])
        made = json.loads(done(classifier, data, "--keep", "note", "-o", tmp_path / name, "--json"))
        assert made["n"] == rows
        peaks.append(made["memory_mb"])
    assert peaks[1] < 1.1 * peaks[0]


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_killed_runs_end_with_the_file_of_one_that_was_not(
    name: str, classifier: Path, reviews: Reviews, write_csv: WriteCsv, tmp_path: Path
) -> None:
    """SIGKILL at random moments, two processes included; `bench/kill_predict.py` does it a hundred times."""
    data = write_csv(
        tmp_path / "data.csv",
        ["id", "text"],
        [[f"id{i}", row[0]] for i, row in enumerate(reviews(20_000, 6))],
    )
    arguments = (classifier, data, "--keep", "id", "-o")
    began = time.monotonic()
    done(*arguments, tmp_path / "whole" / name)
    seconds, rng = time.monotonic() - began, random.Random(0)
    for processes in (1, 2, 1, 2):
        process = started(*arguments, tmp_path / name, "--processes", processes)
        time.sleep(rng.uniform(0.3, 1) * seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    if not (tmp_path / name).exists():
        done(*arguments, tmp_path / name)
    assert (tmp_path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("skip", [0, 2])
def test_ray_gives_the_same_file(skip: int, classifier: Path, corpus: Path, tmp_path: Path) -> None:
    """Two workers of a cluster on this machine: the same rows in the same order with the same probabilities."""
    pytest.importorskip("ray", reason="the extra ray is not installed")
    arguments = (classifier, corpus / "test.csv", "--keep", "label", "-o")
    done(*arguments, tmp_path / "one.csv", batch=4)
    if skip:  # what a stopped run has left
        script = f"from ulmus.tasks.classifier.bulk import Predictor as P; f, n = P.__call__, []\n{STOP}"
        command = [
            sys.executable,
            "-c",
            script.format(skip=skip),
            "predict",
            *map(str, arguments),
            tmp_path / "two.csv",
        ]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 130
    printed = done(*arguments, tmp_path / "two.csv", "--ray", "--processes", 2, "--json", batch=4)
    assert json.loads(printed).get("resumed_after", 0) == 4 * skip
    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


STOP = """
def stop(self, documents):
    n.append(1)
    if len(n) > {skip}: raise KeyboardInterrupt
    return f(self, documents)
P.__call__ = stop
import sys
from ulmus.cli import app, predict
predict._BATCH = 4
app(sys.argv[1:], prog_name="ulmus")
"""

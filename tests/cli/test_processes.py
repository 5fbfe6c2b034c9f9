"""A command in two processes, as torchrun starts it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]
LaunchTwo = Callable[..., list[subprocess.CompletedProcess[str]]]

# Ctrl-C comes to the first process in the STOP-th optimizer step
SCRIPT = """
import os, signal, sys
from ulmus.cli import app
from ulmus.train.stage import StageRun

step, left = StageRun.step, [int(os.environ["STOP"])]

def counted(self, *arguments, **named):
    left[0] -= 1
    if not left[0] and os.environ["RANK"] == "0":
        os.kill(os.getpid(), signal.SIGINT)
    return step(self, *arguments, **named)

StageRun.step = counted
app(sys.argv[1:], prog_name="ulmus")
"""
NO_DROPOUT = "dropouts = {mult = 0.0}\n"


@pytest.mark.slow
@pytest.mark.parametrize(("more", "stop"), [((), "5"), (("--ensemble", "directions"), "20")])
def test_two_processes_train_as_one_stop_at_ctrl_c_and_resume(
    more: tuple[str, ...], stop: str, corpus: Path, tmp_path: Path, run: Run, launch_two: LaunchTwo
) -> None:
    """Ctrl-C ends both with 130 and one checkpoint; resumed, the scores are those of one process, written once."""
    config = tmp_path / "exact.toml"
    text = (corpus / "tiny.toml").read_text().replace("[classifier]\n", NO_DROPOUT + "[classifier]\n")
    config.write_text(text + NO_DROPOUT + "head_dropouts = [0.0, 0.0]\n")
    arguments = [
        *(
            "train",
            corpus / "train.csv",
            "--text",
            "text",
            "--label",
            "label",
            "--valid",
            corpus / "test.csv",
        ),
        *("--language-model", "new", "--precision", "float32", "--config", config, "--json"),
        *more,
    ]
    two = [*arguments, "--out", tmp_path / "two.ulmus", "--log", tmp_path / "two.jsonl"]
    stopped = launch_two(SCRIPT, *two, STOP=stop)
    assert [process.returncode for process in stopped] == [130, 130], stopped
    assert "run the same command again to resume" in stopped[0].stderr
    assert stopped[1].stderr == ""
    assert (tmp_path / ".two.ulmus.work").is_dir()
    done = launch_two(SCRIPT, *two, STOP="0")
    assert [process.returncode for process in done] == [0, 0], done
    assert done[1].stdout == done[1].stderr == ""
    single = run(*arguments, "--out", tmp_path / "one.ulmus", "--log", tmp_path / "one.jsonl")
    found, expected = json.loads(done[0].stdout), json.loads(single.stdout)
    for part in ("lm", "counts", "combined"):
        assert found[part]["log_loss"] == pytest.approx(expected[part]["log_loss"], abs=1e-4)
    assert not (tmp_path / ".two.ulmus.work").exists()
    losses = [
        [
            round(row["train_loss"], 4)
            for row in map(json.loads, (tmp_path / name).read_text().splitlines())
            if row["event"] == "epoch"
        ]
        for name in ("one.jsonl", "two.jsonl")
    ]
    assert losses[0] == pytest.approx(losses[1], abs=2e-4)

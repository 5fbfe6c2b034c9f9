"""Ctrl-C in the middle of a run, and the same command again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from ulmus import bundle

Run = Callable[..., Result]


def stop_at_step(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, Ctrl-C comes in the `number`-th optimizer step."""
    from ulmus.train.stage import StageRun

    step, taken = StageRun.step, []

    def counted(self: StageRun, *arguments: object, **named: object) -> None:
        taken.append(1)
        if len(taken) == number:
            os.kill(os.getpid(), signal.SIGINT)
        step(self, *arguments, **named)

    monkeypatch.setattr(StageRun, "step", counted)


@pytest.mark.parametrize("number", [2, 8])
def test_the_same_command_resumes_after_ctrl_c_and_ends_with_the_same_weights(
    number: int, corpus: Path, classifier: Path, tmp_path: Path, run: Run
) -> None:
    """A run interrupted in either training resumes and ends with identical weights."""
    out = tmp_path / "m.ulmus"
    arguments = (
        *("train", corpus / "train.csv", "--text", "text", "--label", "label", "--out", out),
        *("--valid", corpus / "test.csv", "--config", corpus / "tiny.toml", "--quiet"),
    )
    with pytest.MonkeyPatch.context() as patch:
        stop_at_step(number, patch)
        stopped = run(*arguments)
    folder = tmp_path / ".m.ulmus.work"
    assert stopped.exit_code == 130
    assert f"Stopped. Checkpoints are in {folder}: run the same command again to resume." in stopped.stderr
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]

    resumed = run(*arguments)
    assert resumed.exit_code == 0, resumed.stderr
    assert f"Resuming from the checkpoints in {folder}." in resumed.stderr
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    sums = [bundle.read_manifest(path)["sha256"]["weights.safetensors"] for path in (out, classifier)]
    assert sums[0] == sums[1]


def test_a_process_interrupted_by_ctrl_c_exits_with_130(corpus: Path, tmp_path: Path) -> None:
    """An interrupted process exits with 130, without a traceback, output or model file."""
    code = (
        "import os, signal\n"
        "from ulmus.train.stage import StageRun\n"
        "step = StageRun.step\n"
        "def stop(self, *given, **named):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    step(self, *given, **named)\n"
        "StageRun.step = stop\n"
        "from ulmus.cli import app\n"
        f"app(['pretrain', {str(corpus / 'unlabeled.csv')!r}, '--out', {str(tmp_path / 'lm.ulmus')!r}, "
        f"'--config', {str(corpus / 'lm.toml')!r}, '--json'], prog_name='ulmus')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "run the same command again to resume" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [".lm.ulmus.work"]


def test_ctrl_c_before_the_first_checkpoint_leaves_nothing(
    corpus: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C before the first checkpoint leaves nothing, and the message says so."""
    from ulmus.tasks.language_model.model import LanguageModel

    def stop(self: LanguageModel, *arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LanguageModel, "fit", stop)
    done = run("pretrain", corpus / "unlabeled.csv", "--out", tmp_path / "lm.ulmus")
    assert done.exit_code == 130
    assert "No checkpoint was saved yet" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
def test_predictions_are_kept_on_ctrl_c_and_the_same_command_goes_on(
    name: str, classifier: Path, corpus: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says how many and how to resume; the output is that of an uninterrupted run, byte for byte."""
    from ulmus.cli import predict

    monkeypatch.setattr(predict, "_BATCH", 10)
    command = ("predict", classifier, corpus / "test.csv", "--keep", "label", "-o")
    whole = tmp_path / "whole" / name
    assert run(*command, whole).exit_code == 0
    with pytest.MonkeyPatch.context() as patch:
        calls = stop_at_batch(2, patch)
        stopped = run(*command, tmp_path / name)
    assert (stopped.exit_code, len(calls)) == (130, 2)
    folder = tmp_path / f".{name}.work"
    assert f"Stopped. 10 predictions are kept in {folder}: run the same command again" in stopped.stderr
    resumed = run(*command, tmp_path / name, "--json")
    assert resumed.exit_code == 0, resumed.stderr
    assert f"Resuming from the predictions in {folder}." in resumed.stderr
    summary = json.loads(resumed.stdout)
    assert (summary["n"], sum(summary["labels"].values()), summary["resumed_after"]) == (30, 30, 10)
    assert (tmp_path / name).read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "whole"])


def test_nothing_is_kept_of_a_standard_input(
    classifier: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be read again."""
    from ulmus.cli import predict

    monkeypatch.setattr(predict, "_BATCH_OF_STDIN", 1)
    stop_at_batch(2, monkeypatch)
    done = run("predict", classifier, "-o", tmp_path / "out.csv", stdin="a film\nanother\n")
    assert done.exit_code == 130
    assert "resume" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def stop_at_batch(number: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From now on, Ctrl-C comes in the `number`-th batch of predictions; one entry for each batch."""
    from ulmus.tasks.classifier.model import TextClassifier

    labels_of, calls = TextClassifier.labels_of, list[int]()

    def stop(self: TextClassifier, proba: object) -> object:
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return labels_of(self, proba)

    monkeypatch.setattr(TextClassifier, "labels_of", stop)
    return calls


def test_another_run_does_not_resume_from_the_checkpoints(
    corpus: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoints of a run with another seed are refused; the message names the difference and the remedy."""
    arguments = (
        *("pretrain", corpus / "unlabeled.csv", "--out", tmp_path / "lm.ulmus"),
        *("--config", corpus / "lm.toml", "--quiet", "--json"),
    )
    with pytest.MonkeyPatch.context() as patch:
        stop_at_step(1, patch)
        assert run(*arguments).exit_code == 130
    other = run(*arguments, "--seed", 9)
    assert other.exit_code == 2
    assert "another run (it differs in: seed)" in other.stderr
    same = run(*arguments)
    assert same.exit_code == 0, same.stderr
    assert json.loads(same.stdout)["perplexity"] > 1

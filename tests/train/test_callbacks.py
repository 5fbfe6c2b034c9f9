"""Progress for people, a log for programs."""

from __future__ import annotations

import io
import json

import pytest

from ulmus.errors import StorageError
from ulmus.train.callbacks import Curve, JsonLog, Progress
from ulmus.train.loop import LoopConfig, Stage, Trainer


class _Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(new_model, new_batches):
    """`run(callback)` trains two stages with it."""

    def train(*callbacks):
        return Trainer(
            new_model(),
            [Stage("head", epochs=1, unfreeze=1), Stage("all layers", epochs=2)],
            train=new_batches(3),
            valid=new_batches(2),
            config=LoopConfig(device="cpu"),
            callbacks=callbacks,
        ).run()

    return train


def test_progress_says_stage_epoch_loss_speed_and_time_left(run):
    """Away from a terminal there is a plain line now and then, and one for each epoch."""
    out = io.StringIO()
    run(Progress(unit="tokens", every_s=0, stream=out))
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("head epoch 1/1 step 1/3 0%  loss ")
    for told in ("(ppl ", "lr ", "tokens/s", " left"):
        assert told in lines[0]
    ends = [line for line in lines if "valid" in line]
    assert [line.split("  ")[0] for line in ends] == [
        "head epoch 1",
        "all layers epoch 1",
        "all layers epoch 2",
    ]


def test_perplexity_is_for_tokens_only(run):
    """Where documents are counted the loss stands alone."""
    out = io.StringIO()
    run(Progress(unit="documents", every_s=0, stream=out))
    assert "documents/s" in out.getvalue()
    assert "ppl" not in out.getvalue()


def test_a_terminal_gets_a_bar_and_keeps_a_line_per_epoch(run, monkeypatch):
    """The bar is removed at the end, also when training fails."""
    monkeypatch.setenv("TERM", "xterm")
    out = _Terminal()
    progress = Progress(stream=out)
    run(progress)
    assert "all layers 2/2" in out.getvalue()
    assert out.getvalue().count("valid loss") == 3
    assert progress._bar is None


def test_a_stage_ended_by_its_time_budget_reports_the_steps_done(new_model, new_batches):
    """Out of the planned ones; nothing is reported when all of them were done."""
    for minutes, said in (
        (1e-6, ["hurried: time budget used up after 1 of 12 steps (8%)"]),
        (60.0, []),
        (None, []),
    ):
        out = io.StringIO()
        Trainer(
            new_model(),
            [Stage("hurried", epochs=4, minutes=minutes)],
            train=new_batches(3),
            config=LoopConfig(device="cpu"),
            callbacks=[Progress(stream=out)],
        ).run()
        assert [line for line in out.getvalue().splitlines() if "time budget" in line] == said


def test_progress_goes_to_stderr(run, capsys):
    """stdout belongs to the results."""
    run(Progress(every_s=0))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "head epoch 1" in captured.err


def test_the_log_is_one_json_object_per_line(run, tmp_path):
    """Stages, steps and epochs, with the columns of the history."""
    path = tmp_path / "logs" / "run.jsonl"
    history = run(JsonLog(path, every_s=0))
    events = [json.loads(line) for line in path.read_text().splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds == ["stage", *["step"] * 3, "epoch", "stage", *["step"] * 3, "epoch", *["step"] * 3, "epoch"]
    steps = [event for event in events if event["event"] == "step"]
    assert {"time", "stage", "epoch", "step", "pct", "loss", "lr", "beta1", "count", "seconds"} <= steps[
        0
    ].keys()
    rows = [event for event in events if event["event"] == "epoch"]
    assert [row["loss"] for row in rows] == [row["loss"] for row in history.rows]


def test_a_second_run_is_appended_to_the_log(run, tmp_path):
    """Nothing that was logged is lost."""
    path = tmp_path / "run.jsonl"
    for times in (1, 2):
        run(JsonLog(path, every_s=1e9))
        assert path.read_text().count('"event": "epoch"') == 3 * times


def test_a_log_that_cannot_be_written_is_an_error(run, tmp_path):
    """The message names the file."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        run(JsonLog(tmp_path / "file" / "run.jsonl"))


def test_a_curve_has_losses_and_rates_of_the_whole_run(run):
    """Stage after stage; of a long run every second step, or every fourth ..."""
    whole, thin = Curve(), Curve(most=4)
    run(whole, thin)
    assert [row["step"] for row in whole.rows] == list(range(1, len(whole.rows) + 1))
    assert [*dict.fromkeys(row["stage"] for row in whole.rows)] == ["head", "all layers"]
    assert len(thin.rows) <= 4 < len(whole.rows)
    assert all(row in whole.rows for row in thin.rows)

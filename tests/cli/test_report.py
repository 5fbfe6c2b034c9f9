"""`--report` of `ulmus evaluate` and `ulmus train`, on tiny models."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from ulmus.evaluation.report_page import MARK

Run = Callable[..., Result]


def test_evaluate_writes_a_page_beside_its_scores(
    classifier: Path, corpus: Path, tmp_path: Path, run: Run
) -> None:
    """The scores are the same; the command replaces its own page and nothing else."""
    out = tmp_path / "report.html"
    plain = json.loads(run("evaluate", classifier, corpus / "test.csv", "--json").stdout)
    for _ in range(2):
        done = run("evaluate", classifier, corpus / "test.csv", "--json", "--report", out)
        assert done.exit_code == 0, done.stderr
    html = out.read_text(encoding="utf-8")
    assert MARK in html
    assert "model.ulmus on test.csv" in html
    assert {**json.loads(done.stdout), "seconds": 0} == {**plain, "seconds": 0}
    assert f"{100 * plain['accuracy']:.1f} %" in html
    out.write_text("mine")
    assert run("evaluate", classifier, corpus / "test.csv", "--report", out).exit_code == 2
    assert out.read_text() == "mine"


def test_accuracy_by_group_and_time(
    classifier: Path, corpus: Path, tmp_path: Path, run: Run, write_csv: Callable[..., Path]
) -> None:
    """Columns of the data; without a report they are a usage error."""
    with (corpus / "test.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    rows = [[*row, f"2024-0{1 + i % 3}-01", "<i>web</i>" if i % 2 else "mail"] for i, row in enumerate(rows)]
    data = write_csv(tmp_path / "beside.csv", ["text", "label", "day", "from"], rows)
    given = ("evaluate", classifier, data, "--group", "from", "--time", "day")
    done = run(*given, "--report", tmp_path / "r.html", "--train-data", corpus / "train.csv")
    assert done.exit_code == 0, done.stderr
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    for said in ("By group", "&lt;i&gt;web&lt;/i&gt;", "By time", "from 2024-03-01", "Near-duplicates"):
        assert said in html
    assert (run(*given).exit_code, "--report" in run(*given).stderr) == (2, True)


@pytest.mark.parametrize("name", ["report.txt", "test.csv"])
def test_a_report_is_a_page_of_its_own(classifier: Path, corpus: Path, run: Run, name: str) -> None:
    """Another suffix, or an input, is refused before anything is read."""
    assert run("evaluate", classifier, corpus / "test.csv", "--report", corpus / name).exit_code == 2


def test_labels_that_the_model_does_not_know(
    classifier: Path, tmp_path: Path, run: Run, write_csv: Callable[..., Path]
) -> None:
    """Count as errors, and the page says so."""
    data = write_csv(tmp_path / "d.csv", ["text", "label"], [["a great film", "good"], ["a film", "<ugly>"]])
    done = run("evaluate", classifier, data, "--report", tmp_path / "r.html")
    assert done.exit_code == 0, done.stderr
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "1 texts have a label that is not a class of the model" in html
    assert "&lt;ugly&gt;" in html


def test_several_labels_a_text(tagger: Path, corpus: Path, tmp_path: Path, run: Run) -> None:
    """Have a page as well."""
    done = run("evaluate", tagger, corpus / "tags.csv", "--report", tmp_path / "r.html")
    assert done.exit_code == 0, done.stderr
    assert "trained on" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_train_writes_a_page_on_the_training(corpus: Path, tmp_path: Path, run: Run) -> None:
    """What was trained on what, the scores of the held-out texts, doubtful labels, the curves."""
    out = tmp_path / "report.html"
    done = run(
        *("train", corpus / "train.csv", "--text", "text", "--label", "label", "--out", tmp_path / "m.ulmus"),
        *("--valid", corpus / "test.csv", "--config", corpus / "tiny.toml", "--language-model", "none"),
        *("--quiet", "--report", out),
    )
    assert done.exit_code == 0, done.stderr
    html = out.read_text(encoding="utf-8")
    for said in (
        "m.ulmus, trained on train.csv",
        "60 labelled texts (2 classes)",
        "accuracy on 30 texts",
        "Likely label errors",
        "word counts",
        'id="training"',
    ):
        assert said in html

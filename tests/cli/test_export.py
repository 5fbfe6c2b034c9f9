"""`ulmus export`: a file that predicts without torch, its checks and its messages."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from ulmus.serve.runtime import load

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

Run = Callable[..., Result]


def test_an_export_predicts_what_the_model_predicts(
    classifier: Path, corpus: Path, tmp_path: Path, run: Run
) -> None:
    """The labels of `ulmus predict` and of the runtime are the same; `ulmus info` shows the file."""
    out = tmp_path / "small.ulmus"
    done = run("export", classifier, "--onnx", "-o", out)
    assert done.exit_code == 0, done.stderr
    assert "MB; outputs differ by" in done.stdout
    predicted = run("predict", classifier, corpus / "test.csv", "--json")
    lines = (corpus / "test.csv").read_text(encoding="utf-8").splitlines()
    texts = [row["text"] for row in csv.DictReader(lines)]
    labels = [row["label"] for row in json.loads(predicted.stdout)["predictions"]]
    assert load(out).predict(texts) == labels
    about = run("info", out)
    assert about.exit_code == 0, about.stderr
    assert "exported classifier" in about.stdout
    assert run("info", out, "--all").exit_code == 0
    again = run("export", classifier, "-o", out, "--json")  # replaces a file of its kind
    assert json.loads(again.stdout).keys() == {"out", "size_mb", "largest_difference"}


def test_int8_is_checked_on_labelled_texts(
    classifier: Path,
    tmp_path: Path,
    run: Run,
    reviews: Callable[..., list[list[str]]],
    write_csv: Callable[..., Path],
) -> None:
    """The columns are those of the training file; texts with other labels are left out."""
    rows = [*reviews(150, 5), ["a film", "unheard-of"]]
    data = write_csv(tmp_path / "check.csv", ["text", "label"], rows)
    out = tmp_path / "int8.ulmus"
    done = run("export", classifier, "--int8", "--check", data, "-o", out, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["checked"]["texts"] == 150
    assert "int8 loses" in run("export", classifier, "--int8", "--check", data, "-o", out).stdout


def test_int8_without_texts_is_a_usage_error(
    classifier: Path, corpus: Path, tmp_path: Path, run: Run
) -> None:
    """And so are texts without int8, which would be ignored."""
    for arguments in (["--int8"], ["--check", corpus / "test.csv"]):
        done = run("export", classifier, *arguments, "-o", tmp_path / "out.ulmus")
        assert done.exit_code == 2
        assert "--int8 and --check belong together" in done.stderr
    done = run("export", classifier, "--int8", "--check", corpus / "test.csv", "-o", tmp_path / "out.ulmus")
    assert done.exit_code == 1
    assert "int8 is checked on 100 to 2,000 labelled texts, got 30" in done.stderr
    assert not (tmp_path / "out.ulmus").exists()


def test_what_cannot_be_exported_or_replaced_is_told(
    classifier: Path, language_model: Path, tmp_path: Path, run: Run
) -> None:
    """A language model, the model itself as output, and an exported file where a model is expected."""
    assert run("export", language_model, "-o", tmp_path / "a.ulmus").exit_code == 1
    assert run("export", classifier, "-o", classifier).exit_code == 2
    out = tmp_path / "small.ulmus"
    assert run("export", classifier, "-o", out).exit_code == 0
    done = run("predict", out, stdin="a film\n")
    assert done.exit_code == 1
    assert "holds an exported-classifier" in done.stderr

"""`ulmus drift` on tiny models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

Run = Callable[..., Result]
GOLDEN = Path(__file__).parents[1] / "golden" / "format-1"


def test_what_has_changed_is_named(
    classifier: Path, corpus: Path, tmp_path: Path, run: Run, write_csv: Callable[..., Path]
) -> None:
    """In a table and a sentence, or as JSON; labels are not needed."""
    same = run("drift", classifier, corpus / "test.csv")
    assert same.exit_code == 0, same.stderr
    assert "Nothing has clearly changed in 30 texts." in same.stdout
    assert "predictions for the held-out documents" in same.stdout
    data = write_csv(tmp_path / "new.csv", ["text"], [["a great quark lepton gluon"]] * 40)
    done = run("drift", classifier, data, "--json")
    result = json.loads(done.stdout)
    assert {"unknown words", "share of good"} <= {*result["clear"]}
    assert result["shifts"]["unknown words"]["low"] > 0
    assert result["classes"]["good"]["now"] == 1.0


def test_a_language_model_shows_how_well_it_predicts_new_texts(
    language_model: Path, corpus: Path, run: Run
) -> None:
    """In bits per character, beside those of its own held-out texts."""
    done = run("drift", language_model, corpus / "unlabeled.csv", "--text", "text", "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["difference"] == result["now"] - result["before"]
    assert "bits" in run("drift", language_model, corpus / "unlabeled.csv", "--text", "text").stdout


def test_a_model_of_an_earlier_version_cannot_tell(corpus: Path, run: Run) -> None:
    """It says why, and what to do, and fails."""
    done = run("drift", GOLDEN / "single-label.ulmus", corpus / "test.csv", "--text", "text")
    assert (done.exit_code, "Train the model again" in done.stderr) == (1, True)


def test_the_model_comes_first(classifier: Path, corpus: Path, run: Run) -> None:
    """As for all commands."""
    done = run("drift", corpus / "test.csv", classifier)
    assert (done.exit_code, "give the model first" in done.stderr) == (2, True)

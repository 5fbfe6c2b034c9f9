"""`ulmus verify`: claimed and measured scores, and an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from ulmus import bundle

Run = Callable[..., Result]


def test_a_model_does_what_it_claims(classifier: Path, corpus: Path, run: Run) -> None:
    """On the file that it was measured on the scores are equal: exit code 0; the columns are known."""
    done = run("verify", classifier, corpus / "test.csv")
    assert done.exit_code == 0, done.stderr
    assert f"{classifier} does what it claims: claimed on 30 texts, measured on 30." in done.stdout
    assert "(the same SHA-256), and it has not been trained since" in done.stdout
    report = json.loads(run("verify", classifier, corpus / "test.csv", "--json", "--quiet").stdout)
    assert report["agrees"] is True
    assert [check["part"] for check in report["checks"]] == ["combined", "lm", "counts"]
    assert all(abs(check["gap"]["difference"]) < 1e-9 for check in report["checks"])


def test_a_false_claim_is_exit_code_1(classifier: Path, corpus: Path, tmp_path: Path, run: Run) -> None:
    """A report that was changed: the same documents have other scores."""
    opened = bundle.read(classifier)
    claim = {"accuracy": 0.123, "macro_f1": 0.1}
    manifest = opened.manifest | {"metrics": opened.manifest["metrics"] | {"combined": claim}}
    path = tmp_path / "false.ulmus"
    bundle.write(path, manifest=manifest, tokenizer_json=opened.tokenizer_json, tensors=opened.tensors)
    done = run("verify", path, corpus / "test.csv")
    assert done.exit_code == 1
    assert "does not do what it claims" in done.stdout
    assert "Traceback" not in done.stderr


def test_usage_errors(classifier: Path, corpus: Path, run: Run) -> None:
    """The training file of a model that was measured on another; both --group and --time; a swapped order."""
    done = run("verify", classifier, corpus / "train.csv")
    assert done.exit_code == 2
    assert "measured on texts of their own (valid=, --valid)" in done.stderr
    assert run("verify", classifier, corpus / "test.csv", "--group", "a", "--time", "b").exit_code == 2
    assert "give the model first" in run("verify", corpus / "test.csv", classifier).stderr


@pytest.mark.parametrize("thing", [None, 3, [1], {"combined": 1}])
def test_entries_of_an_unexpected_type_are_no_claims(
    classifier: Path, corpus: Path, tmp_path: Path, run: Run, thing: object
) -> None:
    """A file with a strange report ends in one message."""
    opened = bundle.read(classifier)
    metrics = dict.fromkeys(opened.manifest["metrics"], thing)
    path = tmp_path / "strange.ulmus"
    manifest = opened.manifest | {"metrics": metrics}
    bundle.write(path, manifest=manifest, tokenizer_json=opened.tokenizer_json, tensors=opened.tensors)
    done = run("verify", path, corpus / "test.csv")
    assert done.exit_code == 1
    assert "claims no scores" in done.stderr

"""Output to a terminal or pipe is UTF-8 in any locale, without control characters from untrusted data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from ulmus import bundle, installed

Run = Callable[..., Result]
Reviews = Callable[[int, int], list[list[str]]]
WriteCsv = Callable[..., Path]
HOSTILE = "\x1b]0;title\x07\x9b31m\u202e\r"


@pytest.fixture
def hostile(classifier: Path, tmp_path: Path) -> Path:
    """A classifier of good and bad that tries to send escape sequences by every text in its file."""
    opened = bundle.read(classifier)
    manifest = {**opened.manifest, "labels": [f"bad{HOSTILE}", f"good{HOSTILE}"]}
    manifest |= {"card": {f"author{HOSTILE}": HOSTILE}, "verdict": HOSTILE}
    path = tmp_path / "hostile.ulmus"
    bundle.write(path, manifest=manifest, tokenizer_json=opened.tokenizer_json, tensors=opened.tensors)
    return path


def harmless(done: Result) -> bool:
    """No escape sequence, bell, carriage return or change of direction in what is shown."""
    return not set(done.stdout + done.stderr) & set(HOSTILE) - set("]0;title31m")


def test_a_foreign_model_sends_no_escape_sequence(
    hostile: Path, corpus: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels, cards and kinds are shown with their control characters as text."""
    shown = run("info", hostile)
    assert shown.exit_code == 0, shown.stderr
    assert "\\x1b]0;title\\x07" in shown.stdout
    assert harmless(shown)
    data = tmp_path / "a.csv"
    data.write_text(f'text,label\na fine film,"good{HOSTILE[:-1]}"\na dull film,"strange{HOSTILE[:-1]}"\n')
    scored = run("evaluate", hostile, corpus / "test.csv", "--text", "text", "--label", "label")
    assert (scored.exit_code, "none of the labels" in scored.stderr) == (1, True)
    assert harmless(scored)
    monkeypatch.setattr(installed, "OWN", tmp_path)
    assert harmless(run("models"))


def test_an_unknown_kind_of_model_sends_no_escape_sequence(
    classifier: Path, tmp_path: Path, run: Run
) -> None:
    """The error about an unknown model kind is one line with escaped control characters."""
    opened = bundle.read(classifier)
    path = tmp_path / "odd.ulmus"
    kind = {**opened.manifest, "kind": f"{HOSTILE}\nError: none"}
    bundle.write(path, manifest=kind, tokenizer_json=opened.tokenizer_json, tensors=opened.tensors)
    done = run("predict", path, stdin="a text\n")
    assert done.exit_code == 1
    assert harmless(done)
    assert done.stderr.count("\n") == 1


def test_labels_in_tables_send_no_escape_sequence(
    tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv, corpus: Path
) -> None:
    """Labels with control characters are escaped in every table of scores."""
    rows = [[text, f"{label}\x1b[31m\u202e"] for text, label in reviews(40, 21)]
    data, out = write_csv(tmp_path / "a.csv", ["text", "label"], rows), tmp_path / "m.ulmus"
    given = (data, "--text", "text", "--label", "label")
    trained = run(
        *("train", *given, "--out", out, "--config", corpus / "tiny.toml"),
        *("--language-model", "none", "--minutes", "0.02"),
    )
    assert trained.exit_code == 0, trained.stderr
    scored = run("evaluate", out, *given)
    assert scored.exit_code == 0, scored.stderr
    assert "good\\x1b[31m\\u202e" in scored.stdout
    assert harmless(trained)
    assert harmless(scored)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_pipe_of_another_encoding_gets_utf8(
    encoding: str, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv, corpus: Path
) -> None:
    """Output is UTF-8 in a pipe with another encoding, lone surrogates included."""
    names = {"good": "今日は", "bad": "ёлка"}
    rows = [[text, names[label]] for text, label in reviews(40, 22)]
    data, out = write_csv(tmp_path / "a.csv", ["text", "label"], rows), tmp_path / "m.ulmus"
    trained = run(
        *("train", data, "--text", "text", "--label", "label", "--out", out, "--quiet"),
        *("--config", corpus / "tiny.toml", "--language-model", "none", "--minutes", "0.02"),
    )
    assert trained.exit_code == 0, trained.stderr
    lines = tmp_path / "a.jsonl"
    lines.write_text('{"text": "a fine film", "id": "\\ud800今"}\n')
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": encoding}
    for arguments in (["predict", out, lines, "--text", "text", "--keep", "id"], ["info", out]):
        done = subprocess.run(
            [sys.executable, "-m", "ulmus", *map(str, arguments)], env=environment, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        assert "今日は" in done.stdout.decode("utf-8")
    shown = run("predict", out, lines, "--keep", "id", "--json")
    assert json.loads(shown.stdout)["predictions"][0]["kept"] == {"id": "\ud800今"}

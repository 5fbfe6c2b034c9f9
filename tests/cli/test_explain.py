"""`ulmus explain` on a tiny model."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]


def test_a_text_its_words_and_their_shares(classifier: Path, run: Run) -> None:
    """Plain where there is no terminal: the prediction, the text, the strongest words, what is left without any."""
    done = run("explain", classifier, "a wonderful film with a dull story")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1] == "a wonderful film with a dull story"
    assert "\x1b" not in done.stdout
    words = [line.split("|")[1].strip() for line in lines if line.count("|") > 2]
    assert {"wonderful", "dull", "(without any)"} <= {*words}


def test_json_has_characters_and_shares_of_each_word(classifier: Path, run: Run) -> None:
    """Which add up to the log odds of the class, together with what is left without any word."""
    done = run("explain", classifier, "a great film", "", "--json")
    result = json.loads(done.stdout)
    assert result["n"] == 2
    first = result["explanations"][0]
    assert [first["text"][token["start"] : token["end"]] for token in first["tokens"]] == [
        "a",
        "great",
        "film",
    ]
    total = first["base"]["good"] + sum(token["scores"]["good"] for token in first["tokens"])
    good, bad = (first["probabilities"][name] for name in ("good", "bad"))
    assert total == pytest.approx(math.log(good / bad), abs=1e-3)
    assert result["explanations"][1]["tokens"] == []


def test_texts_of_a_file_or_of_standard_input(classifier: Path, corpus: Path, run: Run) -> None:
    """A file is read as `predict` reads it, standard input a line a text."""
    done = run("explain", classifier, "--data", corpus / "test.csv", "--json")
    assert json.loads(done.stdout)["n"] == 30
    done = run("explain", classifier, "-", "--json", stdin="a film\n\na dull film\n")
    assert [one["text"] for one in json.loads(done.stdout)["explanations"]] == ["a film", "", "a dull film"]


@pytest.mark.parametrize("name", ["out.html", "out.jsonl"])
def test_a_page_or_lines_of_json(classifier: Path, tmp_path: Path, run: Run, name: str) -> None:
    """The suffix decides; the command replaces its own output and nothing else."""
    out = tmp_path / name
    for text in ("a <b>great</b> film", "a dull film"):
        done = run("explain", classifier, text, "-o", out)
        assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    assert "1 explanations in" in done.stderr
    content = out.read_text(encoding="utf-8")
    assert "dull" in content
    assert content.startswith("<!DOCTYPE html>") or json.loads(content)["text"] == "a dull film"
    out.write_text("mine")
    assert run("explain", classifier, "a film", "-o", out).exit_code == 2


def test_a_terminal_shows_colours_unless_asked_not_to(
    classifier: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR wins; no control character of a text reaches the terminal either way."""
    text = "a great \x1b]0;title\x07 \u202efilm"
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = run("explain", classifier, text).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    plain = run("explain", classifier, text).stdout
    assert "\x1b[" in coloured.splitlines()[1]
    assert "\x1b" not in plain.splitlines()[1]
    for shown in (coloured, plain):
        assert "\\x1b]0;title\\x07" in shown
        assert "\u202e" not in shown


def test_a_class_can_be_chosen(classifier: Path, tagger: Path, run: Run) -> None:
    """An unknown one is a usage error that lists them; several labels a text work too."""
    assert "for bad" in run("explain", classifier, "a great film", "--class", "bad").stdout
    done = run("explain", classifier, "a great film", "--class", "ugly")
    assert (done.exit_code, "'bad', 'good'" in done.stderr) == (2, True)
    assert run("explain", tagger, "a great film", "--class", "long").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected texts to explain"),
        (["a text", "--data", "test.csv"], "expected texts to explain"),
        (["a text", "--text", "text"], "needs a file with columns"),
        (["a text", "-o", "out.csv"], ".html or .jsonl"),
    ],
)
def test_usage_errors(arguments: list[str], message: str, classifier: Path, run: Run) -> None:
    """Found before the model is loaded."""
    done = run("explain", classifier, *arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_long_text_shows_the_prediction_up_to_each_segment(classifier: Path, run: Run) -> None:
    """One row a segment."""
    done = run("explain", classifier, "a great film. " * 60)
    assert "up to here" in done.stdout

"""`ulmus tag` on a tiny model."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]
CONFIG = """\
[tagger]
buckets = 500
hidden = 8
head_epochs = 3
all_epochs = 3
head_peak = 3e-2
top_peak = 3e-2
all_peak = 3e-2
[lm]
embedding = 8
hidden = 8
layers = 1
"""
SENTENCE = "{0}\tB-PER\nwent\tO\nto\tO\n{1}\tB-LOC\n.\tO\n\n"
PAIRS = [(name, place) for name in ("Anna", "Bert", "Emil", "Dora") for place in ("Oslo", "Rome", "Lima")]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train.conll, test.conll, spans.jsonl, texts.txt, tiny.toml."""
    folder = tmp_path_factory.mktemp("tagged")
    sentences = "".join(SENTENCE.format(*pair) for pair in PAIRS)
    (folder / "train.conll").write_text(sentences * 3)
    (folder / "test.conll").write_text(SENTENCE.format("Anna", "Rome") * 3)
    span = {"start": 13, "end": 17, "label": "LOC"}
    (folder / "spans.jsonl").write_text(json.dumps({"text": "They went to Oslo.", "spans": [span]}) + "\n")
    (folder / "texts.txt").write_text("Anna went to Oslo.\nnothing\n\nBert went to Rome.\n")
    (folder / "tiny.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def model(files: Path, run: Run) -> Path:
    """A tiny tagger."""
    out = files / "ner.ulmus"
    done = run(
        *("tag", "train", files / "train.conll", "--valid", files / "test.conll", "--out", out, "--quiet"),
        *("--language-model", "none", "--config", files / "tiny.toml", "--device", "cpu"),
    )
    assert done.exit_code == 0, done.stderr
    assert "scores on 3 held-out sentences" in done.stdout
    assert "Next: ulmus tag predict" in done.stdout
    return out


def test_entities_are_printed_as_csv(model: Path, files: Path, run: Run) -> None:
    """One line per entity, with its text, its place in the text and its score."""
    done = run("tag", "predict", model, files / "texts.txt")
    assert done.exit_code == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    found = [(row["row"], row["start"], row["end"], row["label"], row["text"]) for row in rows]
    assert ("0", "0", "4", "PER", "Anna") in found
    assert ("3", "13", "17", "LOC", "Rome") in found
    assert all(0 < float(row["score"]) <= 1 for row in rows)


def test_files_and_streams_of_json(model: Path, files: Path, run: Run) -> None:
    """A .jsonl file has one line per text, `--json` is one object; standard input is read as a file is."""
    out = files / "entities.jsonl"
    for _ in range(2):  # the second run replaces the file of the first
        done = run("tag", "predict", model, files / "texts.txt", "-o", out)
        assert done.exit_code == 0, done.stderr
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["row"] for line in lines] == [0, 1, 2, 3]
    assert lines[0]["spans"][0].keys() == {"start", "end", "label", "text", "score"}
    whole = json.loads(run("tag", "predict", model, "--json", stdin=(files / "texts.txt").read_text()).stdout)
    assert whole["n"] == 4
    assert [row["row"] for row in whole["predictions"]] == [0, 1, 2, 3]
    table = files / "entities.csv"
    told = json.loads(run("tag", "predict", model, files / "texts.txt", "-o", table, "--json").stdout)
    assert told["labels"] == whole["labels"]
    assert run("tag", "predict", model, files / "texts.txt", "-o", table).exit_code == 0
    refused = run("tag", "predict", model, files / "texts.txt", "-o", files / "spans.jsonl")
    assert refused.exit_code == 2
    assert "is not a file of entities" in refused.stderr


def test_scores_of_conll_and_jsonl(model: Path, files: Path, run: Run) -> None:
    """Both formats are scored by entity, in a table or as JSON, with a warning about sentences trained on."""
    shown = run("tag", "evaluate", model, files / "test.conll")
    assert shown.exit_code == 0, shown.stderr
    assert "F1" in shown.stdout
    assert "were trained on" in shown.stderr
    result = json.loads(run("tag", "evaluate", model, files / "test.conll", "--json").stdout)
    assert result["n"] == 3
    assert result["f1"] > 0.8
    assert result["types"].keys() == {"LOC", "PER"}
    spans = json.loads(run("tag", "evaluate", model, files / "spans.jsonl", "--json").stdout)
    assert spans["support"] == 1


def test_info_shows_what_a_tagger_knows(model: Path, run: Run) -> None:
    """`ulmus info` shows the types, the score and what it was trained on."""
    shown = run("info", model).stdout
    assert "tagger" in shown
    assert "36 sentences with 72 entities" in shown
    assert "LOC (" in shown
    assert "held-out sentences" in shown


def test_a_tagger_is_no_classifier(model: Path, classifier: Path, files: Path, run: Run) -> None:
    """A model of another kind is an error that names both."""
    done = run("predict", model, files / "texts.txt")
    assert done.exit_code == 1
    assert "holds a tagger, expected a classifier" in done.stderr
    done = run("tag", "predict", classifier, files / "texts.txt")
    assert "holds a classifier, expected a tagger" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["tag"], 2, ""),
        (["tag", "trian"], 2, "Did you mean"),
        (["tag", "train"], 2, "Missing argument 'FILE'"),
        (["tag", "train", "nowhere.conll", "--out", "m.ulmus"], 1, "does not exist"),
        (["tag", "train", "texts.txt", "--out", "m.ulmus"], 1, "tag"),
        (["tag", "train", "test.conll", "--valid", "test.conll", "--out", "m.ulmus"], 2, "also trained on"),
        (
            ["tag", "train", "test.conll", "--out", "m.ulmus", "--language-model", "ner.ulmus"],
            2,
            "holds a tagger",
        ),
        (["tag", "train", "test.conll", "--out", "m.ulmus", "--head-epochs", "3"], 2, "[tagger] head_epochs"),
        (["tag", "train", "test.conll", "--out", "m.ulmus", "--epochs", "3"], 2, "[tagger] all_epochs"),
        (["tag", "train", "test.conll", "--out", "m.ulmus", "--encoder", "nowhere"], 1, "nowhere"),
        (["tag", "predict", "ner.ulmus", "--text", "x"], 2, "--text needs a file with columns"),
        (["tag", "evaluate", "ner.ulmus", "texts.txt"], 1, "Expected"),
    ],
)
def test_errors_say_what_to_do(
    arguments: list[str], code: int, said: str, model: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Usage errors have code 2, unusable files 1, and the message says what was expected."""
    monkeypatch.chdir(model.parent)
    done = run(*arguments)
    assert done.exit_code == code, done.stderr
    assert said in done.stderr


@pytest.mark.parametrize("name", ["train", "predict", "evaluate"])
def test_help_ends_with_an_example(name: str, run: Run) -> None:
    """Each command has help with groups and an example."""
    shown = run("tag", name, "--help")
    assert shown.exit_code == 0
    assert shown.stdout.isascii()
    assert f"ulmus tag {name}" in shown.stdout.split("Example:")[1]

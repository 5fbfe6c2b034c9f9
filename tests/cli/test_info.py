"""`ulmus tokens` and `ulmus info`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from typer.testing import Result

from ulmus import bundle

Run = Callable[..., Result]


def test_a_text_is_shown_as_its_tokens(run: Run) -> None:
    """Without a model the tokenizer is trained on the text itself, and no token is unknown."""
    done = run("tokens", "Don't PANIC")
    assert done.exit_code == 0, done.stderr
    assert "xxbos" in done.stdout
    assert "xxup" in done.stdout
    assert "0 unknown" in done.stdout


def test_tokens_of_a_model_as_json(language_model: Path, run: Run) -> None:
    """JSON has the tokens, the ids, the number of unknown tokens and the decoded text."""
    done = run("tokens", "The film zyzzyva", "a", "--model", language_model, "--json")
    assert done.exit_code == 0, done.stderr
    first, second = json.loads(done.stdout)["texts"]
    assert first["unknown"] == 1
    assert len(first["ids"]) == len(first["tokens"])
    assert second["text"] == "a"
    shown = run("tokens", "The film zyzzyva", "--model", language_model).stdout
    assert "xxunk(zyzzyva)" in shown
    assert "1 unknown" in shown


@pytest.mark.parametrize("kind", ["word", "char", "bpe", "unigram"])
def test_every_tokenizer_type_can_be_trained_on_a_corpus(kind: str, corpus: Path, run: Run) -> None:
    """--train-on learns the vocabulary from files."""
    done = run(
        *("tokens", "the film was lovely", "--tokenizer", kind, "--train-on", corpus / "train.csv"),
        *("--text", "text", "--min-freq", 1, "--max-size", 60, "--json"),
    )
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["vocabulary"] <= 60


def test_tokens_of_lines_of_stdin(run: Run) -> None:
    """- reads one text a line."""
    done = run("tokens", "-", "--json", stdin="one\ntwo three\n")
    assert [text["text"] for text in json.loads(done.stdout)["texts"]] == ["one", "two three"]


def test_a_model_has_its_own_vocabulary(language_model: Path, corpus: Path, run: Run) -> None:
    """--train-on with --model is a usage error."""
    done = run("tokens", "a", "--model", language_model, "--train-on", corpus / "train.csv")
    assert done.exit_code == 2
    assert "--model has its own vocabulary" in done.stderr


def test_info_shows_a_page_for_people(classifier: Path, run: Run) -> None:
    """The page shows the model type, training data, classes and scores; --all every setting; --json the manifest."""
    shown = run("info", classifier)
    assert shown.exit_code == 0, shown.stderr
    rows = dict(line.split("  ", 1) for line in shown.stdout.splitlines() if line[0] != " ")
    assert rows["model"].strip() == "classifier, one label per text"
    assert rows["trained"].strip() == "on 60 labelled and 0 unlabelled texts"
    assert (rows["command"].strip(), rows["seed"].strip()) == ("Python", "0")
    assert re.search(r"labelled [0-9a-f]{16}, measured [0-9a-f]{16}", rows["SHA-256 of"])
    assert rows["columns"].strip() == "text: text; label: label"
    assert re.search(r"accuracy [\d.]+ %, macro F1 [\d.]+ % \(30 held-out texts", shown.stdout)
    assert "  good  30   50.0%" in shown.stdout
    assert "all_epochs" not in shown.stdout
    assert re.search(r"config.all_epochs +1\n", run("info", classifier, "--all").stdout)
    manifest = json.loads(run("info", classifier, "--json").stdout)
    assert (manifest["kind"], manifest["labels"]) == ("classifier", ["bad", "good"])


@pytest.mark.parametrize("columns", ["60", "40"])
@pytest.mark.parametrize("options", [[], ["--all"]])
def test_info_is_never_wider_than_the_terminal(
    classifier: Path,
    language_model: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    columns: str,
    options: list[str],
) -> None:
    """Long values are wrapped, for both kinds of model."""
    monkeypatch.setenv("COLUMNS", columns)
    for model in (classifier, language_model):
        shown = run("info", model, *options).stdout
        assert max(map(cell_len, shown.splitlines())) <= int(columns)


@pytest.mark.parametrize("kind", ["classifier", "language-model", "tagger", ["\x1b[2J"], None])
@pytest.mark.parametrize(
    "thing",
    [None, 3, -0.5, "\x1b]0;title\x07", [], [[1], {}], {}, {"n": [], "lm": {"accuracy": "1"}, "minutes": {}}],
)
def test_any_manifest_can_be_shown(tmp_path: Path, run: Run, kind: object, thing: object) -> None:
    """Unexpected entries are left out, and no control character reaches the terminal."""
    keys = ["metrics", "labels", "config", "card", "vocabulary", "columns", "history", "others"]
    manifest = {"kind": kind, **dict.fromkeys(keys, thing)}
    if isinstance(thing, dict):
        manifest["metrics"] = {**thing, "trained_on": thing, "combined": thing}
    bundle.write(tmp_path / "m.ulmus", manifest=manifest, tokenizer_json="{}", tensors={})
    for options in ([], ["--all"], ["--json"]):
        done = run("info", tmp_path / "m.ulmus", *options)
        assert done.exit_code == 0, done.stderr
        assert not re.search("[\x00-\x09\x0b-\x1f]", done.stdout)


@pytest.mark.parametrize("arguments", [["info", "{model}"], ["tokens", "a text", "--model", "{model}"]])
def test_inspecting_a_model_does_not_load_torch(classifier: Path, arguments: list[str]) -> None:
    """`info` and `tokens` do not load torch."""
    filled = [argument.format(model=classifier) for argument in arguments]
    code = (
        "import sys\nfrom ulmus.cli import app\n"
        f"try: app({filled!r}, prog_name='ulmus')\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'accelerate', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

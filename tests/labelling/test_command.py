"""`ulmus label` as a real process: what it writes, what survives a kill, what it refuses."""

from __future__ import annotations

import csv
import json
import signal
import sys
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ulmus.bundle import read_manifest
from ulmus.cli import app

GOLDEN = Path(__file__).parents[1] / "golden" / "format-1"
Served = Callable[..., Any]


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a csv file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def run(*arguments: object) -> Any:
    """Call `ulmus` in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_no_answer_is_lost_when_the_process_is_killed(data: Path, tmp_path: Path, served: Served) -> None:
    """Ten answers, kill -9, the same command again: all ten are there, and so they are in the table."""
    out, given = tmp_path / "labelled.csv", {}
    with served(data, "--class", "good", "--class", "bad", "-o", out) as page:
        found = page.ask("/next?who=anna")
        for i in range(10):
            text = found["text"]
            given[text["text"]] = ("good", "bad")[i % 2]
            found = page.ask("/label", who="anna", id=text["id"], label=given[text["text"]])
        page.process.kill()
    with served(data, "-o", out) as page:
        assert page.ask("/next?who=anna")["progress"]["labelled"] == 10
        assert {row["text"]: row["label"] for row in table(out) if row["label"]} == given
        page.process.send_signal(signal.SIGTERM)
        _, errors = page.process.communicate(timeout=100)
    assert page.process.returncode == 143
    assert "Resuming: 10 of 40 texts are labelled" in errors
    assert f"ulmus train {out} --text text --label label --out {tmp_path / 'labelled.ulmus'}" in errors
    assert [row["id"] for row in table(out)] == [str(i) for i in range(40)]
    assert {row["who"] for row in table(out) if row["label"]} == {"anna"}


def test_the_model_learns_in_the_background(data: Path, tmp_path: Path, served: Served) -> None:
    """After enough answers a guess comes with its words; two people get different texts; strangers get nothing."""
    with served(data, "--class", "good", "--class", "bad", "-o", tmp_path / "labelled.csv") as page:
        first, second = (page.ask(f"/next?who={who}")["text"]["id"] for who in ("anna", "ben"))
        assert first != second
        found = page.ask("/next?who=anna")
        for _ in range(24):
            words = set(found["text"]["text"].split())
            label = "good" if words & {"great", "lovely", "superb", "moving"} else "bad"
            found = page.ask("/label", who="anna", id=found["text"]["id"], label=label)
        page.ask("/retrain", who="anna")
        while page.ask("/state?who=anna")["busy"]:
            pass
        guess = page.ask(f"/guess?id={second}")["guess"]
        assert guess["label"] in ("good", "bad")
        assert any(share > 0 for _, share in guess["parts"])
        assert page.ask("/state?who=anna")["model"][0].startswith("Quick model (24 labels): ")
        with pytest.raises(urllib.error.HTTPError, match="409"):
            page.ask("/label", who="ben", id=first, label="good")
        page.token = "not the token"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            page.ask("/next?who=anna")


def test_another_process_may_not_use_the_same_journal(data: Path, tmp_path: Path, served: Served) -> None:
    """Two servers for one output would overwrite each other."""
    out = tmp_path / "labelled.csv"
    with served(data, "--class", "good", "-o", out):
        done = run("label", data, "-o", out, "--port", 0)
        assert done.exit_code == 1
        assert "in use by another run" in done.stderr


@pytest.fixture
def not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ends at once, instead of listening."""
    pytest.importorskip("fastapi", reason="ulmus label needs fastapi (extra serve)")
    pytest.importorskip("uvicorn", reason="ulmus label needs uvicorn (extra serve)")
    monkeypatch.setattr("ulmus.serve.listening.listen", lambda host, port: None)
    monkeypatch.setattr(
        "ulmus.serve.listening.run", lambda app, listener, ready: ready("http://127.0.0.1:1/")
    )


@pytest.mark.usefixtures("not_served")
def test_labels_that_the_table_has_are_kept(tmp_path: Path) -> None:
    """All columns stay, and known labels; of two columns called who one has another name; csv has no formula."""
    data = tmp_path / "data.csv"
    rows = [["7", "@you: fine", "pos", "x"], ["-1.5", "dull", "", "y"], ["c", "", "", "z"]]
    with data.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "text", "label", "who"], *rows])
    for name in ("out.csv", "out.jsonl"):
        done = run("label", data, "--text", "text", "-o", tmp_path / name)
        assert done.exit_code == 0, done.stderr
    with (tmp_path / "out.csv").open(newline="") as file:
        found = list(csv.reader(file))
    assert found[0] == ["id", "text", "label", "who", "ulmus who"]
    assert found[1:] == [["7", "'@you: fine", "pos", "x", ""], *([*row, ""] for row in rows[1:])]
    first, second, _ = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert first == {"id": "7", "text": "@you: fine", "label": "pos", "who": "x", "ulmus who": None}
    assert second["label"] is None
    start = json.loads((tmp_path / "out.csv.journal.jsonl").read_text())
    assert (start["data"], start["classes"], start["texts"]) == ("data.csv", ["pos"], 3)


@pytest.mark.usefixtures("not_served")
@pytest.mark.parametrize("kind", ["txt", "no header", "jsonl"])
def test_other_kinds_of_files(tmp_path: Path, kind: str) -> None:
    """Plain text has one column; columns without names get some that a header can have; JSON keeps its keys."""
    data, out = tmp_path / f"data.{'csv' if kind == 'no header' else kind}", tmp_path / "out.csv"
    data.write_text(
        {"txt": "one\ntwo\n", "no header": "1,one\n2,two\n", "jsonl": '{"text": "one", "n": 1}\n'}[kind]
    )
    more = ("--no-header", "--text", "1", "--label", "2") if kind == "no header" else ()
    done = run("label", data, "-o", out, *more)
    assert done.exit_code == 0, done.stderr
    header = {
        "txt": "text,label,who",
        "no header": "column 0,column 1,column 2,who",
        "jsonl": "text,n,label,who",
    }
    assert out.read_text().splitlines()[0] == header[kind]


@pytest.mark.usefixtures("not_served")
def test_a_model_brings_its_classes(data: Path, tmp_path: Path) -> None:
    """The classes of --model are offered after those that are named; one of several labels a text is refused."""
    done = run(
        "label", data, "--model", GOLDEN / "single-label.ulmus", "--class", "odd", "-o", tmp_path / "out.csv"
    )
    assert done.exit_code == 0, done.stderr
    start = json.loads((tmp_path / "out.csv.journal.jsonl").read_text())
    expected = read_manifest(GOLDEN / "single-label.ulmus")["labels"]
    assert start["classes"] == ["odd", *expected]
    done = run("label", data, "--model", GOLDEN / "multi-label.ulmus", "-o", tmp_path / "other.csv")
    assert done.exit_code == 2
    assert "one label each" in done.stderr


@pytest.mark.usefixtures("not_served")
def test_json_is_one_object_at_the_end(data: Path, tmp_path: Path) -> None:
    """The address goes to stderr then, stdout has the counts and the command that trains."""
    done = run("label", data, "-o", tmp_path / "out.csv", "--json")
    found = json.loads(done.stdout)
    assert (found["asked"], found["labelled"], found["skipped"]) == (40, 0, 0)
    assert found["train"].startswith("ulmus train ")
    assert "Label at http://127.0.0.1:1/?who=me#" in done.stderr


@pytest.mark.usefixtures("not_served")
def test_what_is_refused(data: Path, tmp_path: Path) -> None:
    """A foreign file as output, nothing to label, the text as label, another table for the journal."""
    out = tmp_path / "out.csv"
    out.write_text("precious")
    assert "is not a labelled file" in run("label", data, "-o", out).stderr
    assert out.read_text() == "precious"
    full = tmp_path / "full.csv"
    full.write_text("text,label\na,good\nb,bad\n")
    assert "every text of" in run("label", full, "-o", tmp_path / "x.csv").stderr
    assert (
        "is the text column" in run("label", data, "--text", "text", "--label", "text", "-o", "x.csv").stderr
    )
    assert run("label", data, "--class", "=sum", "-o", tmp_path / "x.csv").exit_code == 2
    journal = tmp_path / "y.csv.journal.jsonl"
    journal.write_text('{"do": "label", "text": "0123456789abcdef", "who": "anna", "label": "good"}\n')
    assert "none of them is of a text of this file" in run("label", data, "-o", tmp_path / "y.csv").stderr


def test_without_the_packages_the_error_says_how_to_install_them(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra is named before anything is written."""
    monkeypatch.setitem(sys.modules, "fastapi", None)
    done = run("label", data, "-o", tmp_path / "out.csv")
    assert done.exit_code == 1
    assert "pip install 'ulmus[serve]'" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]

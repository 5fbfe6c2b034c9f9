"""No output overwrites an input, and none silently replaces a foreign file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import Result

from ulmus import installed
from ulmus.cli import guard
from ulmus.errors import UsageError

Run = Callable[..., Result]
DATA = "id,text,label\n1,a fine film,good\n2,a dull film,bad\n"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Paths as commands have them."""

    data: Path
    out: Path
    unlabeled: list[Path] = field(default_factory=list)
    log: Path | None = None
    work_dir: Path | None = None
    model: str = "none"
    force: bool = False


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A labelled csv file."""
    path = tmp_path / "ids.csv"
    path.write_text(DATA)
    return path


@pytest.mark.parametrize(
    "command",
    [
        ["train", "ids.csv", "--text", "text", "--label", "label", "--out", "ids.csv"],
        ["train", "ids.csv", "--text", "text", "--label", "label", "--out", "m.ulmus", "--log", "ids.csv"],
        [
            "train",
            "ids.csv",
            "--text",
            "text",
            "--label",
            "label",
            "--out",
            "m.ulmus",
            "--work-dir",
            "ids.csv",
        ],
        ["train", "ids.csv", "--text", "text", "--unlabeled", "more.csv", "--out", "more.csv"],
        ["train", "ids.csv", "--text", "text", "--valid", "more.csv", "--out", "more.csv", "--force"],
        ["train", "ids.csv", "--text", "text", "--config", "run.toml", "--out", "run.toml"],
        ["pretrain", "ids.csv", "--text", "text", "--out", "ids.csv"],
        ["pretrain", "more.csv", "ids.csv", "--text", "text", "--out", "./ids.csv", "--force"],
        ["pretrain", "more.csv", "--out", "link.csv"],
        ["pretrain", "more.csv", "--out", "hard.csv"],
        ["tune", "m.ulmus", "ids.csv", "--out", "m.ulmus"],
        ["predict", "m.ulmus", "ids.csv", "-o", "ids.csv"],
        ["predict", "m.ulmus", "ids.csv", "-o", "ids.csv", "--force"],
        ["predict", "m.csv", "ids.csv", "-o", "m.csv"],
        ["lr-find", "p.png", "--plot", "p.png"],
    ],
    ids=" ".join,
)
def test_no_command_overwrites_its_input(
    command: list[str], data: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overwriting an input, also through a link or with --force, is a usage error, and no file changes."""
    monkeypatch.chdir(data.parent)
    for name in ("more.csv", "m.ulmus", "m.csv", "p.png"):
        Path(name).write_text(DATA)
    Path("run.toml").write_text("seed = 1\n")
    Path("link.csv").symlink_to("more.csv")
    os.link("more.csv", "hard.csv")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    done = run(*command)
    assert done.exit_code == 2, done.output
    assert "overwritten" in done.stderr
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


@pytest.mark.parametrize(
    "command",
    [
        ["train", "ids.csv", "--text", "text", "--label", "label", "--out", "thesis.txt"],
        ["train", "ids.csv", "--text", "text", "--label", "label", "--out", "m.ulmus", "--log", "thesis.txt"],
        ["pretrain", "ids.csv", "--text", "text", "--out", "thesis.txt"],
        ["tune", "lm.ulmus", "ids.csv", "--text", "text", "--out", "thesis.txt"],
        ["predict", "m.ulmus", "ids.csv", "-o", "thesis.csv"],
        ["predict", "m.ulmus", "ids.csv", "-o", "thesis.jsonl"],
        ["lr-find", "ids.csv", "--plot", "thesis.png"],
    ],
    ids=" ".join,
)
def test_a_file_of_another_kind_is_not_replaced(
    command: list[str], data: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of another kind is replaced only with --force."""
    monkeypatch.chdir(data.parent)
    for ending in ("txt", "csv", "jsonl", "png"):
        Path(f"thesis.{ending}").write_text("Chapter 1\n")
    done = run(*command)
    assert done.exit_code == 2, done.output
    assert "--force" in done.stderr
    assert all(Path(f"thesis.{ending}").read_text() == "Chapter 1\n" for ending in ("txt", "csv", "png"))


def test_a_model_is_replaced_by_one_of_its_kind(
    classifier: Path, language_model: Path, tmp_path: Path
) -> None:
    """A classifier is not replaced by a language model; an empty file is replaced by anything."""
    kind = guard.model("classifier")
    guard.check_replaceable(classifier, kind, force=False)
    with pytest.raises(UsageError, match=r"exists and is not a classifier.* --force"):
        guard.check_replaceable(language_model, kind, force=False)
    guard.check_replaceable(language_model, kind, force=True)
    (tmp_path / "empty").touch()
    guard.check_replaceable(tmp_path / "empty", kind, force=False)
    guard.check_replaceable(tmp_path / "none", kind, force=False)


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_predictions_are_replaced_by_the_same_command(
    name: str, classifier: Path, corpus: Path, tmp_path: Path, run: Run
) -> None:
    """Predictions are replaced when the command is repeated; --force replaces anything else."""
    out = tmp_path / name
    for _ in range(2):
        done = run("predict", classifier, corpus / "test.csv", "-o", out, "--keep", "label")
        assert done.exit_code == 0, done.stderr
    written = out.read_text()
    out.write_text("mine\n")
    assert run("predict", classifier, corpus / "test.csv", "-o", out).exit_code == 2
    assert run("predict", classifier, corpus / "test.csv", "-o", out, "--force").exit_code == 0
    assert len(out.read_text().splitlines()) == len(written.splitlines())


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("row,label,bad,good\n0,good,0.1,0.9\n", True),
        ("row,id,label,bad,good\n", True),
        ("row,label,text\n0,good,a fine film\n", False),
        ("row,label\n0,good\n", False),
        ("id,label,bad\n0,good,0.5\n", False),
        ("\x00\x01", False),
        ("", False),
    ],
)
def test_predictions_are_recognized_by_their_columns(text: str, is_one: bool, tmp_path: Path) -> None:
    """A predictions file is recognized by its columns; a table of labelled texts is not one."""
    (tmp_path / "a.csv").write_text(text)
    assert guard.is_predictions(tmp_path / "a.csv") is is_one


def test_outputs_of_one_command_are_different_files(tmp_path: Path) -> None:
    """--log and --out must be different files."""
    options = Options(data=tmp_path / "a.csv", out=tmp_path / "m.ulmus", log=tmp_path / "m.ulmus")
    with pytest.raises(UsageError, match=r"m.ulmus is also --log"):
        guard.check_separate(options.out, options)


def test_outputs_are_not_inside_an_input_folder(tmp_path: Path) -> None:
    """An output inside an input folder is refused, one next to it is not."""
    (tmp_path / "texts" / "pos").mkdir(parents=True)
    for inside in (tmp_path / "texts" / "m.ulmus", tmp_path / "texts" / "pos" / "m.ulmus"):
        options = Options(data=tmp_path / "texts", out=inside)
        with pytest.raises(UsageError, match="is inside the input folder"):
            guard.check_separate(options.out, options)
    options = Options(data=tmp_path / "texts", out=tmp_path / "m.ulmus")
    guard.check_separate(options.out, options)


def test_checkpoints_are_not_among_inputs(data: Path) -> None:
    """--work-dir is refused if it contains inputs, or, without --force, other files that are not checkpoints."""
    options = Options(data=data, out=data.parent / "m.ulmus", work_dir=data.parent)
    with pytest.raises(UsageError, match="contains the input"):
        guard.check_separate(data.parent, options)
    with pytest.raises(UsageError, match=r"contains other files.*--force"):
        guard.check_work_folder(data.parent, "run.json", force=False)
    guard.check_work_folder(data.parent, "run.json", force=True)
    (data.parent / "run.json").touch()
    guard.check_work_folder(data.parent, "run.json", force=False)
    guard.check_work_folder(data.parent / "new", "run.json", force=False)


def test_a_model_given_by_its_name_is_an_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model given by its name cannot be overwritten either."""
    monkeypatch.setattr(installed, "OWN", tmp_path)
    (tmp_path / "tiny.ulmus").touch()
    options = Options(data=tmp_path / "a.csv", out=tmp_path / "tiny.ulmus", model="tiny")
    with pytest.raises(UsageError, match="read by the same command"):
        guard.check_separate(options.out, options)


@pytest.mark.parametrize("files", [["ids.csv"], ["more.csv", "ids.csv"], ["link.csv"], ["folder"]])
def test_a_language_model_is_not_evaluated_on_its_training_texts(
    files: list[str], data: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--valid must not be one of the training files, under any name, or inside a training folder."""
    monkeypatch.chdir(data.parent)
    Path("folder").mkdir()
    data.rename("folder/ids.csv")
    Path("ids.csv").symlink_to("folder/ids.csv")
    Path("link.csv").symlink_to("ids.csv")
    Path("more.csv").write_text(DATA)
    done = run("pretrain", *files, "--text", "text", "--valid", "ids.csv", "--out", "lm.ulmus")
    assert (done.exit_code, "--valid ids.csv is also trained on" in done.stderr) == (2, True)


def test_shell_redirection_counts_too(classifier: Path, data: Path) -> None:
    """Shell redirection counts: `predict M a.csv >> a.csv` and `-o a.csv < a.csv` are refused."""
    command = [sys.executable, "-m", "ulmus", "predict", str(classifier)]
    with data.open("a") as end:
        done = subprocess.run([*command, str(data)], stdout=end, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, data.read_text()) == (2, DATA)
    assert "standard output is redirected to it" in done.stderr
    with data.open() as start:
        done = subprocess.run([*command, "-o", str(data)], stdin=start, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, data.read_text()) == (2, DATA)
    assert "is also the standard input" in done.stderr


def test_swapped_model_and_texts_are_reported(classifier: Path, data: Path, run: Run) -> None:
    """Swapped model and texts get a message that says so."""
    for command in ("predict", "evaluate"):
        done = run(command, data, classifier)
        assert done.exit_code == 2
        assert "give the model first, then the texts" in done.stderr
        done = run(command, classifier, classifier)
        assert done.exit_code == 2
        assert "is a model file. Give a file of texts after the model" in done.stderr

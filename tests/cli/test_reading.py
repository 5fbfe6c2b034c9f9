"""Reports of how files were read; a file and the standard input give the same texts."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from ulmus.cli import inputs, reading, show
from ulmus.cli.inputs import Columns
from ulmus.cli.options import ReaderOptions
from ulmus.errors import DataWarning

Run = Callable[..., Result]


def test_training_texts_are_reported(corpus: Path, tmp_path: Path, run: Run) -> None:
    """Training reports how files were read, the numbers of texts, irregularities and classes, unless --quiet."""
    data = tmp_path / "a.csv"
    data.write_text(
        "review;label\n" + "".join(f"film {i % 9};{'xy'[i % 2]}\n" for i in range(19)) + " ;x\nz;\n"
    )
    arguments = (
        *("train", data, "--label", "label", "--out", tmp_path / "m.ulmus", "--language-model", "none"),
        *("--unlabeled", corpus / "unlabeled.csv", "--config", corpus / "tiny.toml"),
    )
    said = run(*arguments).stderr
    guessed = "csv, delimiter ';', quoting, with a header, utf-8, text in column 'review'"
    assert f"{data} read as {guessed} (guessed)." in said
    assert (
        "Training texts: 20 with a label, 1 without, 1 empty, 10 repeated, 9 with different labels." in said
    )
    assert "Classes: 2\n  x  11   55.0%\n  y   9   45.0%\n" in said
    assert "unlabeled.csv: 40 texts, 0 empty, " in said
    (tmp_path / "m.ulmus").unlink()
    assert "guessed" not in run(*arguments, "--quiet").stderr


def test_evaluation_reports_what_it_reads(corpus: Path, classifier: Path, run: Run) -> None:
    """Evaluation reports on stderr, so that --json prints one object; --quiet silences it."""
    arguments = ("evaluate", classifier, corpus / "test.csv", "--text", "text", "--label", "label", "--json")
    done = run(*arguments)
    assert "Texts: 30 with a label, 0 without." in done.stderr
    assert done.stdout.startswith("{")
    assert "test.csv" not in run(*arguments, "--quiet").stderr


def test_pretraining_reads_all_of_its_files_first(corpus: Path, tmp_path: Path, run: Run) -> None:
    """An error at the end of the last file is reported before any training; texts of all files are counted."""
    (tmp_path / "a.csv").write_text("text\n" + "a film\n" * 2000)
    (tmp_path / "b.csv").write_text("text,n\n" + "a film,1\n" * 2000 + "a,b,c\n")
    done = run("pretrain", tmp_path / "a.csv", tmp_path / "b.csv", "--out", tmp_path / "lm.ulmus")
    assert done.exit_code == 1
    assert "b.csv line 2,002: expected 2 columns" in done.stderr
    assert "epoch" not in done.stderr
    texts = [inputs.source(tmp_path / name, ReaderOptions(), Columns()) for name in ("a.csv", "a.csv")]
    said = said_by(lambda: reading.report_texts(texts))
    assert "2 files: 4,000 texts, 0 empty, 3,999 repeated." in said


def said_by(act: Callable[[], None]) -> str:
    """The output of `act` on stderr."""
    with contextlib.redirect_stderr(io.StringIO()) as said:
        act()
    return said.getvalue()


def test_what_the_user_specified_is_not_a_guess(tmp_path: Path) -> None:
    """Only properties that the user did not specify are reported as guessed."""
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"a,{i}\n" for i in range(25)))
    options = ReaderOptions(format="csv", delimiter=",", header=True, quoting=False, encoding="utf-8")
    source = inputs.source(tmp_path / "a.csv", options, Columns(["text"], ["label"]))
    said = said_by(lambda: reading.report_labelled(source, inputs.labelled(source), title="Texts"))
    assert "guessed" not in said
    assert said.endswith("and 20 more classes with 1 text each\n")


def test_a_data_warning_is_shown_once() -> None:
    """A DataWarning is shown once, however often a file is read; other warnings are unchanged."""

    def act() -> None:
        with show.warnings_as_notes():
            for _ in range(3):
                warnings.warn("a.csv is odd", DataWarning, stacklevel=1)
            with pytest.raises(UserWarning):
                warnings.warn("of another", UserWarning, stacklevel=1)

    assert said_by(act) == "Warning: a.csv is odd\n"


FILES = {
    "an empty line at the end": b"a film\na book\n\n",
    "no line end": b"a film\na book",
    "empty lines within": b"a film\n\n\na book\n",
    "empty lines at the end": b"a film\na book\n\n\n",
    "a byte order mark": b"\xef\xbb\xbfa film\n",
    "carriage returns": b"a film\r\na\rbook\r\n\r\n",
    "old line ends": b"a film\ra book\r",
    "paragraphs": b"= A =\na film\n\n= B =\na book\n\n= C =\nan end\n",
}


@pytest.mark.parametrize("documents", ["auto", "line", "blank"])
@pytest.mark.parametrize("case", FILES)
def test_a_file_and_the_standard_input_give_the_same_rows(
    case: str, documents: str, classifier: Path, tmp_path: Path, run: Run
) -> None:
    """A file and the standard input give the same rows, one per line or per text between blank lines."""
    (tmp_path / "a.txt").write_bytes(FILES[case])
    options = ("--documents", documents)
    from_file = run("predict", classifier, tmp_path / "a.txt", *options)
    from_stdin = run("predict", classifier, "-", *options, stdin=FILES[case])
    assert from_file.exit_code == from_stdin.exit_code == 0, from_file.stderr + from_stdin.stderr
    assert from_file.stdout == from_stdin.stdout
    lines = len(FILES[case].removesuffix(b"\r\n").removesuffix(b"\n").splitlines())
    if documents != "blank" and case != "carriage returns":
        assert from_file.stdout.count("\n") - 1 == lines


def test_the_standard_input_has_an_encoding_too(classifier: Path, run: Run) -> None:
    """--encoding applies to the standard input; an undecodable line is an error with its number."""
    arguments = ("predict", classifier, "-", "--encoding")
    assert run(*arguments, "latin-1", stdin="café\n".encode("latin-1")).exit_code == 0
    assert run(*arguments, "utf-16", stdin="café\n".encode("utf-16")).exit_code == 2
    assert run(*arguments, "utf-99", stdin=b"a\n").exit_code == 2
    assert "line 1 of the standard input is not ascii" in run(*arguments, "ascii", stdin=b"\xe9\n").stderr


@pytest.mark.parametrize("option", [("--text", "text"), ("--format", "csv"), ("--delimiter", ";")])
def test_the_standard_input_is_not_a_table(option: tuple[str, str], classifier: Path, run: Run) -> None:
    """Column options for the standard input are usage errors."""
    done = run("predict", classifier, "-", *option, stdin=b"text\na film\n")
    assert done.exit_code == 2
    assert f"{option[0]}" in done.stderr


def test_a_bad_row_exits_with_1(tmp_path: Path) -> None:
    """A bad row exits with 1 every time: no reader thread is left to crash at shutdown."""
    data = tmp_path / "r.csv"
    data.write_text("text,label\n" + "a film,x\n" * 300 + "a,b,c\n" + "a book,y\n" * 100_000)
    command = [
        sys.executable,
        "-m",
        "ulmus",
        "train",
        data,
        "--label",
        "label",
        "--out",
        tmp_path / "m.ulmus",
    ]
    for _ in range(3):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "r.csv line 302: expected 2 columns" in done.stderr

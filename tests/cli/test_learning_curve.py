"""`ulmus learning-curve` on tiny texts: the curve, its files, and the texts to label next."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import Result

from ulmus.errors import UsageError
from ulmus.studies import learning_curve as study

Run = Callable[..., Result]
Rows = list[list[str]]
COLUMNS = ("--text", "text", "--label", "label")
FAST = ("--sizes", "12,24,48", "--seeds", "2", "--quiet")


def table(path: Path) -> list[dict[str, str]]:
    """Rows of a csv file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rewritten(path: Path, rows: Sequence[dict[str, str]], *, delimiter: str = ",") -> None:
    """Write rows as a spreadsheet would."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def partly(tmp_path: Path, reviews: Callable[[int, int], Rows], write_csv: Callable[..., Path]) -> Path:
    """A csv file with 60 labelled texts and 40 whose label is empty."""
    rows = [*reviews(60, 1), *([text, ""] for text, _ in reviews(40, 2))]
    return write_csv(tmp_path / "data.csv", ["text", "label"], rows)


def test_a_curve_as_a_table_with_what_more_labels_bring(corpus: Path, run: Run) -> None:
    """Stdout has a row for each size and a sentence for each number of further labels."""
    done = run("learning-curve", corpus / "train.csv", *COLUMNS, *FAST)
    assert done.exit_code == 0, done.stderr
    assert [
        line.split("|")[1].strip() for line in done.stdout.splitlines() if "%" in line and "|" in line
    ] == [
        "12",
        "24",
        "48",
    ]
    assert "60 more labels: " in done.stdout
    assert "95% confidence interval" in done.stdout


def test_json_is_one_object_and_the_same_as_the_file(corpus: Path, tmp_path: Path, run: Run) -> None:
    """--json prints what --out saves; the plot is a PNG; no work folder stays behind."""
    out, plot = tmp_path / "curve.json", tmp_path / "curve.png"
    done = run(
        *("learning-curve", corpus / "train.csv", *COLUMNS, *FAST, "--json", "--out", out, "--plot", plot),
        *("--unlabeled", corpus / "unlabeled.csv"),
    )
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads(out.read_text())
    assert (found["sizes"], found["labels"], found["measure"]) == ([12, 24, 48], 60, "accuracy")
    assert [gain["more"] for gain in found["gains"]] == [30, 60, 180]
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve.json", "curve.png"]
    again = run("learning-curve", corpus / "train.csv", *COLUMNS, *FAST, "--out", out, "--plot", plot)
    assert again.exit_code == 0, again.stderr


def test_ctrl_c_loses_no_finished_training(
    corpus: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends with 130 and says how to resume; the same command then repeats nothing that was finished."""
    arguments = (
        "learning-curve",
        corpus / "train.csv",
        *COLUMNS,
        *FAST[:-1],
        "--out",
        tmp_path / "curve.json",
    )
    values, trained = study.CountTrainings.values, []

    def stopping(self: study.CountTrainings, number: int, documents: object, *, seed: int) -> object:
        if len(trained) == 4:
            raise KeyboardInterrupt
        trained.append(number)
        return values(self, number, documents, seed=seed)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(study.CountTrainings, "values", stopping)
        done = run(*arguments)
    assert done.exit_code == 130
    assert "run the same command again to resume" in done.stderr
    done = run(*arguments)
    assert done.exit_code == 0, done.stderr
    assert "4 of 25 trainings were finished before." in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["curve.json"]


def test_groups_are_held_out_together(
    tmp_path: Path, run: Run, reviews: Callable[[int, int], Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--group hands each labelled text's group to the study, whatever rows without a label lie between."""
    data, given = tmp_path / "data.csv", {}
    rows = [
        {"text": text, "label": "" if i % 5 == 4 else label, "author": str(i // 5)}
        for i, (text, label) in enumerate(reviews(50, 5))
    ]
    rewritten(data, rows)

    def stopping(texts: list[str], labels: list[str], *more: object, **settings: object) -> None:
        given.update(settings, labels=labels)
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "learning_curve", stopping)
    assert run("learning-curve", data, *COLUMNS, "--group", "author", "--quiet").exit_code == 130
    assert given["groups"] == [row["author"] for row in rows if row["label"]]
    assert given["labels"] == [row["label"] for row in rows if row["label"]]


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_texts_to_label_are_suggested_filled_in_and_added(
    partly: Path, tmp_path: Path, run: Run, delimiter: str
) -> None:
    """--suggest writes texts without a label; --add reads the labels of a file that a spreadsheet has saved."""
    out = tmp_path / "next.csv"
    done = run("learning-curve", partly, *COLUMNS, "--suggest", "10", "-o", out, "--quiet")
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    rows, unlabeled = table(out), [row["text"] for row in table(partly) if not row["label"]]
    assert list(rows[0]) == ["text", "label", "reason", "score"]
    assert len({row["text"] for row in rows} & set(unlabeled)) == len(rows) == 10
    assert not any(row["label"] for row in rows)
    again = run("learning-curve", partly, *COLUMNS, "--suggest", "10", "-o", out, "--quiet")
    assert again.exit_code == 0, again.stderr
    rewritten(
        out, [row | {"label": "good" if i < 6 else ""} for i, row in enumerate(rows)], delimiter=delimiter
    )
    done = run("learning-curve", partly, *COLUMNS, *FAST, "--add", out, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["labels"] == 66
    second = tmp_path / "second.csv"
    done = run("learning-curve", partly, *COLUMNS, "--add", out, "--suggest", "40", "-o", second, "--quiet")
    assert done.exit_code == 0, done.stderr
    assert not {row["text"] for row in table(second)} & {row["text"] for row in rows[:6]}


def test_a_file_with_labels_is_not_overwritten(partly: Path, tmp_path: Path, run: Run) -> None:
    """Labels that somebody has filled in are replaced by new suggestions only with --force."""
    out = tmp_path / "next.csv"
    arguments = ("learning-curve", partly, *COLUMNS, "--suggest", "5", "-o", out, "--quiet")
    assert run(*arguments).exit_code == 0
    rewritten(out, [row | {"label": "good"} for row in table(out)])
    done = run(*arguments)
    assert (done.exit_code, "in which no label is filled in" in done.stderr) == (2, True)
    assert table(out)[0]["label"] == "good"
    assert run(*arguments, "--force").exit_code == 0
    assert run(*arguments, "--add", out, "--force").exit_code == 2


def test_without_any_label_typical_texts_are_suggested(corpus: Path, tmp_path: Path, run: Run) -> None:
    """Plain texts need no --label; the file has a label column to fill in, and --json lists the choice."""
    out, plain = tmp_path / "next.csv", tmp_path / "texts.txt"
    plain.write_text("\n".join(row["text"] for row in table(corpus / "unlabeled.csv")))
    done = run("learning-curve", plain, "--suggest", "6", "-o", out, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["n"] == len(table(out)) == 6
    assert "typical of" in table(out)[0]["reason"]
    assert list(table(out)[0])[:2] == ["text", "label"]


def test_columns_of_pairs_and_formulas_survive(
    tmp_path: Path, run: Run, write_csv: Callable[..., Path]
) -> None:
    """Both columns of a pair are written as they are, a formula behind an apostrophe, and read back the same."""
    rows = [[f"=sum of {i} {word}", f"{word} {i}", ""] for i, word in enumerate("a b c d e f g h".split())]
    data = write_csv(tmp_path / "pairs.csv", ["one", "two", "label"], rows)
    out = tmp_path / "next.csv"
    columns = ("--text", "one", "--text-b", "two", "--label", "label")
    done = run("learning-curve", data, *columns, "--suggest", "3", "-o", out, "--quiet")
    assert done.exit_code == 0, done.stderr
    assert [row["one"][:2] for row in table(out)] == ["'="] * 3
    done = run(
        "learning-curve", data, *columns, "--add", out, "--suggest", "9", "-o", tmp_path / "b.csv", "--quiet"
    )
    assert done.exit_code == 0, done.stderr
    assert len(table(tmp_path / "b.csv")) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--text", "text"), "a curve needs labels"),
        ((*COLUMNS, "--suggest", "3"), "give -o NEXT.csv"),
        ((*COLUMNS, "-o", "next.csv"), "is the file of --suggest"),
        ((*COLUMNS, "--suggest", "3", "-o", "next.csv", "--plot", "a.png"), "Remove --plot"),
        ((*COLUMNS, "--sizes", "10,many"), "expected numbers separated by commas"),
        ((*COLUMNS, "--sizes", "10,20,300"), "expected numbers from 2 to 48"),
        ((*COLUMNS, "--part", "counts", "--minutes", "2"), "no time budget"),
        ((*COLUMNS, "--plot", "curve.jpg"), "ending in .png"),
    ],
)
def test_contradictions_are_usage_errors(
    corpus: Path,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    """Options that make no sense together end with 2 before any work."""
    monkeypatch.chdir(tmp_path)
    done = run("learning-curve", corpus / "train.csv", *arguments)
    assert (done.exit_code, message in done.stderr) == (UsageError.exit_code, True), done.stderr
    assert not list(tmp_path.iterdir())

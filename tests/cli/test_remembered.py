"""The columns that a classifier was trained on are read by default."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import Result

from ulmus import bundle
from ulmus.cli import remembered
from ulmus.cli.inputs import Columns
from ulmus.errors import BundleError

Run = Callable[..., Result]
Reviews = Callable[[int, int], list[list[str]]]
WriteCsv = Callable[..., Path]
HEADER = ["text", "head", "body", "label"]


@pytest.fixture(scope="module")
def two_fields(
    tmp_path_factory: pytest.TempPathFactory, corpus: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> Path:
    """A folder with a model that was trained on `head` and `body`, and test.csv with these and a misleading `text`."""
    folder = tmp_path_factory.mktemp("fields")
    for name, n in (("train.csv", 60), ("test.csv", 20)):
        write_csv(
            folder / name, HEADER, [["nothing", "on a film", text, label] for text, label in reviews(n, n)]
        )
    done = run(
        *("train", folder / "train.csv", "--text", "head", "--text", "body", "--label", "label"),
        *(
            "--out",
            folder / "m.ulmus",
            "--config",
            corpus / "tiny.toml",
            "--language-model",
            "none",
            "--quiet",
        ),
    )
    assert done.exit_code == 0, done.stderr
    return folder


def predicted(run: Run, folder: Path, *arguments: object) -> list[list[str]]:
    """The rows written by `ulmus predict`."""
    done = run("predict", folder / "m.ulmus", *arguments)
    assert done.exit_code == 0, done.stderr
    return list(csv.reader(done.stdout.splitlines()))


def scored(run: Run, *arguments: object) -> dict[str, object]:
    """The output of `ulmus evaluate --json`, without the time."""
    done = run("evaluate", *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return {key: value for key, value in json.loads(done.stdout).items() if key != "seconds"}


def test_the_columns_of_the_training_are_read_by_default(two_fields: Path, run: Run) -> None:
    """Scores and predictions are the same with the training columns given or left out."""
    named = ["--text", "head", "--text", "body"]
    model, data = two_fields / "m.ulmus", two_fields / "test.csv"
    assert scored(run, model, data) == scored(run, model, data, *named, "--label", "label")
    assert predicted(run, two_fields, data) == predicted(run, two_fields, data, *named)


def test_the_columns_of_the_training_are_overridden_by_options(two_fields: Path, run: Run) -> None:
    """Options override the training columns, with a note if there are fewer."""
    done = run("predict", two_fields / "m.ulmus", two_fields / "test.csv", "--text", "text")
    assert done.exit_code == 0
    assert "trained on the columns 'head', 'body'; using the column 'text'" in done.stderr
    assert len(set(done.stdout.splitlines()[1].split(",")[2:])) == len(
        {*done.stdout.splitlines()[2].split(",")[2:]}
    )


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_file_without_these_columns_is_an_error_that_says_what_to_specify(
    two_fields: Path, tmp_path: Path, run: Run, write_csv: WriteCsv, command: str
) -> None:
    """A file without the training columns is an error that says which options to use."""
    data = write_csv(tmp_path / "a.csv", ["text", "label"], [["a film", "good"]])
    done = run(command, two_fields / "m.ulmus", data)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no column 'head'" in done.stderr
    assert "specify those of this file, in this order, with --text" in done.stderr


def test_a_file_without_the_label_column_is_an_error_too(
    two_fields: Path, tmp_path: Path, run: Run, write_csv: WriteCsv
) -> None:
    """A missing label column is an error for evaluate, but not for predict."""
    data = write_csv(tmp_path / "a.csv", ["head", "body", "verdict"], [["on", "a lovely film", "good"]])
    done = run("evaluate", two_fields / "m.ulmus", data)
    assert done.exit_code == 2
    assert "specify the label column of this file with --label" in done.stderr
    assert scored(run, two_fields / "m.ulmus", data, "--label", "verdict")["n"] == 1
    assert len(predicted(run, two_fields, data)) == 2


def test_plain_text_has_no_columns(two_fields: Path, tmp_path: Path, run: Run) -> None:
    """Plain text is read one document per line, with a note; a table with another suffix is read as a table."""
    (tmp_path / "a.txt").write_text("a lovely film, and moving\na dull one\n")
    done = run("predict", two_fields / "m.ulmus", tmp_path / "a.txt")
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 3)
    assert "read as plain text" in done.stderr
    (tmp_path / "b.txt").write_bytes((two_fields / "test.csv").read_bytes())
    assert predicted(run, two_fields, tmp_path / "b.txt") == predicted(
        run, two_fields, two_fields / "test.csv"
    )


def test_a_guessed_text_column_is_remembered_as_a_given_one(
    corpus: Path, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> None:
    """Trained without --text, a model reads the column it was trained on, even beside one with a likelier name."""
    train = write_csv(tmp_path / "train.csv", ["review", "label"], reviews(40, 5))
    done = run(
        *("train", train, "--label", "label", "--out", tmp_path / "m.ulmus", "--quiet"),
        *("--config", corpus / "tiny.toml", "--language-model", "none"),
    )
    assert done.exit_code == 0, done.stderr
    assert bundle.read_manifest(tmp_path / "m.ulmus")["columns"]["text"] == ["review"]
    rows = [["nothing", text, label] for text, label in reviews(10, 6)]
    data = write_csv(tmp_path / "test.csv", ["text", "review", "label"], rows)
    assert predicted(run, tmp_path, data) == predicted(run, tmp_path, data, "--text", "review")
    assert predicted(run, tmp_path, data) != predicted(run, tmp_path, data, "--text", "text")


def test_several_columns_of_zeros_and_ones_are_labels(
    corpus: Path, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> None:
    """With several --label columns the classes are the columns, and `evaluate` reads all of them."""
    rows = [
        [text, str(int(label == "good")), str(int(len(text.split()) > 10))] for text, label in reviews(60, 12)
    ]
    data = write_csv(
        tmp_path / "a.csv", ["text", "nice", "long"], [*rows, ["a text nobody looked at", "", ""]]
    )
    done = run(
        *("train", data, "--label", "nice", "--label", "long", "--out", tmp_path / "m.ulmus"),
        *("--config", corpus / "tiny.toml", "--language-model", "none"),
    )
    assert done.exit_code == 0, done.stderr
    assert "60 labelled texts, 2 classes, 1 unlabelled texts" in done.stderr
    manifest = bundle.read_manifest(tmp_path / "m.ulmus")
    assert (manifest["labels"], manifest["multi_label"]) == (["long", "nice"], True)
    result = scored(run, tmp_path / "m.ulmus", data)
    assert "micro_f1" in result


def test_the_delimiter_of_the_training_is_used_again(corpus: Path, tagger: Path, run: Run) -> None:
    """The label delimiter of the training is used by `evaluate`."""
    assert remembered.of_model(tagger) == Columns(["text"], ["tags"], ",")
    assert "micro_f1" in scored(run, tagger, corpus / "tags.csv")


def test_a_model_without_columns_infers_the_label_delimiter(
    corpus: Path, tagger: Path, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> None:
    """For a model without stored columns the delimiter is the one that yields known classes."""
    opened = bundle.read(tagger)
    manifest = {key: value for key, value in opened.manifest.items() if key not in ("columns", "sha256")}
    made = tmp_path / "made.ulmus"
    bundle.write(made, manifest=manifest, tokenizer_json=opened.tokenizer_json, tensors=opened.tensors)
    assert remembered.of_model(made) == Columns()
    rows = reviews(20, 14)
    lists = write_csv(
        tmp_path / "a.csv", ["text", "tags"], [[text, f"['{label}', 'long']"] for text, label in rows]
    )
    bars = write_csv(tmp_path / "b.csv", ["text", "tags"], [[text, f"{label}|long"] for text, label in rows])
    found = [scored(run, made, data, "--label", "tags") for data in (lists, bars)]
    assert found[0] == found[1]
    assert not found[0].get("unknown_labels")


@pytest.mark.parametrize(
    "columns",
    [
        {"text": "head", "label": [], "label_delimiter": None},
        {"text": [1], "label": [], "label_delimiter": None},
        {"text": []},
        ["text"],
        {"text": [], "label": [], "label_delimiter": 3},
    ],
)
def test_a_manifest_with_invalid_columns_is_damaged(tmp_path: Path, columns: Sequence[object]) -> None:
    """A manifest whose columns are not lists of names is refused."""
    bundle.write(tmp_path / "m.ulmus", manifest={"columns": columns}, tokenizer_json="{}", tensors={})
    with pytest.raises(BundleError, match="columns in its manifest are invalid"):
        remembered.of_model(tmp_path / "m.ulmus")

"""`ulmus predict` on a tiny model."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import Result

from ulmus.cli import guard
from ulmus.cli import predict as command
from ulmus.terminal import Live

Run = Callable[..., Result]


def table(text: str) -> list[dict[str, str]]:
    """Rows of a csv text."""
    return list(csv.DictReader(text.splitlines()))


def test_predictions_on_stdout_are_csv(classifier: Path, corpus: Path, run: Run) -> None:
    """The csv has row, label and a probability per class; the label is the likeliest class."""
    done = run("predict", classifier, corpus / "test.csv", "--text", "text")
    assert done.exit_code == 0, done.stderr
    rows = table(done.stdout)
    assert list(rows[0]) == ["row", "label", "bad", "good"]
    assert [row["row"] for row in rows] == [str(i) for i in range(30)]
    for row in rows:
        assert float(row["bad"]) + float(row["good"]) == pytest.approx(1, abs=2e-6)
        assert row["label"] == max("bad", "good", key=lambda name: float(row[name]))


def test_one_text_per_line_from_stdin(classifier: Path, run: Run) -> None:
    """Standard input is read with - or without a file; an empty line is a text."""
    texts = "a wonderful film\n\na dull film"
    first, second = run("predict", classifier, "-", stdin=texts), run("predict", classifier, stdin=texts)
    assert first.exit_code == 0, first.stderr
    assert len(table(first.stdout)) == 3
    assert first.stdout == second.stdout


def test_no_text_on_stdin_gives_no_row(classifier: Path, run: Run) -> None:
    """Empty standard input gives only the header."""
    done = run("predict", classifier, stdin="")
    assert (done.exit_code, done.stdout) == (0, "row,label,bad,good\n")


def test_batches_do_not_change_predictions(
    classifier: Path, corpus: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows do not depend on the batch size."""
    arguments = ("predict", classifier, corpus / "test.csv", "--precision", "float32")
    whole = table(run(*arguments).stdout)
    monkeypatch.setattr(command, "_BATCH", 7)
    parts = table(run(*arguments).stdout)
    assert [row["label"] for row in parts] == [row["label"] for row in whole]
    for a, b in zip(parts, whole, strict=True):
        assert float(a["good"]) == pytest.approx(float(b["good"]), abs=1e-5)


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_the_suffix_of_the_output_is_its_format(
    classifier: Path, corpus: Path, tmp_path: Path, run: Run, name: str
) -> None:
    """The suffix of --output selects the format; stdout stays empty, with a note on stderr."""
    out = tmp_path / name
    done = run("predict", classifier, corpus / "test.csv", "-o", out)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "30 predictions" in done.stderr
    if name.endswith("csv"):
        assert len(table(out.read_text())) == 30
    else:
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert [row["row"] for row in rows] == list(range(30))
        assert set(rows[0]["probabilities"]) == {"bad", "good"}
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("precision", ["auto", "bf16", "int8"])
def test_lower_precision_gives_nearly_the_same_probabilities(
    precision: str, classifier: Path, corpus: Path, run: Run
) -> None:
    """bf16 and int8 probabilities differ from float32 by less than 0.02."""
    exact, short = (
        table(run("predict", classifier, corpus / "test.csv", "--precision", name).stdout)
        for name in ("float32", precision)
    )
    assert len(short) == len(exact) == 30
    for a, b in zip(short, exact, strict=True):
        assert float(a["good"]) == pytest.approx(float(b["good"]), abs=0.02)


def test_json_with_an_output_is_a_summary(classifier: Path, corpus: Path, tmp_path: Path, run: Run) -> None:
    """With -o, --json prints the number of texts, label counts and seconds."""
    done = run("predict", classifier, corpus / "test.csv", "-o", tmp_path / "out.csv", "--json")
    summary = json.loads(done.stdout)
    assert summary["n"] == sum(summary["labels"].values()) == 30


def test_json_without_an_output_is_one_object_with_all_predictions(classifier: Path, run: Run) -> None:
    """Without -o, --json prints one object with all predictions, also for empty input."""
    done = run("predict", classifier, "--json", stdin="good film\nbad film\n")
    assert [row["row"] for row in json.loads(done.stdout)["predictions"]] == [0, 1]
    assert json.loads(run("predict", classifier, "--json", stdin="").stdout)["n"] == 0


def test_several_labels_are_joined_or_a_list(tagger: Path, corpus: Path, run: Run) -> None:
    """Multi-label predictions are joined by commas in csv and are a list in JSON."""
    shown = table(run("predict", tagger, corpus / "tags.csv").stdout)
    assert list(shown[0]) == ["row", "label", "bad", "good", "long"]
    for row in shown:
        expected = [name for name in ("bad", "good", "long") if float(row[name]) >= 0.5]
        assert row["label"] == ",".join(expected)
    listed = json.loads(run("predict", tagger, corpus / "tags.csv", "--json").stdout)["predictions"]
    assert isinstance(listed[0]["label"], list)


def test_an_output_of_another_kind_is_refused_before_the_model_is_loaded(tmp_path: Path, run: Run) -> None:
    """An unsupported suffix is a usage error before the model is loaded."""
    (tmp_path / "a.txt").write_text("text\n")
    done = run("predict", tmp_path / "none.ulmus", tmp_path / "a.txt", "-o", tmp_path / "out.xlsx")
    assert done.exit_code == 2
    assert ".csv or .jsonl or .parquet" in done.stderr


def test_a_language_model_predicts_no_labels(language_model: Path, run: Run) -> None:
    """The error for a language model says what the file contains."""
    done = run("predict", language_model, stdin="text\n")
    assert done.exit_code == 1
    assert "holds a language-model, expected a classifier" in done.stderr


def test_kept_columns_are_copied(classifier: Path, tmp_path: Path, run: Run) -> None:
    """--keep copies columns as text; a missing cell is empty in csv and null in JSON."""
    data = tmp_path / "a.jsonl"
    data.write_text('{"id": 7, "text": "a fine film", "label": "good"}\n{"id": "007", "text": "dull"}\n')
    keep = ("--keep", "id", "--keep", "label", "--keep", "id")
    rows = table(run("predict", classifier, data, "--text", "text", *keep).stdout)
    assert list(rows[0]) == ["row", "id", "input(label)", "label", "bad", "good"]
    assert [(row["id"], row["input(label)"]) for row in rows] == [("7", "good"), ("007", "")]
    listed = json.loads(run("predict", classifier, data, "--text", "text", *keep, "--json").stdout)[
        "predictions"
    ]
    assert [found["kept"] for found in listed] == [{"id": "7", "label": "good"}, {"id": "007", "label": None}]


def test_a_missing_column_is_reported_before_the_model_is_loaded(
    classifier: Path, corpus: Path, run: Run
) -> None:
    """An unknown --keep column is an error with a suggestion; the standard input has no columns."""
    done = run("predict", classifier, corpus / "test.csv", "--text", "text", "--keep", "lable")
    assert done.exit_code == 2
    assert "Did you mean 'label'?" in done.stderr
    done = run("predict", classifier, "--keep", "id", stdin="a text\n")
    assert (done.exit_code, "the standard input has none" in done.stderr) == (2, True)


def test_parquet_has_the_same_rows_with_their_types(
    classifier: Path, tagger: Path, corpus: Path, tmp_path: Path, run: Run
) -> None:
    """Kept cells are strings, several labels a list, probabilities are not rounded; such a file can be replaced."""
    out = tmp_path / "out.parquet"
    for _ in range(2):
        done = run("predict", classifier, corpus / "test.csv", "--keep", "label", "-o", out)
        assert done.exit_code == 0, done.stderr
    rows = table(run("predict", classifier, corpus / "test.csv", "--keep", "label").stdout)
    found = pq.read_table(out).to_pylist()
    assert list(found[0]) == ["row", "input(label)", "label", "bad", "good"]
    for a, b in zip(found, rows, strict=True):
        assert (str(a["row"]), a["input(label)"], a["label"]) == (b["row"], b["input(label)"], b["label"])
        assert f"{a['bad']:.6f}" == b["bad"]
    assert run("predict", tagger, corpus / "tags.csv", "-o", out).exit_code == 0
    assert isinstance(pq.read_table(out)["label"][0].as_py(), list)
    other = tmp_path / "other.parquet"
    pq.write_table(pq.read_table(out).drop_columns(["row"]), other)
    assert run("predict", classifier, corpus / "test.csv", "-o", other).exit_code == 2


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_several_processes_write_the_same_file(
    name: str, classifier: Path, corpus: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows and probabilities are those of one process, in the same order; the memory is reported."""
    monkeypatch.setattr(command, "_BATCH", 4)
    arguments = ("predict", classifier, corpus / "test.csv", "--keep", "label")
    one, two = tmp_path / "one" / name, tmp_path / "two" / name
    assert run(*arguments, "-o", one).exit_code == 0
    done = run(*arguments, "-o", two, "--processes", 2)
    assert done.exit_code == 0, done.stderr
    assert re.search(r"2 processes, up to [\d,]+ MB each", done.stderr)
    assert two.read_bytes() == one.read_bytes()


def test_progress_is_a_count_and_a_rate(
    classifier: Path, corpus: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line now and then on stderr; --quiet leaves them out."""
    monkeypatch.setattr(command, "_BATCH", 10)
    monkeypatch.setattr(Live, "due", lambda self: True)
    arguments = ("predict", classifier, corpus / "test.csv", "-o", tmp_path / "out.csv")
    assert re.search(r"^20 texts  [\d,.]+ texts/s$", run(*arguments).stderr, re.MULTILINE)
    assert "texts/s" not in run(*arguments, "--quiet").stderr


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ((), "local"),
        (("auto",), "auto"),
        (("10.0.0.1:6379",), "10.0.0.1:6379"),
        (("ray://head.example:10001",), "ray://head.example:10001"),
    ],
)
def test_the_address_of_a_cluster_is_optional(
    given: tuple[str, ...], address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """What follows --ray is an address only if it looks like one, so that the model may follow."""
    seen: list[command.PredictOptions] = []
    monkeypatch.setattr(guard, "check_order", lambda *_: None)
    monkeypatch.setattr(command, "_source", lambda options: (seen.append(options), exit(3)))
    run("predict", "--ray", *given, tmp_path / "m.ulmus", tmp_path / "data.csv")
    assert (seen[0].ray, seen[0].model, seen[0].data) == (
        address,
        tmp_path / "m.ulmus",
        tmp_path / "data.csv",
    )


def test_ray_needs_a_file_and_its_extra(
    classifier: Path, corpus: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standard input is on one machine only; the message of a missing extra has the pip command."""
    done = run("predict", classifier, "--ray", stdin="a text\n")
    assert (done.exit_code, "--ray needs a file" in done.stderr) == (2, True)
    monkeypatch.setitem(sys.modules, "ray", None)
    done = run("predict", classifier, corpus / "test.csv", "--ray")
    assert (done.exit_code, "pip install 'ulmus[ray]'" in done.stderr) == (1, True)

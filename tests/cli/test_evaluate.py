"""`ulmus evaluate` on tiny models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]
Reviews = Callable[[int, int], list[list[str]]]
WriteCsv = Callable[..., Path]


def test_scores_as_a_table_for_people(classifier: Path, corpus: Path, run: Run) -> None:
    """The parts and the whole."""
    done = run("evaluate", classifier, corpus / "test.csv", "--text", "text", "--label", "label")
    assert done.exit_code == 0, done.stderr
    assert all(name in done.stdout for name in ("accuracy", "macro F1", "combined", "word counts"))
    assert "30 texts" in done.stdout


def test_scores_as_json(classifier: Path, corpus: Path, run: Run) -> None:
    """One object: accuracy, macro_f1, n, seconds, and the parts."""
    done = run("evaluate", classifier, corpus / "test.csv", "--text", "text", "--label", "label", "--json")
    result = json.loads(done.stdout)
    assert {"accuracy", "macro_f1", "n", "seconds"} <= result.keys()
    assert result["n"] == 30
    assert set(result["parts"]) == {"lm", "counts", "combined"}
    assert result["accuracy"] == result["parts"]["combined"]["accuracy"]


@pytest.mark.parametrize("arguments", [[], ["--label-delimiter", ","]])
def test_several_labels_a_text_are_scored_with_micro_f1(
    tagger: Path, corpus: Path, run: Run, arguments: list[str]
) -> None:
    """The delimiter is found when it is not given."""
    done = run(
        "evaluate", tagger, corpus / "tags.csv", "--text", "text", "--label", "tags", "--json", *arguments
    )
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert {"micro_f1", "macro_f1", "n", "seconds"} <= result.keys()
    assert "unknown_labels" not in result


def test_a_label_the_model_does_not_know_counts_as_wrong(
    classifier: Path, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> None:
    """10 of 30 texts have one: at most two thirds can be right, and the user is told."""
    rows = [[text, "mixed" if i % 3 == 0 else label] for i, (text, label) in enumerate(reviews(30, 11))]
    data = write_csv(tmp_path / "a.csv", ["text", "label"], rows)
    done = run("evaluate", classifier, data, "--label", "label", "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["accuracy"] <= 20 / 30
    assert (result["n"], result["unknown_labels"]) == (30, {"mixed": 10})
    assert set(result["parts"]) == {"lm", "counts", "combined"}
    assert result["accuracy"] == result["parts"]["combined"]["accuracy"]
    assert "does not know 'mixed'" in done.stderr


def test_a_strange_label_among_several_counts_as_wrong(
    tagger: Path, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> None:
    """Multi-label: the other labels of the text are scored as ever."""
    rows = [[text, f"{label},new"] for text, label in reviews(10, 12)]
    data = write_csv(tmp_path / "a.csv", ["text", "tags"], rows)
    done = run("evaluate", tagger, data, "--label", "tags", "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["accuracy"] == 0
    assert result["unknown_labels"] == {"new": 10}


def test_labels_of_another_task_are_an_error(
    classifier: Path, tmp_path: Path, run: Run, write_csv: WriteCsv
) -> None:
    """Not one label is known: it is the wrong column."""
    data = write_csv(tmp_path / "a.csv", ["text", "label"], [["a film", "x"], ["a book", "y"]])
    done = run("evaluate", classifier, data, "--label", "label")
    assert done.exit_code == 1
    assert "none of the labels" in done.stderr
    assert "'bad', 'good'" in done.stderr


def test_texts_without_a_label_are_left_out_and_that_is_said(
    classifier: Path, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> None:
    """n counts the labelled ones."""
    rows = [*reviews(10, 13), ["a film", ""]]
    data = write_csv(tmp_path / "a.csv", ["text", "label"], rows)
    done = run("evaluate", classifier, data, "--label", "label", "--json")
    assert json.loads(done.stdout)["n"] == 10
    assert "1 texts without a label" in done.stderr


def test_texts_without_a_label_have_none_of_several(
    tagger: Path, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> None:
    """Multi-label: giving them a label is a mistake that counts, and that they are read so is said."""
    rows = [*reviews(10, 13), ["a film", ""], ["a book", ""]]
    data = write_csv(tmp_path / "a.csv", ["text", "tags"], rows)
    done = run("evaluate", tagger, data, "--label", "tags", "--json")
    assert json.loads(done.stdout)["n"] == 12
    lines = [json.dumps({"text": text, "tags": [label] if label else None}) for text, label in rows]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    done = run("evaluate", tagger, tmp_path / "a.jsonl", "--json")
    assert json.loads(done.stdout)["n"] == 12
    assert "2 texts without a label are read as having none" in done.stderr


def test_a_delimiter_for_one_label_a_text_is_a_usage_error(classifier: Path, corpus: Path, run: Run) -> None:
    """Exit code 2."""
    done = run("evaluate", classifier, corpus / "test.csv", "--label", "label", "--label-delimiter", ",")
    assert done.exit_code == 2
    assert "one label to a text" in done.stderr


def test_a_missing_label_column_asks_for_it(classifier: Path, corpus: Path, run: Run) -> None:
    """A file without the label column of the training cannot be judged on."""
    done = run("evaluate", classifier, corpus / "unlabeled.csv")
    assert done.exit_code == 2
    assert "name the label of this file with --label" in done.stderr

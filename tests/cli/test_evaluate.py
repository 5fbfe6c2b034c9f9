"""`ulmus evaluate` on tiny models."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from ulmus.cli import evaluate as command
from ulmus.evaluation.per_class import evaluation_report

Run = Callable[..., Result]
Reviews = Callable[[int, int], list[list[str]]]
WriteCsv = Callable[..., Path]


def test_scores_as_a_table_for_people(classifier: Path, corpus: Path, run: Run) -> None:
    """The table has the scores of the parts and of both combined."""
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
def test_multi_label_texts_are_scored_with_micro_f1(
    tagger: Path, corpus: Path, run: Run, arguments: list[str]
) -> None:
    """Multi-label scores include micro F1; the delimiter is inferred if it is not given."""
    done = run(
        "evaluate", tagger, corpus / "tags.csv", "--text", "text", "--label", "tags", "--json", *arguments
    )
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert {"micro_f1", "macro_f1", "n", "seconds"} <= result.keys()
    assert "unknown_labels" not in result


def test_an_unknown_label_counts_as_an_error(
    classifier: Path, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> None:
    """Texts with an unknown label count as errors, with a warning."""
    rows = [[text, "mixed" if i % 3 == 0 else label] for i, (text, label) in enumerate(reviews(30, 11))]
    data = write_csv(tmp_path / "a.csv", ["text", "label"], rows)
    done = run("evaluate", classifier, data, "--label", "label", "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["accuracy"] <= 20 / 30
    assert (result["n"], result["unknown_labels"]) == (30, {"mixed": 10})
    assert set(result["parts"]) == {"lm", "counts", "combined"}
    assert result["accuracy"] == result["parts"]["combined"]["accuracy"]
    assert "not a class of the model: 'mixed'" in done.stderr


def test_an_unknown_label_among_several_counts_as_an_error(
    tagger: Path, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> None:
    """In multi-label data an unknown label is an error, and the other labels of the text are scored as usual."""
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
    """Labels of which none is a class of the model are an error."""
    data = write_csv(tmp_path / "a.csv", ["text", "label"], [["a film", "x"], ["a book", "y"]])
    done = run("evaluate", classifier, data, "--label", "label")
    assert done.exit_code == 1
    assert "none of the labels" in done.stderr
    assert "'bad', 'good'" in done.stderr


def test_texts_without_a_label_are_left_out_with_a_note(
    classifier: Path, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> None:
    """Texts without a label are left out of the scores, with a note."""
    rows = [*reviews(10, 13), ["a film", ""]]
    data = write_csv(tmp_path / "a.csv", ["text", "label"], rows)
    done = run("evaluate", classifier, data, "--label", "label", "--json")
    assert json.loads(done.stdout)["n"] == 10
    assert "1 texts without a label" in done.stderr


def test_texts_without_a_label_have_none_of_several(
    tagger: Path, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> None:
    """In multi-label data an empty cell means none of the labels; null means unknown."""
    rows = [*reviews(10, 13), ["a film", ""], ["a book", ""]]
    data = write_csv(tmp_path / "a.csv", ["text", "tags"], rows)
    done = run("evaluate", tagger, data, "--label", "tags", "--json")
    assert json.loads(done.stdout)["n"] == 12
    lines = [json.dumps({"text": text, "tags": [label] if label else None}) for text, label in rows]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    done = run("evaluate", tagger, tmp_path / "a.jsonl", "--json")
    assert json.loads(done.stdout)["n"] == 10
    assert "2 texts without a label are left out" in done.stderr


def test_a_delimiter_for_a_single_label_model_is_a_usage_error(
    classifier: Path, corpus: Path, run: Run
) -> None:
    """Exit code 2."""
    done = run("evaluate", classifier, corpus / "test.csv", "--label", "label", "--label-delimiter", ",")
    assert done.exit_code == 2
    assert "one label per text" in done.stderr


def test_several_labels_for_a_single_label_model_are_an_error(
    classifier: Path, tmp_path: Path, run: Run
) -> None:
    """Texts with several labels are an error for a single-label model."""
    data = tmp_path / "a.jsonl"
    data.write_text('{"text": "a film", "label": ["good", "bad"]}\n{"text": "a book", "label": ["bad"]}\n')
    done = run("evaluate", classifier, data, "--text", "text", "--label", "label")
    assert (done.exit_code, "1 texts of" in done.stderr, "several or none" in done.stderr) == (1, True, True)


def test_a_missing_label_column_asks_for_it(classifier: Path, corpus: Path, run: Run) -> None:
    """For a file without the label column of the training the error asks for one."""
    done = run("evaluate", classifier, corpus / "unlabeled.csv")
    assert done.exit_code == 2
    assert "specify the label column of this file with --label" in done.stderr


def test_every_class_has_its_scores(classifier: Path, corpus: Path, run: Run) -> None:
    """Each class has precision, recall, F1 and counts, in the table and in JSON; the last line is a summary."""
    arguments = ("evaluate", classifier, corpus / "test.csv", "--text", "text", "--label", "label")
    told = run(*arguments).stdout
    assert all(word in told for word in ("precision", "recall", "true \\ predicted"))
    assert re.fullmatch(r"Accuracy [\d.]+ %, macro F1 [\d.]+ % on 30 texts \(.* s\)\.", told.splitlines()[-1])
    result = json.loads(run(*arguments, "--json").stdout)
    assert set(result["classes"]) == {"bad", "good"}
    assert result["classes"]["bad"].keys() == {"precision", "recall", "f1", "support", "predicted"}
    assert result["confusion"]["classes"] == ["bad", "good"]
    assert sum(map(sum, result["confusion"]["counts"])) == 30
    assert result["unmeasured"] == []


def test_every_class_of_a_multi_label_model_has_its_scores(tagger: Path, corpus: Path, run: Run) -> None:
    """Multi-label classes have the same table; their confusion matrices are in JSON only."""
    arguments = ("evaluate", tagger, corpus / "tags.csv", "--text", "text", "--label", "tags")
    told = run(*arguments).stdout
    assert "precision" in told
    assert "true \\ predicted" not in told
    assert "micro F1" in told.splitlines()[-1]
    result = json.loads(run(*arguments, "--json").stdout)
    assert [len(counts) for counts in result["confusion"]["counts"]] == [2, 2, 2]


def test_texts_that_were_trained_on_are_noticed(classifier: Path, corpus: Path, run: Run) -> None:
    """A warning appears if the texts were trained on, and only then."""
    done = run("evaluate", classifier, corpus / "train.csv", "--text", "text", "--label", "label", "--json")
    assert "about 100.0 % of these texts were trained on" in done.stderr
    assert json.loads(done.stdout)["seen"] == 1.0
    done = run("evaluate", classifier, corpus / "test.csv", "--text", "text", "--label", "label", "--json")
    assert json.loads(done.stdout)["seen"] == 0.0
    assert "trained on" not in done.stderr


def test_a_class_without_a_text_is_named(
    classifier: Path, tmp_path: Path, run: Run, write_csv: WriteCsv
) -> None:
    """A class without texts is named and has no scores."""
    data = write_csv(tmp_path / "a.csv", ["text", "label"], [["a lovely film", "good"], ["superb", "good"]])
    done = run("evaluate", classifier, data, "--text", "text", "--label", "label")
    assert "No scores for labels that no text has: 'bad'" in done.stdout
    result = json.loads(run("evaluate", classifier, data, "--label", "label", "--json").stdout)
    assert result["unmeasured"] == ["bad"]
    assert result["classes"]["bad"]["recall"] is None


def test_a_label_is_the_same_with_and_without_the_apostrophe_of_csv(
    tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv, corpus: Path
) -> None:
    """A label such as =good, which `predict` escapes, is recognized by `evaluate`."""
    rows = [[text, f"={label}"] for text, label in reviews(40, 31)]
    data, out = write_csv(tmp_path / "a.csv", ["text", "label"], rows), tmp_path / "m.ulmus"
    trained = run(
        *("train", data, "--text", "text", "--label", "label", "--out", out, "--quiet"),
        *("--config", corpus / "tiny.toml", "--language-model", "none", "--minutes", "0.02"),
    )
    assert trained.exit_code == 0, trained.stderr
    predicted = tmp_path / "p.csv"
    assert run("predict", out, data, "--keep", "text", "-o", predicted).exit_code == 0
    assert "'=good" in predicted.read_text()
    again = run("evaluate", out, predicted, "--text", "text", "--label", "label", "--json")
    assert again.exit_code == 0, again.stderr
    assert json.loads(again.stdout)["accuracy"] == 1.0


def test_of_many_classes_the_most_frequent_errors_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """With many classes only the most frequent ones, and the most frequent errors, are shown."""
    target = np.repeat(np.arange(60), 2)
    guess = np.where(np.arange(120) % 2 == 0, target, 0)
    proba = np.eye(60)[guess]
    command._print_scores(
        evaluation_report(target, {"lm": proba}, {"lm": 0.5}, [f"c{k}" for k in range(60)])
        | {"seconds": 1.0},
        "m",
    )
    told = capsys.readouterr().out
    assert "Showing the 40 most frequent of 60 classes" in told
    assert sum(" c0 " in line for line in told.splitlines()) >= 10
    assert " true " in told


def test_texts_are_compared_with_the_training_texts(
    classifier: Path, corpus: Path, tmp_path: Path, run: Run, write_csv: WriteCsv, reviews: Reviews
) -> None:
    """--train-data FILE: copies are counted, and texts of another kind are recognised."""
    rows = [[f"{text} gears wheel brake {i}", label] for i, (text, label) in enumerate(reviews(60, 21))]
    data = write_csv(tmp_path / "a.csv", ["text", "label"], [*reviews(60, 1)[:3], *rows])
    done = run("evaluate", classifier, data, "--train-data", corpus / "train.csv", "--json")
    assert done.exit_code == 0, done.stderr
    train = json.loads(done.stdout)["train"]
    assert (train["texts"], train["equal"], train["near_duplicates"]) == (60, 3, 3)
    assert train["apart"]["low"] > 0.9
    assert "3 of 63 texts are nearly the same as a training text, 3 of them equal to one" in done.stderr
    assert "of another kind than the training texts" in done.stderr
    done = run("evaluate", classifier, corpus / "test.csv", "--train-data", corpus / "train.csv", "--json")
    assert json.loads(done.stdout)["train"]["apart"] is None
    assert "of another kind" not in done.stderr

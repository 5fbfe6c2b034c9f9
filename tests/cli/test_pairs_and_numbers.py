"""`--task regression`, `--text-b` and `--group`: from the files to the predictions, with one tiny model."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from ulmus import bundle

Run = Callable[..., Result]
WriteCsv = Callable[..., Path]
WORDS = "oak moss owl fern beetle root acorn tram baker tower market bridge lamp gull reef".split()


def alike(n: int, seed: int) -> list[list[str]]:
    """`n` rows: a topic, two texts, and what share of the words of the second is in the first."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        first = rng.sample(WORDS, 4)
        same = i % 5
        second = first[:same] + rng.sample([word for word in WORDS if word not in first], 4 - same)
        rng.shuffle(second)
        rows.append([f"topic {i % 11}", " ".join(first), " ".join(second), f"{same / 4:.2f}"])
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, write_csv: WriteCsv) -> Path:
    """train.csv and test.csv with topic, a, b and score."""
    made = tmp_path_factory.mktemp("pairs")
    write_csv(made / "train.csv", ["topic", "a", "b", "score"], alike(220, 0))
    write_csv(made / "test.csv", ["topic", "a", "b", "score"], alike(40, 1))
    return made


@pytest.fixture(scope="module")
def model(folder: Path, corpus: Path, run: Run) -> Path:
    """A regressor of pairs."""
    out = folder / "alike.ulmus"
    done = run(
        *("train", folder / "train.csv", "--text", "a", "--text-b", "b", "--label", "score"),
        *("--task", "regression", "--group", "topic", "--language-model", "none", "--out", out),
        *("--config", corpus / "tiny.toml"),
    )
    assert done.exit_code == 0, done.stderr
    assert "Numbers: from 0 to 1, mean 0.5, median 0.5; 5 different ones." in done.stderr
    assert "220 labelled pairs of texts, numbers, 0 unlabelled pairs of texts." in done.stderr
    assert all(word in done.stdout for word in ("Pearson", "Spearman", "MAE", "RMSE", "word counts"))
    return out


def test_groups_are_held_out_whole(model: Path) -> None:
    """A fifth of 220 rows in topics of 20: two topics, 40 rows."""
    assert bundle.read_manifest(model)["metrics"]["n"] == 40


def test_the_word_counts_of_a_pair_see_what_its_texts_share(model: Path) -> None:
    """Each row has the same words as often as any other: only both texts together tell the number."""
    assert bundle.read_manifest(model)["metrics"]["counts"]["pearson"] > 0.9


def test_evaluate_scores_numbers(model: Path, folder: Path, run: Run) -> None:
    """The columns are those of the training; the last line sums up, --json has every part."""
    done = run("evaluate", model, folder / "test.csv")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("Pearson 0.")
    found = json.loads(run("evaluate", model, folder / "test.csv", "--json").stdout)
    assert found["n"] == 40
    assert set(found["parts"]) == {"lm", "counts", "combined"}
    assert found["pearson"] > 0.9


def test_predictions_have_one_column_of_numbers(model: Path, folder: Path, run: Run, tmp_path: Path) -> None:
    """csv: row, kept columns, prediction; jsonl: the same keys; and the file may be written again."""
    out = tmp_path / "out.csv"
    for _ in range(2):
        done = run("predict", model, folder / "test.csv", "--keep", "topic", "-o", out)
        assert done.exit_code == 0, done.stderr
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["row", "topic", "prediction"]
    assert all(0 <= float(row["prediction"]) <= 1 for row in rows)
    lines = run("predict", model, folder / "test.csv", "-o", tmp_path / "out.jsonl")
    assert lines.exit_code == 0, lines.stderr
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert first == {"row": 0, "prediction": pytest.approx(float(rows[0]["prediction"]), abs=1e-5)}
    summary = json.loads(run("predict", model, folder / "test.csv", "--json").stdout)
    assert summary["n"] == 40
    assert summary["min"] <= summary["mean"] <= summary["max"]


def test_two_texts_are_a_pair_to_explain(model: Path, folder: Path, run: Run) -> None:
    """The shares of the words of both add up to the number; an odd number of texts is a usage error."""
    found = json.loads(run("explain", model, "oak moss owl", "oak fern owl", "--json").stdout)
    (one,) = found["explanations"]
    assert (one["text"], one["second"]) == ("oak moss owl\noak fern owl", 13)
    assert len(one["tokens"]) == 6
    total = one["base"]["number"] + sum(token["scores"]["number"] for token in one["tokens"])
    assert total == pytest.approx(one["prediction"], abs=1e-4)
    assert json.loads(run("explain", model, "--data", folder / "test.csv", "--json").stdout)["n"] == 40
    done = run("explain", model, "oak", "moss", "owl")
    assert (done.exit_code, "even number of texts" in done.stderr) == (2, True)
    done = run("explain", model, "-", stdin="oak\nmoss\n")
    assert (done.exit_code, "takes pairs of texts" in done.stderr) == (2, True)


def test_a_model_of_pairs_demands_pairs(model: Path, run: Run) -> None:
    """The error says how to give both columns."""
    done = run("predict", model, stdin="one text\n")
    assert done.exit_code == 2
    assert "takes pairs of texts" in done.stderr
    assert "--text-b COL" in done.stderr


def test_info_shows_the_range_and_the_columns(model: Path, run: Run) -> None:
    """And that the model takes pairs."""
    shown = run("info", model).stdout
    assert "regressor, of pairs of texts" in shown
    assert "text: a; text b: b; label: score" in shown
    assert "from 0, to 1, mean 0.5" in shown


def test_options_that_do_not_fit_are_refused(folder: Path, run: Run, tmp_path: Path) -> None:
    """Class weights of numbers, a second column without a first, labels that are no numbers."""
    train = ("train", folder / "train.csv", "--out", tmp_path / "m.ulmus", "--task", "regression")
    weights = run(*train, "--text", "a", "--label", "score", "--class-weight", "balanced")
    assert weights.exit_code == 2
    assert "--class-weight is for classes" in weights.stderr
    alone = run(*train, "--text-b", "b", "--label", "score")
    assert alone.exit_code == 2
    assert "--text COL with --text-b COL" in alone.stderr
    words = run(*train, "--text", "a", "--label", "topic")
    assert words.exit_code == 2
    assert "regression expects finite numbers, got 'topic 0' at position 0" in words.stderr

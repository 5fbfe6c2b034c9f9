"""Tiny texts, and tiny models trained on them once, through the command line."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ulmus.cli import app

WORDS = {
    "good": ["great", "wonderful", "lovely", "superb", "moving"],
    "bad": ["awful", "boring", "dull", "terrible", "weak"],
}
FILLING = ["the", "film", "was", "and", "with", "a", "story", "of", "my", "friend", "who", "saw", "it", "in"]
TINY = """\
[lm]
embedding = 12
hidden = 12
layers = 1
epochs = 1
cutoffs = []
[classifier]
all_epochs = 1
"""

Run = Callable[..., Result]
Rows = list[list[str]]
Reviews = Callable[[int, int], Rows]
WriteCsv = Callable[[Path, Sequence[str], Sequence[Sequence[str]]], Path]


def make_reviews(n: int, seed: int) -> Rows:
    """`n` rows of a text and its label."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        label = ("good", "bad")[i % 2]
        words = rng.choices(FILLING, k=rng.randint(4, 12)) + rng.choices(WORDS[label], k=2)
        rng.shuffle(words)
        rows.append([" ".join(words), label])
    return rows


def make_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    """A csv file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture(scope="session")
def reviews() -> Reviews:
    """Makes `n` rows of a text and its label: reviews(n, seed)."""
    return make_reviews


@pytest.fixture(scope="session")
def write_csv() -> WriteCsv:
    """Writes a csv file: write_csv(path, header, rows)."""
    return make_csv


@pytest.fixture(scope="session")
def run() -> Run:
    """Calls `ulmus` with the arguments given, in this process."""

    def call(*arguments: object, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)

    return call


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train.csv (text, label), test.csv, unlabeled.csv (text), tiny.toml."""
    folder = tmp_path_factory.mktemp("corpus")
    make_csv(folder / "train.csv", ["text", "label"], make_reviews(60, seed=1))
    make_csv(folder / "test.csv", ["text", "label"], make_reviews(30, seed=2))
    make_csv(folder / "unlabeled.csv", ["text"], [row[:1] for row in make_reviews(40, seed=3)])
    (folder / "tiny.toml").write_text(TINY)
    (folder / "lm.toml").write_text(TINY.split("[classifier]")[0])
    return folder


@pytest.fixture(scope="session")
def language_model(corpus: Path, run: Run) -> Path:
    """A tiny language model."""
    out = corpus / "lm.ulmus"
    done = run("pretrain", corpus / "unlabeled.csv", "--out", out, "--config", corpus / "lm.toml", "--quiet")
    assert done.exit_code == 0, done.stderr
    return out


@pytest.fixture(scope="session")
def classifier(corpus: Path, run: Run) -> Path:
    """A tiny classifier of good and bad reviews."""
    out = corpus / "model.ulmus"
    done = run(
        *("train", corpus / "train.csv", "--text", "text", "--label", "label", "--out", out),
        *("--valid", corpus / "test.csv", "--config", corpus / "tiny.toml", "--quiet"),
    )
    assert done.exit_code == 0, done.stderr
    return out


@pytest.fixture(scope="session")
def tagger(corpus: Path, run: Run) -> Path:
    """A tiny multi-label classifier: good or bad, and long where there are more than ten words."""
    rows = [
        [text, f"{label},long" if len(text.split()) > 10 else label]
        for text, label in make_reviews(60, seed=4)
    ]
    make_csv(corpus / "tags.csv", ["text", "tags"], rows)
    out = corpus / "tagger.ulmus"
    done = run(
        *("train", corpus / "tags.csv", "--text", "text", "--label", "tags", "--label-delimiter", ","),
        *("--out", out, "--config", corpus / "tiny.toml", "--language-model", "none", "--quiet"),
    )
    assert done.exit_code == 0, done.stderr
    return out

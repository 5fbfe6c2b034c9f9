"""The ablation: which trainings are run, on what, and what becomes of them when it is stopped."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus.errors import ConfigError, DataError, UsageError
from ulmus.models.encoder import Dropouts
from ulmus.studies import ablation
from ulmus.studies.ablation import AblationConfig, ablate, recipe_rows
from ulmus.studies.ablation_result import FULL, Ablation
from ulmus.studies.ablation_texts import AblationTexts
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.language_model.config import LMConfig
from ulmus.text.tokenizer import TokenizerConfig

ROWS = {"no teaching": {"teach": "none"}, "one rate": {"config__factor": 1.0}}
KINDS = {"sea": "wave tide gull reef".split(), "wood": "oak moss owl fern".split()}


def labelled(n: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """`n` different texts of two classes in turn."""
    rng = random.Random(seed)
    labels = [list(KINDS)[i % 2] for i in range(n)]
    texts = [" ".join([*rng.choices(KINDS[label], k=3), f"the{i}x{seed}"]) for i, label in enumerate(labels)]
    return texts, labels


@pytest.fixture
def full() -> TextClassifier:
    """A recipe that trains in a second."""
    lm = LMConfig(tokenizer=TokenizerConfig(min_freq=1), embedding=6, hidden=6, layers=1, epochs=1)
    config = ClassifierConfig(
        language_model=lm,
        dropouts=Dropouts(mult=0.1),
        head_hidden=6,
        max_len=12,
        longest=20,
        all_epochs=1,
        teach_texts=40,
        epoch_steps=2,
    )
    return TextClassifier(language_model="none", config=config, device="cpu", precision="float32")


class Stopped(Exception):  # noqa: N818
    """What stops a study in a test."""


def test_every_row_is_trained_with_every_size_and_seed(full: TextClassifier, tmp_path: Path) -> None:
    """Each training is one line of rows.jsonl; differences are from the full recipe with the same labels and seed."""
    told: list[str] = []
    config = AblationConfig(full, ROWS, sizes=(10, 20), seeds=2)
    done = ablate(*labelled(60), test=labelled(20, 1), folder=tmp_path, config=config, tell=told.append)
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert {(line["row"], line["labels"], line["seed"]) for line in lines} == {
        (row, size, seed) for row in (FULL, *ROWS) for size in (10, 20) for seed in (0, 1)
    }
    assert len(lines) == len(done.trainings) == 12
    assert "12 of 12" in told[-1]
    assert told[-1].endswith("0:00 left.")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
    assert done.plot(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    again = ablate(*labelled(60), test=labelled(20, 1), folder=tmp_path, config=config, tell=told.append)
    assert again == done


def test_a_study_that_is_stopped_trains_only_what_is_missing(
    full: TextClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finished training is kept; more rows, or half a line at the end, add only what is new."""
    texts, labels = labelled(40)
    test = labelled(20, 1)

    def study(rows: dict[str, Any], tell: Any = lambda _: None) -> Ablation:
        config = AblationConfig(full, rows, seeds=1)
        return ablate(texts, labels, test=test, folder=tmp_path, config=config, tell=tell)

    def stop(line: str) -> None:
        if line.startswith("1 of"):
            raise Stopped

    with pytest.raises(Stopped):
        study(ROWS, stop)
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"key": "half a l')
    trained = []
    run = ablation.Trainings.run
    monkeypatch.setattr(
        ablation.Trainings, "run", lambda self, job: trained.append(job.row) or run(self, job)
    )
    study(ROWS)
    assert trained == list(ROWS)
    study(ROWS | {"renamed": {"teach": "none"}, "new": {"combine": "none"}})
    assert trained == [*ROWS, "new"]


def test_processes_give_the_same_rows(full: TextClassifier, tmp_path: Path) -> None:
    """Two trainings at the same time end with the scores of one after the other."""
    rows = {"no teaching": {"teach": "none"}}
    scores = []
    for jobs in (1, 2):
        config = AblationConfig(full, rows, seeds=1, jobs=jobs)
        done = ablate(*labelled(30), test=labelled(20, 1), folder=tmp_path / str(jobs), config=config)
        scores.append([{k: v for k, v in row.items() if k != "seconds"} for row in done.trainings])
    assert scores[0] == scores[1]


def test_no_training_sees_a_text_that_is_measured_on() -> None:
    """Near-duplicates of test texts are left out, labelled or not; without test texts a fifth is held out."""
    long = " ".join(f"word{i}" for i in range(40))
    texts, labels = labelled(20)
    given = AblationTexts.of(
        [*texts, long], [*labels, "sea"], [long.upper(), "other"], ([long + " end"], ["wood"]), seed=0
    )
    assert (given.texts, given.unlabeled, given.left_out) == (texts, ["other"], 2)
    texts, labels = labelled(250)
    held = AblationTexts.of([*texts, texts[0]], [*labels, labels[0]], None, None, seed=0)
    assert len(held.test_texts) == pytest.approx(50, abs=2)
    assert not set(held.test_texts) & set(held.texts)


def test_subsets_are_nested_and_stratified_and_their_rest_is_unlabelled() -> None:
    """A smaller subset is part of a larger one of the same seed, and has the classes in proportion."""
    texts, labels = labelled(100)
    labels = ["rare" if i < 10 else label for i, label in enumerate(labels)]
    given = AblationTexts.of(texts, labels, None, labelled(10, 1), seed=0)
    small, few, rest = given.sample(20, seed=1)
    large = given.sample(50, seed=1)[0]
    assert set(small) < set(large)
    assert set(small) != set(given.sample(20, seed=2)[0])
    assert few.count("rare") == pytest.approx(2, abs=1)
    assert sorted([*small, *rest]) == sorted(texts)
    assert len(set(given.sample(2, seed=0)[1])) == 2


def test_several_labels_and_pairs(full: TextClassifier, tmp_path: Path) -> None:
    """Pairs of texts, and texts with several labels, which are compared by micro F1."""
    texts, labels = labelled(30)
    pairs = [(text, text[::-1]) for text in texts]
    sets = [(label, "odd") if i % 3 else (label,) for i, label in enumerate(labels)]
    config = AblationConfig(full, {"no word counts": {"combine": "none"}}, sizes=(20,), seeds=1)
    done = ablate(pairs[:24], sets[:24], test=(pairs[24:], sets[24:]), folder=tmp_path, config=config)
    assert done.measure == "micro_f1"
    assert "Micro F1" in done.markdown()


def test_the_rows_of_the_recipe_change_what_is_there(full: TextClassifier) -> None:
    """A part that the full recipe lacks is no row; of a transformer those of language models are not."""
    assert "no pretraining" not in recipe_rows(full)
    assert len(recipe_rows(TextClassifier())) == 7
    assert set(recipe_rows(TextClassifier(encoder="folder"))) == {
        "no discriminative rates",
        "constant learning rate",
        "no teaching",
        "no word counts",
    }


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"x": {"taech": "none"}}, "row 'x': there is no parameter 'taech'. Did you mean 'teach'"),
        ({"x": {"config__facter": 1}}, "Did you mean 'factor'"),
        ({"x": {"config__factor": -1.0}}, "row 'x': factor: expected"),
        ({"x": {"teach": "never"}}, "row 'x': teach: expected"),
        ({FULL: {}}, "Rename it"),
    ],
)
def test_a_wrong_row_is_refused_before_anything_is_trained(
    full: TextClassifier, tmp_path: Path, rows: Any, message: str
) -> None:
    """The message names the row and the parameter."""
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        ablate(*labelled(30), test=labelled(9, 1), folder=tmp_path, config=AblationConfig(full, rows))
    assert not list(tmp_path.iterdir())


def test_unusable_sizes_and_texts_are_refused(full: TextClassifier, tmp_path: Path) -> None:
    """More labels than there are, fewer than two, and too few texts to hold any out."""
    with pytest.raises(ConfigError, match="at least two labels"):
        AblationConfig(full, sizes=(1,))
    with pytest.raises(UsageError, match="at most 30 labels"):
        ablate(*labelled(30), test=labelled(9, 1), folder=tmp_path, config=AblationConfig(full, sizes=(31,)))
    with pytest.raises(DataError, match="at least 200 labelled texts"):
        ablate(*labelled(30), folder=tmp_path, config=AblationConfig(full))


def test_the_table_shows_means_spreads_and_paired_differences() -> None:
    """Spread is over seeds; a difference is between trainings with the same seed."""
    scores = {FULL: (0.8, 0.9), "less": (0.7, 0.8)}
    trainings = [
        {"row": row, "labels": 1_000, "seed": seed, "accuracy": value, "seconds": 1.0}
        for row, values in scores.items()
        for seed, value in enumerate(values)
    ]
    done = Ablation("accuracy", 50, tuple(scores), (1_000,), (0, 1), tuple(trainings))
    lines = done.markdown().splitlines()
    assert lines[0] == "| row | 1,000 labels | difference |"
    assert lines[2:4] == ["| full recipe | 85.0 ± 7.1 |  |", "| less | 75.0 ± 7.1 | -10.0 ± 0.0 |"]
    assert "mean ± standard deviation of 2 seeds, on 50 documents" in lines[-1]
    assert np.isclose(done.as_dict()["rows"][1]["difference"], -10)
    one = dataclasses.replace(done, seeds=(0,))
    assert "| less | 70.0 | -10.0 |" in one.markdown()

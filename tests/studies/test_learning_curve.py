"""What more labels are worth: subsets, measurements, the curve."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmus.errors import ConfigError, DataError, UsageError
from ulmus.evaluation.splits import Together
from ulmus.studies import learning_curve as study
from ulmus.studies.curve import LearningCurve, curve_of
from ulmus.studies.learning_curve import CurveConfig, learning_curve
from ulmus.studies.subsets import checked_sizes, nested, parts

WORDS = {"good": ["great", "lovely", "superb", "moving"], "bad": ["awful", "dull", "weak", "boring"]}
FILLING = "the film was and with a story of my friend who saw it in on an old but".split()
FAST = CurveConfig(sizes=(10, 20, 40), seeds=2)


def reviews(n: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """`n` texts and labels."""
    rng = random.Random(seed)
    labels = [("good", "bad")[i % 2] for i in range(n)]
    return [" ".join(rng.choices(FILLING, k=9) + rng.choices(WORDS[label], k=1)) for label in labels], labels


@given(counts=st.lists(st.integers(1, 30), min_size=2, max_size=5), seed=st.integers(0, 99))
def test_subsets_are_nested_and_stratified(counts: list[int], seed: int) -> None:
    """Every document comes once; each beginning has the classes in their proportions, and two of them at once."""
    target = np.repeat(np.arange(len(counts)), counts)
    order = nested(target, seed)
    assert sorted(order) == list(range(len(target)))
    assert len(set(target[order[:2]])) == 2
    for n in range(1, len(target) + 1):
        found = np.bincount(target[order[:n]], minlength=len(counts))
        # one document was moved to the front; the others are at their places, rounded
        assert (np.abs(found - n * np.array(counts) / len(target)) <= 2 + 1e-9).all()


def test_the_order_does_not_depend_on_the_sizes() -> None:
    """The smaller subset of a seed is in the larger one, and another seed draws others."""
    target = np.arange(100) % 3
    assert all(set(a) < set(b) for a, b in pairwise([nested(target, 4)[:n] for n in (5, 20, 70)]))
    assert set(nested(target, 4)[:20]) != set(nested(target, 5)[:20])


@pytest.mark.parametrize("n", [60, 400])
def test_what_is_measured_on_is_never_trained_on(n: int) -> None:
    """With many labels there is one held-out set, with few each document is held out once; groups stay together."""
    same = np.arange(n) // 3
    divided = parts(np.arange(n) % 2, Together(same), 0)
    held = np.concatenate([part.held for part in divided])
    assert len(divided) == (5 if n < 200 else 1)
    assert len(set(held)) == len(held) == (n if n < 200 else len(held))
    for part in divided:
        assert not set(same[part.train]) & set(same[part.held])


def test_usual_sizes_halve_and_impossible_ones_are_refused() -> None:
    """By default all, half, a quarter ...; too large, too few or too small sizes are errors."""
    assert checked_sizes((), 400) == (25, 50, 100, 200, 400)
    assert checked_sizes((), 40) == (10, 20, 40)
    assert checked_sizes((30, 10, 20), 40) == (10, 20, 30)
    for sizes in [(10, 20, 50), (1, 10, 20), (10, 20)]:
        with pytest.raises(UsageError, match="sizes"):
            checked_sizes(sizes, 40)
    with pytest.raises(DataError, match="ten labels"):
        checked_sizes((), 6)


def test_more_labels_score_higher_and_the_curve_says_so() -> None:
    """Scores grow with the labels; the gain lies inside its interval and is larger for more labels."""
    curve = learning_curve(*reviews(80), reviews(100, seed=1)[0], config=FAST)
    means = np.mean(curve.scores, axis=0)
    assert (curve.sizes, curve.labels, curve.held_out) == ((10, 20, 40), 80, 80)
    assert means[-1] > means[0]
    few, many = curve.gain(20), curve.gain(200)
    assert few.low <= few.points <= few.high
    assert many.points >= few.points >= 0
    assert curve.sentence(20).startswith("20 more labels: +")
    assert json.loads(json.dumps(curve.report()))["gains"][0]["more"] == 40
    with pytest.raises(UsageError, match="at least 1"):
        curve.gain(0)


class StoppedError(Exception):
    """Raised in the middle of a study."""


def stopping(after: int) -> Any:
    """A `tell` that stops a study after so many trainings."""
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        if len(lines) == after:
            raise StoppedError

    return tell


def test_a_resumed_study_equals_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped study repeats no training, loses none, and ends with the same curve; half a line is dropped."""
    texts, labels = reviews(60)
    whole = learning_curve(texts, labels, config=FAST)
    with pytest.raises(StoppedError):
        learning_curve(texts, labels, config=FAST, work_dir=tmp_path, tell=stopping(7))
    rows = tmp_path / "rows.jsonl"
    assert rows.read_text().count("\n") == 1 + 7
    rows.write_text(rows.read_text() + '{"part": 1, "si')
    trained, values = [], study.CountTrainings.values

    def counting(self: Any, number: int, documents: Any, *, seed: int) -> Any:
        trained.append((number, len(documents), seed))
        return values(self, number, documents, seed=seed)

    monkeypatch.setattr(study.CountTrainings, "values", counting)
    assert learning_curve(texts, labels, config=FAST, work_dir=tmp_path) == whole
    assert len(set(trained)) == len(trained) == 5 * 3 * 2 - 7
    trained.clear()
    assert learning_curve(texts, labels, config=FAST, work_dir=tmp_path) == whole
    assert not trained


def test_more_sizes_and_seeds_use_what_is_finished(tmp_path: Path) -> None:
    """The same folder serves a larger study of the same texts; other texts are refused."""
    texts, labels = reviews(60)
    learning_curve(texts, labels, config=FAST, work_dir=tmp_path)
    lines: list[str] = []
    config = CurveConfig(sizes=(10, 20, 30, 40), seeds=2)
    learning_curve(texts, labels, config=config, work_dir=tmp_path, tell=lines.append)
    assert lines[0] == "30 of 40 trainings were finished before."
    with pytest.raises(ConfigError, match=r"another study \(it differs in: texts\)"):
        learning_curve([*texts[:-1], "another"], labels, config=FAST, work_dir=tmp_path)


def test_all_labels_of_a_part_are_trained_on_once() -> None:
    """Word counts of the same documents are the same whatever the seed, so all seeds share that training."""
    lines: list[str] = []
    curve = learning_curve(
        *reviews(250), config=CurveConfig(sizes=(50, 100, 200), seeds=2), tell=lines.append
    )
    assert len(lines) == 2 + 2 + 1
    assert curve.scores[0][2] == curve.scores[1][2]
    assert curve.held_out == 50


def test_several_labels_numbers_and_pairs() -> None:
    """Multi-label texts are measured by F1, numbers by R2, and pairs of texts are texts like others."""
    texts, labels = reviews(60)
    several = [
        [label, "old"] if "old" in text else [label] for text, label in zip(texts, labels, strict=True)
    ]
    assert learning_curve(texts, several, config=FAST).measure == "F1"
    numbers = [float(label == "good") + len(text) / 100 for text, label in zip(texts, labels, strict=True)]
    curve = learning_curve(texts, numbers, config=CurveConfig(sizes=(10, 20, 40), seeds=2, task="regression"))
    assert (curve.measure, max(map(max, curve.scores)) <= 1) == ("R2", True)
    pairs = list(zip(texts, texts[1:] + texts[:1], strict=True))
    assert learning_curve(pairs, labels, config=FAST).measure == "accuracy"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seeds": 1}, "seeds"),
        ({"minutes": 3.0}, "word counts take no time budget"),
        ({"part": "lm"}, "part"),
        ({"part": "all", "minutes": 0.0}, "minutes"),
        ({"task": "tagging"}, "task"),
    ],
)
def test_settings_out_of_range_are_errors(settings: dict[str, Any], message: str) -> None:
    """A setting that means nothing is an error that names it."""
    with pytest.raises(ConfigError, match=message):
        CurveConfig(**settings)


def test_unusable_data_are_errors() -> None:
    """Lengths that differ, or texts without anything in them."""
    texts, labels = reviews(60)
    with pytest.raises(UsageError, match="60 texts and 59 labels"):
        learning_curve(texts, labels[1:])
    with pytest.raises(DataError, match="only empty ones"):
        learning_curve([""] * 60, labels)


def test_the_whole_classifier_is_trained_within_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With part "all" each training is that of a TextClassifier with its share of the minutes and the given texts."""
    from ulmus.tasks.classifier.model import TextClassifier

    given: list[tuple[float | None, int, int]] = []

    def fit(self: Any, texts: Any, labels: Any, unlabeled: Any = None, groups: Any = None) -> Any:
        Path(self.work_dir).mkdir()
        given.append((self.minutes, len(texts), len(unlabeled)))
        return self

    monkeypatch.setattr(TextClassifier, "fit", fit)
    monkeypatch.setattr(TextClassifier, "predict", lambda _self, texts: np.array(["good"] * len(texts)))
    config = CurveConfig(sizes=(50, 100, 150), seeds=2, part="all", minutes=12)
    curve = learning_curve(*reviews(200), ["other texts"], config=config, work_dir=tmp_path)
    assert given == [(2.0, n, 1) for n in (50, 50, 100, 100, 150, 150)]
    assert curve.scores == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def simulated(rng: np.random.Generator, *, documents: int = 300, pool: int = 800) -> LearningCurve:
    """A curve of documents whose errors follow a known law, in expectation."""
    sizes = (50, 100, 200, 400, 800)
    hard = rng.random(documents)  # the same document is easy or hard at all sizes
    drawn = rng.standard_normal((3, len(sizes))) * 0.15 / np.sqrt(sizes)
    drawn[:, -1] = drawn[0, -1]
    errors = 0.1 + 1.0 * np.array(sizes, float) ** -0.5 + drawn
    values = (hard[None, None, :] > errors[..., None]).astype(float)
    return curve_of(
        values, sizes=sizes, pool=pool, labels=1000, groups=np.arange(documents), measure="accuracy"
    )


def test_intervals_of_gains_cover_the_truth() -> None:
    """The interval of 1,000 more labels has the true gain in at least nine worlds of ten, and is not all there is."""
    rng = np.random.default_rng(0)
    truth = 100 * (1000**-0.5 - 2000**-0.5)
    gains = [simulated(rng).gain(1000) for _ in range(40)]
    assert sum(gain.low <= truth <= gain.high for gain in gains) >= 36
    assert np.mean([gain.high - gain.low for gain in gains]) < 4


def test_a_plot_is_written(tmp_path: Path) -> None:
    """The plot is a PNG file."""
    path = simulated(np.random.default_rng(1)).plot(tmp_path / "curve.png")
    assert path.read_bytes().startswith(b"\x89PNG")

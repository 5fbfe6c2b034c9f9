"""What more labels are worth: trainings with nested subsets of the labels, a power law through their scores.

    curve = learning_curve(texts, labels, unlabeled)
    curve.gain(200)      # expected points, and a 95% interval
    curve.plot("curve.png")

Every training is measured on the same held-out documents, a fifth of the labels; no training sees them, or a text with
a label that is nearly the same. With fewer than 200 labels each document is measured on once, in a cross-validation of
five folds. For each seed a larger subset contains the smaller ones, and all are stratified.
Costs: a training for each size and seed (and fold): a minute or two with word counts. Knows no file format.
Axes: S seeds, K sizes, M documents that are measured on.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulmus.config import check_seed
from ulmus.corpus.columns import as_groups, others
from ulmus.corpus.labels import Labels
from ulmus.corpus.numbers import Numbers
from ulmus.corpus.pairs import as_documents
from ulmus.errors import ConfigError, DataError, UsageError
from ulmus.evaluation.near_duplicates import near_duplicates
from ulmus.evaluation.splits import Together
from ulmus.studies.curve import LearningCurve, curve_of
from ulmus.studies.finished import Finished, digest
from ulmus.studies.subsets import Part, checked_sizes, nested, parts
from ulmus.studies.trainings import CountTrainings, StudyTexts, Trainings, WholeTrainings

__all__ = ["CurveConfig", "learning_curve"]

Say = Callable[[str], None]
FEWEST_SEEDS = 2  # fewer say nothing of how much the drawn labels matter


@dataclass(frozen=True)
class CurveConfig:
    """What is trained how often. Raises ConfigError for a value out of range."""

    sizes: tuple[int, ...] = ()  # numbers of labels to train on; (): all, half, a quarter ...
    seeds: int = 3  # draws of labels for each size
    part: Literal["counts", "all"] = "counts"  # word counts, or all that a TextClassifier trains
    minutes: float | None = None  # time budget of the whole study, for part "all"
    task: Literal["classification", "regression"] = "classification"
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.seeds < FEWEST_SEEDS:
            raise ConfigError(f"seeds: expected {FEWEST_SEEDS} or more, got {self.seeds}.")
        for name, choices in (("part", ("counts", "all")), ("task", ("classification", "regression"))):
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name}: expected one of {', '.join(choices)}, got {getattr(self, name)!r}."
                )
        if self.minutes is not None and self.part == "counts":
            raise ConfigError(
                "minutes: word counts take no time budget. Choose part 'all', or remove minutes."
            )
        if self.minutes is not None and not 0 < self.minutes < float("inf"):
            raise ConfigError(f"minutes: expected a number greater than 0, got {self.minutes}.")


class _Run(NamedTuple):
    """One training: number of its part, number of labels, seed."""

    part: int
    size: int
    seed: int


def learning_curve(
    texts: Any,
    labels: Any,
    unlabeled: Any = None,
    *,
    groups: Any = None,
    config: CurveConfig | None = None,
    work_dir: str | Path | None = None,
    tell: Say | None = None,
) -> LearningCurve:
    """Train with more and more of the labels; the scores, and the power law that says what still more would bring.

    Texts, labels and `unlabeled` are as for `TextClassifier.fit`: single labels, several a text, pairs of texts, or
    numbers (task="regression"). `groups` (N,): texts with the same value are held out together or not at all.
    With a `work_dir` finished trainings are kept there, and a study that was stopped resumes. `tell` gets a line after
    each training.
    Raises UsageError, DataError: unusable texts, labels or sizes, too few labels. ConfigError: `work_dir` holds another
    study.
    """
    config = config or CurveConfig()
    study = _study_texts(texts, labels, unlabeled, groups, numbers=config.task == "regression")
    divided = parts(study.labels.target, study.together, config.seed)
    pool = min(len(part.train) for part in divided)
    sizes = checked_sizes(config.sizes, pool)
    seeds = range(config.seed, config.seed + config.seeds)
    runs = _runs(divided, sizes, seeds, alike=config.part == "counts")
    folder = None if work_dir is None else Path(work_dir)
    with Finished.of(folder, _identity(study, config)) as finished:
        every = list(dict.fromkeys(runs.values()))
        values = _measured(study, divided, every, config=config, folder=folder, finished=finished, say=tell)
    held = np.concatenate([part.held for part in divided])
    everything = [
        [np.concatenate([values[runs[number, size, k]] for number in range(len(divided))]) for size in sizes]
        for k in seeds
    ]  # S lists of K arrays (M,)
    objective = study.labels.objective
    return curve_of(
        np.array(everything, np.float64),
        sizes=sizes,
        pool=pool,
        labels=len(study.labels),
        groups=study.together.same[held],
        measure="R2" if objective.numeric else objective.measure,
    )


def _runs(
    divided: Sequence[Part], sizes: Sequence[int], seeds: Sequence[int], *, alike: bool
) -> dict[tuple[int, int, int], _Run]:
    """The training for each part, size and seed, in the order in which they are run.

    `alike`: trainings with the same documents are the same, so one with all of a part serves all seeds.
    """
    return {
        (number, size, k): _Run(number, size, seeds[0] if alike and size == len(part.train) else k)
        for number, part in enumerate(divided)
        for size in sizes
        for k in seeds
    }


def _study_texts(texts: Any, labels: Any, unlabeled: Any, groups: Any, *, numbers: bool) -> StudyTexts:
    """The data of a study, checked. Raises UsageError, DataError."""
    given, pairs = as_documents(texts)
    more = as_documents([] if unlabeled is None else unlabeled, "unlabeled", pairs=pairs).texts
    known = Numbers.of(labels) if numbers else Labels.of(labels)
    if len(given) != len(known):
        raise UsageError(f"each text needs a label: got {len(given)} texts and {len(known)} labels.")
    if not any(text.strip() for text in given):
        raise DataError("expected texts, got only empty ones. Check the text column.")
    numbered = near_duplicates(given) if groups is None else as_groups(groups, len(given))
    together = Together(numbered, whole=groups is not None)
    return StudyTexts(given, known, others(more, given), together, pairs)


def _measured(
    study: StudyTexts,
    divided: Sequence[Part],
    runs: Sequence[_Run],
    *,
    config: CurveConfig,
    folder: Path | None,
    finished: Finished,
    say: Say | None,
) -> dict[_Run, NDArray[np.float64]]:
    """The scores of the documents measured on, (M,), after each training; those that are finished are not repeated."""
    done = {_Run(row["part"], row["size"], row["seed"]): row["values"] for row in finished.rows}
    left = [run for run in runs if run not in done]
    if say and len(left) < len(runs):
        say(f"{len(runs) - len(left):,} of {len(runs):,} trainings were finished before.")
    trainings = _trainings(study, divided, config, minutes=_share(config, len(runs)), folder=folder)
    orders: dict[tuple[int, int], NDArray[np.int64]] = {}
    began = time.monotonic()
    for i, run in enumerate(left):
        train = divided[run.part].train
        if (run.part, run.seed) not in orders:
            orders[run.part, run.seed] = train[nested(study.labels.target[train], run.seed)]
        values = trainings.values(run.part, orders[run.part, run.seed][: run.size], seed=run.seed)
        finished.add({**run._asdict(), "values": values.tolist()})
        done[run] = values.tolist()
        if say:
            before = sum(one.size for one in left[: i + 1])
            left_s = (time.monotonic() - began) * sum(one.size for one in left[i + 1 :]) / before
            say(
                f"{run.size:,} labels, seed {run.seed}: {100 * values.mean():.1f}. {len(done):,} of {len(runs):,} "
                f"trainings, about {_clock(left_s)} left."
            )
    return {run: np.array(done[run], np.float64) for run in runs}


def _trainings(
    study: StudyTexts,
    divided: Sequence[Part],
    config: CurveConfig,
    *,
    minutes: float | None,
    folder: Path | None,
) -> Trainings:
    if config.part == "counts":
        return CountTrainings(study, divided)
    return WholeTrainings(study, divided, minutes=minutes, folder=folder)


def _share(config: CurveConfig, trainings: int) -> float | None:
    """The minutes of each training."""
    return None if config.minutes is None else config.minutes / trainings


def _identity(study: StudyTexts, config: CurveConfig) -> dict[str, Any]:
    """What a study is, for its work folder. More sizes or seeds are the same study, unless they share a time budget."""
    settings = dataclasses.asdict(config) | {"sizes": list(config.sizes)}
    if config.minutes is None:
        del settings["sizes"], settings["seeds"]
    data = {"texts": study.texts, "labels": study.labels.target.tolist(), "classes": study.labels.classes}
    data |= {"unlabeled": study.unlabeled, "groups": study.together.same.tolist()}
    return {"study": "learning-curve", **settings, **{name: digest(column) for name, column in data.items()}}


def _clock(seconds: float) -> str:
    """125.4 -> 2:05"""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"

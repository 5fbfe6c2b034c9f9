"""What each part of the recipe is worth: trainings with one part left out each, beside the full recipe.

    result = ablate(texts, labels, more_texts, folder="ablation", config=AblationConfig(sizes=(100, 1_000)))
    print(result.markdown()); result.plot("ablation.png")

The rows are those of Howard & Ruder 2018, section 5, tables 4 to 7, and what Ulmus adds to their recipe; or any others.
Every training is measured on the same documents, which none of them sees. A finished training is a line of
`rows.jsonl` in the folder, and one that was stopped resumes from its checkpoint there.
Costs: rows x sizes x seeds trainings. Knows no file of texts.
"""

from __future__ import annotations

import json
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ulmus.config import to_dict
from ulmus.data.store import content_key
from ulmus.errors import ConfigError, DataWarning, UsageError
from ulmus.installed import find
from ulmus.storage import locked_folder, whole_file
from ulmus.studies.ablation_result import FULL, Ablation
from ulmus.studies.ablation_texts import AblationTexts
from ulmus.tasks.classifier.config import ClassifierConfig, transformer_config
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.workers import results
from ulmus.train.callbacks import clock

__all__ = ["ROWS", "Ablation", "AblationConfig", "ablate", "recipe_rows"]

ROWS, WORK = "rows.jsonl", "work"
NOT_LEARNT_FROM = ("seed", "work_dir", "verbose", "device")  # parameters that are no part of a row
SCORES = ("accuracy", "macro_f1", "micro_f1")
NO_LANGUAGE_MODEL = (None, "new", "none")
Changes = Mapping[str, Any]


@dataclass(frozen=True)
class AblationConfig:
    """What is trained how often. Raises ConfigError: no seeds, no jobs, or fewer than two labels."""

    full: TextClassifier = field(
        default_factory=TextClassifier
    )  # the full recipe, not fitted; with its first seed
    # what each row changes: parameters, and settings as config__NAME; None: `recipe_rows`
    rows: Mapping[str, Changes] | None = None
    sizes: tuple[int, ...] = ()  # numbers of labels; (): all that are not held out
    seeds: int = 3  # draws of labels, each with a seed for the training
    jobs: int = 1  # trainings at the same time, each with one thread

    def __post_init__(self) -> None:
        if self.seeds < 1 or self.jobs < 1 or min(self.sizes, default=2) < 2:
            raise ConfigError(
                "expected at least one seed and one job, and sizes of at least two labels, got "
                f"seeds={self.seeds}, jobs={self.jobs}, sizes={self.sizes}."
            )


class Job(NamedTuple):
    """One training."""

    row: str
    labels: int
    seed: int


def recipe_rows(full: TextClassifier) -> dict[str, dict[str, Any]]:
    """The parts of the recipe, each left out once, and gradual unfreezing, which the recipe does without.

    Rows that change nothing of `full` are not among them.
    """
    rows: dict[str, dict[str, Any]] = {
        "no pretraining": {"language_model": "none"},
        "no language-model fine-tuning": {"config__tune": "none"},
        "no discriminative rates": {"config__factor": 1.0},
        "constant learning rate": {"config__schedule": "constant"},
        "with gradual unfreezing": {"config__head_epochs": 1, "config__top_epochs": 1},
        "no teaching": {"teach": "none"},
        "no word counts": {"combine": "none"},
    }
    if full.encoder is not None:
        # (its rates are not those of the stages of gradual unfreezing)
        del rows["no pretraining"], rows["no language-model fine-tuning"], rows["with gradual unfreezing"]
    elif full.language_model == "none" or full.language_model == "new":
        del rows["no language-model fine-tuning"]
    params = _with_config(full).get_params()
    return {
        name: row for name, row in rows.items() if any(params[key] != value for key, value in row.items())
    }


@dataclass(frozen=True)
class Trainings:
    """Trains and measures one job; can be sent to another process."""

    texts: AblationTexts
    models: Mapping[str, TextClassifier]  # of each row, not fitted
    folder: Path

    def run(self, job: Job) -> dict[str, Any]:
        """The finished row. Raises UlmusError as `fit` does."""
        started = time.monotonic()
        params = self.models[job.row].get_params(deep=False)
        model = TextClassifier(
            **params | {"seed": job.seed, "work_dir": self.work_dir(job), "verbose": False}
        )
        texts, labels, more = self.texts.sample(job.labels, job.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # the same of every training
            model.fit(texts, labels, unlabeled=more or None)
            report = model.evaluate(
                self.texts.as_given(self.texts.test_texts),
                self.texts.test_labels,
                unknown=self._unknown(model),
            )
        scores: dict[str, float] = {key: report[key] for key in SCORES if key in report}
        parts = {name: part["accuracy"] for name, part in report["parts"].items()}
        return {**job._asdict(), **scores, "parts": parts, "seconds": round(time.monotonic() - started, 1)}

    def work_dir(self, job: Job) -> Path:
        """The folder for the checkpoints of a job."""
        return self.folder / WORK / content_key(self.identity(job))[:16]

    def identity(self, job: Job) -> dict[str, Any]:
        """All that determines the result of a job, but for the texts: its name is no part of it."""
        params = self.models[job.row].get_params(deep=False)
        own = {key: value for key, value in params.items() if key not in NOT_LEARNT_FROM}
        files = {}
        for name, value in (("language_model", _file(own["language_model"])), ("encoder", own["encoder"])):
            if value is not None:
                files[name] = content_key(None, files=[value])
        return own | {"config": to_dict(own["config"]), "labels": job.labels, "seed": job.seed} | files

    def _unknown(self, model: TextClassifier) -> list[Any]:
        """The classes of the test documents that the model has no text of."""
        given = self.texts.test_labels
        every = {one for label in given for one in (label if model.multi_label_ else [label])}
        return sorted(every - set(model.class_names_), key=str)


def ablate(
    texts: Any,
    labels: Any,
    unlabeled: Any = None,
    test: Any = None,
    *,
    folder: str | Path,
    config: AblationConfig | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Ablation:
    """Train every row with every number of labels and every seed, and measure all on the same documents.

    Texts, labels and `unlabeled` are as for `TextClassifier.fit`; `test` is (texts, labels), or a fifth of the labels,
    at most 2,000, is held out. A subset's labels are nested in those of a larger one; the texts of the other labels
    count as unlabelled. Finished trainings are kept in `folder`, and not repeated. `tell` gets a line about each.
    Raises UsageError, DataError: unusable texts, labels, sizes, or rows. StorageError: the folder is in use.
    """
    config = config or AblationConfig()
    models = _models(config)
    data = AblationTexts.of(texts, labels, unlabeled, test, seed=config.full.seed)
    if data.left_out:
        tell(f"{data.left_out:,} texts are nearly the same as one that is measured on, and are left out.")
    sizes = _sizes(config.sizes, len(data.texts))
    seeds = tuple(range(config.full.seed, config.full.seed + config.seeds))
    jobs = [Job(row, size, seed) for size in sizes for seed in seeds for row in models]
    folder = Path(folder)
    with locked_folder(folder):
        trainings = Trainings(data, models, folder.resolve())
        finished = _all_rows(trainings, jobs, config, tell)
        shutil.rmtree(folder / WORK, ignore_errors=True)
    return Ablation(
        measure="micro_f1" if data.labels.multi_label else "accuracy",
        tested=len(data.test_texts),
        rows=tuple(models),
        sizes=sizes,
        seeds=seeds,
        trainings=tuple(finished[job] for job in jobs),
    )


def _all_rows(
    trainings: Trainings, jobs: list[Job], config: AblationConfig, tell: Callable[[str], None]
) -> dict[Job, dict[str, Any]]:
    """The row of each job: kept from before, or of a training now."""
    path, data = trainings.folder / ROWS, trainings.texts.key
    keys = {job: content_key([trainings.identity(job), data])[:24] for job in jobs}
    lines = list(_lines(path))
    kept = {line["key"]: {key: value for key, value in line.items() if key != "key"} for line in lines}
    finished = {job: kept[keys[job]] | job._asdict() for job in jobs if keys[job] in kept}
    missing = list({keys[job]: job for job in reversed(jobs) if job not in finished}.values())[::-1]
    if missing:
        tell(f"{len(missing):,} trainings to do, {len(finished):,} finished before in {path}.")
    began = time.monotonic()
    for new, (job, row) in enumerate(results(trainings.run, missing, config.jobs), 1):
        finished |= {same: row | same._asdict() for same in jobs if keys[same] == keys[job]}
        lines.append({"key": keys[job], **row})
        with whole_file(path) as file:
            file.writelines(json.dumps(line).encode() + b"\n" for line in lines)
        shutil.rmtree(trainings.work_dir(job), ignore_errors=True)
        left_s = (time.monotonic() - began) / new * (len(missing) - new)
        tell(
            f"{len(finished):,} of {len(jobs):,}: {job.row}, {job.labels:,} labels, seed {job.seed}: accuracy "
            f"{100 * row['accuracy']:.1f} % in {clock(row['seconds'])}. About {clock(left_s)} left."
        )
    return finished


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows in the file, whichever study they are of; none if there is no file."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and {"key", "accuracy", "seconds"} <= row.keys():
            yield row


def _models(config: AblationConfig) -> dict[str, TextClassifier]:
    """A classifier for each row, checked before anything is trained; the full recipe first.

    Raises UsageError: an unknown parameter, or a language model that is no file; ConfigError: a value out of range.
    """
    full = _with_config(config.full)
    rows = recipe_rows(full) if config.rows is None else config.rows
    models = {FULL: full}
    for name, changes in rows.items():
        if name == FULL:
            raise UsageError(f"rows: {FULL!r} is the row that the others are compared with. Rename it.")
        try:
            models[name] = _with_config(_copy(full).set_params(**changes))
            models[name]._check_settings()
            _file(models[name].language_model)
        except UsageError as error:
            raise type(error)(f"row {name!r}: {error}") from error
    return models


def _with_config(model: TextClassifier) -> TextClassifier:
    """A copy whose settings are set, the defaults included."""
    default = ClassifierConfig if model.encoder is None else transformer_config
    return _copy(model).set_params(config=model.config or default())


def _copy(model: TextClassifier) -> TextClassifier:
    return TextClassifier(**model.get_params(deep=False))


def _file(language_model: Any) -> Path | None:
    """The file of a language model, if it is one. Raises UsageError: an object; BundleError: no such model."""
    if language_model in NO_LANGUAGE_MODEL:
        return None
    if not isinstance(language_model, str | Path):
        raise UsageError(
            "language_model: a study needs a file or the name of an installed model. Save it first."
        )
    return find(language_model)


def _sizes(given: tuple[int, ...], most: int) -> tuple[int, ...]:
    sizes = tuple(sorted(set(given))) or (most,)
    if sizes[-1] > most:
        raise UsageError(
            f"sizes: expected at most {most:,} labels, which is what there are to learn from, got {sizes[-1]:,}."
        )
    return sizes

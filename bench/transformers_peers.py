"""The same checkpoint, all-MiniLM-L6-v2, four ways: a plain Trainer script, SetFit, frozen with a regression, Ulmus.

    python bench/transformers_peers.py run [--sets NAME ...] [--labels N ...] [--ways NAME ...] [--seeds 3] [--jobs 1]
    python bench/transformers_peers.py settings     the Trainer with other epochs and learning rates, 100 labels
    python bench/transformers_peers.py time         time to the Trainer's final score, 2,000 reviews
    python bench/transformers_peers.py table        Markdown of what is done

Trainer has its defaults: 3 epochs, but 25 with 100 labels. `adapted` is Ulmus after 5 minutes of `ulmus tune` on the
texts of the set without labels (runs/peers keeps the result). All ways truncate to 256 tokens. `splits.py` says what is
tested on, `rows_transformers.py` and `rows_setfit.py` what the peers do. SetFit runs in an environment of its own
(runs/peers/setfit, made on first use) with the versions that its own tests name. `time`: the Trainer is tested ten
times on the way, which its clock leaves out; Ulmus gets budgets that double until it is as good. One process and one
core a training; minutes are those of training: CPU minutes, and wall clock beside them in the table of `time`. What is
in --out is not repeated. Needs $ULMUS_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import environments
import jobs
import minilm
import numpy as np
import splits

HERE = Path(__file__).resolve().parent
SETFIT = (
    "setfit==1.2.0", "transformers<5", "sentence-transformers[train]<6", "huggingface_hub<1", "datasets<5"
)  # fmt: skip
WAYS = {
    "trainer": "Trainer",
    "setfit": "SetFit",
    "frozen": "frozen, regression",
    "ulmus": "Ulmus",
    "adapted": "Ulmus, adapted",
}
LABELS = (100, 1_000)
EPOCHS = {100: 25, 1_000: 3, 2_000: 3}
RATES = (2e-5, 5e-5, 1e-4)  # of `settings`
TRIED = (10, 25, 50)  # epochs of `settings`
COMPARED = ("trec", "sst2", "mrpc", "us_patent", "imdb")
SETTINGS_OF = ("trec", "sst2")  # data sets of `settings`
TIMED = 2_000  # labels of `time`
ADAPTING = 5.0  # minutes of `adapted`, once for a data set
KEY = ("name", "labels", "seed", "way", "settings")


class Run(NamedTuple):
    """One training."""

    name: str  # of the data set
    labels: int
    seed: int
    way: str
    settings: dict[str, Any]


def defaults(way: str, labels: int) -> dict[str, Any]:
    """The settings of a run of the table."""
    if way == "trainer":
        return {"epochs": EPOCHS[labels], "rate": 5e-5}
    if way == "setfit":
        return {"iterations": None if labels == 100 else 20}
    return {}


def task(run: Run) -> tuple[dict[str, Any], list[Any]]:
    """What a peer is given, and the true labels of the texts to test on."""
    split = splits.load(run.name)
    texts, labels = splits.drawn(split, run.labels, run.seed)
    measure = splits.SETS[run.name].measure
    return {"texts": texts, "labels": labels, "test": split.test[0], "measure": measure}, split.test[1]


def trained(run: Run) -> dict[str, Any]:
    """Train and test in this process (Ulmus) or in one of the peer's; scores and minutes."""
    given, true = task(run)
    if run.way in ("ulmus", "adapted"):
        result = ulmus(given, run, adapted(run) if run.way == "adapted" else minilm.checkpoint())
    else:
        python, script = Path(sys.executable), "rows_transformers.py"
        if run.way == "setfit":
            python, script = environments.python_with("setfit", SETFIT), "rows_setfit.py"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "task.json")
            file.write_text(json.dumps(given), encoding="utf-8")
            what = [run.way, file, minilm.checkpoint(), run.seed, json.dumps(run.settings)]
            result = json.loads(environments.last_line([python, HERE / script, *what]))
    for one in [result, *result.get("curve", [])]:
        one["score"] = round(splits.score(run.name, one.pop("predicted"), true), 2)
    return run._asdict() | result


def adapted(run: Run) -> Path:
    """The checkpoint after `ulmus tune` on all texts of the set that are not tested on, without their labels."""
    import ulmus

    file = environments.PEERS / f"adapted-{run.name}.ulmus"
    if not file.exists():
        texts = [" ".join(text) for text in splits.load(run.name).pool[0]]
        encoder = ulmus.TransformerEncoder.load(minilm.checkpoint(), minutes=ADAPTING, verbose=False)
        encoder.fine_tune(texts).save(file)
    return file


def ulmus(given: dict[str, Any], run: Run, encoder: Path) -> dict[str, Any]:
    """Ulmus with this encoder and its defaults."""
    import ulmus

    texts, test = ([text if len(text) > 1 else text[0] for text in given[part]] for part in ("texts", "test"))
    kind = ulmus.TextClassifier if given["measure"] == "accuracy" else ulmus.TextRegressor
    began = time.perf_counter(), time.process_time()
    model = kind(encoder=str(encoder), seed=run.seed, verbose=False, **run.settings).fit(
        texts, given["labels"]
    )
    took = (time.perf_counter() - began[0]) / 60, (time.process_time() - began[1]) / 60
    predicted = np.asarray(model.predict(test)).tolist()
    return {"predicted": predicted, "minutes": round(took[0], 3), "cpu_minutes": round(took[1], 3)}


def in_table(options: argparse.Namespace) -> Iterator[Run]:
    """The runs of the table, the short ones first."""
    for labels, name, way, seed in itertools.product(
        options.labels, options.sets, options.ways, range(options.seeds)
    ):
        if way != "setfit" or splits.SETS[name].measure == "accuracy":
            yield Run(name, labels, seed, way, defaults(way, labels))


def other_settings(options: argparse.Namespace) -> Iterator[Run]:
    """The Trainer with other epochs and learning rates."""
    # those that differ from the defaults in one thing come first
    pairs = sorted(
        itertools.product(TRIED, RATES), key=lambda pair: ((pair[0] != 25) + (pair[1] != 5e-5), -pair[1])
    )
    for seed, (epochs, rate), name in itertools.product(range(options.seeds), pairs, options.sets):
        yield Run(name, 100, seed, "trainer", {"epochs": epochs, "rate": rate})


def start(options: argparse.Namespace, wanted: Iterator[Run]) -> None:
    """Run what is not in the file of results."""
    had = [[row[key] for key in KEY] for row in jobs.rows(options.out)]
    waiting = [[*run[:-1], json.dumps(run.settings)] for run in wanted if list(run) not in had]
    minilm.checkpoint()
    jobs.run(__file__, waiting, [], jobs=options.jobs, out=options.out)


def timed(options: argparse.Namespace) -> None:
    """The Trainer with its curve, then Ulmus with budgets that double until it is as good."""
    seeds = range(options.seeds)
    curve = {"epochs": EPOCHS[TIMED], "rate": 5e-5, "curve": 10}
    start(options, (Run("imdb", TIMED, seed, "trainer", curve) for seed in seeds))
    for seed, minutes in itertools.product(seeds, (1.0, 2.0, 4.0, 8.0, 16.0)):
        target, best = reached(jobs.rows(options.out), seed)
        if target and not best:
            start(options, iter([Run("imdb", TIMED, seed, "ulmus", {"minutes": minutes})]))


def reached(rows: list[dict[str, Any]], seed: int) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The first point of the Trainer's curve that is as good as its end, and the first such run of Ulmus."""
    mine = [row for row in rows if (row["name"], row["labels"], row["seed"]) == ("imdb", TIMED, seed)]
    curves = [row for row in mine if row["settings"].get("curve")]
    if not curves:
        return None, None
    final = curves[0]["score"]
    target = next((point for point in curves[0]["curve"] if point["score"] >= final), curves[0])
    budgets = sorted(
        (row for row in mine if row["way"] == "ulmus"), key=lambda row: row["settings"]["minutes"]
    )
    return target, next((row for row in budgets if row["score"] >= final), None)


def table(options: argparse.Namespace) -> None:
    """Score (CPU minutes) of each way, the Trainer's other settings, and the times to its score, as Markdown."""
    rows = jobs.rows(options.out)
    print(f"| data set, labels | {' | '.join(WAYS.values())} |\n|---|{'---|' * len(WAYS)}")
    for name, labels in itertools.product(COMPARED, LABELS):
        found = [cell(rows, name, labels, way, defaults(way, labels)) for way in WAYS]
        if any(one != "-" for one in found):
            print(f"| {name}, {labels:,} | {' | '.join(found)} |")
    print(f"\n| data set, epochs | {' | '.join(f'{rate:g}' for rate in RATES)} |\n|---|{'---|' * len(RATES)}")
    for name, epochs in itertools.product(COMPARED, TRIED):
        tried = [{"epochs": epochs, "rate": rate} for rate in RATES]
        found = [cell(rows, name, 100, "trainer", settings) for settings in tried]
        if name in SETTINGS_OF and any(one != "-" for one in found):
            print(f"| {name}, {epochs} | {' | '.join(found)} |")
    times(rows, options.seeds)


def times(rows: list[dict[str, Any]], seeds: int) -> None:
    """Minutes to the Trainer's final score, wall clock (CPU), and their ratio."""
    found = [(seed, *reached(rows, seed)) for seed in range(seeds)]
    if all(ours is None for _, _, ours in found):
        return
    print("\n| reviews, sample | score | Trainer, minutes | score | Ulmus, minutes | times as fast |")
    print("|---|---|---|---|---|---|")
    for seed, theirs, ours in found:
        if theirs and ours:
            cells = [
                f"{one['score']:.1f} | {one['minutes']:.1f} ({one['cpu_minutes']:.1f})"
                for one in (theirs, ours)
            ]
            wall, cpu = (theirs[key] / ours[key] for key in ("minutes", "cpu_minutes"))
            print(f"| {seed} | {' | '.join(cells)} | {wall:.1f} ({cpu:.1f}) |")


def cell(rows: list[dict[str, Any]], name: str, labels: int, way: str, settings: dict[str, Any]) -> str:
    """Mean ± deviation of the score, and the CPU minutes of training."""
    key = [name, labels, way, settings]
    mine = [row for row in rows if [row["name"], row["labels"], row["way"], row["settings"]] == key]
    if not mine:
        return "-"
    minutes = sum(row["cpu_minutes"] for row in mine) / len(mine)
    return f"{jobs.told([row['score'] for row in mine])} ({minutes:.1f})"


def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)
    for name in ("run", "settings", "time", "table", "child"):
        step = steps.add_parser(name)
        step.add_argument("--out", type=Path, default=HERE / "results" / "transformers-peers.jsonl")
        sets = list(SETTINGS_OF if name == "settings" else COMPARED)
        step.add_argument("--sets", nargs="+", default=sets, choices=list(COMPARED))
        step.add_argument("--labels", nargs="+", type=int, default=LABELS, choices=LABELS)
        step.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
        step.add_argument("--seeds", type=int, default=3)
        step.add_argument("--jobs", type=int, default=1)
        if name == "child":
            step.add_argument("what", nargs=5)
    options = parser.parse_args()
    if options.step == "child":
        name, labels, seed, way, settings = options.what
        print(json.dumps(trained(Run(name, int(labels), int(seed), way, json.loads(settings)))))
    elif options.step == "run":
        start(options, in_table(options))
    elif options.step == "settings":
        start(options, other_settings(options))
    else:
        {"time": timed, "table": table}[options.step](options)


if __name__ == "__main__":
    main()

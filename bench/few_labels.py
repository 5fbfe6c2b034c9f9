"""What pretraining is worth: accuracy against the number of labels, on four data sets, in eight ways.

    python bench/few_labels.py run [--sets imdb trec ...] [--labels 100 1000 0] [--seeds 3] [--jobs 2]
    python bench/few_labels.py table       Markdown of the finished runs      python bench/few_labels.py plot FILE.png

Ways: word counts alone; with LSA of all texts, in a classifier; as `WordCounts` learns from all texts (`--trainings
counter`: minutes for each set); the encoder from nothing; pretrained; pretrained and fine-tuned on the
texts; the same with word counts as its teacher; that combined with the counts. 0 labels means all there are.
Each set's training file is split once (seed 0): at most 5,000 texts, and at most three tenths, are only judged on and
are in no training, with or without label. The labels of a seed are drawn from the rest, which is unlabelled text
otherwise. One process and one core a training, --jobs side by side. A run that is in --out already is not repeated; one
that was stopped goes on from its checkpoint. Needs $ULMUS_DATA (default ../shared/data); a day on 2 cores for all.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jobs
import numpy as np
import splits

MODELS = {"imdb": "en-small", "trec": "en-small", "20newsgroups": "en-small", "chnsenticorp": "zh-small"}
MINUTES = {100: 5.0, 1_000: 6.0, 0: 12.0}  # of a training on so many labels
TUNING = 20.0  # minutes of fine-tuning a language model on all texts of a set, once
TRAININGS = ("counts", "counter", "nothing", "pretrained", "tuned", "taught")
WAYS = {  # column: (training, part of its classifier)
    "counts": ("counts", "counts"),
    "counts, LSA": ("taught", "counts"),
    "counts, all texts": ("counter", "counts"),
    "from nothing": ("nothing", "lm"),
    "pretrained": ("pretrained", "lm"),
    "and fine-tuned": ("tuned", "lm"),
    "and taught": ("taught", "lm"),
    "and combined": ("taught", "combined"),
}


class Run(NamedTuple):
    """One training."""

    name: str  # of the data set
    labels: int
    seed: int
    training: str


class Texts(NamedTuple):
    """A data set, split."""

    pool: tuple[list[str], list[str]]  # texts, labels
    judged: tuple[list[str], list[str]]
    unlabeled: list[str]


def load(name: str) -> Texts:
    """Judged texts, the pool that labels are drawn from, and texts that have none."""
    from ulmus import Source, read

    settings = dict(splits.SETS[name].source)
    records = list(read(Source(splits.DATA / settings.pop("path"), **settings)))
    order = np.random.default_rng(0).permutation(len(records))
    judged = order[: min(5_000, 3 * len(records) // 10)]
    pool = order[len(judged) :]
    parts = [
        ([records[i].text for i in part], [str(records[i].label) for i in part]) for part in (pool, judged)
    ]
    known, more = set(parts[1][0]), []
    if name == "imdb":
        unsup = read(Source(splits.DATA / "imdb/unsup.csv.zst", text=("text",)))
        more = [record.text for record in unsup if record.text not in known]
    return Texts(parts[0], parts[1], more)


def chosen(run: Run, texts: Texts) -> tuple[list[str], list[str], list[str]]:
    """The labelled texts of a run with their labels, and all its other texts."""
    pool, labels = texts.pool
    order = np.random.default_rng(run.seed).permutation(len(pool))
    mine = order[: run.labels or len(pool)]
    rest = [pool[i] for i in order[len(mine) :]]
    return [pool[i] for i in mine], [labels[i] for i in mine], [*rest, *texts.unlabeled]


def tuned(name: str, work: Path, share: float) -> dict[str, Any]:
    """Fine-tune the language model of a set on all its texts except the test set."""
    from ulmus import LanguageModel

    texts = load(name)
    model = LanguageModel.load(
        MODELS[name], minutes=share * TUNING, work_dir=work / f"{name}-tuning", verbose=False
    )
    model.fine_tune([*texts.pool[0], *texts.unlabeled]).save(work / f"{name}.ulmus")
    return model.metrics_


def trained(run: Run, work: Path, share: float, model: str | None = None) -> dict[str, Any]:
    """Train one classifier, from a language model, in this process and judge its parts; accuracies in per cent."""
    from ulmus import TextClassifier, WordCounts
    from ulmus.linear.features import CountConfig
    from ulmus.tasks.classifier.config import ClassifierConfig

    texts = load(run.name)
    mine, labels, more = chosen(run, texts)
    began = time.perf_counter()
    if run.training in ("counts", "counter"):
        counts = WordCounts(config=CountConfig(lsa=0) if run.training == "counts" else None)
        counts.fit(mine, labels, unlabeled=more if run.training == "counter" else None)
        right = np.array(counts.predict(texts.judged[0])) == np.array(texts.judged[1])
        parts = {"counts": float(right.mean())}
    else:
        known_ways = {"nothing": "none", "pretrained": MODELS[run.name]}
        classifier = TextClassifier(
            language_model=model or known_ways.get(run.training, str(work / f"{run.name}.ulmus")),
            tokenizer="unigram" if run.name == "chnsenticorp" else "word",
            teach="auto" if run.training == "taught" else "none",
            minutes=share * MINUTES[run.labels],
            seed=run.seed,
            config=ClassifierConfig(tune="none"),
            work_dir=work / "-".join(map(str, run)),
            verbose=False,
        ).fit(mine, labels, unlabeled=more or None)
        known = [pair for pair in zip(*texts.judged, strict=True) if pair[1] in classifier.class_names_]
        judged = classifier.evaluate(*map(list, zip(*known, strict=True)))["parts"]
        share_known = len(known) / len(texts.judged[0])  # a label that was not drawn is a mistake
        parts = {part: scores["accuracy"] * share_known for part, scores in judged.items()}
    minutes = (time.perf_counter() - began) / 60
    return run._asdict() | {"minutes": round(minutes, 1), "parts": {k: 100 * v for k, v in parts.items()}}


def wanted(options: argparse.Namespace, done: list[dict[str, Any]]) -> Iterator[Run]:
    """The runs that are not done, the short ones first."""
    had = {tuple(row[key] for key in Run._fields) for row in done}
    for labels, training, seed, name in itertools.product(
        options.labels, options.trainings, range(options.seeds), options.sets
    ):
        run = Run(name, labels, seed, training)
        if run not in had and not (labels == 0 and (seed or name == "imdb")):
            yield run


def run_all(options: argparse.Namespace) -> None:
    """Fine-tune the language models that are missing, then train what is."""
    options.work.mkdir(parents=True, exist_ok=True)
    more = ["--work", options.work, "--share", options.share]
    sets = options.sets if {"tuned", "taught"} & set(options.trainings) else []
    tuning = [["tune", name] for name in sets if not (options.work / f"{name}.ulmus").exists()]
    jobs.run(__file__, tuning, more, jobs=options.jobs, out=options.work / "tuned.jsonl")
    training = [["train", *run] for run in wanted(options, jobs.rows(options.out))]
    jobs.run(__file__, training, more, jobs=options.jobs, out=options.out)


def cell(done: list[dict[str, Any]], name: str, labels: int, way: str) -> list[float]:
    """The accuracies of the seeds, in per cent."""
    training, part = WAYS[way]
    key = (name, labels, training)
    return [row["parts"][part] for row in done if (row["name"], row["labels"], row["training"]) == key]


def table(options: argparse.Namespace) -> None:
    """Mean and spread over the seeds as Markdown."""
    done = jobs.rows(options.out)
    print(f"| data set, labels | {' | '.join(WAYS)} |\n|---|{'---|' * len(WAYS)}")
    for name, labels in itertools.product(MODELS, (100, 1_000, 0)):
        cells = [cell(done, name, labels, way) for way in WAYS]
        if any(cells):
            shown = (jobs.told(values) for values in cells)
            print(f"| {name}, {labels or 'all'} | {' | '.join(shown)} |")
    print()
    for other in ("counts", "counts, LSA"):
        gains = [
            statistics.mean(ours) - statistics.mean(theirs)
            for name, labels in itertools.product(MODELS, (100, 1_000))
            if (ours := cell(done, name, labels, "and combined"))
            and (theirs := cell(done, name, labels, other))
        ]
        if gains:
            mean, least = statistics.mean(gains), min(gains)
            print(
                f"Combined less {other}: {mean:+.1f} on the mean of {len(gains)} cells, {least:+.1f} at least."
            )


def plot(options: argparse.Namespace) -> None:
    """One panel a data set: accuracy against labels, a line for each way with its spread."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    done = jobs.rows(options.out)
    names = [name for name in MODELS if any(row["name"] == name for row in done)]
    figure, axes = plt.subplots(
        1, len(names), figsize=(4 * len(names), 4), squeeze=False, layout="constrained"
    )
    for axis, name in zip(axes[0], names, strict=True):
        for k, way in enumerate(WAYS):
            points = [(x, cell(done, name, n, way)) for x, n in enumerate(MINUTES)]
            points = [(x, values) for x, values in points if values]
            means = [statistics.mean(values) for _, values in points]
            spread = [statistics.stdev(v) if len(v) > 1 else 0 for _, v in points]
            beside = [x + (k - 3) * 0.03 for x, _ in points]
            axis.errorbar(beside, means, yerr=spread, label=way, marker="o", capsize=2, color=f"C{k}")
        axis.set(title=name, xlabel="labels", ylabel="accuracy, %", xlim=(-0.3, len(MINUTES) - 0.7))
        axis.set_xticks(range(len(MINUTES)), [f"{n:,}" if n else "all" for n in MINUTES])
    figure.legend(
        *axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(WAYS), fontsize=8
    )
    figure.savefig(options.file, dpi=130)


def child(what: list[str], work: Path, share: float) -> None:
    """Do one thing; its result is the last line."""
    if what[0] == "tune":
        print(json.dumps({"tuned": what[1]} | tuned(what[1], work, share)))
    else:
        name, labels, seed, training = what[1:]
        print(json.dumps(trained(Run(name, int(labels), int(seed), training), work, share)))


def asked(
    about: str,
    name: str,
    *,
    sets: list[str],
    labels: list[int],
    sizes: Iterable[str] = (),
    trainings: Iterable[str] = (),
) -> argparse.Namespace:
    """What the command line asks for: of this script, or of one that trains its classifiers for something else."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    for step_name in ("run", "table", "plot", "child"):
        step = steps.add_parser(step_name)
        step.add_argument("--out", type=Path, default=Path(f"bench/results/{name}.jsonl"))
        step.add_argument("--work", type=Path, default=Path("runs") / name)
        step.add_argument("--sets", nargs="+", default=sets, choices=sets)
        step.add_argument("--labels", nargs="+", type=int, default=labels, choices=labels)
        if sizes:
            step.add_argument("--sizes", nargs="+", default=list(sizes), choices=list(sizes))
        if trainings:
            step.add_argument("--trainings", nargs="+", default=list(trainings), choices=list(trainings))
        step.add_argument("--seeds", type=int, default=3)
        step.add_argument("--jobs", type=int, default=2)
        step.add_argument("--share", type=float, default=1.0, help="of the minutes, to see that it runs")
        if step_name == "plot":
            step.add_argument("file", type=Path)
        elif step_name == "child":
            step.add_argument("what", nargs="+")
    return parser.parse_args()


def main() -> None:
    """Do it."""
    options = asked(__doc__, "few-labels", sets=list(MODELS), labels=list(MINUTES), trainings=TRAININGS)
    if options.step == "child":
        child(options.what, options.work, options.share)
    else:
        {"run": run_all, "table": table, "plot": plot}[options.step](options)


if __name__ == "__main__":
    main()

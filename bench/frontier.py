"""Accuracy against minutes: what `ulmus train --minutes M` gives, beside the word counts and the network in it.

    python bench/frontier.py run [--sets NAME ...] [--labels 100 1000 0] [--minutes 1 3 10 30 60] [--seeds 3] [--jobs 1]
                                    [--processor-time]
    python bench/frontier.py table [--minutes 10]    Markdown of what is done, and every cell that breaks a promise
    python bench/frontier.py plot FILE.png

A run is one `TextClassifier(minutes=M)` as a user calls it: labels drawn by the seed from the training part of a set,
all other texts of it without labels, the installed language model of its language; 0 labels means all there are. It is
tested on documents that no training saw (`splits.py`). Promises: what is shipped is never more than 0.3 points below
the word counts in it, nor more than 1.0 below its own best part, and a run ends within its minutes + 5 %. The last is
by the clock where one core is free; CPU minutes stand beside it. On a busy machine --processor-time makes the
processor's time the clock of the budget: the same work as on a free core, and the minutes taken are then CPU minutes.
Peers in the plot are those of `transformers-peers` and `few-labels`, at their own minutes. One process and one core a
run; what is in --out is not repeated. Needs $ULMUS_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from pathlib import Path
from typing import Any

import jobs
import splits
import transformers_peers

RESULTS = Path(__file__).parent / "results"
SETS = ("trec", "sst2", "goemotions", "20newsgroups", "imdb", "chnsenticorp", "wisesight")
LABELS = (100, 1_000, 0)
MINUTES = (1.0, 3.0, 10.0, 30.0, 60.0)
PARTS = ("combined", "counts", "lm")
BELOW_COUNTS, BELOW_BEST, OVER = 0.3, 1.0, 1.05  # what is promised, in points, and times the minutes
PEERS = {"trainer": "MiniLM, Trainer", "setfit": "MiniLM, SetFit", "frozen": "MiniLM, frozen"}


def trained(
    name: str, labels: int, minutes: float, seed: int, *, ensemble: str | None = None
) -> dict[str, Any]:
    """One training in this process: accuracies in % of what is shipped and of its parts, minutes, the verdict.

    With a choice of `ensemble` the row holds it and the number of networks.
    """
    import numpy as np

    from ulmus import TextClassifier

    split = splits.load(name)
    texts, values = splits.drawn(split, labels or len(split.pool[0]), seed)
    began, cpu = time.perf_counter(), time.process_time()
    model = TextClassifier(minutes=minutes, seed=seed, ensemble=ensemble or "none", verbose=False).fit(
        [text[0] for text in texts], values, unlabeled=[text[0] for text in split.pool[0]]
    )
    row: dict[str, Any] = {"name": name, "labels": labels, "minutes": minutes, "seed": seed}
    row |= {
        "took": round((time.perf_counter() - began) / 60, 3),
        "cpu": round((time.process_time() - cpu) / 60, 3),
    }
    if ensemble is not None:
        row |= {"ensemble": ensemble, "networks": len(model.fitted_.members)}
    classes = np.array(model.class_names_)
    for part in PARTS:
        proba = model.predict_proba([text[0] for text in split.test[0]], part=part)
        row[part] = round(splits.score(name, classes[proba.argmax(axis=1)], split.test[1]), 2)
    return row | {"weight": round(model.report_["weight"], 3), "verdict": model.report_["verdict"]}


def run(options: argparse.Namespace) -> None:
    """Train what is not in the file of results, the short ones first."""
    had = {(row["name"], row["labels"], row["minutes"], row["seed"]) for row in jobs.rows(options.out)}
    wanted = itertools.product(options.minutes, range(options.seeds), options.labels, options.sets)
    waiting = [
        [name, labels, minutes, seed]
        for minutes, seed, labels, name in wanted
        if (name, labels, minutes, seed) not in had
    ]
    how = ["--processor-time"] if options.processor_time else []
    jobs.run(__file__, waiting, how, jobs=options.jobs, out=options.out)


def cells(options: argparse.Namespace) -> list[tuple[tuple[str, int, float], list[dict[str, Any]]]]:
    """The runs of each set, number of labels and minutes."""
    done = jobs.rows(options.out)
    minutes = sorted({row["minutes"] for row in done} & set(options.minutes))
    order = itertools.product(SETS, LABELS, minutes)
    found = [
        (key, [row for row in done if (row["name"], row["labels"], row["minutes"]) == key]) for key in order
    ]
    return [(key, rows) for key, rows in found if rows]


def table(options: argparse.Namespace) -> None:
    """Mean ± deviation over the seeds, one row a cell, as Markdown; then the promises that are broken."""
    print(
        "| data set, labels | minutes | shipped | counts | network | weight | minutes taken | CPU minutes |"
    )
    print("|---|---|---|---|---|---|---|---|")
    gains, broken = [], []
    for (name, labels, minutes), rows in cells(options):
        means = {part: statistics.mean(row[part] for row in rows) for part in PARTS}
        took = max(row["took"] for row in rows)
        gains.append(means["combined"] - means["counts"])
        told = [jobs.told([row[part] for row in rows]) for part in PARTS]
        weight = statistics.mean(row["weight"] for row in rows)
        cpu = statistics.mean(row["cpu"] for row in rows)
        cell = f"{name}, {f'{labels:,}' if labels else 'all'}"
        print(f"| {cell} | {minutes:g} | {' | '.join(told)} | {weight:.2f} | {took:.1f} | {cpu:.1f} |")
        for what, short in (
            ("below the word counts", means["counts"] - BELOW_COUNTS - means["combined"]),
            ("below the network", means["lm"] - BELOW_BEST - means["combined"]),
            ("over time", took - OVER * minutes),
        ):
            if short > 0:
                broken.append(f"{cell}, {minutes:g} minutes: {what} by {short:.1f} more than promised")
    print(
        f"\nShipped less counts: {statistics.mean(gains):+.1f} on the mean of {len(gains)} cells, "
        f"{min(gains):+.1f} at least. {len(broken)} promises broken."
    )
    for line in broken:
        print(f"- {line}")


def plot(options: argparse.Namespace) -> None:
    """One panel a set and number of labels: accuracy against CPU minutes, of what is shipped, its parts, and peers."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    found, peers = cells(options), jobs.rows(RESULTS / "transformers-peers.jsonl")
    panels = list(dict.fromkeys(key[:2] for key, _ in found))
    figure, axes = plt.subplots(
        -(-len(panels) // 3), 3, figsize=(11, 2.8 * -(-len(panels) // 3)), squeeze=False, layout="constrained"
    )
    labelled: dict[str, Any] = {}
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis, (name, labels) in zip(axes.flat, panels, strict=False):
        mine = [rows for key, rows in found if key[:2] == (name, labels)]
        for part, style in zip(PARTS, ("o-", "s--", "^:"), strict=True):
            points = sorted(
                (statistics.mean(row["cpu"] for row in rows), statistics.mean(row[part] for row in rows))
                for rows in mine
            )
            label = {"combined": "shipped", "lm": "network"}.get(part, part)
            labelled[label] = axis.plot(*zip(*points, strict=True), style, color=f"C{PARTS.index(part)}")[0]
        for k, (way, label) in enumerate(PEERS.items()):
            beside = [row for row in peers if (row["name"], row["labels"], row["way"]) == (name, labels, way)]
            beside = [row for row in beside if row["settings"] == transformers_peers.defaults(way, labels)]
            if beside:
                x, y = (statistics.mean(row[key] for row in beside) for key in ("cpu_minutes", "score"))
                labelled[label] = axis.plot([x], [y], "x", color=f"C{3 + k}")[0]
        axis.set(title=f"{name}, {f'{labels:,}' if labels else 'all'} labels", xscale="log", xlim=(0.05, 100))
        axis.set_xticks([0.1, 1, 10, 60], ["0.1", "1", "10", "60"])
        axis.minorticks_off()
        axis.set(xlabel="CPU minutes", ylabel="accuracy, %")
    figure.legend(
        labelled.values(), labelled.keys(), loc="outside lower center", ncols=len(labelled), fontsize=8
    )
    figure.savefig(options.file, dpi=120)


def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)
    for name in ("run", "table", "plot", "child"):
        step = steps.add_parser(name)
        step.add_argument("--out", type=Path, default=RESULTS / "frontier.jsonl")
        if name != "child":
            step.add_argument("--minutes", nargs="+", type=float, default=list(MINUTES))
        if name == "run":
            step.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
            step.add_argument("--labels", nargs="+", type=int, default=list(LABELS))
            step.add_argument("--seeds", type=int, default=3)
            step.add_argument("--jobs", type=int, default=1)
        if name in ("run", "child"):
            step.add_argument("--processor-time", action="store_true")
        if name == "plot":
            step.add_argument("file", type=Path)
        if name == "child":
            for argument, kind in (("name", str), ("labels", int), ("minutes", float), ("seed", int)):
                step.add_argument(argument, type=kind)
    options = parser.parse_args()
    if options.step == "child":
        if options.processor_time:
            time.perf_counter = time.process_time
        print(json.dumps(trained(options.name, options.labels, options.minutes, options.seed)))
    else:
        {"run": run, "table": table, "plot": plot}[options.step](options)


if __name__ == "__main__":
    main()

"""What several networks instead of one are worth in the same minutes: `ulmus train --ensemble CHOICE --minutes M`.

    python bench/ensembles.py run [--sets NAME ...] [--choices CHOICE ...] [--labels 100] [--minutes 3] [--seeds 2]
    python bench/ensembles.py table      Markdown of what is done

A run is that of `frontier.py`, with its sets, draws of labels and tests, on one core; `none` is one network. Minutes
are those of the processor, also for the budget: a busy machine makes a run longer, not worse. In the table stand
accuracies in %, of what is shipped and of the networks averaged, and the minutes taken. What is in --out is not
repeated. Needs $ULMUS_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from pathlib import Path

import frontier
import jobs

CHOICES = ("none", "seeds:3", "directions", "tokenizers", "auto")
SETS = ("trec", "sst2")


def run(options: argparse.Namespace) -> None:
    """Train what is not in the file of results."""
    keys = ("name", "ensemble", "labels", "minutes", "seed")
    had = {tuple(row[key] for key in keys) for row in jobs.rows(options.out)}
    wanted = itertools.product(
        options.sets, options.choices, options.labels, options.minutes, range(options.seeds)
    )
    waiting = [list(key) for key in wanted if key not in had]
    jobs.run(__file__, sorted(waiting, key=lambda key: key[-1]), [], jobs=options.jobs, out=options.out)


def table(options: argparse.Namespace) -> None:
    """Mean ± deviation over the seeds, one row a set and a choice."""
    rows = jobs.rows(options.out)
    print(
        "| data set, labels | minutes | ensemble | runs | shipped | networks | networks trained | minutes taken |"
    )
    print("|---|---|---|---|---|---|---|---|")
    keys = dict.fromkeys((row["name"], row["labels"], row["minutes"]) for row in rows)
    for (name, labels, minutes), choice in itertools.product(keys, CHOICES):
        key = (name, labels, minutes, choice)
        mine = [row for row in rows if (row["name"], row["labels"], row["minutes"], row["ensemble"]) == key]
        if mine:
            shipped, network = (jobs.told([row[part] for row in mine]) for part in ("combined", "lm"))
            trained = statistics.mean(row["networks"] for row in mine)
            cpu = statistics.mean(row["cpu"] for row in mine)
            shown = f"{len(mine)} | {shipped} | {network} | {trained:g} | {cpu:.1f}"
            print(f"| {name}, {labels or 'all'} | {minutes:g} | {choice} | {shown} |")


def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)
    for name in ("run", "table", "child"):
        step = steps.add_parser(name)
        step.add_argument("--out", type=Path, default=frontier.RESULTS / "ensembles.jsonl")
        if name == "run":
            step.add_argument("--sets", nargs="+", default=list(SETS), choices=frontier.SETS)
            step.add_argument("--choices", nargs="+", default=list(CHOICES))
            step.add_argument("--labels", nargs="+", type=int, default=[100])
            step.add_argument("--minutes", nargs="+", type=float, default=[3.0])
            step.add_argument("--seeds", type=int, default=2)
            step.add_argument("--jobs", type=int, default=1)
        if name == "child":
            for argument, kind in (
                ("name", str),
                ("choice", str),
                ("labels", int),
                ("minutes", float),
                ("seed", int),
            ):
                step.add_argument(argument, type=kind)
    options = parser.parse_args()
    if options.step == "child":
        time.perf_counter = time.process_time  # the clock of budgets and stages
        how = (options.name, options.labels, options.minutes, options.seed)
        print(json.dumps(frontier.trained(*how, ensemble=options.choice)))
    else:
        {"run": run, "table": table}[options.step](options)


if __name__ == "__main__":
    main()

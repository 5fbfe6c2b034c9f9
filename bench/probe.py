"""The quick measure of an encoder: logistic regression on frozen features, 100 and 1,000 labels; nothing is fine-tuned.

    python bench/probe.py run [ENCODER ...] [--sets NAME ...] [--labels 100 1000] [--seeds 3] [--jobs 1] [--out FILE]
    python bench/probe.py table [--out FILE]      Markdown of what is done

An ENCODER is the name or path of an Ulmus language model, or a peer: static, lsa, minilm (`encoders.py`); default:
en-small, zh-small and all peers. A language model is probed on the sets of its language, peers on all. The penalty of
the regression is chosen by cross-validation (`regression.py`); the test set has 1,000 documents at most (`splits.py`).
A row is a data set and an encoder: accuracies in % by labels and seed, minutes of it all, CPU seconds for 1,000 of the
encoder's own tokens, on one core. What is in --out is not repeated. Needs $ULMUS_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import encoders
import jobs
import regression
import splits

PROBED = ("trec", "sst2", "20newsgroups", "imdb", "goemotions", "chnsenticorp", "wisesight")
LABELS = (100, 1_000)
TESTED = 1_000  # documents of a set, at most


def probed(name: str, encoder: str, labels: list[int], seeds: int) -> dict[str, Any]:
    """Scores of an encoder on a data set, in this process."""
    began = time.perf_counter()
    split = splits.load(name, TESTED)
    # a seed's smaller samples are the beginnings of its largest
    drawn = [splits.drawn(split, max(labels), seed) for seed in range(seeds)]
    test = [text[0] for text in split.test[0]]
    wanted = list(dict.fromkeys([*test, *(text[0] for texts, _ in drawn for text in texts)]))
    row = {text: i for i, text in enumerate(wanted)}
    made = encoders.features(encoder, wanted, [text[0] for text in split.pool[0]], splits.SETS[name].language)
    tested = made.x[[row[text] for text in test]]
    scores: dict[str, list[float]] = {str(count): [] for count in labels}
    for count in labels:
        for seed, (texts, values) in enumerate(drawn):
            x = made.x[[row[text[0]] for text in texts[:count]]]
            predict = regression.classifier(x, values[:count], seed)
            scores[str(count)].append(round(splits.score(name, predict(tested), split.test[1]), 2))
    return {
        "name": name,
        "encoder": encoder,
        "scores": scores,
        "features": made.x.shape[1],
        "minutes": round((time.perf_counter() - began) / 60, 2),
        "cpu_s_per_1000_tokens": round(1000 * made.cpu_s / made.tokens, 5),
        "tokens": made.tokens,
    }


def run(options: argparse.Namespace) -> None:
    """Probe what is not in the file of results."""
    had = {
        (row["name"], row["encoder"])
        for row in jobs.rows(options.out)
        if all(len(row["scores"].get(str(count), [])) >= options.seeds for count in options.labels)
    }
    waiting = [
        [name, encoder]
        for encoder in options.encoders
        for name in options.sets
        if (name, encoder) not in had and encoders.language_of(encoder) in (None, splits.SETS[name].language)
    ]
    more = ["--labels", *options.labels, "--seeds", options.seeds]
    jobs.run(__file__, waiting, more, jobs=options.jobs, out=options.out)


def table(options: argparse.Namespace) -> None:
    """Mean ± deviation over the seeds, one row an encoder, as Markdown; then what it costs."""
    rows = {(row["name"], row["encoder"]): row for row in jobs.rows(options.out)}
    names = [name for name in PROBED if any(name == key[0] for key in rows)]
    print(f"| encoder, labels | {' | '.join(names)} | minutes | CPU s, 1,000 tokens |")
    print(f"|---|{'---|' * (len(names) + 2)}")
    for encoder in dict.fromkeys(key[1] for key in rows):
        mine = {name: rows[name, encoder] for name in names if (name, encoder) in rows}
        minutes = sum(row["minutes"] for row in mine.values())
        cost = statistics.median(row["cpu_s_per_1000_tokens"] for row in mine.values())
        for count in LABELS:
            cells = [
                jobs.told(mine[name]["scores"].get(str(count), [])) if name in mine else "-" for name in names
            ]
            print(f"| {Path(encoder).stem}, {count:,} | {' | '.join(cells)} | {minutes:.1f} | {cost:.4f} |")


def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)
    for name in ("run", "table", "child"):
        step = steps.add_parser(name)
        step.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "probe.jsonl")
        if name == "run":
            everything = ["en-small", "zh-small", *encoders.PEERS]
            step.add_argument("encoders", nargs="*", metavar="ENCODER", default=everything)
            step.add_argument("--sets", nargs="+", default=list(PROBED), choices=PROBED)
            step.add_argument("--jobs", type=int, default=1)
        if name == "child":
            step.add_argument("name")
            step.add_argument("encoder")
        if name != "table":
            step.add_argument("--labels", nargs="+", type=int, default=list(LABELS))
            step.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    if options.step == "child":
        print(json.dumps(probed(options.name, options.encoder, options.labels, options.seeds)))
    else:
        {"run": run, "table": table}[options.step](options)


if __name__ == "__main__":
    main()

"""IMDb with few and many labels: language model alone, word counts alone, both combined; one table, a JSON line a run.

    python bench/imdb.py split|lm|train|table [--labels 20000|1000|100] [--seed 0] [--out runs/imdb]

The 25,000 labelled training reviews are split once (seed 0): 5,000 are the test set, 20,000 the pool from which labels
are drawn. Reviews of the test set are in no training text, with or without label. Everything runs through the command
line; `split` writes the input files, `train` adds a line to results.jsonl, `table` prints the means.
Needs $ULMUS_DATA (default ../shared/data). Takes hours on 2 cores, each step minutes to an hour.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from ulmus import Source, read

DATA = Path(os.environ.get("ULMUS_DATA", "../shared/data")) / "imdb"
MINUTES = {20_000: 55, 1_000: 40, 100: 20}
PARTS = ("lm", "counts", "combined")


def write(path: Path, **columns: list[str]) -> None:
    """One csv file, quoted as it must be."""
    csv.write_csv(pa.table(columns), path)


def split(out: Path) -> None:
    """judge.csv, unsup.csv, and for each number of labels and seed the labelled and the other texts of the pool."""
    records = list(read(Source(DATA / "train.csv.zst", text=("text",), label="label")))
    texts, labels = np.array([r.text for r in records], object), np.array([r.label for r in records], object)
    order = np.random.default_rng(0).permutation(len(texts))
    judge, pool = order[:5000], order[5000:]
    write(out / "judge.csv", label=list(labels[judge]), text=list(texts[judge]))
    judged = set(texts[judge])
    unsup = [r.text for r in read(Source(DATA / "unsup.csv.zst", text=("text",))) if r.text not in judged]
    write(out / "unsup.csv", text=unsup)
    write(out / "pool.csv", text=list(texts[pool]))
    for count, seeds in ((20_000, (0,)), (1_000, (0, 1, 2)), (100, (0, 1, 2))):
        for seed in seeds:
            chosen = np.random.default_rng(seed).permutation(len(pool))
            mine, rest = pool[chosen[:count]], pool[chosen[count:]]
            write(out / f"labels-{count}-{seed}.csv", label=list(labels[mine]), text=list(texts[mine]))
            write(out / f"rest-{count}-{seed}.csv", text=list(texts[rest]))


def ulmus(*arguments: object) -> dict[str, object]:
    """Run a command with --json and return what it printed."""
    command = [sys.executable, "-m", "ulmus", *map(str, arguments), "--json"]
    print("$ ulmus " + " ".join(command[3:]), flush=True)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


def lm(out: Path, minutes: float) -> None:
    """Fine-tune one language model on all texts except the test set."""
    found = ulmus(
        "pretrain",
        out / "unsup.csv",
        out / "pool.csv",
        "--text",
        "text",
        "--minutes",
        minutes,
        "--out",
        out / "lm.ulmus",
    )
    (out / "lm.json").write_text(json.dumps(found), encoding="utf-8")
    print(found)


def train(out: Path, labels: int, seed: int) -> None:
    """Train one classifier and evaluate it on the test set; the result goes to results.jsonl."""
    model = out / f"{labels}-{seed}.ulmus"
    unlabeled = [] if labels == 20_000 else ["--unlabeled", out / f"rest-{labels}-{seed}.csv"]
    began = time.time()
    report = ulmus(
        "train", out / f"labels-{labels}-{seed}.csv", "--text", "text", "--label", "label", *unlabeled,
        "--unlabeled", out / "unsup.csv", "--language-model", out / "lm.ulmus", "--minutes", MINUTES[labels],
        "--seed", seed, "--out", model,
    )  # fmt: skip
    minutes = (time.time() - began) / 60
    judged = ulmus("evaluate", model, out / "judge.csv", "--text", "text", "--label", "label")
    row = {"labels": labels, "seed": seed, "minutes": round(minutes, 1), "weight": report.get("weight")}
    row |= {part: round(100 * judged["parts"][part]["accuracy"], 2) for part in PARTS}  # type: ignore[index]
    with (out / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(row)


def table(out: Path) -> None:
    """Means and spread over the seeds, as the rows of a Markdown table."""
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    print("| labels | language model alone | word counts | combined | minutes |\n|---|---|---|---|---|")
    for labels in sorted({row["labels"] for row in rows}, reverse=True):
        mine = list({row["seed"]: row for row in rows if row["labels"] == labels}.values())
        cells = [f"{labels:,} ({len(mine)} samples)" if len(mine) > 1 else f"{labels:,}"]
        for part in PARTS:
            values = [row[part] for row in mine]
            spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.1f}{spread}")
        cells.append(f"{statistics.mean(row['minutes'] for row in mine):.0f}")
        print("| " + " | ".join(cells) + " |")


def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("split", "lm", "train", "table"))
    parser.add_argument("--labels", type=int, default=1_000, choices=tuple(MINUTES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--out", type=Path, default=Path("runs/imdb"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    steps = {
        "split": lambda: split(options.out),
        "lm": lambda: lm(options.out, options.minutes),
        "train": lambda: train(options.out, options.labels, options.seed),
        "table": lambda: table(options.out),
    }
    steps[options.step]()


if __name__ == "__main__":
    main()

"""Perplexity on WikiText-2, official split and tokens, and ways to average weights measured against each other.

    python bench/wikitext2.py run [--recipes adamw adamw-ema sgd-ema nt-asgd] [--epochs 12] [--jobs 2]
    python bench/wikitext2.py run --recipes published --epochs 6 --jobs 1
    python bench/wikitext2.py table

Tokens are the words between spaces, `<eos>` at the end of each line, all 33,278 of them known: perplexities compare
with those of papers. `published` is the recipe of Merity et al. 2017: 400/1150/3, their dropouts, batches of 80, SGD at
30, NT-ASGD. The others have the small shape and the library's usual dropouts, and read the text as often as each other:
AdamW in one cycle, the same with a moving average of the weights, SGD with a moving average, SGD with NT-ASGD (which
there waits for 2 evaluations instead of 5). The averaged weights of the best epoch are evaluated, each text as one
stream, in float32. A run that was stopped resumes from its checkpoint. Needs $ULMUS_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

import jobs
import numpy as np

DATA = Path(os.environ.get("ULMUS_DATA", "../shared/data")) / "lm"
OUT = Path("bench/results/wikitext2.jsonl")
SGD = {"optimizer": "sgd", "clip": 0.25, "weight_decay": 1.2e-6, "rate": 30.0}
RECIPES: dict[str, dict[str, Any]] = {
    "adamw": {},
    "adamw-ema": {"ema": 0.999},
    "sgd-ema": {**SGD, "ema": 0.9995},
    "nt-asgd": {**SGD, "nt_asgd": 2},
    "published": {**SGD, "nt_asgd": 5, "batch_size": 80},
}
PUBLISHED = {"input": 0.65, "hidden": 0.2, "output": 0.4, "embedding": 0.1, "weight": 0.5}


def stores() -> tuple[dict[str, Any], int]:
    """The ids of train, valid and test, each one document; ids by frequency; and the size of the vocabulary."""
    from ulmus.corpus.streams import open_text
    from ulmus.data.store import IdStore

    words = {}
    for part in ("train", "valid", "test"):
        with open_text(DATA / f"wikitext-2.{part}.txt.zst") as file:
            lines = file.read().decode().splitlines()
        words[part] = np.array([word for line in lines for word in [*line.split(), "<eos>"]])
    vocabulary, index, counts = np.unique(words["train"], return_inverse=True, return_counts=True)
    rank = np.empty(len(vocabulary), np.int32)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(vocabulary))
    ids = {part: rank[np.searchsorted(vocabulary, words[part])] for part in ("valid", "test")}
    ids["train"] = rank[index.reshape(-1)]
    return {part: IdStore.from_arrays([each]) for part, each in ids.items()}, len(vocabulary)


def settings(recipe: str) -> tuple[Any, Any]:
    """Config of the language model, and the schedule of its rate."""
    from ulmus.models.encoder import Dropouts
    from ulmus.tasks.language_model.config import lm_config
    from ulmus.train.schedules import Schedule

    changes = dict(RECIPES[recipe])
    rate = changes.pop("rate", None)
    small = recipe != "published"
    config = lm_config("small" if small else "base")
    dropouts = Dropouts() if small else Dropouts(**PUBLISHED)
    schedule = Schedule("constant", rate) if rate else Schedule("one_cycle", 5e-3, turn=0.1)
    return dataclasses.replace(config, dropouts=dropouts, **changes), schedule


def trained(recipe: str, seed: int, epochs: int, work: Path) -> dict[str, Any]:
    """Train by a recipe; perplexities on both texts, and of each epoch."""
    from ulmus.data.lm_batches import LMBatches
    from ulmus.evaluation.metrics import perplexity
    from ulmus.tasks.language_model.network import build
    from ulmus.train.evaluate import evaluate
    from ulmus.train.loop import LoopConfig, Stage, Trainer

    texts, size = stores()
    config, schedule = settings(recipe)
    network = build(config, size, seed=seed)
    work.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(
        network,
        [Stage("language model", epochs, schedule, weight_decay=config.weight_decay)],
        train=LMBatches(texts["train"], batch_size=config.batch_size, bptt=config.bptt, seed=seed),
        valid=LMBatches(texts["valid"], batch_size=10, bptt=70, random_bptt=False, shuffle=False),
        config=LoopConfig(
            seed=seed,
            precision="auto",
            clip=config.clip,
            optimizer=config.optimizer,
            ema=config.ema,
            nt_asgd=config.nt_asgd,
            keep_best=True,
        ),
        checkpoint=work / f"{recipe}-{epochs}-{seed}.checkpoint",
    )
    rows = trainer.run().rows
    one = {"batch_size": 1, "bptt": 256, "random_bptt": False, "shuffle": False}
    found = {part: evaluate(network, LMBatches(texts[part], **one))["loss"] for part in ("valid", "test")}
    return {
        "recipe": recipe,
        "seed": seed,
        "epochs": epochs,
        **{part: perplexity(loss) for part, loss in found.items()},
        "curve": [round(perplexity(row["loss"]), 1) for row in rows],
        "minutes": round(sum(row["seconds"] for row in rows[-1:]) / 60, 1),
        "date": time.strftime("%Y-%m-%d"),
    }


def table(out: Path) -> None:
    """Mean and spread over the seeds as Markdown."""
    done = jobs.rows(out)
    print("| recipe | epochs | validation | test | minutes |\n|---|---|---|---|---|")
    for recipe, epochs in dict.fromkeys((row["recipe"], row["epochs"]) for row in done):
        mine = [row for row in done if (row["recipe"], row["epochs"]) == (recipe, epochs)]
        columns = (jobs.told([row[key] for row in mine]) for key in ("valid", "test", "minutes"))
        print(f"| {recipe} | {epochs} | {' | '.join(columns)} |")


def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("run", "table", "child"))
    parser.add_argument("what", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES)[:-1], choices=RECIPES)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--work", type=Path, default=Path("runs/wikitext2"))
    options = parser.parse_args()
    if options.step == "table":
        table(options.out)
    elif options.step == "child":
        recipe, seed, epochs = options.what
        print(json.dumps(trained(recipe, int(seed), int(epochs), options.work)))
    else:
        had = {(row["recipe"], row["seed"], row["epochs"]) for row in jobs.rows(options.out)}
        wanted = [(r, s, options.epochs) for s in range(options.seeds) for r in options.recipes]
        todo = [run for run in wanted if run not in had]
        jobs.run(__file__, todo, ["--work", options.work], jobs=options.jobs, out=options.out)


if __name__ == "__main__":
    main()

"""Is the order of the labelling page worth more than texts drawn at random?

    python bench/labelling.py run [trec|20newsgroups|imdb ...]    appends rows to bench/results/labelling.jsonl; resumes
    python bench/labelling.py table

A person who always answers right labels 200 texts of a pool at the page's desk, which learns after every ten answers as
the page does. At 100 and 200 labels the page's own quick model is tested on the test set of `splits.py`. Beside it:
the same model with as many texts of the pool drawn at random. Five draws; the pool is 2,000 texts at most, 1,500 of
long ones. Also recorded: the accuracy that the page showed, and whether its interval held the tested one.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from splits import load

from ulmus.labelling.desk import Desk, Sheet
from ulmus.labelling.journal import Journal
from ulmus.labelling.quick import COLD, Lesson, QuickModel, Trained
from ulmus.labelling.trainer import FIRST

ROWS = Path(__file__).parent / "results" / "labelling.jsonl"
SETS = {"trec": 2_000, "20newsgroups": 1_500, "imdb": 1_500}  # texts in the pool, at most
SEEDS = (0, 1, 2, 3, 4)
SIZES = (100, 200)
WAYS = ("at random", "page")


class Pool:
    """Texts with their true labels, counted once, and a test set."""

    def __init__(self, name: str, seed: int) -> None:
        split = load(name)
        drawn = np.random.default_rng(seed).permutation(len(split.pool[0]))[: SETS[name]]
        truth = {split.pool[0][i][0]: str(split.pool[1][i]) for i in drawn}
        self.texts, self.labels = list(truth), list(truth.values())
        self.test = [text for (text,) in split.test[0]], np.array([str(label) for label in split.test[1]])
        self.quick, self.seed = QuickModel(self.texts, seed=seed), seed

    def at_random(self) -> Iterator[Trained | None]:
        """Models of texts drawn at random."""
        order = np.random.default_rng(self.seed).permutation(len(self.texts))
        for size in SIZES:
            yield self.quick.learn(Lesson.of([(int(i), self.labels[i], True) for i in order[:size]]))

    def page(self) -> Iterator[Trained | None]:
        """Models of texts as the desk offers them."""
        with tempfile.TemporaryDirectory() as folder:
            sheet = Sheet.of(self.texts, [None] * len(self.texts))
            desk = Desk(sheet, Journal(Path(folder) / "journal.jsonl"), seed=self.seed)
            for size in range(0, SIZES[-1] + FIRST, FIRST):
                lesson = Lesson.of(desk.answers())
                trained = self.quick.learn(lesson) if size >= COLD else None
                if size in SIZES:
                    yield trained
                desk.reorder(self.quick.order(trained, lesson, desk.open_texts()))
                for _ in range(FIRST if size < SIZES[-1] else 0):
                    offer = desk.next("oracle")
                    if offer is not None:
                        desk.answer("oracle", sheet.keys[offer.number], self.labels[offer.number])

    def score(self, trained: Trained) -> float:
        """Accuracy on the test set."""
        best = trained.model.proba_of(self.test[0]).argmax(axis=1)
        return float((np.array(trained.classes)[best] == self.test[1]).mean())


def measured(names: list[str], done: set[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """A row for each way, draw and number of labels."""
    for name in names:
        for seed in SEEDS:
            if all((name, seed, way) in done for way in WAYS):
                continue
            pool = Pool(name, seed)
            for way, models in (("at random", pool.at_random()), ("page", pool.page())):
                started = time.process_time()
                for size, trained in zip(SIZES, models, strict=True):
                    if trained is None:
                        continue
                    shown = pool.quick.accuracy(trained)
                    yield {
                        "set": name, "seed": seed, "way": way, "labels": size, "score": pool.score(trained),
                        "shown": None if shown is None else shown._asdict(), "classes": len(trained.classes),
                        "cpu_s": round(time.process_time() - started, 1),
                    }  # fmt: skip


def table() -> None:
    """Accuracy in %, mean ± standard deviation of the draws; how often the page's interval held it."""
    rows = _rows()
    heads = [f"{size} {way}" for size in SIZES for way in WAYS]
    print(f"| data set | {' | '.join(heads)} | interval held it |")
    print("|---|" + "---|" * (len(heads) + 1))
    for name in SETS:
        mine = [row for row in rows if row["set"] == name]
        if mine:
            cells = [_cell(mine, size, way) for size in SIZES for way in WAYS]
            shown = [row for row in mine if row["way"] == "page" and row["shown"]["at_random"]]
            held = sum(row["shown"]["low"] <= row["score"] <= row["shown"]["high"] for row in shown)
            print(f"| {name} | {' | '.join(cells)} | {held} of {len(shown)} |")


def _cell(rows: list[dict[str, Any]], size: int, way: str) -> str:
    scores = [100 * row["score"] for row in rows if (row["labels"], row["way"]) == (size, way)]
    return f"{np.mean(scores):.1f} ± {np.std(scores, ddof=1):.1f}" if len(scores) > 1 else "-"


def _rows() -> list[dict[str, Any]]:
    return (
        [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()] if ROWS.exists() else []
    )


def main(arguments: list[str]) -> None:
    """Measure what is not measured yet, or show what was measured."""
    if arguments == ["table"]:
        table()
        return
    done = {(row["set"], row["seed"], row["way"]) for row in _rows() if row["labels"] == SIZES[-1]}
    with ROWS.open("a", encoding="utf-8") as file:
        for row in measured(arguments[1:] or list(SETS), done):
            print(row, flush=True)
            file.write(json.dumps(row) + "\n")
            file.flush()


if __name__ == "__main__":
    main(sys.argv[1:])

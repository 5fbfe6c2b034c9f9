"""Are chosen texts worth more labels than texts drawn at random? Does a learning curve foretell the truth?

    python bench/active.py run [choice|curve ...]    appends rows to bench/results/active.jsonl; resumes
    python bench/active.py table

Word counts throughout, as `WordCounts` fits them. choice: the first 100 labels are those of texts drawn at random or of
typical ones (`suggest` without a label); to the random ones 300 more are added, drawn at random or chosen by `suggest`,
at once or in three rounds of 100. The pool is 5,000 texts at most (2,000 of the long posts), whose other texts have no
label; three draws; the test set is that of `splits.py`. curve: `learning_curve` on 1,000 film reviews and 3,000 without
a label foretells the accuracy with 2,000 labels; the truth is measured on 3,000 other reviews.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from splits import load

from ulmus.studies.learning_curve import CurveConfig, learning_curve
from ulmus.studies.suggestion import suggest
from ulmus.tasks.word_counts import WordCounts

ROWS = Path(__file__).parent / "results" / "active.jsonl"
SETS = {"trec": 5_000, "imdb": 5_000, "20newsgroups": 2_000}  # texts in the pool, at most
SEEDS = (0, 1, 2)
FIRST, MORE, ROUNDS = 100, 300, 3
LABELS, UNLABELED, TRUTH, TESTED = 1_000, 3_000, 2_000, 3_000

Key = tuple[Any, ...]


class Pool:
    """Texts that labels can be asked for, and a test set."""

    def __init__(self, name: str) -> None:
        split = load(name)
        drawn = np.random.default_rng(0).permutation(len(split.pool[0]))[: SETS[name]]
        self.texts, self.labels = ([split.pool[k][i] for i in drawn] for k in (0, 1))
        self.texts = [text for (text,) in self.texts]
        self.test = [text for (text,) in split.test[0]], split.test[1]

    def given(self, chosen: np.ndarray) -> tuple[list[str], list[str]]:
        """The chosen texts and their labels."""
        return [self.texts[i] for i in chosen], [self.labels[i] for i in chosen]

    def others(self, chosen: np.ndarray) -> np.ndarray:
        """The numbers of the texts without a label."""
        return np.setdiff1d(np.arange(len(self.texts)), chosen)

    def score(self, chosen: np.ndarray) -> float:
        """Accuracy in % after learning the labels of the chosen texts."""
        rest = [self.texts[i] for i in self.others(chosen)]
        model = WordCounts().fit(*self.given(chosen), unlabeled=rest)
        return 100 * model.score(*self.test)

    def chosen(self, k: int, labelled: np.ndarray, seed: int) -> np.ndarray:
        """The labelled texts and `k` that are suggested next."""
        rest = self.others(labelled)
        known = self.given(labelled) if len(labelled) else None
        found = suggest([self.texts[i] for i in rest], k, known, seed=seed)
        return np.concatenate([labelled, rest[[one.document for one in found]]])


def choice(done: set[Key]) -> Iterator[dict[str, Any]]:
    """Accuracy with the labels of each way of choosing."""
    for name in SETS:
        pool = Pool(name)
        for way in WAYS:
            for seed in SEEDS:
                if ("choice", name, seed, way) not in done:
                    started = time.process_time()
                    labelled = WAYS[way](pool, seed)
                    score, classes = pool.score(labelled), len(set(pool.given(labelled)[1]))
                    yield {
                        "what": "choice", "set": name, "seed": seed, "way": way, "labels": len(labelled),
                        "classes": classes, "score": score, "cpu_s": round(time.process_time() - started, 1),
                    }  # fmt: skip


def _random(pool: Pool, seed: int, n: int = FIRST) -> np.ndarray:
    return np.random.default_rng(seed).permutation(len(pool.texts))[:n]


def _typical(pool: Pool, seed: int) -> np.ndarray:
    return pool.chosen(FIRST, np.zeros(0, np.int64), seed)


def _more_random(pool: Pool, seed: int) -> np.ndarray:
    return _random(pool, seed, FIRST + MORE)


def _at_once(pool: Pool, seed: int) -> np.ndarray:
    return pool.chosen(MORE, _random(pool, seed), seed)


def _in_rounds(pool: Pool, seed: int) -> np.ndarray:
    labelled = _random(pool, seed)
    for _ in range(ROUNDS):
        labelled = pool.chosen(MORE // ROUNDS, labelled, seed)
    return labelled


def curve(done: set[Key]) -> Iterator[dict[str, Any]]:
    """What a curve of 1,000 labels says of 2,000, and the truth."""
    (texts, labels), _ = load("imdb")
    for seed in SEEDS:
        if ("curve", "imdb", seed, "law") in done:
            continue
        order = np.random.default_rng(seed).permutation(len(texts))
        known, more = order[:LABELS], order[LABELS : LABELS + UNLABELED]
        tested = order[-TESTED:]
        plain = [text for (text,) in texts]
        found = learning_curve(
            [plain[i] for i in known],
            [labels[i] for i in known],
            [plain[i] for i in more],
            config=CurveConfig(seeds=2),
            tell=print,
        )
        truth = []
        for n in (LABELS, TRUTH):
            model = WordCounts().fit(
                [plain[i] for i in order[:n]],
                [labels[i] for i in order[:n]],
                unlabeled=[plain[i] for i in order[n : LABELS + UNLABELED]],
            )
            truth.append(100 * model.score([plain[i] for i in tested], [labels[i] for i in tested]))
        yield {
            "what": "curve", "set": "imdb", "seed": seed, "way": "law", "labels": LABELS, "sizes": found.sizes,
            "scores": found.scores, "at": found.at(TRUTH), "gain": found.gain(TRUTH - LABELS), "truth": truth,
        }  # fmt: skip


def table() -> None:
    """Accuracy in %, mean ± standard deviation of the draws, and what the curves foretold."""
    rows = _rows()
    print(f"| data set | {' | '.join(WAYS)} |")
    print("|---|" + "---|" * len(WAYS))
    for name in SETS:
        print(f"| {name} | {' | '.join(_cell(rows, name, way) for way in WAYS)} |")
    print()
    print("| reviews, draw | foretold with 2,000 labels | truth | foretold gain over 1,000 | truth |")
    print("|---|---|---|---|---|")
    for row in rows:
        if row["what"] == "curve":
            first, second = row["truth"]
            print(
                f"| {row['seed']} | {_estimate(row['at'], '.1f')} | {second:.1f} | {_estimate(row['gain'], '+.1f')} | "
                f"{second - first:+.1f} |"
            )


def _cell(rows: list[dict[str, Any]], name: str, way: str) -> str:
    scores = [row["score"] for row in rows if (row["set"], row["way"]) == (name, way)]
    return f"{np.mean(scores):.1f} ± {np.std(scores, ddof=1):.1f}" if len(scores) > 1 else "-"


def _estimate(found: list[float], form: str) -> str:
    points, low, high = (format(number, form) for number in found)
    return f"{points} ({low} to {high})"


def _rows() -> list[dict[str, Any]]:
    return (
        [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()] if ROWS.exists() else []
    )


def main(arguments: list[str]) -> None:
    """Measure what is not measured yet, or show what was measured."""
    if arguments == ["table"]:
        return table()
    done = {(row["what"], row["set"], row["seed"], row["way"]) for row in _rows()}
    with ROWS.open("a", encoding="utf-8") as file:
        for name in arguments[1:] or MEASURED:
            for row in MEASURED[name](done):
                print(row, flush=True)
                file.write(json.dumps(row) + "\n")
                file.flush()
    return None


WAYS: dict[str, Callable[[Pool, int], np.ndarray]] = {
    "100 at random": _random,
    "100 typical": _typical,
    "400 at random": _more_random,
    "400, 300 chosen at once": _at_once,
    "400, in three rounds": _in_rounds,
}
MEASURED = {"choice": choice, "curve": curve}

if __name__ == "__main__":
    main(sys.argv[1:])

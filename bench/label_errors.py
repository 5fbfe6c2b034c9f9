"""Are wrong labels found? 5 % of the labels are changed at random; how many of the most suspicious 5 % are those?

    python bench/label_errors.py run [--data imdb] [--texts 2000] [--seeds 3]    rows to results/label-errors.jsonl
    python bench/label_errors.py table

The probabilities are those of `ulmus train --report`: word counts, out of fold, fitted to the changed labels. Rules
that use them: *Ulmus* (`evaluation/label_errors.py`: the labels that the report names, in its order, then the others),
*self-confidence* (the probability of the given label), *normalized margin* (that less the best other one's), and *prune
by noise rate, self-confidence*: what `find_label_issues` of cleanlab does by default. cleanlab is not installed: its
rules are computed here from the formulas of Northcutt et al. 2021 (sections 3.1 to 3.3), apart from the code of Ulmus.
Needs $ULMUS_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import splits

from ulmus.evaluation.label_errors import label_errors

ROWS = Path(__file__).parent / "results" / "label-errors.jsonl"
SHARE = 0.05  # of labels that are changed
Rule = Callable[[np.ndarray, np.ndarray], np.ndarray]


def ulmus(target: np.ndarray, proba: np.ndarray) -> np.ndarray:
    """The numbers (N,) of all documents: those that the report names, then the others by the same probability."""
    named = label_errors(target, proba).documents
    rest = self_confidence(target, proba)
    return np.concatenate([named, rest[~np.isin(rest, named)]])


def self_confidence(target: np.ndarray, proba: np.ndarray) -> np.ndarray:
    """All documents (N,) by the probability of the given label."""
    return np.argsort(proba[np.arange(len(target)), target], kind="stable")


def normalized_margin(target: np.ndarray, proba: np.ndarray) -> np.ndarray:
    """All documents (N,) by the probability of the given label less the largest of the others."""
    others = proba.copy()
    others[np.arange(len(target)), target] = -np.inf
    return np.argsort(proba[np.arange(len(target)), target] - others.max(axis=1), kind="stable")


def pruned(target: np.ndarray, proba: np.ndarray) -> np.ndarray:
    """The documents (K,) of the rule "prune by noise rate", by the probability of their labels; then the others."""
    n, classes = proba.shape
    t = np.array([proba[target == j, j].mean() for j in range(classes)])
    counts = np.zeros((classes, classes))
    for i, p in zip(target, proba, strict=True):
        above = [j for j in range(classes) if p[j] >= t[j]]
        if above:
            counts[i, max(above, key=lambda j: p[j])] += 1
    joint = counts / counts.sum(axis=1, keepdims=True) * np.bincount(target, minlength=classes)[:, None] / n
    found: set[int] = set()
    for i in range(classes):
        for j in range(classes):
            if i != j:
                own = np.flatnonzero(target == i)
                order = own[np.argsort(-(proba[own, j] - proba[own, i]), kind="stable")]
                found.update(order[: round(n * joint[i, j])].tolist())
    by_confidence = self_confidence(target, proba)
    inside = np.isin(by_confidence, list(found))
    return np.concatenate([by_confidence[inside], by_confidence[~inside]])


RULES: dict[str, Rule] = {
    "Ulmus": ulmus,
    "self-confidence": self_confidence,
    "normalized margin": normalized_margin,
    "prune by noise rate, self-confidence": pruned,
}


def run(name: str, texts: int, seed: int) -> dict[str, Any]:
    """One row: labels changed by this seed, and what each rule finds."""
    from ulmus.tasks.classifier.label_doubts import out_of_fold

    began = time.process_time()
    drawn, labels = splits.drawn(splits.load(name), texts, seed)
    classes, truth = np.unique(labels, return_inverse=True)
    rng = np.random.default_rng(seed)
    changed = rng.permutation(len(truth))[: round(SHARE * len(truth))]
    given = truth.copy()
    given[changed] = (given[changed] + rng.integers(1, len(classes), len(changed))) % len(classes)
    proba = out_of_fold([text[0] for text in drawn], given, classes=len(classes))
    found = label_errors(given, proba)
    row: dict[str, Any] = {"data": name, "texts": texts, "seed": seed, "changed": len(changed)}
    row["accuracy"] = float((proba.argmax(axis=1) == truth).mean())
    row["named"] = len(found.documents)
    row["named_right"] = float(np.isin(found.documents, changed).mean())
    row["estimated"] = found.share
    for rule, order in RULES.items():
        row[rule] = float(np.isin(order(given, proba)[: len(changed)], changed).mean())
    return row | {"cpu_seconds": round(time.process_time() - began, 1)}


def table() -> Iterator[str]:
    """The rows as a table: means over the seeds."""
    rows = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]
    yield "| data, texts | " + " | ".join(RULES) + " | named | of them right |"
    yield "|---|" + "---|" * (len(RULES) + 2)
    for key in dict.fromkeys((row["data"], row["texts"]) for row in rows):
        own = [row for row in rows if (row["data"], row["texts"]) == key]

        def mean(column: str, own: list[dict[str, Any]] = own) -> float:
            return float(np.mean([row[column] for row in own]))

        cells = [f"{100 * mean(rule):.1f}" for rule in RULES]
        yield (
            f"| {key[0]}, {key[1]:,} | {' | '.join(cells)} | {100 * mean('named') / key[1]:.1f} % of the labels "
            f"| {100 * mean('named_right'):.1f} |"
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--data", default="imdb")
    parser.add_argument("--texts", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    if given.what == "table":
        print("\n".join(table()))
        return
    for seed in range(given.seeds):
        row = run(given.data, given.texts, seed)
        with ROWS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(row, flush=True)


if __name__ == "__main__":
    main()

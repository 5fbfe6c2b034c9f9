"""Are the probabilities right? Log loss and calibration error of the parts, of the mix, and of mixes by class.

    python bench/calibration.py run [--sets NAME ...] [--labels 1000] [--minutes 3] [--seeds 1] [--jobs 1]
    python bench/calibration.py table

One `TextClassifier(minutes=M)` a row, as in `frontier.py`, by the processor's time. The network, the word counts and
what is shipped predict the test set; beside them mixes that are fitted to the same documents not learnt from:

    even        the mean of the logarithms, no temperature
    bias        what is shipped, and a bias for each class
    by class    an exponent of either part for each class

Both are fitted by log loss with a penalty of 20 nats for moving a bias, or an exponent, by 1. Calibration error: the
mean distance of confidence and accuracy in 15 bins of equal width (Guo et al. 2017). Needs $ULMUS_DATA.
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
import numpy as np
import splits
from scipy.optimize import minimize

OUT = Path(__file__).parent / "results" / "calibration.jsonl"
SETS = ("trec", "sst2", "goemotions", "20newsgroups", "imdb", "chnsenticorp", "wisesight")
WAYS = ("network", "counts", "even", "shipped", "bias", "by class")
BINS, PENALTY, FLOOR = 15, 20.0, 1e-6


def normal(scores: np.ndarray) -> np.ndarray:
    """Scores (N, C) -> probabilities (N, C)."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def loss(proba: np.ndarray, target: np.ndarray) -> float:
    """Mean log loss, in nats, of probabilities (N, C) of classes (N,)."""
    return float(-np.log(np.maximum(proba[np.arange(len(target)), target], FLOOR)).mean())


def error(proba: np.ndarray, target: np.ndarray) -> float:
    """Expected calibration error, as a fraction, of probabilities (N, C) of classes (N,)."""
    confidence, right = proba.max(axis=1), proba.argmax(axis=1) == target
    binned = np.minimum((confidence * BINS).astype(int), BINS - 1)
    apart = [
        abs(confidence[binned == k].mean() - right[binned == k].mean()) * (binned == k).mean()
        for k in np.unique(binned)
    ]
    return float(sum(apart))


def fitted(features: np.ndarray, start: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The weights, those of `start` (C or 2 C,) moved, with the lowest loss; `features` (N, C, weights) give scores."""

    def cost(w: np.ndarray) -> float:
        return len(target) * loss(normal(features @ w), target) + PENALTY * float(((w - start) ** 2).sum())

    return np.asarray(minimize(cost, start, method="L-BFGS-B").x)


def ways(evidence: Any, shipped: Any, p_lm: np.ndarray, p_counts: np.ndarray) -> dict[str, np.ndarray]:
    """Probabilities (N, C) of the test documents by each way."""
    classes = p_lm.shape[1]

    def logs(lm: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.log(np.maximum(lm, FLOOR)), np.log(np.maximum(counts, FLOOR))

    def biased(lm: np.ndarray, counts: np.ndarray) -> np.ndarray:
        mixed = np.log(np.maximum(shipped.combine(lm, counts), FLOOR))
        each = np.broadcast_to(np.eye(classes), (len(lm), classes, classes))
        return np.concatenate([mixed[:, :, None], each], axis=2)

    def by_class(lm: np.ndarray, counts: np.ndarray) -> np.ndarray:
        return np.concatenate([part[:, :, None] * np.eye(classes) for part in logs(lm, counts)], axis=2)

    own = (evidence.p_lm, evidence.p_counts)
    bias = fitted(biased(*own), np.r_[1.0, np.zeros(classes)], evidence.target)
    shared = np.repeat([shipped.exponent_lm, shipped.exponent_counts], classes)
    exponents = fitted(by_class(*own), shared, evidence.target)
    return {
        "network": p_lm,
        "counts": p_counts,
        "even": normal(sum(logs(p_lm, p_counts)) / 2),
        "shipped": shipped.combine(p_lm, p_counts),
        "bias": normal(biased(p_lm, p_counts) @ bias),
        "by class": normal(by_class(p_lm, p_counts) @ exponents),
    }


def trained(name: str, labels: int, minutes: float, seed: int) -> dict[str, Any]:
    """One training in this process, and how good each way is."""
    time.perf_counter = time.process_time
    from ulmus import TextClassifier
    from ulmus.tasks.classifier import steps

    seen: list[Any] = []
    judged = steps.judged

    def spy(evidence: Any, *given: Any, **how: Any) -> Any:
        seen.append(evidence)
        return judged(evidence, *given, **how)

    steps.judged = spy
    split = splits.load(name)
    texts, values = splits.drawn(split, labels, seed)
    model = TextClassifier(minutes=minutes, seed=seed, verbose=False, device="cpu").fit(
        [text[0] for text in texts], values, unlabeled=[text[0] for text in split.pool[0]]
    )
    known = {name: k for k, name in enumerate(model.class_names_)}
    kept = [i for i, label in enumerate(split.test[1]) if label in known]
    test, target = [split.test[0][i][0] for i in kept], np.array([known[split.test[1][i]] for i in kept])
    parts = [model.predict_proba(test, part=part) for part in ("lm", "counts")]
    row: dict[str, Any] = {"name": name, "labels": labels, "minutes": minutes, "seed": seed}
    row["documents"] = len(seen[-1].target)
    row["weight"] = round(model.combination_.weight, 3)
    for way, proba in ways(seen[-1], model.combination_, *parts).items():
        right = float((proba.argmax(axis=1) == target).mean())
        row[way] = [
            round(100 * right, 2),
            round(loss(proba, target), 4),
            round(100 * error(proba, target), 2),
        ]
    return row


def run(options: argparse.Namespace) -> None:
    """Train what is not in the file of results."""
    had = {(row["name"], row["labels"], row["minutes"], row["seed"]) for row in jobs.rows(options.out)}
    wanted = itertools.product(options.sets, options.labels, [options.minutes], range(options.seeds))
    jobs.run(__file__, [one for one in wanted if one not in had], [], jobs=options.jobs, out=options.out)


def table(options: argparse.Namespace) -> None:
    """Accuracy in %, log loss in nats, calibration error in points: one row a cell and way, and the means."""
    done = jobs.rows(options.out)
    print("| data set, labels | " + " | ".join(WAYS) + " |")
    print("|---" * (len(WAYS) + 1) + "|")
    for row in done:
        told = [f"{row[way][0]:.1f}, {row[way][1]:.3f}, {row[way][2]:.1f}" for way in WAYS]
        print(f"| {row['name']}, {row['labels']:,} | {' | '.join(told)} |")
    means = [[statistics.mean(row[way][k] for row in done) for k in range(3)] for way in WAYS]
    print("| mean | " + " | ".join(f"{a:.1f}, {b:.3f}, {c:.1f}" for a, b, c in means) + " |")


def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)
    for name in ("run", "table", "child"):
        step = steps.add_parser(name)
        step.add_argument("--out", type=Path, default=OUT)
        if name == "run":
            step.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
            step.add_argument("--labels", nargs="+", type=int, default=[1_000])
            step.add_argument("--minutes", type=float, default=3.0)
            step.add_argument("--seeds", type=int, default=1)
            step.add_argument("--jobs", type=int, default=1)
        if name == "child":
            for argument, kind in (("name", str), ("labels", int), ("minutes", float), ("seed", int)):
                step.add_argument(argument, type=kind)
    options = parser.parse_args()
    if options.step == "child":
        print(json.dumps(trained(options.name, options.labels, options.minutes, options.seed)))
    else:
        {"run": run, "table": table}[options.step](options)


if __name__ == "__main__":
    main()

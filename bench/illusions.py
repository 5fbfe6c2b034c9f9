"""How much too good scores are if copies, or rows of one group, stand on both sides of a split; with word counts.

    python bench/illusions.py run [us_patent|20newsgroups|imdb ...]    appends rows to bench/results/illusions.jsonl
    python bench/illusions.py table

A fifth is held out, three times. us_patent: Pearson's correlation, at random and by whole anchors. 20newsgroups:
a third of the threads (posts of one subject, whose replies quote each other); accuracy, at random and by whole threads;
beside it the accuracy on held-out posts that a training post is nearly the same as, and on the others.
imdb: the time of `near_duplicates`, against scikit-learn's matrix of the same shingles multiplied with itself, which
compares all pairs.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from splits import DATA, SETS, _rows

from ulmus import Source, read
from ulmus.corpus.labels import Labels
from ulmus.corpus.numbers import Numbers
from ulmus.corpus.pairs import as_documents
from ulmus.evaluation.near_duplicates import SHINGLE, SIMILAR, near_duplicates
from ulmus.linear.features import CountConfig
from ulmus.linear.learner import CountLearner
from ulmus.linear.selection import Choice

ROWS = Path(__file__).parent / "results" / "illusions.jsonl"
SEEDS = (0, 1, 2)
PLAIN = CountConfig(lsa=0)
REPLY = re.compile(r"^(re|fwd?)\s*(\[\d+\])?\s*:\s*", re.IGNORECASE)


def main(arguments: list[str]) -> None:
    """Measure, or show what was measured."""
    if arguments == ["table"]:
        return table()
    with ROWS.open("a", encoding="utf-8") as file:
        for row in chain.from_iterable(MEASURED[name]() for name in arguments[1:] or MEASURED):
            print(row, flush=True)
            file.write(json.dumps(row) + "\n")
            file.flush()
    return None


def patents() -> Iterator[dict[str, Any]]:
    """Pearson's correlation of pairs of phrases, of known anchors and of new ones."""
    texts, values = _rows(SETS["us_patent"], "us_patent_phrase/train.csv")
    known = Numbers.of(values)
    learner = CountLearner(as_documents(texts).texts, config=PLAIN, pairs=True)
    for way, numbers in {"random": np.arange(len(texts)), "groups": _numbers(a for a, _ in texts)}.items():
        for seed in SEEDS:
            train, held = _split(numbers, seed)
            model = learner.fit(known.target, Choice(), train, classes=1)
            found = learner.proba(model, held)[:, 0]
            score = float(np.corrcoef(found, known.target[held, 0])[0, 1])
            yield {"set": "us_patent", "split": way, "seed": seed, "n": len(held), "score": 100 * score}


def newsgroups() -> Iterator[dict[str, Any]]:
    """Accuracy of posts whose threads are known, and of new ones."""
    texts, labels = _rows(SETS["20newsgroups"], "20newsgroups/train.csv.xz")
    threads = _numbers(_thread(text) for (text,) in texts)
    drawn = np.flatnonzero(np.random.default_rng(0).random(threads.max() + 1)[threads] < 1 / 3)
    posts, threads, known = [texts[i][0] for i in drawn], threads[drawn], Labels.of(labels).rows(drawn)
    learner, near = CountLearner(posts, config=PLAIN), near_duplicates(posts)
    ways = {"random": np.arange(len(posts)), "threads": threads}
    for way, numbers in ways.items():
        for seed in SEEDS:
            train, held = _split(numbers, seed)
            model = learner.fit(known.target, Choice(), train, classes=len(known.classes))
            right = learner.proba(model, held).argmax(axis=1) == known.target[held]
            copied = np.isin(near[held], near[train])
            yield {
                "set": "20newsgroups", "split": way, "seed": seed, "n": len(held), "score": 100 * float(right.mean()),
                "copies": int(copied.sum()), "of copies": 100 * float(right[copied].mean()) if copied.any() else None,
                "of others": 100 * float(right[~copied].mean()),
            }  # fmt: skip


def near() -> Iterator[dict[str, Any]]:
    """CPU seconds, and whether the same texts are found as by comparing all pairs."""
    reviews = [
        record.text
        for name in ("train", "unsup")
        for record in read(Source(path=DATA / f"imdb/{name}.csv.zst", text=("text",)))
    ]
    for texts, what in (
        (reviews[:50_000], "imdb train and 25,000 of unsup"),
        (reviews[:1_000], "imdb, 1,000"),
    ):
        started = time.process_time()
        found = near_duplicates(texts) != np.arange(len(texts))
        row = {"set": what, "texts": len(texts), "characters": sum(map(len, texts)), "near": int(found.sum())}
        row["cpu_s"] = round(time.process_time() - started, 2)
        if len(texts) < 5_000:
            started = time.process_time()
            row["all_pairs_near"] = int(_all_pairs(texts).sum())
            row["all_pairs_cpu_s"] = round(time.process_time() - started, 2)
        yield row


def _all_pairs(texts: list[str]) -> np.ndarray:
    """Whether each text is similar enough to one before it: all pairs, with scikit-learn's shingles."""
    from sklearn.feature_extraction.text import HashingVectorizer

    plain = [" ".join(text.casefold().split()) for text in texts]
    shingles = HashingVectorizer(
        analyzer="char", ngram_range=(SHINGLE, SHINGLE), binary=True, norm=None, alternate_sign=False,
        lowercase=False, n_features=2**22, dtype=np.float32,
    ).transform(plain)  # fmt: skip
    sizes, found = np.asarray(shingles.sum(axis=1))[:, 0], np.zeros(len(texts), bool)
    for start in range(0, len(texts), 200):
        shared = np.asarray((shingles[start : start + 200] @ shingles.T).todense())
        both = sizes[start : start + 200, None] + sizes - shared
        before = np.arange(len(texts)) < np.arange(start, min(start + 200, len(texts)))[:, None]
        found[start : start + 200] = ((shared / both >= SIMILAR) & before).any(axis=1)
    return found


def _split(numbers: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and held-out documents: a fifth of the numbers, drawn at random, is held out."""
    kinds = np.random.default_rng(seed).permutation(np.unique(numbers))
    held = np.isin(numbers, kinds[: len(kinds) // 5])
    return np.flatnonzero(~held), np.flatnonzero(held)


def _numbers(values: Any) -> np.ndarray:
    return np.unique(np.array(list(values)), return_inverse=True)[1]


def _thread(post: str) -> str:
    """The subject of a post without the marks of a reply."""
    found = re.search(r"^Subject:(.*)$", post, re.MULTILINE)
    subject = found[1].strip() if found else post[:100]
    while (shorter := REPLY.sub("", subject)) != subject:
        subject = shorter
    return subject.casefold()


def table() -> None:
    """Means and standard deviations over the seeds."""
    rows = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]
    for name, way in dict.fromkeys((row["set"], row.get("split")) for row in rows):
        mine = [row for row in rows if (row["set"], row.get("split")) == (name, way)]
        if way is None:
            print(mine[-1])
            continue
        scores = np.array([row["score"] for row in mine])
        print(f"{name}, {way}: {scores.mean():.1f} ± {scores.std(ddof=1):.1f}")


MEASURED = {"us_patent": patents, "20newsgroups": newsgroups, "imdb": near}

if __name__ == "__main__":
    main(sys.argv[1:])

"""Speed on this machine: tokenizing, training a language model, counting words, predicting.

    make bench            or: python bench/speed.py [SECONDS]      (time for each training, default 20)

The texts are those of the demo, so that anyone can repeat it. Prints one table; changes nothing.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from ulmus import LanguageModel, TextClassifier, Tokenizer, TokenizerConfig, WordCounts
from ulmus.demo import Task, docstrings


def seconds(work: Callable[[], Any], *, least: float = 1.0) -> float:
    """Seconds of one call, the mean over as many calls as fill `least` seconds; the first call is not counted."""
    work()
    started, calls = time.perf_counter(), 0
    while time.perf_counter() - started < least:
        work()
        calls += 1
    return (time.perf_counter() - started) / calls


def imports() -> list[tuple[str, str]]:
    """Start-up: the package and the command line, in fresh interpreters."""
    rows = []
    for what, code in (("import ulmus", "import ulmus"), ("ulmus --help", "import ulmus.cli")):
        took = seconds(lambda code=code: subprocess.run([sys.executable, "-c", code], check=True))
        rows.append((what, f"{1000 * took:.0f} ms"))
    return rows


def tokenizers(texts: list[str]) -> list[tuple[str, str]]:
    """Texts to ids, all kinds of tokens."""
    rows = []
    for kind in ("word", "unigram", "bpe", "char"):
        tokenizer = Tokenizer.train(texts, TokenizerConfig(kind=kind))
        tokens = sum(map(len, tokenizer.encode_batch(texts)))
        took = seconds(lambda tokenizer=tokenizer: tokenizer.encode_batch(texts))
        rows.append((f"tokenizer {kind}", f"{tokens / took / 1000:,.0f} thousand tokens/s"))
    return rows


def training(task: Task, budget_s: float) -> tuple[list[tuple[str, str]], TextClassifier]:
    """A language model and a classifier with a time budget each, and the word counts."""
    language_model = LanguageModel(minutes=budget_s / 60, verbose=False)
    started = time.perf_counter()
    language_model.fit(task.unlabeled)
    kept = time.perf_counter() - started
    steps = language_model.history_[-1]
    rows = [
        ("language model, time asked and taken", f"{budget_s:.0f} s and {kept:.0f} s"),
        ("language model, steps of 64 x 70 tokens", f"{steps['steps'] / steps['seconds']:.2f} /s"),
    ]
    started = time.perf_counter()
    WordCounts().fit(task.texts, task.labels, unlabeled=task.unlabeled)
    rows.append((f"word counts, {len(task.unlabeled):,} texts", f"{time.perf_counter() - started:.1f} s"))
    classifier = TextClassifier(language_model=language_model, minutes=budget_s / 60, verbose=False)
    classifier.fit(task.texts, task.labels, unlabeled=task.unlabeled)
    return rows, classifier


def predictions(classifier: TextClassifier, texts: list[str]) -> list[tuple[str, str]]:
    """One text at a time, and many."""
    alone = seconds(lambda: classifier.predict(texts[:1]))
    many = seconds(lambda: classifier.predict(texts)) / len(texts)
    return [
        ("prediction, one text", f"{1000 * alone:.1f} ms"),
        ("prediction, many", f"{1 / many:,.0f} texts/s"),
    ]


def main() -> None:
    """Measure all of it and print the table."""
    budget_s = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    task = docstrings()
    rows, classifier = training(task, budget_s)
    rows = [*imports(), *tokenizers(task.unlabeled), *rows, *predictions(classifier, task.test_texts)]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}"
    table = Table("what", "how fast", title=f"{machine}, {torch.get_num_threads()} threads")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()

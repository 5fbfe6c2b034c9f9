"""What the size of pretraining is worth: accuracy of a pretrained classifier against the words its model had read.

    python bench/pretraining_size.py run [--sets imdb trec] [--labels 100 1000] [--seeds 3] [--jobs 2]
    python bench/pretraining_size.py table    Markdown of what is done    python bench/pretraining_size.py plot FILE

Each language model is `small`, word tokens, made from articles drawn at random from the English Wikipedia (the smaller
draws are in the larger ones), which it reads once or several times. The classifiers are those of `few_labels.py`, way
"pretrained": no fine-tuning of the language model, no teacher, the same splits, draws and minutes. Its own results are
the two ends: nothing, and `en-small` of 26 November 2026, which has read all there is once. One process and one core a
training, --jobs in parallel. A run that is in --out is not repeated; one that was stopped resumes from its checkpoint.
Needs $ULMUS_DATA (default ../shared/data); hours on 2 cores for all.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import few_labels
import jobs
import numpy as np
import splits

CORPUS = splits.DATA / "lm" / "enwiki2015.txt.zst"


class Size(NamedTuple):
    """What a language model reads."""

    words: int  # between spaces
    passes: int


SIZES = {
    "0": Size(0, 0),
    "1M": Size(1_000_000, 1),
    "1M x 10": Size(1_000_000, 10),
    "10M": Size(10_000_000, 1),
    "10M x 3": Size(10_000_000, 3),
    "50M": Size(50_000_000, 1),
}
ENDS = {"nothing": "0", "pretrained": "50M"}  # trainings of `few_labels.py`: the sizes that they are


def articles(words: int) -> list[str]:
    """Articles of so many words together, in an order that is always the same."""
    from ulmus.corpus.streams import open_text

    with open_text(CORPUS) as file:
        texts = file.read().decode().split("\n\n")
    order = np.random.default_rng(0).permutation(len(texts))
    ends = np.cumsum([len(texts[i].split()) for i in order])
    return [texts[i] for i in order[: int(np.searchsorted(ends, words)) + 1]]


def pretrained(name: str, work: Path, share: float) -> dict[str, Any]:
    """Make the language model of a size; its perplexity on articles of its own that it did not read."""
    from ulmus import LanguageModel
    from ulmus.tasks.language_model.config import lm_config

    size = SIZES[name]
    config = dataclasses.replace(lm_config("small"), epochs=size.passes)
    model = LanguageModel(config, work_dir=work / f"{name}-pretraining", verbose=False)
    model.fit(articles(int(share * size.words))).save(file_of(name, work))
    return {"size": name, **model.metrics_, "minutes": model.card_["minutes"]}


def file_of(name: str, work: Path) -> Path:
    """Where the model of a size is."""
    return work / f"{name}.ulmus"


def trained(name: str, run: few_labels.Run, work: Path, share: float) -> dict[str, Any]:
    """Train one classifier from the model of a size."""
    return {"size": name} | few_labels.trained(run, work / f"on-{name}", share, str(file_of(name, work)))


def results(options: argparse.Namespace) -> list[dict[str, Any]]:
    """What is done, with the ends."""
    others = jobs.rows(options.out.with_name("few-labels.jsonl"))
    ends = [{"size": ENDS[row["training"]]} | row for row in others if row["training"] in ENDS]
    return jobs.rows(options.out) + ends


def wanted(options: argparse.Namespace, done: list[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """The classifiers that are not done, the short ones first."""
    had = {(row["size"], *(row[key] for key in few_labels.Run._fields)) for row in done}
    for labels, seed, size, name in itertools.product(
        options.labels, range(options.seeds), options.sizes, options.sets
    ):
        run = (size, name, labels, seed, "pretrained")
        if run not in had:
            yield run


def run_all(options: argparse.Namespace) -> None:
    """Make the language models that are missing, the largest first, then the classifiers."""
    options.work.mkdir(parents=True, exist_ok=True)
    more = ["--work", options.work, "--share", options.share]
    made = [name for name in options.sizes if not file_of(name, options.work).exists()]
    made.sort(key=lambda name: -SIZES[name].words * SIZES[name].passes)
    jobs.run(__file__, [["pretrain", name] for name in made], more, jobs=options.jobs, out=models_of(options))
    training = [["train", *run] for run in wanted(options, results(options))]
    jobs.run(__file__, training, more, jobs=options.jobs, out=options.out)


def cell(done: list[dict[str, Any]], size: str, name: str, labels: int) -> list[float]:
    """The accuracies of the seeds, in per cent."""
    key = (size, name, labels)
    return [row["parts"]["lm"] for row in done if (row["size"], row["name"], row["labels"]) == key]


def models_of(options: argparse.Namespace) -> Path:
    """The file of what was found of the language models themselves."""
    out: Path = options.out
    return out.with_name(f"{out.stem}-models{out.suffix}")


def perplexities(options: argparse.Namespace) -> dict[str, float]:
    """Of each model on articles that it did not read."""
    return {row["size"]: row["perplexity"] for row in jobs.rows(models_of(options))}


def table(options: argparse.Namespace) -> None:
    """Mean and spread over the seeds as Markdown."""
    done, found = results(options), perplexities(options)
    columns = list(itertools.product(options.sets, options.labels))
    heads = (f"{name}, {labels:,}" for name, labels in columns)
    print(f"| words of pretraining | perplexity | {' | '.join(heads)} |\n|---|---|{'---|' * len(columns)}")
    for size in SIZES:
        cells = [cell(done, size, *column) for column in columns]
        if any(cells):
            own = jobs.told([found[size]] if size in found else [])
            print(f"| {size} | {own} | {' | '.join(map(jobs.told, cells))} |")


def plot(options: argparse.Namespace) -> None:
    """Accuracy against words, a panel for each data set; further passes are hollow."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    done = results(options)
    figure, axes = plt.subplots(
        1, len(options.sets), figsize=(5 * len(options.sets), 4), squeeze=False, layout="constrained"
    )
    for axis, name in zip(axes[0], options.sets, strict=True):
        for k, labels in enumerate(options.labels):
            for size, (words, passes) in SIZES.items():
                values = cell(done, size, name, labels)
                if values:
                    spread = statistics.stdev(values) if len(values) > 1 else 0
                    label = f"{labels:,} labels" if size == "0" else None
                    hollow = {"mfc": "white"} if passes > 1 else {}
                    beside = 1.1 if passes > 1 else 1.0
                    axis.errorbar(
                        max(beside * words * passes, 1e5), statistics.mean(values), yerr=spread, label=label,
                        marker="o", capsize=2, color=f"C{k}", **hollow,
                    )  # fmt: skip
        axis.set(xscale="log", title=name, xlabel="words read in pretraining", ylabel="accuracy, %")
        axis.set_xticks([1e5, 1e6, 1e7, 3e7, 5e7], ["none", "1M", "10M", "", "50M"], minor=False)
        axis.minorticks_off()
    axes[0][0].legend(title="hollow: read several times")
    figure.savefig(options.file, dpi=130)


def child(what: list[str], work: Path, share: float) -> None:
    """Do one thing; its result is the last line."""
    if what[0] == "pretrain":
        print(json.dumps(pretrained(what[1], work, share)))
    else:
        size, name, labels, seed, training = what[1:]
        run = few_labels.Run(name, int(labels), int(seed), training)
        print(json.dumps(trained(size, run, work, share)))


def main() -> None:
    """What the command line asks for."""
    options = few_labels.asked(
        __doc__,
        "pretraining-size",
        sets=["imdb", "trec"],
        labels=[100, 1_000],
        sizes=[size for size in SIZES if size not in ENDS.values()],
    )
    if options.step == "child":
        child(options.what, options.work, options.share)
    else:
        {"run": run_all, "table": table, "plot": plot}[options.step](options)


if __name__ == "__main__":
    main()

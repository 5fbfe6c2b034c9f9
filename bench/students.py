"""What changes to fine-tuning on labels are worth, at about equal time: one table of things that are said to help.

    python bench/students.py run [--sets NAME ...] [--labels 100 1000] [--students NAME ...] [--seeds 2] [--jobs 1]
    python bench/students.py table       Markdown of what is done

A run fine-tunes the encoder of `en-small`, as it comes, on the labels of a sample and tests the network alone on 1,000
documents (`splits.py`). `plain` is what `ulmus train` does without pairs, where it has time for more epochs but for
long documents (imdb), of which 256 tokens are read; a student whose step costs k times as much makes 1/k of the epochs,
unless its name ends in `-long`: that has all of them and k times the minutes, and `plain-long` is what the same minutes
are worth without it. What is in --out is not repeated. Needs $ULMUS_DATA.

    ema            the weights at the end are a moving average of 0.98 (Polyak & Juditsky 1992)
    smoothing      labels 0.9 sure (Szegedy et al. 2016)
    multi-sample   the mean loss of five dropout masks of the features (Inoue 2019)
    r-drop         two dropout masks must agree (Liang et al. 2021)
    adversarial    also learns from the worst small change of the embeddings (Miyato et al. 2017)
    virtual        unlabelled texts must not change their classes by it (Miyato et al. 2017)
    pairs          what is done below 200 labels: pairs are compared (`contrastive.py`)
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jobs
import numpy as np
import splits
import torch
from torch.func import functional_call
from torch.nn import functional as F

from ulmus.corpus.labels import Labels
from ulmus.data.label_batches import LabelBatches
from ulmus.installed import find
from ulmus.models.heads import make_head
from ulmus.models.pairs import document_width
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.classifier.training import Training, TrainingSet, padded
from ulmus.tasks.classifier.tuning import compares, fine_tune
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.language_model.file import load
from ulmus.tasks.settings import RunSettings
from ulmus.train.protocol import LoopConfig, Step

OUT = Path(__file__).parent / "results" / "students.jsonl"
SETS = ("trec", "sst2", "imdb")
LONG, TOKENS = "imdb", 256  # documents of this set are read up to so many tokens
EMBEDDING = "encoder.embedding"
AWAY, NEAR = 0.3, 0.01  # size of a change of the embeddings, relative to them; that of a first, random one
AGREE = 1.0  # weight of agreement beside the loss
UNLABELLED = 5_000


class Plain(ClassifierNetwork):
    """The network as it is; a student changes what it minimises."""

    pool: Any = None  # batches of unlabelled documents
    inside = False  # a call within a call is plain

    def forward(self, batch: Any) -> Step:
        """The loss of the student while it trains, else that of the network."""
        if not self.training or self.inside or batch.targets is None:
            return super().forward(batch)
        self.inside = True
        try:
            return self.learn(batch)
        finally:
            self.inside = False

    def learn(self, batch: Any) -> Step:
        """What is minimised."""
        return super().forward(batch)

    def moved(self, batch: Any, change: torch.Tensor) -> Step:
        """The same with `change` (V, E) added to the embeddings."""
        return functional_call(self, {EMBEDDING: self.encoder.embedding + change}, (batch,))

    def sized(self, direction: torch.Tensor, size: float) -> torch.Tensor:
        """A direction (V, E), zero where no word is, as large as `size` times the embeddings of these words."""
        used = direction.abs().sum(1) > 0
        norm = self.encoder.embedding[used].norm() * size
        return (direction * (norm / direction.norm().clamp(min=1e-12))).detach()


class Smoothing(Plain):
    """Labels are 0.9 sure."""

    def learn(self, batch: Any) -> Step:
        """As above."""
        step = super().learn(batch)
        return step._replace(loss=F.cross_entropy(step.output, batch.targets, label_smoothing=0.1))


class MultiSample(Plain):
    """Five dropout masks of the features."""

    def learn(self, batch: Any) -> Step:
        """As above."""
        features = self.features(batch.ids, batch.lengths)
        steps = [self.step(features, batch.targets) for _ in range(5)]
        return steps[0]._replace(loss=sum(step.loss for step in steps) / 5)


class RDrop(Plain):
    """Two dropout masks of the whole network."""

    def learn(self, batch: Any) -> Step:
        """As above."""
        one, two = (super(RDrop, self).learn(batch) for _ in range(2))
        return one._replace(loss=(one.loss + two.loss) / 2 + AGREE * symmetric(one.output, two.output))


class Adversarial(Plain):
    """Also the worst small change of the embeddings."""

    def learn(self, batch: Any) -> Step:
        """As above."""
        step = super().learn(batch)
        gradient = torch.autograd.grad(step.loss, self.encoder.embedding, retain_graph=True)[0]
        other = self.moved(batch, self.sized(gradient, AWAY))
        return step._replace(loss=(step.loss + other.loss) / 2)


class Virtual(Plain):
    """Unlabelled documents, whose classes must not change by the worst small change of the embeddings."""

    def learn(self, batch: Any) -> Step:
        """As above."""
        step, more = super().learn(batch), next(self.pool)
        with torch.no_grad():
            clean = super().learn(more).output.log_softmax(1)
        words = torch.zeros_like(self.encoder.embedding)
        words[more.ids.unique()] = 1.0
        change = self.sized(words * torch.randn_like(words), NEAR).requires_grad_()
        apart = divergence(clean, self.moved(more, change).output)
        worst = self.sized(torch.autograd.grad(apart, change)[0], AWAY)
        return step._replace(loss=step.loss + AGREE * divergence(clean, self.moved(more, worst).output))


def divergence(before: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Mean divergence, in nats, of the classes by `logits` (B, C) from log probabilities (B, C)."""
    return F.kl_div(logits.log_softmax(1), before, reduction="batchmean", log_target=True)


def symmetric(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """Mean of the divergences of logits (B, C) both ways."""
    return (divergence(one.log_softmax(1), two) + divergence(two.log_softmax(1), one)) / 2


@dataclass(frozen=True)
class Averaged(RunSettings):
    """Settings of a loop that averages its weights."""

    def loop(self, **choices: Any) -> LoopConfig:
        """As above."""
        return replace(super().loop(**choices), ema=0.98)


class Student:
    """A change of the network, what its step costs, and the settings of its run."""

    def __init__(self, network: type[Plain] = Plain, cost: float = 1.0, settings: Any = RunSettings) -> None:
        self.network, self.cost, self.settings = network, cost, settings


STUDENTS = {
    "plain": Student(),
    "plain-long": Student(cost=0.5),
    "ema": Student(settings=Averaged),
    "smoothing": Student(Smoothing),
    "multi-sample": Student(MultiSample),
    "r-drop": Student(RDrop, 2.0),
    "r-drop-long": Student(RDrop),
    "adversarial": Student(Adversarial, 2.0),
    "adversarial-long": Student(Adversarial),
    "virtual-long": Student(Virtual),
    "pairs": Student(),
}


def unlabelled(store: Any, first: int, batch_size: int, longest: int) -> Any:
    """Batches, without end, of the documents of a store from `first` on, as tensors."""
    batches = LabelBatches(
        store,
        np.zeros(len(store), np.int64),
        batch_size=batch_size,
        shuffle=True,
        documents=np.arange(first, len(store)),
        max_tokens=longest,
    )
    for epoch in itertools.count():
        batches.set_epoch(epoch)
        for batch in batches:
            yield batch._replace(
                ids=torch.from_numpy(batch.ids),
                lengths=torch.from_numpy(batch.lengths),
                targets=torch.from_numpy(batch.targets),
            )


def trained(name: str, labels: int, student: str, seed: int) -> dict[str, Any]:
    """One fine-tuning in this process: accuracy in % of the network alone, and its CPU minutes."""
    split, kind = splits.load(name, 1_000), STUDENTS[student]
    texts, values = splits.drawn(split, labels, seed)
    more = [text[0] for text in split.pool[0][:UNLABELLED]] if kind.network is Virtual else []
    test = [text[0] for text in split.test[0]]
    known, lm = Labels.of(values), load(find("en-small"))
    run_texts = RunTexts([*(text[0] for text in texts), *test, *more], None, learn=len(texts), verbose=False)
    store = run_texts.ids(lm.tokenizer)
    c = ClassifierConfig(longest=TOKENS) if name == LONG else ClassifierConfig().for_longer(labels)
    if student != "pairs":
        c = replace(c, pairs_below=0, all_epochs=round(c.epochs_for(labels) / kind.cost))
    encoder = copy.deepcopy(lm.network.encoder)
    encoder.set_dropouts(c.dropouts)
    torch.manual_seed(seed)
    width = document_width(encoder.config, pairs=False)
    head = make_head(width, len(known.classes), hidden=0, drops=c.head_dropouts)
    network = kind.network(encoder, head, max_len=c.max_len)
    training = Training(network, c, kind.settings(seed=seed, verbose=False, device="cpu"))
    if more:
        network.pool = unlabelled(store, len(texts) + len(test), 2 * c.batch_for(labels), c.longest)
    training_set = TrainingSet("labels", store, padded(known.learnable(), len(store)), np.arange(labels))
    began = time.process_time()
    fine_tune(training, training_set, known, pairs=compares(training, known))
    cpu = time.process_time() - began
    proba = training.inference().probabilities(store, np.arange(labels, labels + len(test)))
    classes = np.array(known.classes)
    score = splits.score(name, classes[proba.argmax(axis=1)], split.test[1])
    row = {"name": name, "labels": labels, "student": student, "seed": seed}
    return row | {"score": round(score, 2), "cpu": round(cpu / 60, 3)}


def run(options: argparse.Namespace) -> None:
    """Train what is not in the file of results."""
    had = {(row["seed"], row["name"], row["labels"], row["student"]) for row in jobs.rows(options.out)}
    wanted = itertools.product(range(options.seeds), options.sets, options.labels, options.students)
    waiting = [
        [name, labels, student, seed]
        for seed, name, labels, student in wanted
        if (seed, name, labels, student) not in had and (student != "pairs" or labels < 200)
    ]
    jobs.run(__file__, waiting, [], jobs=options.jobs, out=options.out)


def table(options: argparse.Namespace) -> None:
    """Mean ± deviation over the seeds and, in brackets, CPU minutes: one row a student, one column a cell."""
    done = jobs.rows(options.out)
    cells = [
        (name, labels)
        for name, labels in itertools.product(SETS, sorted({row["labels"] for row in done}))
        if any((row["name"], row["labels"]) == (name, labels) for row in done)
    ]
    print("| student | " + " | ".join(f"{name}, {labels:,}" for name, labels in cells) + " |")
    print("|---" * (len(cells) + 1) + "|")
    for student in STUDENTS:
        told = []
        for name, labels in cells:
            mine = [
                row for row in done if (row["name"], row["labels"], row["student"]) == (name, labels, student)
            ]
            minutes = statistics.mean(row["cpu"] for row in mine) if mine else 0.0
            told.append(f"{jobs.told([row['score'] for row in mine])} ({minutes:.1f})" if mine else "-")
        print(f"| {student} | {' | '.join(told)} |")


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
            step.add_argument("--labels", nargs="+", type=int, default=[100, 1_000])
            step.add_argument("--students", nargs="+", default=list(STUDENTS), choices=list(STUDENTS))
            step.add_argument("--seeds", type=int, default=2)
            step.add_argument("--jobs", type=int, default=1)
        if name == "child":
            for argument, kind in (("name", str), ("labels", int), ("student", str), ("seed", int)):
                step.add_argument(argument, type=kind)
    options = parser.parse_args()
    if options.step == "child":
        torch.set_num_threads(1)
        print(json.dumps(trained(options.name, options.labels, options.student, options.seed)))
    else:
        {"run": run, "table": table}[options.step](options)


if __name__ == "__main__":
    main()

"""What speed costs in quality: the same steps in float32 and bf16, with the whole, the sliced and the adaptive softmax.

    python bench/losses.py [--steps 150] [--seeds 3] [--out bench/results/losses.json]

A language model (256/512/2, 10,000 words) reads WikiText-2's training text for so many steps of 64 x 70 tokens, from
the same start, in the same order; then its perplexity on the validation text is measured in float32. `plain` is the
reference: float32, torch's own cross-entropy of all logits at once. Needs $ULMUS_DATA (default ../shared/data). About
twenty minutes on 2 cores; a run that is in the file already is not repeated.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

from ulmus import Source, Tokenizer, TokenizerConfig, read
from ulmus.data.lm_batches import LMBatches
from ulmus.data.store import IdStore
from ulmus.models.heads import TiedDecoder
from ulmus.tasks.ids import tokenized
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.language_model.network import build
from ulmus.train.evaluate import evaluate
from ulmus.train.loop import LoopConfig, Stage, Trainer
from ulmus.train.schedules import Schedule

DATA = Path(os.environ.get("ULMUS_DATA", "../shared/data")) / "lm"
VARIANTS = {  # name: (precision, cutoffs of the adaptive softmax)
    "plain": ("float32", ()),
    "float32 sliced": ("float32", ()),
    "bf16 sliced": ("bf16", ()),
    "bf16 adaptive": ("bf16", (2_000, 5_000)),
}


class PlainDecoder(TiedDecoder):
    """All logits at once, and torch's own cross-entropy."""

    def loss(self, h: Tensor, embedding: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(F.linear(h, embedding, self.bias), targets)


class Some(LMBatches):
    """The first so many windows of an epoch."""

    steps: int

    def __len__(self) -> int:
        return min(self.steps, super().__len__())

    def __iter__(self) -> Iterator:
        return (batch for _, batch in zip(range(len(self)), super().__iter__(), strict=False))


def stores() -> tuple[IdStore, IdStore, int]:
    """Training and validation ids, and the size of the vocabulary."""
    texts = {
        part: [r.text for r in read(Source(DATA / f"wikitext-2.{part}.txt.zst"))]
        for part in ("train", "valid")
    }
    tokenizer = Tokenizer.train(texts["train"], TokenizerConfig(max_size=10_000))
    return tokenized(texts["train"], tokenizer), tokenized(texts["valid"], tokenizer), len(tokenizer)


def run(name: str, seed: int, steps: int, data: tuple[IdStore, IdStore, int]) -> dict[str, object]:
    """Train one variant from one seed; its perplexity on the validation text."""
    precision, cutoffs = VARIANTS[name]
    train, valid, size = data
    config = LMConfig(embedding=256, hidden=512, layers=2, cutoffs=cutoffs)
    network = build(config, size, seed=seed)
    if name == "plain":
        decoder = PlainDecoder(size, config.embedding)
        decoder.load_state_dict(network.decoder.state_dict())
        network.decoder = decoder
    batches = Some(train, seed=seed)
    batches.steps = steps
    stage = Stage("lm", epochs=1, schedule=Schedule("one_cycle", peak=5e-3))
    loop = LoopConfig(seed=seed, device="cpu", precision=precision, clip=1.0)
    began = time.perf_counter()
    Trainer(network, [stage], train=batches, config=loop).run()
    seconds = time.perf_counter() - began
    if name == "plain":
        network.decoder.__class__ = TiedDecoder  # (the same numbers, measured in slices)
    judged = LMBatches(valid, batch_size=32, random_bptt=False, shuffle=False)
    loss = evaluate(network, judged, device="cpu")["loss"]
    return {
        "name": name,
        "seed": seed,
        "steps": len(batches),
        "perplexity": float(torch.tensor(loss).exp()),
        "seconds": seconds,
    }


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("bench/results/losses.json"))
    options = parser.parse_args()
    if not DATA.exists():
        sys.exit(f"{DATA} is not there: set ULMUS_DATA to the folder of the data sets.")
    done = json.loads(options.out.read_text()) if options.out.exists() else []
    options.out.parent.mkdir(parents=True, exist_ok=True)
    data = stores()
    for seed in range(options.seeds):
        for name in VARIANTS:
            if not any(r["name"] == name and r["seed"] == seed and r["asked"] == options.steps for r in done):
                done.append(run(name, seed, options.steps, data) | {"asked": options.steps})
                print(done[-1], flush=True)
                options.out.write_text(json.dumps(done, indent=1) + "\n")
    table = Table("variant", "perplexity, mean", "of the seeds", "against plain", "seconds")
    mine = {name: [r for r in done if r["name"] == name and r["asked"] == options.steps] for name in VARIANTS}
    base = statistics.mean(r["perplexity"] for r in mine["plain"])
    for name, runs in mine.items():
        mean = statistics.mean(r["perplexity"] for r in runs)
        each = " ".join(f"{r['perplexity']:.1f}" for r in runs)
        seconds = statistics.median(r["seconds"] for r in runs)
        table.add_row(name, f"{mean:.1f}", each, f"{100 * (mean / base - 1):+.2f}%", f"{seconds:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()

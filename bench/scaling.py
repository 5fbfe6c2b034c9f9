"""How cost grows with the task, Ulmus alone: `python bench/scaling.py`; each point is a fresh process, median of three.

    --quick   --repeats 3   --out bench/results/scaling.json   --plot docs/scaling.png

corpus       MB of text -> ids on disk, streamed from a file; and a training step on such a corpus, `small`
vocabulary   words -> a training step of the language model, `base`, full and adaptive softmax
length       tokens of a document -> a classifier's training step on 8, and predicting one, `base`
threads      threads -> a training step of the language model, `small` and `base`

Texts are the IMDb reviews in $ULMUS_DATA (default ../shared/data), which come again where more MB are asked for.
Products are bf16 where the processor multiplies it. Memory is the largest resident one of the process, torch and all.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import measure
import numpy as np

HERE = Path(__file__).resolve().parent
MAX_LEN = 400  # tokens at the end of a document that gradients reach
FULL: dict[str, Any] = {
    "megabytes": [10, 30, 100, 1000],
    "vocabularies": [15_000, 30_000, 60_000],
    "lengths": [300, 3_000, 30_000],
    "batch": 64,
    "bptt": 70,
    "steps": 4,
    "reviews": 20_000,  # that ids are made of
}
QUICK: dict[str, Any] = {
    "megabytes": [0.3, 1, 3],
    "vocabularies": [1_500, 3_000, 6_000],
    "lengths": [30, 100, 300],
    "batch": 4,
    "bptt": 10,
    "steps": 2,
    "reviews": 200,
}
Point = dict[str, Any]


class Lines:
    """The JSON strings of a file, one a line, read anew each time: never all in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[str]:
        with self.path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)


# -- what is measured: each in a process of its own --------------------------------------------------------------


def corpus(folder: Path, megabytes: float, **_: Any) -> Point:
    """Vocabulary trained, texts cut, id store written; `cut_s` is the last two."""
    from ulmus import TokenizerConfig
    from ulmus.tasks.ids import RunTexts

    out = folder / f"store-{megabytes}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    texts, config = (
        RunTexts(Lines(folder / f"texts-{megabytes}.jsonl"), out),
        TokenizerConfig(max_size=20_000),
    )
    started = time.perf_counter()
    tokenizer = texts.tokenizer(config)
    trained = time.perf_counter()
    store = texts.ids(tokenizer)
    ended = time.perf_counter()
    return {"seconds": ended - started, "cut_s": ended - trained, "tokens": store.tokens}


def corpus_step(folder: Path, megabytes: float, **told: Any) -> Point:
    """Training steps of the small language model on batches from that store."""
    from ulmus import IdStore, LMBatches
    from ulmus.tasks.language_model.config import lm_config
    from ulmus.tasks.language_model.network import build

    store = IdStore.open(folder / f"store-{megabytes}" / "ids")
    batches = iter(LMBatches(store, batch_size=told["batch"], bptt=told["bptt"], random_bptt=False))
    return lm_steps(build(lm_config("small"), 20_000, seed=0), batches, told["steps"])


def vocabulary(folder: Path, words: int, cutoffs: list[int], **told: Any) -> Point:
    """Training steps of the base language model; rarer words are read as unknown."""
    from ulmus.tasks.language_model.config import LMConfig
    from ulmus.tasks.language_model.network import build

    return lm_steps(
        build(replace(LMConfig(), cutoffs=tuple(cutoffs)), words, seed=0),
        windows(folder, words, **told),
        told["steps"],
    )


def threads(folder: Path, count: int, size: str, **told: Any) -> Point:
    """Training steps of a language model on so many threads."""
    import torch

    from ulmus.tasks.language_model.config import lm_config
    from ulmus.tasks.language_model.network import build

    torch.set_num_threads(count)
    words = max(told["vocabularies"][:2])
    return lm_steps(build(lm_config(size), words, seed=0), windows(folder, words, **told), told["steps"])


def windows(folder: Path, words: int, *, batch: int, bptt: int, **_: Any) -> Iterator[Any]:
    """Real ids (B, T) and the ids after them, window after window."""
    ids = np.load(folder / "ids.npy", mmap_mode="r")
    width = len(ids) // batch
    rows = ids[: width * batch].reshape(batch, width)
    for at in range(0, width - bptt, bptt):
        some = np.asarray(rows[:, at : at + bptt + 1], np.int64)
        some[some >= words] = 0
        yield some[:, :-1], some[:, 1:]


def lm_steps(network: Any, batches: Iterator[Any], steps: int) -> Point:
    """Median seconds of a training step."""
    import torch
    from rows_ulmus import training

    from ulmus.train.device import to_device

    train, device = training(network, precision()), torch.device("cpu")

    def step() -> None:
        x, y = next(batches)
        train((to_device(x, device).contiguous(), to_device(y, device).contiguous()))

    return {"seconds": measure.median_s(step, times=steps, warm=1)}


def precision() -> str:
    """What a CPU trains in by default."""
    import torch

    from ulmus.train.device import resolve_precision

    return resolve_precision("auto", torch.device("cpu"))


def documents(folder: Path, count: int, length: int, words: int) -> Any:
    """A store of `count` documents of real ids."""
    from ulmus import IdStore

    ids = np.array(np.load(folder / "ids.npy", mmap_mode="r")[: count * length])
    ids[ids >= words] = 0
    return IdStore.from_arrays(np.split(ids, count))


def classifier(words: int) -> Any:
    """An untrained classifier of two classes."""
    import torch

    from ulmus.models.awd_lstm import AWDLSTM
    from ulmus.models.encoder import EncoderConfig
    from ulmus.models.heads import ClassifierHead
    from ulmus.tasks.classifier.network import ClassifierNetwork

    torch.manual_seed(0)
    encoder = AWDLSTM(EncoderConfig(words))
    return ClassifierNetwork(encoder, ClassifierHead(encoder.config.pooled(), 2), max_len=MAX_LEN)


def learning(folder: Path, length: int, **told: Any) -> Point:
    """A training step of the classifier on 8 documents."""
    import torch
    from rows_ulmus import training

    from ulmus import LabelBatches
    from ulmus.train.device import to_device

    words = max(told["vocabularies"][:2])
    batches = LabelBatches(documents(folder, 8, length, words), np.arange(8) % 2, batch_size=8)
    batch, train = to_device(batches.batch(0), torch.device("cpu")), training(classifier(words), precision())
    return {"seconds": measure.median_s(lambda: train(batch), times=told["steps"], warm=1)}


def predicting(folder: Path, length: int, **told: Any) -> Point:
    """Probabilities of one document, as `TextClassifier` computes them from ids."""
    from ulmus.tasks.classifier.inference import Inference

    words = max(told["vocabularies"][:2])
    store = documents(folder, 1, length, words)
    inference = Inference(classifier(words).eval(), device="cpu")
    took = measure.median_s(lambda: inference.probabilities(store), times=told["steps"], warm=1)
    return {"seconds": took}


KINDS: dict[str, Callable[..., Point]] = {
    "corpus": corpus,
    "corpus_step": corpus_step,
    "vocabulary": vocabulary,
    "learning": learning,
    "predicting": predicting,
    "threads": threads,
}


# -- all points, in order ----------------------------------------------------------------------------------------


def points(told: dict[str, Any]) -> list[tuple[str, str, float, str, dict[str, Any]]]:
    """(panel, series, x, kind, its arguments) of each point."""
    found: list[tuple[str, str, float, str, dict[str, Any]]] = []
    for mb in told["megabytes"]:
        found.append(("corpus", "text to ids", mb, "corpus", {"megabytes": mb}))
    for mb in told["megabytes"]:
        found.append(("corpus", "training step", mb, "corpus_step", {"megabytes": mb}))
    for words in told["vocabularies"]:
        for name, cutoffs in (("full softmax", []), ("adaptive", [2_000, 8_000])):
            found.append(("vocabulary", name, words, "vocabulary", {"words": words, "cutoffs": cutoffs}))
    for length in told["lengths"]:
        for name, kind in (
            ("training step, 8 documents", "learning"),
            ("predicting 1 document", "predicting"),
        ):
            found.append(("length", name, length, kind, {"length": length}))
    cores = measure.all_cores()
    for count in [n for n in (1, 2, 4, 8, 16, 32) if n <= cores]:
        for size in ("small", "base"):
            found.append(("threads", size, count, "threads", {"count": count, "size": size}))
    return found


def prepare(folder: Path, told: dict[str, Any]) -> None:
    """texts-<MB>.jsonl, reviews again and again; ids.npy, all tokens of the reviews cut with the largest vocabulary."""
    from prepare import reviews

    from ulmus import Tokenizer, TokenizerConfig

    texts, _ = reviews()
    for mb in told["megabytes"]:
        written = 0
        with (folder / f"texts-{mb}.jsonl").open("w", encoding="utf-8") as file:
            while written < mb * 1e6:
                for text in texts:
                    written += file.write(json.dumps(text) + "\n")
                    if written >= mb * 1e6:
                        break
    some = texts[: told["reviews"]]
    config = TokenizerConfig(min_freq=1, max_size=max(told["vocabularies"]))
    ids = Tokenizer.train(some, config).encode_batch(some)
    np.save(folder / "ids.npy", np.concatenate(ids).astype(np.int32))


def in_child(kind: str, arguments: dict[str, Any], folder: Path) -> Point:
    """One point, measured in a fresh process."""
    command = [sys.executable, __file__, "point", kind, json.dumps(arguments), folder]
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def measured(folder: Path, told: dict[str, Any], repeats: int) -> list[Point]:
    """All points: medians, with the raw results."""
    rows = []
    for panel, series, x, kind, arguments in points(told):
        raw = [in_child(kind, told | arguments, folder) for _ in range(repeats)]
        middle = {key: statistics.median(r[key] for r in raw) for key in raw[0]}
        rows.append({"panel": panel, "series": series, "x": x, **middle, "raw": raw})
        print(f"{panel}, {series}, {x:,}: {middle['seconds']:.3g} s, {middle['peak_mb']:,.0f} MB", flush=True)
    return rows


def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="tiny points, to see that it runs")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "scaling.json")
    parser.add_argument("--plot", type=Path, help="write the figure here")
    options = parser.parse_args()
    told = QUICK if options.quick else FULL
    from compare import here
    from scaling_figure import draw, show

    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name), told)
        rows = measured(Path(name), told, options.repeats)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    about = here() | {"precision": precision(), "settings": told}
    options.out.write_text(json.dumps(about | {"points": rows}, indent=1) + "\n", encoding="utf-8")
    show(rows)
    if options.plot:
        draw(rows, options.plot)


def point(kind: str, arguments: str, folder: str) -> None:
    """Measure one point and print it (`in_child` calls this)."""
    if kind != "corpus":  # (which needs no torch: it would count as its memory)
        measure.all_cores()
    found = KINDS[kind](Path(folder), **json.loads(arguments))
    print(json.dumps(found | {"peak_mb": measure.peak_mb()}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["point"]:
        point(*sys.argv[2:])
    else:
        main()

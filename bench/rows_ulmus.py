"""Ulmus' side of `compare.py`: `python rows_ulmus.py ROW DATA_FOLDER VARIANT` prints one JSON line.

A variant names the precision of the products, or the kind of tokens. Training steps are those of the training loop
(`train/stage.py`): autocast, backward, clipping, fused AdamW. Each row imports what it measures, so that `import`
measures nothing else.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import measure
import numpy as np

CUTOFFS = (2_000, 8_000)
SMALL = {"embedding": 256, "hidden": 512, "layers": 2}


def text(folder: Path, variant: str) -> None:
    """Raw texts to ids on disk: vocabulary trained, texts cut, id store written; `cut_only` is the last two."""
    from ulmus import TokenizerConfig
    from ulmus.tasks.ids import RunTexts

    raw = measure.texts(folder, "texts.jsonl")
    with tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        given = RunTexts(raw, Path(out))
        tokenizer = given.tokenizer(TokenizerConfig(kind=variant))
        trained = time.perf_counter()
        count = given.ids(tokenizer).tokens
        ended = time.perf_counter()
    took, size = ended - started, sum(len(one.encode()) for one in raw)
    measure.report(
        size / took / 1e6,
        "MB/s",
        tokens_per_s=count / took,
        cut_only=count / (ended - trained),
        cut_only_mb_per_s=size / (ended - trained) / 1e6,
        tokens=count,
        seconds=took,
    )


def autocast(variant: str) -> AbstractContextManager[Any]:
    """The type of products that a variant ends with."""
    import torch

    kind = measure.device().type
    return torch.autocast(kind, dtype=torch.bfloat16) if variant.endswith("bf16") else nullcontext()


def training(network: Any, variant: str) -> Callable[[Any], None]:
    """A function that makes one training step on a batch of tensors, as the training loop does."""
    import torch

    from ulmus.train.device import reuse_memory
    from ulmus.train.optim import check_groups, make_optimizer, set_rates

    reuse_memory()
    network.to(measure.device()).train()
    optimizer = make_optimizer(check_groups(network, network.layer_groups()))
    set_rates(optimizer, 1e-4, 0.9)
    params = [p for group in optimizer.param_groups for p in group["params"]]

    def train(batch: Any) -> None:
        with autocast(variant):
            step = network(batch)
        step.loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return train


def lm_step(folder: Path, variant: str) -> None:
    """A step of the language model, 64 streams of 72 tokens, 30,000 words; full or adaptive softmax."""
    import torch

    from ulmus.tasks.language_model.config import LMConfig
    from ulmus.tasks.language_model.network import build

    ids = torch.from_numpy(np.load(folder / "lm.npy")).to(measure.device())
    adaptive = variant.startswith("adaptive")
    config = dataclasses.replace(LMConfig(), cutoffs=CUTOFFS if adaptive else ())
    train = training(build(config, measure.VOCABULARY, seed=0), variant)
    windows = iter(range(0, ids.shape[1] - measure.STEPS, measure.STEPS))

    def step() -> None:
        at = next(windows)
        end = at + measure.STEPS
        train((ids[:, at:end].contiguous(), ids[:, at + 1 : end + 1].contiguous()))

    told = measure.settings(folder)
    took = measure.median_s(step, times=told["steps"], warm=told["warm"])
    words = compared(ids.cpu().numpy()) if adaptive else measure.VOCABULARY
    flops = 3 * (measure.encoder_flops() + measure.softmax_flops(words))
    rate = measure.BATCH * measure.STEPS / took
    measure.report(rate, "tokens/s", flops_per_s=rate * flops, limit=variant.split("-")[1])


def compared(ids: np.ndarray) -> float:
    """Words that an adaptive softmax compares a token with, on average."""
    first, second = CUTOFFS
    middle, last = ((ids >= first) & (ids < second)).mean(), (ids >= second).mean()
    return float(first + 2 + middle * (second - first) + last * (measure.VOCABULARY - second))


def _classifier_network() -> Any:
    import torch

    from ulmus.models.awd_lstm import AWDLSTM
    from ulmus.models.encoder import EncoderConfig
    from ulmus.models.heads import ClassifierHead
    from ulmus.tasks.classifier.network import ClassifierNetwork

    torch.manual_seed(0)
    encoder = AWDLSTM(EncoderConfig(measure.VOCABULARY))
    return ClassifierNetwork(encoder, ClassifierHead(encoder.config.pooled(), 2), max_len=400)


def classifier_step(folder: Path, variant: str) -> None:
    """A step of the whole classifier, 32 documents of 288 tokens, two classes."""
    from ulmus.data.label_batches import Batch
    from ulmus.train.device import to_device

    ids, labels = (np.load(folder / f"{name}.npy") for name in ("block", "block_labels"))
    train = training(_classifier_network(), variant)
    lengths = np.full(len(ids), ids.shape[1])
    batch = to_device(Batch(ids, lengths, labels, np.arange(len(ids))), measure.device())
    told = measure.settings(folder)
    took = measure.median_s(lambda: train(batch), times=told["steps"], warm=told["warm"])
    rate = len(ids) / took
    flops = 3 * measure.LENGTH * measure.encoder_flops()
    measure.report(rate, "docs/s", flops_per_s=rate * flops, limit=variant)


def classifier_lengths(folder: Path, variant: str) -> None:
    """An epoch of the whole classifier on reviews as long as they are; gradients reach 400 tokens back."""
    from ulmus import IdStore, LabelBatches
    from ulmus.train.device import to_device

    ids, lengths = np.load(folder / "docs.npy"), np.load(folder / "docs_lengths.npy")
    store = IdStore.from_arrays(np.split(ids, np.cumsum(lengths)[:-1]))
    batches = LabelBatches(store, np.load(folder / "docs_labels.npy"), batch_size=32, shuffle=True)
    train = training(_classifier_network(), variant)
    device = _cpu()
    started = time.perf_counter()
    for batch in batches:
        train(to_device(batch, device))
    took = time.perf_counter() - started
    measure.report(len(store) / took, "docs/s", seconds=took)


def _cpu() -> Any:
    import torch

    return torch.device("cpu")


def _classifier(folder: Path, variant: str) -> Any:
    from ulmus import TextClassifier

    size = "small" if variant.startswith("small") else "base"
    precision = variant.split("-")[-1]
    return TextClassifier.load(folder / f"classifier-{size}.ulmus", device="cpu", precision=precision)


def _work(classifier: Any, raw: list[str], variant: str) -> float:
    """Operations of the encoder for a text, on average."""
    tokens = sum(map(len, classifier.tokenizer_.encode_batch(raw))) / len(raw)
    return tokens * (measure.encoder_flops(**SMALL) if "small" in variant else measure.encoder_flops())


def predict_one(folder: Path, variant: str) -> None:
    """One review at a time, raw text in, probabilities of language model and word counts mixed out."""
    classifier = _classifier(folder, variant)
    raw = measure.texts(folder, "predict.jsonl")
    raw = measure.share(raw[: measure.settings(folder)["singles"]])
    some = iter(raw)
    took = measure.median_s(lambda: classifier.predict_proba([next(some)]), times=len(raw) - 2, warm=2)
    measure.report(1000 * took, "ms")


def predict_many(folder: Path, variant: str) -> None:
    """Many reviews, raw texts in, probabilities of language model and word counts mixed out."""
    classifier = _classifier(folder, variant)
    raw = measure.share(measure.texts(folder, "predict.jsonl"))
    classifier.predict_proba(raw[:4])
    took = measure.seconds(lambda: classifier.predict_proba(raw))
    flops = _work(classifier, raw, variant) * len(raw) / took
    limit = variant.split("-")[-1]
    measure.report(len(raw) / took, "docs/s", seconds=took, flops_per_s=flops, limit=limit)


def generate(folder: Path, variant: str) -> None:
    """Eight times 200 tokens, written side by side; full softmax over 30,000 words."""
    from ulmus import LanguageModel

    model = LanguageModel.load(folder / "lm-base.ulmus", device="cpu", precision=variant)
    words = measure.settings(folder)["words"]

    def write() -> None:
        model.generate("I liked this movie because", words=words, samples=8, seed=0)

    model.generate("I liked", words=2, samples=8)
    took = measure.seconds(write)
    measure.report(8 * words / took, "tokens/s", seconds=took)


def importing(folder: Path, variant: str) -> None:  # noqa: ARG001
    """CPU seconds of `import ulmus`, or of `ulmus --help`, in a fresh interpreter."""
    what = {"package": ["-c", "import ulmus"], "help": ["-m", "ulmus", "--help"]}[variant]
    took = measure.median_cpu_s([sys.executable, *what], times=5)
    measure.report(took, "CPU s", peak_mb=measure.children_mb())


ROWS: dict[str, tuple[Callable[[Path, str], None], tuple[str, ...]]] = {
    "text": (text, ("word", "unigram", "char")),
    "lm-step": (lm_step, ("full-bf16", "full-float32", "adaptive-bf16")),
    "classifier-step": (classifier_step, ("bf16",)),
    "classifier-lengths": (classifier_lengths, ("bf16",)),
    "predict-one": (predict_one, ("bf16", "int8", "small-bf16")),
    "predict-many": (predict_many, ("bf16", "int8", "small-bf16")),
    "import": (importing, ("package", "help")),
    "generate": (generate, ("bf16",)),
}

if __name__ == "__main__":
    if sys.argv[1] not in ("import", "text"):  # (they need no torch: it would count as their memory)
        measure.all_cores()
    ROWS[sys.argv[1]][0](Path(sys.argv[2]), sys.argv[3])

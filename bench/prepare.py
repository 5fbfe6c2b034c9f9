"""The inputs of `compare.py`, made once: `python prepare.py FOLDER [quick]`. Both sides read the same files.

IMDb reviews from $ULMUS_DATA (default ../shared/data). Texts are lines of JSON strings, ids are numpy arrays: nothing
that only one of the two libraries could read, but for Ulmus' own untrained models, which fastai makes on the spot.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import measure
import numpy as np
import torch

from ulmus import Source, TextClassifier, Tokenizer, TokenizerConfig, WordCounts, read
from ulmus.evaluation.combination import Combination
from ulmus.models.awd_lstm import AWDLSTM
from ulmus.models.heads import make_head
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.fitted import PARTS, FittedClassifier
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.language_model.config import LMConfig, lm_config
from ulmus.tasks.language_model.file import save
from ulmus.tasks.language_model.fitted import FittedLanguageModel
from ulmus.tasks.language_model.network import build

FULL = {"texts": 75_000, "many": 5_000, "singles": 1_000, "steps": 6, "warm": 2, "words": 200, "lengths": 640}
QUICK = {"texts": 2_000, "many": 64, "singles": 5, "steps": 2, "warm": 1, "words": 5, "lengths": 64}
COUNTED = 2_000  # labelled reviews that the word counts learn from
VOCABULARY_TEXTS = 20_000  # reviews that the vocabulary of 30,000 words is counted from


def reviews() -> tuple[list[str], list[str]]:
    """All 75,000 training reviews, those with a label first, and those labels; without them the run ends."""
    folder = Path(os.environ.get("ULMUS_DATA", "../shared/data")) / "imdb"
    paths = folder / "train.csv.zst", folder / "unsup.csv.zst"
    for path in paths:
        if not path.exists():
            sys.exit(
                f"expected the IMDb reviews at {path}, found nothing. Set ULMUS_DATA to the folder that holds imdb/."
            )
    labelled = list(read(Source(paths[0], text=("text",), label="label")))
    order = np.random.default_rng(0).permutation(len(labelled))  # (the file has one class after the other)
    texts = [labelled[i].text for i in order] + [r.text for r in read(Source(paths[1], text=("text",)))]
    return texts, [str(labelled[i].label) for i in order]


def write_lines(path: Path, values: Iterable[str]) -> None:
    """One JSON string a line."""
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")


def write_ids(folder: Path, documents: list[np.ndarray], labels: np.ndarray, lengths: int) -> None:
    """lm.npy (64, 72 * 8 + 1), block.npy (32, 288), and docs.npy: documents as long as they are; all int64."""
    stream = np.concatenate(documents).astype(np.int64)
    width = measure.STEPS * 8 + 1
    np.save(folder / "lm.npy", stream[: measure.BATCH * width].reshape(measure.BATCH, width))
    long = [k for k, ids in enumerate(documents) if len(ids) >= measure.LENGTH][: measure.DOCUMENTS]
    np.save(folder / "block.npy", np.stack([documents[k][: measure.LENGTH] for k in long]).astype(np.int64))
    np.save(folder / "block_labels.npy", labels[long])
    some = documents[:lengths]
    np.save(folder / "docs.npy", np.concatenate(some).astype(np.int64))
    np.save(folder / "docs_lengths.npy", np.array([len(ids) for ids in some]))
    np.save(folder / "docs_labels.npy", labels[:lengths])


def write_classifier(path: Path, tokenizer: Tokenizer, counts: WordCounts, config: LMConfig) -> None:
    """A classifier of two classes in one file: what training would make, with random weights."""
    settings = ClassifierConfig()
    torch.manual_seed(0)
    encoder = AWDLSTM(config.encoder(len(tokenizer)), settings.dropouts)
    head = make_head(encoder.config.pooled(), 2, hidden=settings.head_hidden, drops=settings.head_dropouts)
    fitted = FittedClassifier(
        classes=("neg", "pos"),
        network=ClassifierNetwork(encoder, head, max_len=settings.max_len).eval(),
        tokenizer=tokenizer,
        counts=counts,
        combination=Combination(),
        thresholds=dict.fromkeys(PARTS, 0.5),
        config=settings,
        lm_config=dataclasses.replace(config, tokenizer=tokenizer.config),
    )
    TextClassifier.of(fitted).save(path)


def write_models(folder: Path, tokenizer: Tokenizer, counts: WordCounts) -> None:
    """classifier-base.ulmus, classifier-small.ulmus and lm-base.ulmus."""
    for size in ("base", "small"):
        write_classifier(folder / f"classifier-{size}.ulmus", tokenizer, counts, lm_config(size))
    config = dataclasses.replace(LMConfig(), tokenizer=tokenizer.config)
    network = build(config, len(tokenizer), seed=0).eval()
    save(FittedLanguageModel(config, tokenizer, network), folder / "lm-base.ulmus")


def main() -> None:
    """Write all files; `settings.json` last."""
    folder, told = Path(sys.argv[1]), QUICK if "quick" in sys.argv[2:] else FULL
    texts, names = reviews()
    labels = np.array(sorted(set(names))).searchsorted(names)
    write_lines(folder / "texts.jsonl", texts[: told["texts"]])
    tokenizer = Tokenizer.train(
        texts[:VOCABULARY_TEXTS], TokenizerConfig(min_freq=1, max_size=measure.VOCABULARY)
    )
    write_lines(folder / "vocabulary.jsonl", tokenizer.vocab.tokens)
    counted, rest = texts[:COUNTED], texts[COUNTED:]
    write_lines(folder / "predict.jsonl", rest[: told["many"]])
    write_ids(folder, tokenizer.encode_batch(rest[:COUNTED]), labels[COUNTED:], told["lengths"])
    counts = WordCounts().fit(counted, [str(k) for k in labels[:COUNTED]])
    write_models(folder, tokenizer, counts)
    (folder / "settings.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The encoders of `probe.py`: texts -> frozen features, with CPU seconds and tokens. Nothing is tuned.

A name or path of a language model of Ulmus; `minilm`, all-MiniLM-L6-v2 in plain transformers, mean pooling, 256 tokens;
`static`, WordLlama's vectors; `lsa`, TF-IDF and LSA by scikit-learn. All but `minilm` see the first 512 tokens.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import environments
import minilm
import numpy as np

MOST = 512  # tokens of a document
BATCH = 64  # documents
STATIC = ("wordllama==0.4.0.post1",)
DIMENSIONS = 300  # of LSA
NGRAMS = 30_000  # the most frequent ones
FITTED_ON = 5_000  # texts, for LSA
PEERS = ("static", "lsa", "minilm")


class Features(NamedTuple):
    """Features (N, F) of N documents, and what they cost."""

    x: np.ndarray
    cpu_s: float  # of tokenizing and encoding; loading, and fitting of LSA, not included
    tokens: int  # the encoder's own


def features(encoder: str, texts: list[str], pool: Sequence[str], language: str) -> Features:
    """Features of `texts`; LSA is fitted on texts of the `pool`, without their labels."""
    if encoder == "minilm":
        return of_minilm(texts)
    if encoder == "static":
        return of_static(texts)
    if encoder == "lsa":
        return of_lsa(texts, pool, language)
    return of_language_model(encoder, texts)


def language_of(encoder: str) -> str | None:
    """The language that a model says it is for; None: it has none, or is a peer."""
    if encoder in PEERS:
        return None
    from ulmus.bundle import read_manifest
    from ulmus.installed import installed

    language = read_manifest(installed().get(encoder, Path(encoder)))["card"].get("language")
    return str(language) if language else None


def of_language_model(name: str, texts: list[str]) -> Features:
    """Concat-pooled features of its encoder, in the precision that a CPU gets."""
    import torch

    from ulmus import LanguageModel
    from ulmus.models.encoders import for_inference
    from ulmus.train.device import resolve_precision

    model = LanguageModel.load(name)
    precision = resolve_precision("auto", torch.device("cpu"))
    encoder = for_inference(model.network_.encoder.to("cpu"), precision)
    found = np.empty((len(texts), model.network_.encoder.config.pooled()), np.float32)
    began = time.process_time()
    ids = [one[:MOST] for one in model.tokenizer_.encode_batch(texts)]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    for at in range(0, len(order), BATCH):
        mine = order[at : at + BATCH]
        lengths = torch.tensor([max(len(ids[i]), 1) for i in mine])
        block = torch.zeros(len(mine), int(lengths.max()), dtype=torch.long)
        for row, i in enumerate(mine):
            block[row, : len(ids[i])] = torch.from_numpy(ids[i].astype(np.int64))
        found[mine] = encoder.features(block, lengths).numpy()
    return Features(found, time.process_time() - began, sum(map(len, ids)))


def of_minilm(texts: list[str]) -> Features:
    """Mean-pooled, normalised vectors, in the precision that a CPU gets."""
    import rows_transformers
    import torch
    from transformers import AutoTokenizer

    from ulmus.train.device import autocast, resolve_precision

    folder = str(minilm.checkpoint())
    rows_transformers.pooled(folder, [texts[:1]])  # what the first call loads does not count
    cpu = torch.device("cpu")
    began = time.process_time()
    with torch.inference_mode(), autocast(cpu, resolve_precision("auto", cpu)):
        x = rows_transformers.pooled(folder, [texts])[0]
    took = time.process_time() - began
    lengths = AutoTokenizer.from_pretrained(folder)(
        texts, truncation=True, max_length=rows_transformers.MAX_LENGTH
    )
    return Features(x, took, sum(map(len, lengths["input_ids"])))


def of_static(texts: list[str]) -> Features:
    """Means of WordLlama's vectors, by a process in its environment."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "texts.json"), Path(folder, "features.npy")
        given.write_text(json.dumps(texts), encoding="utf-8")
        script = Path(__file__).with_name("rows_static.py")
        command = [environments.python_with("static", STATIC), script, given, made]
        told = json.loads(environments.last_line(command))
        return Features(np.load(made), told["cpu_s"], told["tokens"])


def of_lsa(texts: list[str], pool: Sequence[str], language: str) -> Features:
    """TF-IDF of words and pairs of words (English) or of 1 to 3 characters, and LSA."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    unit = re.compile(r"\w+|[^\w\s]" if language == "en" else r"\S")

    def first(text: str) -> list[str]:
        return unit.findall(text.lower())[:MOST]

    longest = 2 if language == "en" else 3
    counts = TfidfVectorizer(
        tokenizer=first,
        token_pattern=None,
        lowercase=False,
        ngram_range=(1, longest),
        min_df=2,
        max_features=NGRAMS,
        sublinear_tf=True,
        dtype=np.float32,
    )
    pipeline = make_pipeline(counts, TruncatedSVD(DIMENSIONS, random_state=0)).fit(list(pool)[:FITTED_ON])
    began = time.process_time()
    x = pipeline.transform(texts)
    took = time.process_time() - began
    return Features(x, took, sum(len(first(text)) for text in texts))

"""The data sets that encoders and peers are compared on: labels are drawn from one part, the other is only tested on.

Each training file is split once (seed 0), as in `few_labels.py`; 1,000 or 2,000 documents at most are tested on. SST-2
has a development set, which is the test set here. No anchor phrase of the patents is in both parts. Imports no torch.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

DATA = Path(os.environ.get("ULMUS_DATA", "../shared/data"))
Text = tuple[str, ...]  # one text, or two that belong together


class Split(NamedTuple):
    """A data set: the pool that labels are drawn from and the test set, each texts and labels."""

    pool: tuple[list[Text], list[Any]]
    test: tuple[list[Text], list[Any]]


class DataSet(NamedTuple):
    """Where a data set is and what is measured on it."""

    source: dict[str, Any]  # arguments of `ulmus.Source`
    tested: int = 2_000  # documents at most
    test_file: str = ""  # one of its own
    group: int | None = None  # which of two texts is in one of the parts only
    measure: str = "accuracy"  # or "pearson"
    single: bool = False  # leave out documents that have several labels, separated by commas
    language: str = "en"


_PAIRS = ("#1 String", "#2 String")
SETS = {
    "trec": DataSet(
        {"path": "trec/train.txt", "format": "text", "label": "first-word-to-colon", "encoding": "latin-1"},
    ),
    "sst2": DataSet(
        {"path": "sst2/train.tsv", "text": ("sentence",), "label": "label", "quoting": False},
        test_file="sst2/dev.tsv",
    ),
    "mrpc": DataSet(
        {"path": "mrpc/msr_paraphrase_train.txt", "format": "tsv", "quoting": False, "text": _PAIRS,
         "label": "Quality"},
    ),
    "us_patent": DataSet(
        {"path": "us_patent_phrase/train.csv", "text": ("anchor", "target"), "label": "score"},
        group=0,
        measure="pearson",
    ),
    "imdb": DataSet({"path": "imdb/train.csv.zst", "text": ("text",), "label": "label"}, 1_000),
    "20newsgroups": DataSet({"path": "20newsgroups/train.csv.xz", "text": ("text",), "label": "label"}, 1_000),
    "goemotions": DataSet(
        {"path": "goemotions/train.tsv", "text": ("text",), "label": "label", "quoting": False}, single=True
    ),
    "chnsenticorp": DataSet(
        {"path": "chnsenticorp/train.csv", "text": ("review",), "label": "label"}, language="zh"
    ),
    "wisesight": DataSet(
        {"path": "wisesight_th/train.jsonl.xz", "text": ("texts",), "label": "category"}, language="th"
    ),
}  # fmt: skip


def load(name: str, tested: int | None = None) -> Split:
    """A data set, split; `tested` documents at most are in the test set."""
    about = SETS[name]
    tested = min(tested or about.tested, about.tested)
    texts, labels = _rows(about, about.source["path"])
    if about.test_file:
        test = _rows(about, about.test_file)
        return Split((texts, labels), (test[0][:tested], test[1][:tested]))
    order = np.random.default_rng(0).permutation(len(texts))
    held = np.isin(np.arange(len(texts)), order[: min(5_000, 3 * len(texts) // 10)])
    if about.group is not None:
        groups = np.array([text[about.group] for text in texts])
        kinds = np.unique(groups)
        held = np.isin(groups, np.random.default_rng(0).permutation(kinds)[: 3 * len(kinds) // 10])
    # (in the order of few_labels.py: a seed draws the same labels)
    parts = [
        ([texts[i] for i in rows], [labels[i] for i in rows])
        for rows in (order[~held[order]], order[held[order]][:tested])
    ]
    return Split(parts[0], parts[1])


def drawn(split: Split, labels: int, seed: int) -> tuple[list[Text], list[Any]]:
    """The labelled texts of a seed; with more labels it draws the same ones and others."""
    texts, values = split.pool
    mine = np.random.default_rng(seed).permutation(len(texts))[:labels]
    return [texts[i] for i in mine], [values[i] for i in mine]


def score(name: str, predicted: Any, true: Any) -> float:
    """What is measured on a set: accuracy in per cent, or 100 times Pearson's correlation."""
    if SETS[name].measure == "pearson":
        return 100 * float(np.corrcoef(np.asarray(predicted, float), np.asarray(true, float))[0, 1])
    return 100 * float(np.mean(np.asarray(predicted) == np.asarray(true)))


def _rows(about: DataSet, path: str) -> tuple[list[Text], list[Any]]:
    from ulmus import Source, read

    columns = about.source.get("text", ())
    keep = columns if len(columns) > 1 else ()
    records = list(read(Source(**about.source | {"path": DATA / path, "keep": keep})))
    if about.single:
        records = [record for record in records if "," not in str(record.label)]
    texts = [tuple(map(str, record.kept)) if keep else (record.text,) for record in records]
    pearson = about.measure == "pearson"
    return texts, [float(str(record.label)) if pearson else str(record.label) for record in records]

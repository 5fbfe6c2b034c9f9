"""How far texts are from a tokenizer's own corpus, by `text/familiar.py`: `python bench/languages.py`.

Tokenizers of English (words, pieces) and Chinese (pieces) Wikipedia against data sets in four languages; 1 is like the
corpus itself. Needs $ULMUS_DATA (default ../shared/data); a minute on 2 cores.
"""

import os
import random
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ulmus import Source, Tokenizer, TokenizerConfig, read
from ulmus.text.familiar import bits_per_byte

DATA = Path(os.environ.get("ULMUS_DATA", "../shared/data"))
CORPORA = {"enwiki2015": 20_000_000, "zhwiki": 8_000_000}  # characters that are read
TOKENIZERS = {
    "English words": ("enwiki2015", TokenizerConfig(max_size=20_000)),
    "English pieces": ("enwiki2015", TokenizerConfig(kind="unigram", max_size=16_000)),
    "Chinese pieces": ("zhwiki", TokenizerConfig(kind="unigram", max_size=16_000)),
}
SETS = {
    "IMDb": {"path": "imdb/train.csv.zst", "text": ("text",), "label": "label"},
    "TREC": {
        "path": "trec/train.txt",
        "format": "text",
        "label": "first-word-to-colon",
        "encoding": "latin-1",
    },
    "GoEmotions": {"path": "goemotions/dev.tsv", "format": "tsv", "text": ("text",)},
    "newsgroups": {"path": "20newsgroups/train.csv.xz", "text": ("text",), "label": "label"},
    "SMS": {
        "path": "sms_spam/SMSSpamCollection",
        "format": "tsv",
        "header": "no",
        "text": ("1",),
        "quoting": False,
    },
    "German tweets": {
        "path": "germeval2018/germeval2018.training.txt",
        "format": "tsv",
        "header": "no",
        "quoting": False,
        "text": ("0",),
    },
    "Thai": {"path": "wisesight_th/valid.jsonl.xz", "text": ("texts",), "label": "category"},
    "Chinese reviews": {"path": "chnsenticorp/train.csv", "text": ("review",), "label": "label"},
}


def wiki(name: str) -> list[str]:
    """The first articles."""
    found, size = [], 0
    for record in read(Source(DATA / f"lm/{name}.txt.zst")):
        found.append(record.text)
        size += len(record.text)
        if size > CORPORA[name]:
            break
    return found


def texts(settings: dict) -> list[str]:
    """All texts of a set, in an order of chance."""
    found = [record.text for record in read(Source(**settings | {"path": DATA / settings["path"]}))]
    random.Random(0).shuffle(found)
    return found


def main() -> None:
    """Print the distances."""
    sets = {name: texts(settings) for name, settings in SETS.items()}
    corpora = {name: wiki(name) for name in CORPORA}
    table = Table("texts", *TOKENIZERS)
    columns = []
    for corpus, config in TOKENIZERS.values():
        tokenizer = Tokenizer.train(corpora[corpus], config)
        own = bits_per_byte(tokenizer, corpora[corpus])
        columns.append([bits_per_byte(tokenizer, some) / own for some in sets.values()])
    for name, row in zip(sets, zip(*columns, strict=True), strict=True):
        table.add_row(name, *(f"{value:.2f}" for value in row))
    Console().print(table)


if __name__ == "__main__":
    main()

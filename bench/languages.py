"""How far texts are from the language models in the box, by `text/familiar.py`: `python bench/languages.py`.

Data sets in four languages; 1 is like the model's own corpus. Needs $ULMUS_DATA (default ../shared/data); seconds.
"""

import os
import random
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ulmus import Source, Tokenizer, read
from ulmus.bundle import read_manifest, read_tokenizer
from ulmus.installed import installed
from ulmus.text.familiar import bits_per_byte, foreign_letters

DATA = Path(os.environ.get("ULMUS_DATA", "../shared/data"))
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


def texts(settings: dict) -> list[str]:
    """All texts of a set, in an order of chance."""
    found = [record.text for record in read(Source(**settings | {"path": DATA / settings["path"]}))]
    random.Random(0).shuffle(found)
    return found


def main() -> None:
    """Print the distances, and the share of foreign letters."""
    sets = {name: texts(settings) for name, settings in SETS.items()}
    models = {
        name: path for name, path in installed().items() if not read_manifest(path)["config"]["backwards"]
    }
    table = Table("texts", *models, title="distance, share of letters in other scripts")
    columns = []
    for path in models.values():
        tokenizer, own = (
            Tokenizer.from_json(read_tokenizer(path)),
            read_manifest(path)["card"]["bits_per_byte"],
        )
        columns.append(
            [
                (bits_per_byte(tokenizer, some) / own, foreign_letters(tokenizer, some))
                for some in sets.values()
            ]
        )
    for name, row in zip(sets, zip(*columns, strict=True), strict=True):
        table.add_row(name, *(f"{distance:.2f}, {letters:.2f}" for distance, letters in row))
    Console().print(table)


if __name__ == "__main__":
    main()

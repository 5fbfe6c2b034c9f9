"""How alike are two phrases of a patent? Pairs of texts with a number, scored on anchors that training never saw.

    python examples/us_patent_phrases.py ../shared/data/us_patent_phrase/train.csv
    python examples/us_patent_phrases.py train.csv --as text --language-model none --minutes 5

The data: US Patent Phrase to Phrase Matching (csv: id, anchor, target, context, score from 0 to 1). A quarter of the
anchors is kept aside; the model's own held-out set is of whole anchors too (`groups`), so that both scores are of new
ones. `--as pair` gives (anchor, target) to the model, `--as text` one text, `TEXT1: ...; TEXT2: ...; ANC1: ...`.
Prints the Pearson correlation of network, word counts and both combined.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from pathlib import Path
from typing import Any

from ulmus import TextRegressor

SECTIONS = {  # of the Cooperative Patent Classification: the first letter of a context
    "A": "human necessities",
    "B": "operations and transport",
    "C": "chemistry and metallurgy",
    "D": "textiles and paper",
    "E": "constructions",
    "F": "mechanical engineering, heating, weapons",
    "G": "physics",
    "H": "electricity",
}
Row = dict[str, str]


def split(rows: list[Row], share: float = 0.25, seed: int = 0) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows to test on, which have no anchor in common."""
    anchors = sorted({row["anchor"] for row in rows})
    random.Random(seed).shuffle(anchors)
    aside = set(anchors[: max(1, round(share * len(anchors)))])
    return [row for row in rows if row["anchor"] not in aside], [
        row for row in rows if row["anchor"] in aside
    ]


def texts(rows: list[Row], form: str) -> list[Any]:
    """What the model sees of each row: a pair of texts, or one text."""
    if form == "pair":
        return [(row["anchor"], row["target"]) for row in rows]
    return [
        f"TEXT1: {SECTIONS.get(row['context'][:1], row['context'])}; TEXT2: {row['target']}; ANC1: {row['anchor']}"
        for row in rows
    ]


def run(path: Path, *, form: str = "pair", limit: int | None = None, **settings: Any) -> dict[str, Any]:
    """Train and test; `settings` are those of `TextRegressor`. Returns the scores of each part on unseen anchors."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:limit]
    train, test = split(rows)
    model = TextRegressor(**settings).fit(
        texts(train, form),
        [float(row["score"]) for row in train],
        groups=[row["anchor"] for row in train],
    )
    found = model.evaluate(texts(test, form), [float(row["score"]) for row in test])
    return {"verdict": model.report_["verdict"], "n": found["n"], "parts": found["parts"]}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="train.csv")
    parser.add_argument("--as", dest="form", choices=["pair", "text"], default="pair")
    parser.add_argument("--encoder", metavar="FOLDER", help="transformer to start from")
    parser.add_argument("--language-model", metavar="NAME|none", help="language model to start from")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--limit", type=int, default=None, metavar="N", help="use the first N rows")
    given = parser.parse_args()
    found = run(
        given.data,
        form=given.form,
        limit=given.limit,
        encoder=given.encoder,
        language_model=given.language_model,
        minutes=given.minutes,
    )
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

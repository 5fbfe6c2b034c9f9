"""Do two sentences mean the same? Pairs of texts with a class.

    python examples/paraphrases.py ../shared/data/mrpc/msr_paraphrase_train.txt
    python examples/paraphrases.py msr_paraphrase_train.txt --language-model none --minutes 5

The data: Microsoft Research Paraphrase Corpus (tab-separated: Quality, two ids, two strings; 1 is a paraphrase). A
quarter of the pairs, drawn at random, is kept aside. Prints accuracy and the F1 of paraphrases of network, word counts
and both combined.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

from ulmus import Source, TextClassifier, read
from ulmus.fields import split_pair


def run(path: Path, *, limit: int | None = None, seed: int = 0, **settings: Any) -> dict[str, Any]:
    """Train and test; `settings` are those of `TextClassifier`. Returns accuracy and F1 of each part."""
    from sklearn.metrics import accuracy_score, f1_score

    source = Source(
        path, text="#1 String", text_b=("#2 String",), label="Quality", format="tsv", quoting=False
    )
    rows = [(split_pair(record.text), record.label) for record in read(source)][:limit]
    random.Random(seed).shuffle(rows)
    cut = len(rows) // 4
    test, train = rows[:cut], rows[cut:]
    model = TextClassifier(**settings).fit([pair for pair, _ in train], [label for _, label in train])
    pairs, truth = [pair for pair, _ in test], [label for _, label in test]
    parts = {}
    for part in model.parts:
        guess = model.labels_of(model.predict_proba(pairs, part=part), part=part)
        parts[part] = {
            "accuracy": accuracy_score(truth, guess),
            "f1": f1_score(truth, guess, pos_label="1"),
        }
    return {"verdict": model.report_["verdict"], "n": len(test), "parts": parts}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="msr_paraphrase_train.txt")
    parser.add_argument("--encoder", metavar="FOLDER", help="transformer to start from")
    parser.add_argument("--language-model", metavar="NAME|none", help="language model to start from")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--limit", type=int, default=None, metavar="N", help="use the first N pairs")
    given = parser.parse_args()
    found = run(
        given.data,
        limit=given.limit,
        encoder=given.encoder,
        language_model=given.language_model,
        minutes=given.minutes,
    )
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

"""Bits a character of language models on texts of several kinds: how well each knows English of that kind.

    python bench/bits.py run MODEL [MODEL ...]     files, which are told by their names, or installed models
    python bench/bits.py table                     Markdown of what is done

Bits are those of all tokens plus the letters of unknown words, so that vocabularies compare. Of each kind the last
documents of a file are read, up to 300,000 characters. Wikipedia and the forum posts are texts that the models were
trained on; reviews, blogs and news none of them has read. What is in --out is not repeated. Needs $ULMUS_DATA.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jobs
import splits

from ulmus import LanguageModel

OUT = Path(__file__).parent / "results" / "bits.jsonl"
KINDS = {
    "Wikipedia (read)": "lm/enwiki2015.txt.zst",
    "forum posts (read)": "lm/open/en_reddit.txt.zst",
    "reviews": "lm/research/en_reviews.txt.zst",
    "blogs": "lm/research/en_blogs.txt.zst",
    "news": "lm/research/en_news.txt.zst",
}
CHARACTERS = 300_000


def documents(path: Path) -> Iterator[str]:
    """The documents of a file: one paragraph a line, documents apart by an empty line."""
    with subprocess.Popen(
        ["zstd", "-dcq", str(path)], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as unpacked:
        lines: list[str] = []
        for line in unpacked.stdout or ():
            if line.strip():
                lines.append(line.strip())
            elif lines:
                yield "\n".join(lines)
                lines = []
    if lines:
        yield "\n".join(lines)


def last(path: Path) -> list[str]:
    """The last whole documents of a file that have no more than `CHARACTERS` together."""
    kept: deque[str] = deque()
    size = 0
    for document in documents(path):
        kept.append(document)
        size += len(document)
        while size > CHARACTERS and len(kept) > 1:
            size -= len(kept.popleft())
    return list(kept)


def run(options: argparse.Namespace) -> None:
    """Measure what is not in the file of results."""
    had = {(row["model"], row["kind"]) for row in jobs.rows(options.out)}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for kind, file in KINDS.items():
        texts: list[str] = []
        for given in options.models:
            name = Path(given).stem
            if (name, kind) in had:
                continue
            texts = texts or last(splits.DATA / file)
            found = LanguageModel.load(given, device="cpu").evaluate(texts)
            row: dict[str, Any] = {"model": name, "kind": kind, "characters": sum(map(len, texts))}
            row |= {key: round(found[key], 4) for key in ("bits_per_character", "perplexity")}
            print(json.dumps(row), flush=True)
            with options.out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(row) + "\n")


def table(options: argparse.Namespace) -> None:
    """One row a model, one column a kind."""
    done = {(row["model"], row["kind"]): row["bits_per_character"] for row in jobs.rows(options.out)}
    print("| model | " + " | ".join(KINDS) + " |")
    print("|---" * (len(KINDS) + 1) + "|")
    for name in dict.fromkeys(model for model, _ in done):
        told = [f"{done[name, kind]:.2f}" if (name, kind) in done else "-" for kind in KINDS]
        print(f"| `{name}` | {' | '.join(told)} |")


def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)
    for name in ("run", "table"):
        step = steps.add_parser(name)
        step.add_argument("--out", type=Path, default=OUT)
        if name == "run":
            step.add_argument("models", nargs="+")
    options = parser.parse_args()
    {"run": run, "table": table}[options.step](options)


if __name__ == "__main__":
    main()

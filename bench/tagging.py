"""Entities: the tagger beside a conditional random field on features of words, on WNUT-17 and CoNLL-2002 (Spanish).

    python bench/tagging.py run [--sets wnut17 conll2002.es] [--ways crf lstm none] [--minutes 10]
    python bench/tagging.py run --ways transformer --encoder FOLDER      (all-MiniLM-L6-v2, say)
    python bench/tagging.py table

Ways: `crf` is python-crfsuite (`pip install python-crfsuite`) with the usual features of a word and its neighbours
(Okazaki 2007; affixes, shape), L-BFGS, 100 iterations, c1 0.1, c2 0.01. `lstm` is `TextTagger` as it comes: installed
language models if one knows the language, else one trained on the sentences. `none` has random weights instead.
All learn from the training file alone; the dev file is only judged on. F1 by seqeval's definition. One core a training.
`minutes` are those of the clock, `cpu` those of the processor: they differ where the machine was busy.
The Spanish files are UTF-8 that was once taken for Latin-1; that is undone. Needs $ULMUS_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import jobs

DATA = Path(os.environ.get("ULMUS_DATA", "../shared/data")) / "ner"
OUT = Path("bench/results/tagging.jsonl")
SETS = ("wnut17", "conll2002.es")
WAYS = ("crf", "lstm", "none", "transformer")


def load(name: str, part: str) -> Any:
    """The tagged sentences of a file."""
    from ulmus.corpus.tagged import Tagged, read_tagged

    tagged = read_tagged(DATA / f"{name}.{part}.conll")
    if name != "conll2002.es":
        return tagged
    return Tagged([[repaired(str(token)) for token in row] for row in tagged.sentences], tagged.entities)


def repaired(token: str) -> str:
    """UTF-8 that was read as Latin-1 and written again, as it was before."""
    try:
        return token.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return token


def described(tokens: list[str], i: int) -> list[str]:
    """The features of a word: its own, and those of its two neighbours on either side."""
    found = ["bias"]
    for place in range(-2, 3):
        if not 0 <= i + place < len(tokens):
            found.append(f"{place}:none")
            continue
        word = tokens[i + place]
        found += [
            f"{place}:low={word.lower()}",
            f"{place}:title={word.istitle()}",
            f"{place}:upper={word.isupper()}",
        ]
        if abs(place) < 2:
            shape = "".join(
                "X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else c for c in word
            )
            found += [f"{place}:shape={shape}", f"{place}:digit={word.isdigit()}"]
        if not place:
            found += [f"prefix={word[:n].lower()}" for n in (1, 2, 3, 4)]
            found += [f"suffix={word[-n:].lower()}" for n in (1, 2, 3, 4)]
    return found


def field(train: Any, dev: Any, work: Path) -> list[Any]:
    """The entities that the conditional random field finds in `dev`."""
    import pycrfsuite

    from ulmus.evaluation.entities import as_tags, entities

    trainer = pycrfsuite.Trainer(verbose=False)
    for tokens, marked in zip(train.sentences, train.entities, strict=True):
        trainer.append([described(tokens, i) for i in range(len(tokens))], as_tags(marked, len(tokens)))
    trainer.set_params({"c1": 0.1, "c2": 0.01, "max_iterations": 100, "feature.possible_transitions": True})
    work.mkdir(parents=True, exist_ok=True)
    model = str(work / f"crf-{os.getpid()}.model")
    trainer.train(model)
    tagger = pycrfsuite.Tagger()
    tagger.open(model)
    return [
        entities(tagger.tag([described(tokens, i) for i in range(len(tokens))])) for tokens in dev.sentences
    ]


def measured(name: str, way: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train one way on a set, and score its dev file."""
    from ulmus import TextTagger
    from ulmus.evaluation.entities import entity_scores

    train, dev = load(name, "train"), load(name, "dev")
    started, cpu = time.perf_counter(), time.process_time()
    if way == "crf":
        found = field(train, dev, options.work)
        spent = (time.perf_counter() - started, time.process_time() - cpu)
    else:
        start = {"none": {"language_model": "none"}, "transformer": {"encoder": options.encoder}}.get(way, {})
        tagger = TextTagger(minutes=options.minutes, device="cpu", **start)
        tagger.fit_tagged(train)
        spent = (time.perf_counter() - started, time.process_time() - cpu)
        found = [
            [entity for entity, _ in row] for row in tagger.fitted_.entities(dev.sentences, device="cpu")
        ]
    scores = entity_scores(dev.entities, found)
    return {
        "set": name,
        "way": way,
        "budget": None if way == "crf" else options.minutes,
        "encoder": options.encoder and options.encoder.name if way == "transformer" else None,
        **{key: round(scores[key], 4) for key in ("precision", "recall", "f1")},
        "types": {kind: round(row["f1"], 4) for kind, row in scores["types"].items()},
        "minutes": round(spent[0] / 60, 1),
        "cpu": round(spent[1] / 60, 1),
        "date": time.strftime("%Y-%m-%d"),
    }


def table(out: Path) -> None:
    """The results as Markdown."""
    print(
        "| data set | way | precision | recall | F1 | minutes | of the processor |\n|---|---|---|---|---|---|---|"
    )
    for row in jobs.rows(out):
        scores = " | ".join(f"{100 * row[key]:.1f}" for key in ("precision", "recall", "f1"))
        print(f"| {row['set']} | {row['way']} | {scores} | {row['minutes']} | {row['cpu']} |")


def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("run", "table", "child"))
    parser.add_argument("what", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--ways", nargs="+", default=list(WAYS[:3]), choices=WAYS)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--encoder", type=Path, help="folder of a transformer, for the way of that name")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--work", type=Path, default=Path("runs/tagging"))
    options = parser.parse_args()
    if options.step == "table":
        table(options.out)
    elif options.step == "child":
        name, way = options.what
        print(json.dumps(measured(name, way, options)))
    else:
        had = {(row["set"], row["way"]) for row in jobs.rows(options.out)}
        todo = [(name, way) for name in options.sets for way in options.ways if (name, way) not in had]
        given = ["--minutes", options.minutes, "--work", options.work]
        given += ["--encoder", options.encoder] if options.encoder else []
        jobs.run(__file__, todo, given, jobs=options.jobs, out=options.out)


if __name__ == "__main__":
    main()

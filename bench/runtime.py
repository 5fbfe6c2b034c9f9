"""Exported models without torch beside the same models in torch: equal outputs, cold start, memory, time for a text.

    python bench/runtime.py run [--sets NAME ...] [--python PYTHON] [--minutes 0.3] [--out FILE]
    python bench/runtime.py table [--out FILE]      Markdown of what is done

A model is trained for `--minutes` (300 labels; reviews 1,000), its two parts get equal weights, and it is exported in
float32 and in int8. Each form then answers in processes of its own, on one core: `torch` by `ulmus`, the others by
PYTHON, an environment with ulmus-runtime alone (default: this one). Three data sets are in the Latin, Chinese and Thai
scripts; `trec-hi` and `sst2-ru` are data sets whose letters are replaced by Devanagari and Cyrillic ones. Times are CPU
time, because other work on the machine then hardly counts: the median of 30 calls for the text of 230 words, of 5
starts. What is in --out is not repeated. Needs $ULMUS_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jobs
import measure
import numpy as np
import splits

SETS = {
    "imdb": "imdb",
    "chnsenticorp": "chnsenticorp",
    "wisesight": "wisesight",
    "sst2-ru": "sst2",
    "trec-hi": "trec",
}
LETTERS = {
    "ru": str.maketrans(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "абцдефгхийклмнопярстувшжызАБЦДЕФГХИЙКЛМНОПЯРСТУВШЖЫЗ",
    ),
    "hi": str.maketrans("abcdefghijklmnopqrstuvwxyz", "अबचदएफगहइजकलमनओपखरसटउवौषयज"),
}
FORMS = ("torch", "float32", "int8")
COMPARED = 500
# labelled texts to train on, and texts for the check of int8
AMOUNTS = {"imdb": (1_000, 1_000), "others": (300, 500)}
WORDS, STARTS, CALLS = 230, 5, 30
LIBRARY = {"torch": "ulmus", "float32": "runtime", "int8": "runtime"}


def data(name: str) -> tuple[list[str], list[Any], list[str], list[Any]]:
    """Labelled texts to train on, others to test on."""
    train, tested = AMOUNTS.get(name, AMOUNTS["others"])
    split = splits.load(SETS[name], tested)
    texts, labels = splits.drawn(split, train, 0)
    table = LETTERS.get(name.rpartition("-")[2], {})
    given, test = ([text[0].translate(table) for text in some] for some in (texts, split.test[0]))
    return given, labels, test, split.test[1]


def measured(name: str, minutes: float, python: str) -> list[dict[str, Any]]:
    """The rows of a data set, one for each form."""
    from ulmus import TextClassifier
    from ulmus.errors import DataError

    texts, labels, test, truth = data(name)
    installed = {"en": "en-small", "zh": "zh-small"}.get(
        splits.SETS[name].language if name in splits.SETS else ""
    )
    model = TextClassifier(minutes=minutes, size="small", language_model=installed, verbose=False)
    fitted = model.fit(texts, labels).fitted_
    equal = dataclasses.replace(fitted.combination, weight=0.5, exponent_lm=0.5, exponent_counts=0.5)
    model = TextClassifier.of(
        dataclasses.replace(fitted, combination=equal), device="cpu", precision="float32"
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files = {form: Path(folder) / f"{form}.ulmus" for form in FORMS}
        model.save(files["torch"])
        model.export(files["float32"])
        try:
            about = model.export(files["int8"], int8=True, check=(test, truth))["checked"]
        except DataError as error:  # it loses too much
            print(f"{name}: {error}", file=sys.stderr)
            about = {}
        own = model.predict_proba(test[:COMPARED])
        words = " ".join(test).split(" ")
        given = Path(folder) / "texts.json"
        asked = {
            "compared": test[:COMPARED],
            "one": " ".join(words[:WORDS]) if len(words) > 9 * WORDS else test[0][:WORDS],
        }
        given.write_text(json.dumps(asked), encoding="utf-8")
        for form in FORMS:
            if files[form].exists():
                row = _form(form, files[form], given, sys.executable if form == "torch" else python)
                differs = np.abs(np.array(row.pop("outputs")) - own).max() if form != "torch" else 0.0
                rows.append({"name": name, "form": form, **row, "largest_difference": float(differs)})
                rows[-1] |= {"size_mb": files[form].stat().st_size / 1e6} | (
                    {"int8": about} if form == "int8" else {}
                )
    return rows


def _form(form: str, file: Path, texts: Path, python: str) -> dict[str, Any]:
    """What a form of the model costs, in fresh processes."""
    here = str(Path(__file__).resolve())
    command = [python, here, "answer", LIBRARY[form], str(file), str(texts)]
    starts = []
    for _ in range(STARTS + 1):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([*command, "start"], check=True, stdout=subprocess.DEVNULL, env=_one_core())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        starts.append((used, time.perf_counter() - began))
    done = subprocess.run([*command, "all"], check=True, capture_output=True, text=True, env=_one_core())
    cpu, wall = zip(*starts[1:], strict=True)  # (the first one fills the file cache)
    found = json.loads(done.stdout.splitlines()[-1])
    return {"start_cpu_s": statistics.median(cpu), "start_wall_s": min(wall), **found}


def _one_core() -> dict[str, str]:
    return os.environ | jobs.CORE


def answer(library: str, file: str, texts: str, how: str) -> None:
    """In a fresh process: load, answer, and print what it cost. Imports nothing but the library."""
    asked = json.loads(Path(texts).read_text(encoding="utf-8"))
    predict = _loaded(library, file)
    predict([asked["one"]])
    if how == "start":
        return
    peak = measure.peak_mb()
    took = []
    for _ in range(CALLS):
        began = time.process_time()
        predict([asked["one"]])
        took.append(time.process_time() - began)
    outputs = predict(asked["compared"])
    print(
        json.dumps(
            {
                "text_cpu_ms": 1000 * statistics.median(took),
                "start_peak_mb": peak,
                "peak_mb": measure.peak_mb(),
                "outputs": np.asarray(outputs).tolist(),
                "torch": "torch" in sys.modules,
            }
        )
    )


def _loaded(library: str, file: str) -> Any:
    """The function that predicts."""
    if library == "ulmus":
        from ulmus import TextClassifier

        return TextClassifier.load(file, device="cpu", precision="float32").predict_proba
    try:
        from ulmus_runtime import load
    except ImportError:
        from ulmus.serve.runtime import load
    return load(file).predict_proba


def run(options: argparse.Namespace) -> None:
    """Measure what is not in the file of results."""
    had = {row["name"] for row in jobs.rows(options.out)}
    for name in options.sets:
        if name in had:
            continue
        rows = measured(name, options.minutes, options.python)
        with options.out.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def table(options: argparse.Namespace) -> None:
    """One row for each form of each model, as Markdown."""
    print(
        "| data set | form | MB | start, CPU s | one text, CPU ms | peak MB | largest difference | accuracy lost |"
    )
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for row in jobs.rows(options.out):
        lost = row.get("int8", {}).get("lost")
        cells = [
            row["name"] if row["form"] == "torch" else "",
            row["form"],
            f"{row['size_mb']:.1f}",
            f"{row['start_cpu_s']:.2f}",
            f"{row['text_cpu_ms']:.1f}",
            f"{row['start_peak_mb']:.0f}",
            "" if row["form"] == "torch" else f"{row['largest_difference']:.1g}",
            "" if lost is None else f"{lost:+.2f}",
        ]
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    """Run a command."""
    if sys.argv[1:2] == ["answer"]:
        answer(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("run", "table"))
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--minutes", type=float, default=0.3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "runtime.jsonl")
    options = parser.parse_args()
    (run if options.command == "run" else table)(options)


if __name__ == "__main__":
    main()

"""Ulmus and fastai side by side, in one run on one machine: `python bench/compare.py [ROW ...]`.

    --repeats 3   --quick   --out bench/results/speed.json   --peer PYTHON   --data-folder FOLDER   --device cuda
    --markdown

Rows: text, lm-step, classifier-step, classifier-lengths, predict-one, predict-many, import, generate; what each does
stands in its docstring in `rows_fastai.py` and `rows_ulmus.py`. For each row in turn fastai, then Ulmus' variants, and
again, every measurement in a fresh process on all cores; the table has medians. fastai is the newest release with its
own defaults, in an environment of its own (`bench/.peer`, made here on first use with the same torch) or in --peer's.
Inputs are the same files (`prepare.py`), made from the IMDb reviews in $ULMUS_DATA (default ../shared/data).
Each repeat predicts other reviews, the same for both libraries.
"Times" is how many times as fast Ulmus is; "of limit" the fraction of the speed of large products (`limits.py`).
Knows neither library: it starts processes and reads one JSON line from each.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import venv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import measure
from rich.console import Console
from rich.table import Table
from rows_ulmus import ROWS

HERE = Path(__file__).resolve().parent
PEER = HERE / ".peer"
WIDTH = 120  # columns of the table where it goes to a file
LOWER_IS_BETTER = ("ms", "CPU s")
ON_A_GPU = ("lm-step", "classifier-step")  # rows that --device cuda measures
Result = dict[str, Any]
console = Console() if sys.stdout.isatty() else Console(width=WIDTH)


def peer_python() -> Path:
    """The Python of the other library's environment, which is made where there is none yet."""
    python = PEER / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = PEER / ".installed"
    if not ready.exists():
        console.print(f"installing fastai in {PEER.relative_to(HERE.parent)} ...")
        venv.create(PEER, with_pip=True, clear=True)
        constraints = HERE.parent / ".ci" / "constraints.txt"
        command = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", constraints]
        subprocess.run([*map(str, command), "fastai"], check=True)
        ready.touch()
    return python


def last_line(command: list[str | Path], part: str = "1/1") -> Result:
    """The JSON object in the last line that a command prints. Ends with what it said where it fails."""
    done = subprocess.run(
        [*map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {measure.PART: part},
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command[1:]))}:\n{done.stderr.strip()[-2000:]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def machine(peer: Path) -> dict[str, Any]:
    """What was measured on, and with what."""
    ask = "import importlib.metadata as m, json; print(json.dumps({n: m.version(n) for n in %r}))"
    theirs = last_line([peer, "-c", ask % (["fastai", "torch", "spacy"],)])
    ours = last_line([sys.executable, "-c", ask % (["ulmus", "torch"],)])
    return here() | {"ulmus": ours, "peer": theirs}


def here() -> dict[str, Any]:
    """This machine, this Python, this commit."""
    git = ["git", "-C", str(HERE), "describe", "--always", "--dirty", "--abbrev=12"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "commit": commit or None,
        "date": datetime.now(UTC).date().isoformat(),
    }


def cpu_model() -> str:
    """The name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def measured(row: str, peer: Path, folder: Path, repeats: int) -> dict[str, list[Result]]:
    """All raw results of a row by who they are of: fastai, and each variant of Ulmus, in turn."""
    found: dict[str, list[Result]] = {}
    sides: list[tuple[str, list[str | Path]]] = [("fastai", [peer, HERE / "rows_fastai.py", row, folder])]
    for variant in ROWS[row][1]:
        sides.append((variant, [sys.executable, HERE / "rows_ulmus.py", row, folder, variant]))
    for repeat in range(repeats):
        for name, command in sides:
            console.print(f"{row}: {name}, {repeat + 1} of {repeats}", style="dim")
            try:
                result = last_line(command, f"{repeat + 1}/{repeats}")
            except (RuntimeError, ValueError, IndexError) as error:
                console.print(f"{row}: {name} failed: {error}", style="red", markup=False)
            else:
                found.setdefault(name, []).append(result)
    return found


def medians(results: list[Result]) -> Result:
    """The median of each number in the results; other entries are the first one's."""
    return {
        key: statistics.median(r[key] for r in results) if isinstance(value, (int, float)) else value
        for key, value in results[0].items()
    }


def compared(raw: dict[str, list[Result]], limits: dict[str, float | None]) -> dict[str, Result]:
    """Medians by name, with `times` (as fast as fastai) and `of_limit` (share of the machine's)."""
    rows = {name: medians(results) for name, results in raw.items()}
    peer = rows.get("fastai")
    for row in rows.values():
        limit = limits.get(row.get("limit", ""))
        row["of_limit"] = row["flops_per_s"] / 1e9 / limit if limit else None
        faster = None if peer is None else row["value"] / peer["value"]
        row["times"] = 1 / faster if faster and row["unit"] in LOWER_IS_BETTER else faster
    return rows


def shown(value: float) -> str:
    """A number with three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(rows: dict[str, dict[str, Result]], title: str) -> Table:
    """One line a row and variant."""
    made = Table("row", "Ulmus", title=title, caption="peak memory in MB of the largest process")
    for name in ("fastai", "Ulmus", "unit", "times", "of limit", "limit, fastai", "MB", "MB, fastai"):
        made.add_column(name, justify="right")
    for row, variants in rows.items():
        peer = variants.get("fastai")
        for variant, ours in variants.items():
            if variant == "fastai":
                continue
            made.add_row(
                row,
                variant,
                shown(peer["value"]) if peer else "-",
                shown(ours["value"]),
                ours["unit"],
                f"{ours['times']:.1f}" if ours["times"] else "-",
                *(f"{side['of_limit']:.0%}" if side and side["of_limit"] else "-" for side in (ours, peer)),
                *(shown(memory(side)) if side else "-" for side in (ours, peer)),
            )
    return made


SAID = {  # what README calls the rows and their variants
    "text": "text to ids on disk, vocabulary included",
    "lm-step": "language model, a training step",
    "classifier-step": "classifier, a training step",
    "classifier-lengths": "classifier, reviews as long as they are",
    "predict-one": "predicting one review at a time",
    "predict-many": "predicting many reviews",
    "import": "starting",
    "generate": "writing, 8 x 200 tokens",
    "full-bf16": "bf16",
    "full-float32": "float32",
    "adaptive-bf16": "bf16, adaptive softmax",
    "small-bf16": "`small`, bf16",
    "package": "`import ulmus`",
    "help": "`ulmus --help`",
}


def markdown(rows: dict[str, dict[str, Result]]) -> str:
    """The same as a table for README.md."""
    lines = [
        "| what | fastai | Ulmus | times | of the limit | MB, fastai | MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row, variants in rows.items():
        peer = variants.get("fastai")
        for variant, ours in variants.items():
            if peer is None or variant == "fastai":
                continue
            share = f"{ours['of_limit']:.0%}" if ours["of_limit"] else ""
            cells = (
                f"{SAID.get(row, row)}: {SAID.get(variant, variant)}",
                f"{shown(peer['value'])} {peer['unit']}",
                shown(ours["value"]),
                f"**{ours['times']:.1f}**",
                share,
                shown(memory(peer)),
                shown(memory(ours)),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def memory(side: Result) -> float:
    """The larger of the process and of the largest one that it started, in MB; on a GPU what torch held there."""
    return float(side.get("gpu_mb") or max(side["peak_mb"], side["children_mb"]))


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; none is all")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "speed.json")
    parser.add_argument("--quick", action="store_true", help="tiny inputs, to see that it runs")
    parser.add_argument("--peer", type=Path, help="a Python that has fastai, instead of bench/.peer")
    parser.add_argument("--device", default="cpu", help="cuda: training steps on the GPU, both libraries")
    parser.add_argument("--data-folder", type=Path, help="keep the inputs here, and use those that are here")
    parser.add_argument("--markdown", action="store_true", help="measure nothing: print the table of --out")
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}. There are {', '.join(ROWS)}.")
    if options.device != "cpu":
        options.rows = [row for row in options.rows or ON_A_GPU if row in ON_A_GPU]
    if options.repeats < 1:
        parser.error("--repeats: expected 1 or more")
    return options


def run(options: argparse.Namespace, folder: Path) -> None:
    """Prepare, measure, print, write."""
    quick = ["quick"] if options.quick else []
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "settings.json").exists():
        console.print("preparing the inputs ...")
        if code := subprocess.run(
            [sys.executable, HERE / "prepare.py", folder, *quick], check=False
        ).returncode:
            sys.exit(code)
    os.environ[measure.DEVICE] = options.device
    peer = options.peer or peer_python()
    about = machine(peer)
    limits = last_line([sys.executable, HERE / "limits.py", *quick])
    on = f"{about['cpu']}, {about['cores']} cores" if options.device == "cpu" else limits["device"]
    title = f"Ulmus and fastai {about['peer']['fastai']}, {on}"
    told = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    raw: dict[str, dict[str, list[Result]]] = {}
    for row in options.rows or ROWS:
        raw[row] = measured(row, peer, folder, options.repeats)
        rows = {name: compared(found, limits) for name, found in raw.items()}
        written = {"machine": about, "limits_gflops": limits, "settings": told, "rows": rows, "raw": raw}
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    console.print(table(rows, title))
    reached = (f"{name} {value:,.0f}" for name, value in limits.items() if isinstance(value, float))
    console.print(f"the machine's limits, GFLOP/s: {', '.join(reached)}")


def main() -> None:
    """What the command line asks for."""
    options = parsed()
    if options.markdown:
        print(markdown(json.loads(options.out.read_text(encoding="utf-8"))["rows"]))
    elif options.data_folder:
        run(options, options.data_folder)
    else:
        with tempfile.TemporaryDirectory() as folder:
            run(options, Path(folder))


if __name__ == "__main__":
    main()

"""Every `python` and `bash` block of README and docs is run, page by page, on a small task."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from ulmus import demo

ROOT = Path(__file__).parents[1]
MINUTES = re.compile(r"(minutes\s*=?\s*)[\d.]+")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def shell(example: Example) -> None:
    """Run a `bash` block with the commands of this environment in front."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example.parsed],
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{example.parsed}\n{done.stdout}\n{done.stderr}"


BLOCKS = Sybil(parsers=[SkipParser(), PythonCodeBlockParser(), CodeBlockParser("bash", shell)])


@pytest.fixture(scope="session")
def small_task() -> demo.Task:
    """Two packages, 32 labelled documents, 16 test documents."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "PACKAGES", {"networkx": ("networkx", "nx"), "numpy": ("numpy", "np")})
        patch.setattr(demo, "_ENOUGH", 80)
        return demo.docstrings(labeled=32, test=16)


@pytest.mark.timeout(1200)  # some dozens of commands, each of which starts torch
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_runs(
    page: Path, small_task: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All blocks of a page run in order without an error, with time budgets cut to a second."""
    demo.write(tmp_path / "demo", small_task)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "docstrings", lambda: small_task)
    if 'load("en-small"' in page.read_text(encoding="utf-8"):  # other pages train their own, which is quicker
        monkeypatch.setattr("ulmus.installed.OWN", ROOT / "src" / "ulmus" / "pretrained")
    hurried = tmp_path / page.name
    hurried.write_text(MINUTES.sub(r"\g<1>0.02", page.read_text(encoding="utf-8")), encoding="utf-8")
    for example in BLOCKS.parse(hurried).examples():
        example.evaluate()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_target_exists(page: Path) -> None:
    """Links to project files point to existing files."""
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(
    ("command", "page"),
    [
        (["compare.py", "--markdown"], "README.md"),
        (["few_labels.py", "table"], "docs/results.md"),
        (["pretraining_size.py", "table"], "docs/results.md"),
        (["wikitext2.py", "table"], "docs/results.md"),
        (["transformers_peers.py", "table"], "docs/results.md"),
        (["probe.py", "table"], "docs/results.md"),
        (["bits.py", "table"], "docs/results.md"),
        (["active.py", "table"], "docs/results.md"),
        (["frontier.py", "table"], "docs/results.md"),
        (["labelling.py", "table"], "docs/results.md"),
        (["label_errors.py", "table"], "docs/results.md"),
        (["explanations.py", "table"], "docs/results.md"),
        (["runtime.py", "table"], "docs/results.md"),
    ],
    ids=[
        *("speed", "accuracy", "pretraining", "perplexity", "peers", "encoders", "bits", "labels", "minutes"),
        "page",
        "doubts",
        "explanations",
        "runtime",
    ],
)
def test_tables_match_the_measurements(command: list[str], page: str) -> None:
    """A page contains the table exactly as the script in bench prints it."""
    full = [sys.executable, ROOT / "bench" / command[0], *command[1:]]
    made = subprocess.run(full, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    assert made.count("\n") > 1  # a head and a row at least
    assert made in (ROOT / page).read_text(encoding="utf-8")

"""Tiny texts to label, and a running `ulmus label` to label them with."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

WORDS = {"good": ["great", "lovely", "superb", "moving"], "bad": ["awful", "boring", "dull", "weak"]}
FILLING = ["the", "film", "was", "and", "with", "a", "story", "of", "my", "friend", "who", "saw", "it", "in"]


def make_reviews(n: int, seed: int = 0) -> list[tuple[str, str]]:
    """`n` different texts with their labels."""
    rng, found = random.Random(seed), dict[str, str]()
    while len(found) < n:
        label = rng.choice(list(WORDS))
        words = rng.choices(FILLING, k=8) + rng.choices(WORDS[label], k=2)
        rng.shuffle(words)
        found[" ".join(words)] = label
    return list(found.items())


class Served:
    """A running `ulmus label`; `url` has no query, `token` is what requests must bring."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith("Label at http://127.0.0.1:"):
            process.kill()
            raise AssertionError(line + process.communicate()[1])
        self.address = line.split()[2]
        self.url, _, self.token = self.address.replace("/?who=me", "").partition("#")

    def ask(self, path: str, **fields: str) -> Any:
        """The JSON of an answer; with fields, to a POST request."""
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        data = json.dumps(fields).encode() if fields else None
        request = urllib.request.Request(f"{self.url}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=100) as answer:
            return json.load(answer)


@contextmanager
def run_server(*arguments: object) -> Iterator[Served]:
    """Run `ulmus label` on a free port; it is killed at the end if it still runs."""
    command = [sys.executable, "-m", "ulmus", "label", *map(str, arguments), "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env=os.environ | {"PYTHONUNBUFFERED": "1"}, **pipes)  # type: ignore[call-overload]
    try:
        yield Served(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def reviews() -> Callable[..., list[tuple[str, str]]]:
    """Makes `n` different texts with their labels: reviews(n)."""
    return make_reviews


@pytest.fixture
def served(socket_enabled: None) -> Callable[..., AbstractContextManager[Served]]:
    """Runs `ulmus label` on a free port of this machine: with served(data, "-o", out) as page."""
    pytest.importorskip("fastapi", reason="ulmus label needs fastapi (extra serve)")
    pytest.importorskip("uvicorn", reason="ulmus label needs uvicorn (extra serve)")
    return run_server


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A csv file of 40 texts with numbers."""
    path = tmp_path / "data.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = [[i, text] for i, (text, _) in enumerate(make_reviews(40))]
        csv.writer(file).writerows([["id", "text"], *rows])
    return path

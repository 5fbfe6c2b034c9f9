"""`ulmus serve`: a model file answers over HTTP as `ulmus predict` does, to those who may ask."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

httpx = pytest.importorskip("httpx", reason="the tests of the server need httpx")
for needed in ("fastapi", "uvicorn", "prometheus_client"):
    pytest.importorskip(needed, reason="the server needs the extra: pip install 'ulmus[serve]'")
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

Run = Callable[..., Result]
TOKEN = "a-token-of-some-length"


@contextmanager
def serving(model: Path, *options: str, **environment: str) -> Iterator[tuple[Any, subprocess.Popen[str]]]:
    """A client of a running server, and its process."""
    command = [sys.executable, "-m", "ulmus", "serve", str(model), "--port", "0", "--json", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env=os.environ | environment, **pipes)
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
            yield client, process
    finally:
        process.kill()
        process.communicate()


def test_the_server_predicts_what_predict_predicts(classifier: Path, corpus: Path, run: Run) -> None:
    """An ordinary model file, through torch: texts, words, a file by the columns of the training; then it stops."""
    told = json.loads(run("predict", classifier, corpus / "test.csv", "--json").stdout)["predictions"]
    with (corpus / "test.csv").open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    with serving(classifier) as (client, process):
        found = client.post("/predict", json={"texts": texts}).json()["predictions"]
        assert [row["label"] for row in found] == [row["label"] for row in told]
        assert found[3]["probabilities"] == pytest.approx(told[3]["probabilities"], abs=1e-4)
        words = client.post("/explain", json={"text": texts[0]}).json()
        assert [token["text"] for token in words["tokens"]] == texts[0].split()
        upload = {"content": (corpus / "test.csv").read_bytes(), "params": {"name": "test.csv"}}
        rows = list(csv.DictReader(client.post("/predict/file", **upload).text.splitlines()))
        assert [row["label"] for row in rows] == [row["label"] for row in told]
        upload["params"]["text"] = "nothing"
        refused = client.post("/predict/file", **upload)
        assert (refused.status_code, "the file has no column 'nothing'" in refused.text) == (422, True)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate()
        assert process.returncode == 143
        assert "POST /predict 200" in log
        assert not any(text in log for text in texts)


def test_an_exported_model_is_served_without_torch(classifier: Path, tmp_path: Path, run: Run) -> None:
    """With a token from the environment, and by another name that was allowed."""
    pytest.importorskip("onnx")
    exported = tmp_path / "exported.ulmus"
    assert run("export", classifier, "-o", exported).exit_code == 0
    blocked = tmp_path / "torch.py"
    blocked.write_text("raise ImportError('torch is not here')\n", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    how = {"PYTHONPATH": path, "ULMUS_TOKEN": TOKEN}
    with serving(exported, "--allow-host", "reviews.internal", **how) as (client, _):
        assert client.get("/health").json() == {"status": "ok"}
        assert client.post("/predict", json={"texts": ["a"]}).status_code == 401
        client.headers["authorization"] = f"Bearer {TOKEN}"
        for name, status in (("reviews.internal", 200), ("evil.example", 421)):
            answer = client.post("/predict", json={"texts": ["a"]}, headers={"host": name})
            assert answer.status_code == status
        assert client.post("/explain", json={"text": "a great film"}).status_code == 200


def test_what_cannot_be_served_is_a_usage_error(
    language_model: Path, classifier: Path, tmp_path: Path, run: Run
) -> None:
    """A model of another kind; a token that is too short."""
    other = run("serve", language_model, "--port", 0)
    assert (other.exit_code, "expected a classifier or a regressor" in other.stderr) == (2, True)
    (tmp_path / "token").write_text("short", encoding="utf-8")
    short = run("serve", classifier, "--port", 0, "--token-file", tmp_path / "token")
    assert (short.exit_code, "16 or more" in short.stderr) == (2, True)

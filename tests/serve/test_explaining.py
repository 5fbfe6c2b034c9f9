"""Explanations by exported models: those of the models themselves, where torch is not."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus.errors import UsageError
from ulmus.evaluation.objectives import Regression
from ulmus.serve.runtime import load

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

BLOCKED = "torch", "scipy", "sklearn", "pyarrow", "transformers", "onnx", "pandas"
SHORT = "A GOOD film of the sea, sooooo dull!"
LONG = "A film of the sea. " * 100
MANY = np.stack([np.arange(120) % 2, np.arange(120) % 3 == 0], axis=1).astype(np.int64)
KINDS: dict[str, dict[str, Any]] = {
    "mixed": {},
    "counts": {"kind": "counts"},
    "network": {"kind": "network", "networks": 2},
    "alone": {"kind": "alone"},
    "several labels": {"target": MANY},
    "pairs": {"pairs": True},
    "numbers": {
        "objective": Regression(mean=10.0, sd=2.0, low=8.0, high=12.5),
        "target": np.random.default_rng(0).normal(size=(120, 1)),
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_model_explains_as_the_model_does(kind: str, make: Any, tmp_path: Path) -> None:
    """Each share is the same, of words and of segments, and how it was found; hostile texts are no matter."""
    model = make(**KINDS[kind])
    model.export(tmp_path / "exported.ulmus")
    runtime = load(tmp_path / "exported.ulmus")
    texts: list[Any] = [SHORT, LONG, "", "<script>\u202e\x00 我们在海边。"]
    texts = [(text, SHORT) for text in texts] if model.fitted_.pairs else texts
    for own, found in zip(model.explain(texts), runtime.explain(texts), strict=True):
        assert (own.text, own.spans, own.unit, own.method) == (
            found.text,
            found.spans,
            found.unit,
            found.method,
        )
        np.testing.assert_allclose(found.scores, own.scores, atol=2e-3)
        np.testing.assert_allclose(found.base, own.base, atol=2e-3)
        assert (own.running is None) == (found.running is None)
        assert found.to_dict().keys() == own.to_dict().keys()


def test_predictions_and_explanations_at_the_same_time(make: Any, tmp_path: Path) -> None:
    """In two threads, as a server does, each is what it is alone; with torch as well as without."""
    model = make()
    model.export(tmp_path / "exported.ulmus")
    for one in (model, load(tmp_path / "exported.ulmus")):
        alone, words = one.outputs([SHORT, LONG]), one.explain([SHORT])[0].scores
        with ThreadPoolExecutor(2) as threads:
            explaining = threads.submit(lambda: [one.explain([SHORT])[0].scores for _ in range(5)])  # noqa: B023
            together = [one.outputs([SHORT, LONG]) for _ in range(20)]
        np.testing.assert_allclose(together, np.stack([alone] * 20), atol=1e-6)
        np.testing.assert_allclose(explaining.result(), np.stack([words] * 5), atol=1e-5)


def test_it_explains_where_torch_is_not(make: Any, tmp_path: Path) -> None:
    """In a process that can import neither torch nor scipy; another unit is a usage error."""
    make().export(tmp_path / "exported.ulmus")
    script = (
        f"import sys, json; sys.modules.update(dict.fromkeys({BLOCKED!r}));"
        "from ulmus.serve.runtime import load; model = load(sys.argv[1]);"
        "print(json.dumps(model.explain([sys.argv[2]])[0].to_dict()))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "exported.ulmus"), SHORT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["method"] == {
        "lm": "mean of four marginal contributions",
        "counts": "exact",
    }
    with pytest.raises(UsageError, match="unit"):
        load(tmp_path / "exported.ulmus").explain([SHORT], unit="letter")

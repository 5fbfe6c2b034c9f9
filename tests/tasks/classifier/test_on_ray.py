"""What travels between the machines of a cluster; the cluster itself is in tests/cli/test_bulk.py."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus.corpus.source import Source
from ulmus.errors import DataError, UlmusError
from ulmus.tasks.classifier import on_ray
from ulmus.tasks.classifier.bulk import Predictor
from ulmus.tasks.classifier.model import TextClassifier


@pytest.fixture
def source(tmp_path: Path, corpus: Any) -> Source:
    """A file of ten texts with ids."""
    rows = "".join(f'id{i},"{text}"\n' for i, text in enumerate(corpus.test_texts[:10]))
    (tmp_path / "texts.csv").write_text("id,text\n" + rows, encoding="utf-8")
    return Source(tmp_path / "texts.csv", text="text", keep=("id",))


@pytest.mark.parametrize("skip", [0, 4, 5, 10])
def test_batches_arrive_as_they_were_read(
    skip: int,
    source: Source,
    corpus: Any,
    classifier: TextClassifier,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Read, predicted and received: labels, exact probabilities and kept cells, after those that were skipped."""
    monkeypatch.setitem(sys.modules, "ray", types.SimpleNamespace(get=lambda data: data))
    classifier.save(tmp_path / "model.ulmus")
    predictor = Predictor(tmp_path / "model.ulmus", device="cpu", precision="float32")
    worker = on_ray._Worker(predictor, predictor.path.read_bytes(), pairs=False)
    tables = list(on_ray._read(None, source=source, size=4, skip=skip))
    assert [table["number"][0].as_py() for table in tables] == list(range(len(tables)))
    found = [on_ray._received(worker(table).to_pylist()[0]) for table in tables]
    texts = corpus.test_texts[skip:10]
    assert [cell for _, _, kept in found for cell in kept] == [(f"id{i}",) for i in range(skip, 10)]
    assert [label for labels, _, _ in found for label in labels] == classifier.predict(texts).tolist()
    if texts:
        exact = classifier.predict_proba(texts)
        np.testing.assert_allclose(np.concatenate([outputs for _, outputs, _ in found]), exact, atol=1e-6)


def test_an_error_of_a_worker_is_the_error_of_the_run() -> None:
    """Ray wraps it; what it says to do is what the user needs."""
    inner = DataError("row 7 is damaged")
    middle = RuntimeError("task failed")
    middle.cause = inner  # type: ignore[attr-defined]
    outer = RuntimeError("job failed")
    outer.__cause__ = middle
    assert on_ray._cause(outer) is inner
    assert type(on_ray._cause(RuntimeError("no space"))) is UlmusError

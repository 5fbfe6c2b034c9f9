"""The runtime: it predicts where torch is not, checks itself, and opens nothing that is not what it should be."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus import TextClassifier, bundle
from ulmus.errors import BundleError, ConfigError, UsageError
from ulmus.serve import command
from ulmus.serve.runtime import load
from ulmus.tasks.classifier.base import TextEstimator

BLOCKED = "torch", "scipy", "sklearn", "pyarrow", "transformers", "onnx", "pandas"
Changed = Callable[..., Path]


@pytest.fixture
def changed(exported: Path, tmp_path: Path) -> Changed:
    """Writes the exported file with some entries of its manifest, tensors or members replaced."""

    def write(
        *, tensors: dict[str, Any] | None = None, extra: dict[str, bytes] | None = None, **entries: Any
    ) -> Path:
        opened = bundle.read(exported)
        path = tmp_path / "changed.ulmus"
        bundle.write(
            path,
            manifest=opened.manifest | entries,
            tokenizer_json=opened.tokenizer_json,
            tensors=opened.tensors | (tensors or {}),
            extra=opened.extra | (extra or {}),
        )
        return path

    return write


def test_it_runs_where_neither_torch_nor_scipy_is(exported: Path, model: TextEstimator) -> None:
    """In a process that cannot import them the answers are the same."""
    script = (
        f"import sys, json; sys.modules.update(dict.fromkeys({BLOCKED!r}));"
        "from ulmus.serve.runtime import load; model = load(sys.argv[1]);"
        "print(json.dumps([model.predict_proba(['a film of the sea']).tolist(), model.predict(['a film'])]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(exported)], capture_output=True, text=True, check=True
    )
    proba, labels = json.loads(done.stdout)
    np.testing.assert_allclose(proba, model.outputs(["a film of the sea"]), atol=1e-4)
    assert labels == model.labels_of(model.outputs(["a film"]))


def test_texts_of_any_number_and_length(exported: Path) -> None:
    """None, an empty one, one of many chunks: each gets its row."""
    runtime = load(exported)
    assert runtime.predict_proba([]).shape == (0, 3)
    assert runtime.predict_proba(["", "a film " * 2_000]).shape == (2, 3)
    assert runtime.predict(np.array(["a film"], object)) == runtime.predict(["a film"])


@pytest.mark.parametrize("texts", ["a film", [3], [None], [("a", "b")], 7])
def test_what_is_no_list_of_texts_is_a_usage_error(exported: Path, texts: Any) -> None:
    """The message says what came."""
    with pytest.raises(UsageError, match="expected"):
        load(exported).predict(texts)


def test_a_file_that_answers_otherwise_is_refused(changed: Changed, exported: Path) -> None:
    """The outputs stored in the file are computed again when it is loaded."""
    test = bundle.read_manifest(exported)["self_test"]
    outputs = [[b, a, c] for a, b, c in test["outputs"]]
    with pytest.raises(BundleError, match="does not give the outputs stored with it: they differ by"):
        load(changed(self_test=test | {"outputs": outputs}))
    name = next(name for name in bundle.read(exported).tensors if name.endswith("embedding"))
    weights = bundle.read(exported).tensors[name]
    with pytest.raises(BundleError, match="does not give the outputs stored with it"):
        load(changed(tensors={name: weights + np.float32(0.5)}))


def test_a_damaged_or_foreign_file_is_a_clear_error(
    exported: Path, model: TextEstimator, tmp_path: Path
) -> None:
    """Truncated, overwritten, something else, or a model that is not exported."""
    damaged = tmp_path / "damaged.ulmus"
    content = exported.read_bytes()
    for data in (b"", b"text", content[:-100], content[:5_000] + b"\x00\x01\x02" + content[5_003:]):
        damaged.write_bytes(data)
        with pytest.raises(BundleError):
            load(damaged)
    model.save(damaged)
    with pytest.raises(
        BundleError, match=r"holds a classifier, expected an exported model\. Run: ulmus export"
    ):
        load(damaged)
    with pytest.raises(BundleError, match="holds an exported-classifier, expected a classifier"):
        TextClassifier.load(exported)


@pytest.mark.parametrize(
    "entries",
    [
        {"networks": []},
        {"networks": [{"encoder": "recurrent"}]},
        {"networks": 3},
        {"labels": []},
        {"labels": ["a", "b"]},
        {"self_test": {}},
        {"counts": {"classes": [0, 1], "blocks": []}},
        {"threshold": "x"},
        {"combination": {"weight": 2}},
        {"extra": {"encoder-1.onnx": b"no graph"}},
        {"extra": {"head-1.onnx": b""}},
    ],
    ids=str,
)
def test_parts_that_do_not_fit_are_a_bundle_error(changed: Changed, entries: dict[str, Any]) -> None:
    """Whatever a file claims: no other error, and no prediction."""
    with pytest.raises(BundleError):
        load(changed(**entries))


def test_widths_that_are_out_of_reach_are_refused(changed: Changed, exported: Path) -> None:
    """Nothing of a size that a file merely claims is allocated."""
    (network,) = bundle.read_manifest(exported)["networks"]
    for entry in ({"widths": [2**40, 4]}, {"widths": [8]}, {"batch": 0}, {"states": [[8, 8]]}):
        with pytest.raises(BundleError):
            load(changed(networks=[network | entry]))


def test_a_newer_format_says_what_to_do(changed: Changed) -> None:
    """A file of a later version of the format."""
    with pytest.raises(BundleError, match="version 2 of the format, expected 1"):
        load(changed(export_version=2))


def test_the_number_of_threads_is_checked(exported: Path) -> None:
    """One by default; 0 is all cores."""
    assert load(exported, threads=0).predict(["a film"]) == load(exported, threads=2).predict(["a film"])
    with pytest.raises(ConfigError, match="threads"):
        load(exported, threads=-1)


def test_a_runtime_is_a_frozen_value(exported: Path) -> None:
    """Nothing about it can be changed by accident."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        load(exported).threshold = 0.1  # type: ignore[misc]


def test_the_command_answers_line_by_line(
    exported: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON lines with the label and the probabilities; errors go to stderr."""
    monkeypatch.setattr("sys.argv", ["ulmus-runtime", str(exported)])
    monkeypatch.setattr("sys.stdin", iter(["a film of the sea\n", "\n"]))
    command.main()
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["label"] in first["probabilities"]
    assert (
        first["probabilities"].keys() == second["probabilities"].keys() == {"class 0", "class 1", "class 2"}
    )
    monkeypatch.setattr("sys.argv", ["ulmus-runtime"])
    with pytest.raises(SystemExit, match="2"):
        command.main()
    assert "usage: ulmus-runtime FILE" in capsys.readouterr().err

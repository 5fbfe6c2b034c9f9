"""A tagger in one file, and runs that were stopped."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ulmus import bundle
from ulmus.errors import BundleError
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.tagger.model import TextTagger

Make = Callable[..., TextTagger]
TEXTS = ["Then Anna Bert went to New Lima.", "Emil came to Rome"]


@pytest.fixture
def saved(tagger: TextTagger, tmp_path: Path) -> Path:
    """The shared tagger's file."""
    path = tmp_path / "model.ulmus"
    tagger.save(path)
    return path


def test_a_loaded_tagger_is_the_same(tagger: TextTagger, saved: Path) -> None:
    """Spans, scores, types, report and settings come back; saving again gives the same bytes."""
    loaded = TextTagger.load(saved, device="cpu", precision="float32")
    assert loaded.predict(TEXTS) == tagger.predict(TEXTS)
    assert loaded.types_ == tagger.types_
    assert loaded.report_["f1"] == tagger.report_["f1"]
    assert len(loaded.history_) == len(tagger.history_)
    again = saved.with_name("again.ulmus")
    loaded.save(again)
    assert again.read_bytes() == saved.read_bytes()


def test_files_of_another_kind_are_refused(classifier: TextClassifier, saved: Path) -> None:
    """A tagger is no classifier, and a classifier no tagger."""
    other = saved.with_name("classifier.ulmus")
    classifier.save(other)
    with pytest.raises(BundleError, match="holds a classifier, expected a tagger"):
        TextTagger.load(other)
    with pytest.raises(BundleError, match="holds a tagger, expected a classifier"):
        TextClassifier.load(saved)


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": []},
        {"labels": ["LOC"]},
        {"labels": ["LOC", "LOC"]},
        {"labels": [1, 2]},
        {"language_models": []},
        {"language_models": [{"hidden": 10**9}]},
        {"config": {"hidden": 10**8}},
        {"config": {"longest": 0}},
        {"vocabulary": {"size": 3, "fingerprint": "0"}},
        {"metrics": []},
        {"history": None},
        {"sketch": "abc"},
    ],
    ids=str,
)
def test_inconsistent_parts_are_refused(saved: Path, changes: dict[str, Any]) -> None:
    """A well-formed file whose parts do not fit is a BundleError."""
    opened = bundle.read(saved)
    manifest = {**opened.manifest, **changes}
    bundle.write(saved, manifest=manifest, tokenizer_json=opened.tokenizer_json, tensors=opened.tensors)
    with pytest.raises(BundleError, match="inconsistent"):
        TextTagger.load(saved)


def test_the_file_is_readable_by_other_tools(saved: Path) -> None:
    """It is a zip with the types in its manifest."""
    with zipfile.ZipFile(saved) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert (manifest["kind"], manifest["labels"]) == ("tagger", ["LOC", "PER"])


@pytest.mark.parametrize("step", [2, 9, 25])
def test_a_stopped_fit_resumes_to_the_same_weights(
    step: int, make_tagger: Make, make_tagged: Any, stop_at: Any, tmp_path: Path
) -> None:
    """Ctrl-C after some steps, the same call again: every weight is that of a run never stopped."""
    data = make_tagged(24, seed=1)
    whole, rest = stop_at(), stop_at()
    expected = make_tagger()
    expected.callbacks.append(whole)
    expected.fit(*data)
    stopped = make_tagger(work_dir=tmp_path)
    stopped.callbacks.append(stop_at(step))
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(*data)
    resumed = make_tagger(work_dir=tmp_path)
    resumed.callbacks.append(rest)
    resumed.fit(*data)
    assert rest.steps == whole.steps - step
    theirs = resumed.fitted_.network.state_dict()
    assert all(torch.equal(t, theirs[name]) for name, t in expected.fitted_.network.state_dict().items())


def test_a_time_budget_is_kept(make_tagger: Make, make_tagged: Any) -> None:
    """A fit that would take long ends soon after its minutes, with all stages."""
    data = make_tagged(1_000, seed=1)
    began = time.monotonic()
    tagger = make_tagger(minutes=0.05).fit(*data)
    spent_s = time.monotonic() - began
    stages = list(dict.fromkeys(row["stage"] for row in tagger.history_))
    assert stages == ["head", "head and top layer", "all layers", "held-out sentences"]
    assert spent_s < 60

"""Model files that earlier versions wrote: every later one loads them, with the same predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus import LanguageModel, TextClassifier, bundle
from ulmus.errors import BundleError

FOLDERS = sorted(path for path in Path(__file__).parent.glob("format-*") if path.is_dir())


def expected(folder: Path) -> dict[str, Any]:
    """What the files of a folder gave when they were written."""
    return dict(json.loads((folder / "expected.json").read_text(encoding="utf-8")))


def test_there_are_files_of_every_kind() -> None:
    """A format is frozen with a classifier of each kind and a language model."""
    assert FOLDERS
    for folder in FOLDERS:
        assert {path.stem for path in folder.glob("*.ulmus")} == {
            "single-label",
            "multi-label",
            "language-model",
        }


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
@pytest.mark.parametrize("name", ["single-label", "multi-label"])
def test_a_classifier_of_an_earlier_version_predicts_the_same(folder: Path, name: str) -> None:
    """Probabilities of every part, class names, and whether a text may have several labels."""
    known = expected(folder)
    model = TextClassifier.load(folder / f"{name}.ulmus", device="cpu", precision="float32")
    assert list(model.class_names_) == known[name]["classes"]
    assert model.multi_label_ is (name == "multi-label")
    for part, rows in known[name]["probabilities"].items():
        np.testing.assert_allclose(model.predict_proba(known["texts"], part=part), rows, atol=1e-5)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_language_model_of_an_earlier_version_is_the_same(folder: Path) -> None:
    """Perplexity, and what it writes from a seed."""
    known = expected(folder)
    model = LanguageModel.load(
        folder / "language-model.ulmus", device="cpu", precision="float32", verbose=False
    )
    assert model.perplexity(known["texts"]) == pytest.approx(known["language-model"]["perplexity"], rel=1e-4)
    assert model.generate("The old", words=6, seed=1, samples=2) == known["language-model"]["samples"]


def test_a_file_of_a_newer_format_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """With both numbers, and what to do."""
    path = tmp_path / "new.ulmus"
    language_model = FOLDERS[0] / "language-model.ulmus"
    opened = bundle.read(language_model)
    manifest = opened.manifest | {"format_version": bundle.FORMAT_VERSION + 1}
    bundle.write(path, manifest=opened.manifest, tokenizer_json=opened.tokenizer_json, tensors=opened.tensors)
    replace_manifest(path, manifest)
    with pytest.raises(BundleError, match=rf"format.*{bundle.FORMAT_VERSION + 1}.*{bundle.FORMAT_VERSION}"):
        LanguageModel.load(path)


def replace_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """Write another manifest into a model file."""
    import zipfile

    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as new:
        for name, data in members.items():
            new.writestr(name, data)

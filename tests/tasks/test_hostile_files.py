"""Model files with well-formed but wrong content: refused, or models that predict finite numbers."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from ulmus.errors import BundleError
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.language_model.model import LanguageModel

FILES = 150  # of each kind of model
VALUES = [
    *(None, True, False, 0, 1, -1, 2, 3, 10**6, 2**31, -(2**31), 2**62, 10**30),
    *(0.5, -0.5, 1e-300, 1e30, 1e300, float("nan"), float("inf"), -float("inf")),
    *("", "auto", "x", "word", "0", [], [1], [0, 0], [[]], ["a", "b"], {}, {"a": 1}),
]
NUMBERS = [float("nan"), float("inf"), -float("inf"), 1e30, -1e30, 1e4, -1e4, 0.0, -1.0, 1e-40]
Members = dict[str, bytes]


def members(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(path: Path, content: Members) -> Path:
    """The model file of these members, with right checksums."""
    manifest = json.loads(content["manifest.json"])
    if isinstance(manifest, dict):
        names = [name for name in content if name != "manifest.json"]
        manifest["sha256"] = {name: hashlib.sha256(content[name]).hexdigest() for name in names}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {**content, "manifest.json": json.dumps(manifest).encode()}.items():
            archive.writestr(name, data)
    return path


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a JSON tree; of a long list only its first items and its last."""
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree))) if isinstance(tree, list) else []
    for key in keys if len(keys) < 20 else [*keys[:3], keys[-1]]:
        yield tree, key
        yield from places(tree[key])


def changed_json(data: bytes, rng: random.Random, *, within: str | None = None) -> bytes:
    """JSON with one value replaced, left out or given twice."""
    tree = json.loads(data)
    at, key = rng.choice(list(places(tree[within] if within else tree)))
    match rng.randrange(6):
        case 0:
            del at[key]
        case 1 if isinstance(at, dict):
            at["extra"] = copy.deepcopy(at[key])
        case 2 if isinstance(at[key], int | float):
            at[key] = rng.choice([-at[key], at[key] + 1, at[key] * 2, at[key] * 1_000_000])
        case _:
            at[key] = copy.deepcopy(rng.choice(VALUES))
    return json.dumps(tree).encode()


def changed_arrays(data: bytes, rng: random.Random) -> bytes:
    """Weights with one number, one shape, one type or one name changed."""
    arrays = load_arrays(data)
    name = rng.choice(sorted(arrays))
    array = arrays[name].copy()
    match rng.randrange(6):
        case 0:
            arrays[name] = array.reshape(-1) if array.ndim > 1 else array[None]
        case 1:
            arrays[name] = array[:-1] if array.ndim else array
        case 2:
            arrays[name] = array.astype(rng.choice([np.float64, np.int32, np.float16, np.uint8]))
        case 3:
            del arrays[name]
        case _:
            flat = array.reshape(-1)
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = np.array(rng.choice(NUMBERS)).astype(array.dtype)
            flat[slice(None) if rng.random() < 0.3 else slice(0, 1)] = value
            arrays[name] = flat.reshape(array.shape)
    return save_arrays({k: np.ascontiguousarray(v) for k, v in arrays.items()})


def mutations(path: Path, seed: int) -> Iterator[tuple[str, Members]]:
    """Well-formed files like that at `path`, each with one thing changed."""
    rng, whole = random.Random(seed), members(path)
    for _ in range(FILES):
        content = dict(whole)
        match rng.randrange(5):
            case 0 | 1:
                what = "manifest.json"
                content[what] = changed_json(whole[what], rng)
            case 2:
                what = "tokenizer.json"
                content[what] = changed_json(whole[what], rng)
            case 3:
                what = "tokenizer.json"
                content[what] = changed_json(whole[what], rng, within="pre_tokenizer")
            case _:
                what = "weights.safetensors"
                content[what] = changed_arrays(whole[what], rng)
        yield what, content


def outcomes(path: Path, folder: Path, use: Callable[[Path], None]) -> tuple[int, list[str]]:
    """How many files were refused, and what else went wrong."""
    refused, wrong = 0, []
    for k, (what, content) in enumerate(mutations(path, seed=0)):
        try:
            use(zipped(folder / "mutated.ulmus", content))
        except BundleError:
            refused += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it is wrong
            wrong.append(f"{k} {what}: {type(error).__name__}: {error}"[:300])
    return refused, wrong


def test_an_altered_classifier_file_is_refused_or_predicts(classifier: Any, tmp_path: Path) -> None:
    """Never another exception, never NaN: one value of the manifest, tokenizer or weights is changed at a time."""
    classifier.save(tmp_path / "good.ulmus")

    def use(path: Path) -> None:
        model = TextClassifier.load(path, device="cpu", precision="float32")
        for part in model.parts:
            proba = model.predict_proba(["We saw the wave.", "", "X"], part=part)
            assert np.isfinite(proba).all(), (part, proba)
        assert len(model.predict(["oak"])) == 1
        model.save(path.with_name("again.ulmus"))

    refused, wrong = outcomes(tmp_path / "good.ulmus", tmp_path, use)
    assert not wrong, "\n".join(wrong)
    assert refused > FILES / 3


def test_an_altered_language_model_file_is_refused_or_generates(language_model: Any, tmp_path: Path) -> None:
    """A language model file is refused, or the model evaluates and generates."""
    language_model.save(tmp_path / "good.ulmus")

    def use(path: Path) -> None:
        model = LanguageModel.load(path, device="cpu", precision="float32", verbose=False)
        assert np.isfinite(model.evaluate(["We saw the wave and the oak."])["bits_per_character"])
        if not model.config.backwards:
            model.generate("We", words=3, seed=1)
        model.save(path.with_name("again.ulmus"))

    refused, wrong = outcomes(tmp_path / "good.ulmus", tmp_path, use)
    assert not wrong, "\n".join(wrong)
    assert refused > FILES / 3


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_the_largest_possible_weights_still_predict(classifier: Any, tmp_path: Path, precision: str) -> None:
    """The largest numbers that a file may hold, everywhere: probabilities stay numbers."""
    classifier.save(tmp_path / "good.ulmus")
    content = members(tmp_path / "good.ulmus")
    arrays = load_arrays(content["weights.safetensors"])
    for name, array in arrays.items():
        if name.startswith("network.") and array.dtype == np.float32:
            array[:] = 0 if name.endswith("running_var") else 9e4
    path = zipped(tmp_path / "large.ulmus", content | {"weights.safetensors": save_arrays(arrays)})
    model = TextClassifier.load(path, device="cpu", precision=precision)
    assert np.isfinite(model.predict_proba(["We saw the wave.", ""], part="lm")).all()

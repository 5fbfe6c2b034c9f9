"""A fitted language model <-> one `.ulmus` file. Knows the bundle's parts, not its format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ulmus import bundle, config
from ulmus.errors import BundleError
from ulmus.installed import find
from ulmus.models.weights import numpy_tensors, stored, torch_tensors
from ulmus.tasks.circumstances import as_loaded, as_saved
from ulmus.tasks.ids import check_vocabulary
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.language_model.fitted import FittedLanguageModel
from ulmus.tasks.language_model.network import build
from ulmus.text.tokenizer import Tokenizer

__all__ = ["KIND", "check_kind", "load", "parts", "save"]

KIND = "language-model"


def save(model: FittedLanguageModel, path: str | Path, *, weights: str = "float32") -> None:
    """Write the model; bf16 `weights` halve the file's size. Raises StorageError, and ConfigError: an unknown type."""
    bundle.write(path, **parts(model, weights))


def parts(model: FittedLanguageModel, weights: str = "float32") -> dict[str, Any]:
    """manifest, tokenizer and tensors of the model file. Raises ConfigError: an unknown type of weights."""
    manifest = {
        "kind": KIND,
        "config": config.to_dict(model.config),
        "vocabulary": {"size": len(model.tokenizer), "fingerprint": model.tokenizer.vocab.fingerprint},
        **as_saved(model.card, model.metrics, model.history),
    }
    tensors = stored(numpy_tensors(model.network), weights)
    return {"manifest": manifest, "tokenizer_json": model.tokenizer.to_json(), "tensors": tensors}


def load(path: str | Path) -> FittedLanguageModel:
    """The model in a file, or the installed one of that name. Raises BundleError: missing, damaged or another kind."""
    path = find(path)
    opened = bundle.read(path)
    check_kind(opened.manifest, path)
    try:
        return _parts(opened.manifest, opened.tokenizer_json, opened.tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, BundleError) as error:
        raise BundleError(f"{path}: its parts are inconsistent ({error}); retrain the model.") from error


def _parts(manifest: dict[str, Any], tokenizer_json: str, tensors: Mapping[str, Any]) -> FittedLanguageModel:
    """The model from the parts of its file, each checked against the others.

    Raises KeyError, TypeError, ValueError, RuntimeError, BundleError: missing or inconsistent parts.
    """
    settings = config.from_dict(manifest["config"], LMConfig)
    tokenizer = Tokenizer.from_json(tokenizer_json)
    check_vocabulary(tokenizer, manifest["vocabulary"])
    with torch.device("meta"):
        network = build(settings, len(tokenizer))
    torch_tensors(network, tensors)
    return FittedLanguageModel(
        settings,
        tokenizer,
        network.eval(),
        metrics=dict(manifest["metrics"]),
        **as_loaded(manifest),
    )


def check_kind(manifest: Mapping[str, Any], path: str | Path) -> None:
    """Raise BundleError if the file at `path` with this manifest does not hold a language model."""
    if manifest.get("kind") != KIND:
        raise BundleError(f"{path} holds a {manifest.get('kind')}, expected a {KIND}. See `ulmus info`.")

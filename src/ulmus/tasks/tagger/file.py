"""A fitted tagger <-> one `.ulmus` file: encoders, head and CRF, tokenizer, types, report.

The file is self-contained: it needs no language model file. Knows the bundle's parts, not its format.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from ulmus import bundle, config
from ulmus.errors import BundleError
from ulmus.models.encoders import make_encoder
from ulmus.models.weights import numpy_tensors, torch_tensors
from ulmus.tasks.ids import check_vocabulary
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.tagger.config import TaggerConfig
from ulmus.tasks.tagger.fitted import FittedTagger
from ulmus.tasks.tagger.network import allowed_steps, tagger_network
from ulmus.text.tokenizer import Tokenizer

__all__ = ["KIND", "load", "save"]

KIND = "tagger"
MOST_ENCODERS = 2


def save(model: FittedTagger, path: str | Path) -> None:
    """Write a fitted tagger. Raises StorageError."""
    manifest = {
        "kind": KIND,
        "labels": list(model.types),
        "config": config.to_dict(dataclasses.replace(model.config, language_model=None)),
        "language_models": [config.to_dict(one) for one in model.lm_configs],
        "vocabulary": {"size": len(model.tokenizer), "fingerprint": model.tokenizer.vocab.fingerprint},
        "sketch": model.sketch,
        "metrics": model.report,
        "history": model.history,
    }
    tensors = numpy_tensors(model.network)
    bundle.write(path, manifest=manifest, tokenizer_json=model.tokenizer.to_json(), tensors=tensors)


def load(path: str | Path) -> FittedTagger:
    """The tagger in a file. Raises BundleError: a damaged file, or one of another kind."""
    opened = bundle.read(path)
    manifest = opened.manifest
    if manifest.get("kind") != KIND:
        raise BundleError(f"{path} holds a {manifest.get('kind')}, expected a {KIND}. See `ulmus info`.")
    try:
        return _parts(manifest, opened.tokenizer_json, opened.tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, BundleError) as error:
        raise BundleError(f"{path}: its parts are inconsistent ({error}); retrain the model.") from error


def _parts(manifest: dict[str, Any], tokenizer_json: str, tensors: dict[str, Any]) -> FittedTagger:
    """The tagger from the parts of its file, each checked against the others.

    Raises KeyError, TypeError, ValueError, RuntimeError, BundleError: missing or inconsistent parts.
    """
    settings = config.from_dict(manifest["config"], TaggerConfig)
    types = tuple(manifest["labels"])
    if (
        not types
        or not all(isinstance(name, str) and name for name in types)
        or len(set(types)) != len(types)
    ):
        raise ValueError("types that are no distinct strings")
    if not isinstance(manifest["metrics"], dict) or not isinstance(manifest["history"], list):
        raise TypeError("metrics or history of the wrong type")
    lm_configs = tuple(config.from_dict(one, LMConfig) for one in manifest["language_models"])
    if not 0 < len(lm_configs) <= MOST_ENCODERS:
        raise ValueError(f"expected one or {MOST_ENCODERS} language models, got {len(lm_configs)}")
    tokenizer = Tokenizer.from_json(tokenizer_json)
    check_vocabulary(tokenizer, manifest["vocabulary"])
    with torch.device("meta"):
        encoders = [make_encoder(one.encoder(len(tokenizer)), settings.dropouts) for one in lm_configs]
        network = tagger_network(encoders, types, settings, backwards=[one.backwards for one in lm_configs])
    torch_tensors(network, tensors)
    network.crf.allowed = allowed_steps(len(types))  # not in the file, and without values on the meta device
    return FittedTagger(
        types=types,
        network=network.eval(),
        tokenizer=tokenizer,
        config=settings,
        lm_configs=lm_configs,
        report=manifest["metrics"],
        history=manifest["history"],
        sketch=[int(number) for number in manifest["sketch"]],
    )

"""A fitted tagger <-> one `.ulmus` file: encoders, head and CRF, tokenizer, types, report.

The file is self-contained: it needs no language model file. Knows the bundle's parts, not its format.
"""

from __future__ import annotations

import dataclasses
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

import torch

from ulmus import bundle, config
from ulmus.errors import BundleError
from ulmus.models.encoder import Encoder, EncoderShape
from ulmus.models.encoders import make_encoder
from ulmus.models.transformer import TransformerConfig
from ulmus.models.weights import numpy_tensors, torch_tensors
from ulmus.tasks.circumstances import as_loaded, as_saved
from ulmus.tasks.ids import check_vocabulary, vocabulary_of
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.tagger.config import TaggerConfig
from ulmus.tasks.tagger.fitted import FittedTagger
from ulmus.tasks.tagger.network import TaggerNetwork, allowed_steps, reading, tagger_network
from ulmus.text.pretrained import PretrainedTokenizer
from ulmus.text.tokenizer import Tokenizer

__all__ = ["KIND", "load", "save"]

KIND = "tagger"
MOST_ENCODERS = 2


def save(model: FittedTagger, path: str | Path) -> None:
    """Write a fitted tagger. Raises StorageError."""
    shape = cast(Encoder, model.network.encoders[0]).config
    transformer = {"transformer": shape.to_dict()} if isinstance(shape, TransformerConfig) else {}
    manifest = {
        "kind": KIND,
        "labels": list(model.types),
        "config": config.to_dict(dataclasses.replace(model.config, language_model=None)),
        "language_models": [config.to_dict(one) for one in model.lm_configs],
        "vocabulary": {"size": len(model.tokenizer), "fingerprint": vocabulary_of(model.tokenizer)},
        "sketch": model.sketch,
        **as_saved(model.card, model.report, model.history),
        **transformer,
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
    if not isinstance(manifest["metrics"], dict):
        raise TypeError("metrics of the wrong type")
    lm_configs = tuple(config.from_dict(one, LMConfig) for one in manifest["language_models"])
    transformer = manifest.get("transformer")
    tokenizer = (PretrainedTokenizer if transformer else Tokenizer).from_json(tokenizer_json)
    check_vocabulary(tokenizer, manifest["vocabulary"])
    network = _network(settings, types, lm_configs, transformer, len(tokenizer))
    torch_tensors(network, tensors)
    for encoder in network.encoders:
        cast(Encoder, encoder).restore_buffers()
    network.crf.allowed = allowed_steps(len(types))  # not in the file, and without values on the meta device
    return FittedTagger(
        types=types,
        network=network.eval(),
        tokenizer=tokenizer,
        config=settings,
        lm_configs=lm_configs,
        report=manifest["metrics"],
        **as_loaded(manifest),
        sketch=[int(number) for number in manifest["sketch"]],
    )


def _network(
    settings: TaggerConfig,
    types: tuple[str, ...],
    lm_configs: tuple[LMConfig, ...],
    transformer: dict[str, Any] | None,
    vocabulary: int,
) -> TaggerNetwork:
    """A network of this shape on the meta device, without weights. Raises ValueError: no encoder, or too many."""
    if transformer is not None:
        shapes: list[EncoderShape] = [TransformerConfig.from_dict(transformer)]
    else:
        shapes = [one.encoder(vocabulary) for one in lm_configs]
    if not 0 < len(shapes) <= MOST_ENCODERS or (transformer is not None and lm_configs):
        raise ValueError(f"expected a transformer, or one or {MOST_ENCODERS} language models")
    with torch.device("meta"):
        encoders = [make_encoder(shape, settings.dropouts) for shape in shapes]
        readings = [reading(*pair) for pair in zip_longest(shapes, lm_configs)]
        return tagger_network(encoders, types, settings, readings)

"""A fitted classifier <-> one `.ulmus` file: encoder and head, word counts, tokenizer, combination, report.

The file is self-contained: it needs no language model file. Knows the bundle's parts, not its format.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from ulmus import bundle, config
from ulmus.errors import BundleError
from ulmus.evaluation.combination import Combination
from ulmus.evaluation.objectives import Objective, restored
from ulmus.models.encoder import EncoderShape
from ulmus.models.encoders import make_encoder
from ulmus.models.heads import make_head
from ulmus.models.pairs import document_width
from ulmus.models.transformer import TransformerConfig
from ulmus.models.weights import numpy_tensors, torch_tensors
from ulmus.tasks.circumstances import as_loaded, as_saved
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.counting import load_counts, named_arrays
from ulmus.tasks.classifier.fitted import PARTS, FittedClassifier
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.ids import check_vocabulary, vocabulary_of
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.word_counts import WordCounts
from ulmus.text.pretrained import PretrainedTokenizer
from ulmus.text.tokenizer import Tokenizer

__all__ = ["load", "save"]

KINDS = {False: "classifier", True: "regressor"}  # by whether the objective is numeric
NETWORK, COUNTS = "network.", "counts."


def save(model: FittedClassifier, path: str | Path) -> None:
    """Write a fitted classifier. Raises StorageError."""
    arrays, meta = named_arrays(model.counts.model_, COUNTS)
    settings = model.config
    if model.lm_config is not None and isinstance(model.tokenizer, Tokenizer):
        lm = dataclasses.replace(model.lm_config, tokenizer=model.tokenizer.config)
        settings = dataclasses.replace(settings, language_model=lm)
    encoder = model.network.encoder.config
    transformer = {"transformer": encoder.to_dict()} if isinstance(encoder, TransformerConfig) else {}
    manifest = {
        "kind": KINDS[model.objective.numeric],
        "labels": list(model.classes),
        **model.objective.stored(),
        "pairs": model.pairs,
        "config": config.to_dict(settings),
        "combine": "auto" if model.mixed else "none",
        "combination": model.combination.stored(),
        "thresholds": model.thresholds,
        "counts": meta,
        "vocabulary": {"size": len(model.tokenizer), "fingerprint": vocabulary_of(model.tokenizer)},
        "columns": model.columns,
        "sketch": model.sketch,
        **as_saved(model.card, model.report, model.history),
        **transformer,
    }
    tensors = numpy_tensors(model.network, NETWORK) | arrays
    bundle.write(path, manifest=manifest, tokenizer_json=model.tokenizer.to_json(), tensors=tensors)


def load(path: str | Path, *, numeric: bool | None = None) -> FittedClassifier:
    """The classifier or regressor in a file; `numeric` says which of them is expected (None: either).

    Raises BundleError: a damaged file, or one of another kind.
    """
    opened = bundle.read(path)
    manifest = opened.manifest
    expected = list(KINDS.values()) if numeric is None else [KINDS[numeric]]
    if manifest.get("kind") not in expected:
        raise BundleError(
            f"{path} holds a {manifest.get('kind')}, expected a {' or '.join(expected)}. See `ulmus info`."
        )
    try:
        return _parts(manifest, opened.tokenizer_json, opened.tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, BundleError) as error:
        raise BundleError(f"{path}: its parts are inconsistent ({error}); retrain the model.") from error


def _parts(manifest: dict[str, Any], tokenizer_json: str, tensors: dict[str, Any]) -> FittedClassifier:
    """The classifier from the parts of its file, each checked against the others.

    Raises KeyError, TypeError, ValueError, RuntimeError, BundleError: missing or inconsistent parts.
    """
    settings = config.from_dict(manifest["config"], ClassifierConfig)
    classes = tuple(manifest["labels"])
    if not all(isinstance(name, str | int | float) for name in classes) or not classes:
        raise ValueError("class names that are neither str nor numbers")
    if len(set(classes)) != len(classes) or manifest["combine"] not in ("auto", "none"):
        raise ValueError("duplicate classes, or an unknown value of combine")
    if not isinstance(manifest["metrics"], dict):
        raise TypeError("metrics of the wrong type")
    transformer = manifest.get("transformer")
    tokenizer = (PretrainedTokenizer if transformer else Tokenizer).from_json(tokenizer_json)
    check_vocabulary(tokenizer, manifest["vocabulary"])
    counts = load_counts(tensors, manifest["counts"], COUNTS, classes=len(classes))
    objective = restored(manifest)
    combination = Combination.restore(manifest["combination"], objective)
    thresholds = {name: float(manifest["thresholds"][name]) for name in PARTS}
    if manifest["kind"] != KINDS[objective.numeric] or counts.objective.name != objective.name:
        raise ValueError("parts that disagree on multi-label or regression")
    if not all(0 <= t <= 1 for t in thresholds.values()):
        raise ValueError("thresholds outside 0 to 1")
    pairs = manifest.get("pairs", False) is True
    lm, shape = _encoder(settings, transformer, len(tokenizer))
    network = _network(settings, shape, len(classes), objective=objective, pairs=pairs)
    torch_tensors(network, tensors, NETWORK)
    network.encoder.restore_buffers()
    return FittedClassifier(
        classes=classes,
        network=network.eval(),
        tokenizer=tokenizer,
        counts=WordCounts.of(counts, classes),
        combination=combination,
        thresholds=thresholds,
        config=dataclasses.replace(settings, language_model=None),
        lm_config=lm,
        mixed=manifest["combine"] == "auto",
        report=manifest["metrics"],
        **as_loaded(manifest),
        columns=manifest.get("columns", {}),
        sketch=[int(number) for number in manifest.get("sketch", [])],
    )


def _encoder(
    settings: ClassifierConfig, transformer: dict[str, Any] | None, vocabulary: int
) -> tuple[LMConfig | None, EncoderShape]:
    """The config of the language model, if there is one, and the shape of the encoder."""
    if transformer is not None:
        return None, TransformerConfig.from_dict(transformer)
    lm = settings.language_model or LMConfig()
    return lm, lm.encoder(vocabulary)


def _network(
    settings: ClassifierConfig, shape: EncoderShape, classes: int, *, objective: Objective, pairs: bool
) -> ClassifierNetwork:
    """A network of this shape on the meta device, without weights."""
    with torch.device("meta"):
        encoder = make_encoder(shape, settings.dropouts)
        width = document_width(encoder.config, pairs=pairs)
        head = make_head(width, classes, hidden=settings.head_hidden, drops=settings.head_dropouts)
    return ClassifierNetwork(encoder, head, max_len=settings.max_len, objective=objective, pairs=pairs)

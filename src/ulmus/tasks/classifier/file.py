"""A fitted `TextClassifier` <-> one `.ulmus` file: encoder and head, word counts, tokenizer, combination, report.

The file is complete: no language model beside it is needed. Knows the bundle's parts, not its format.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ulmus import bundle, config
from ulmus.errors import BundleError
from ulmus.evaluation.combination import Combination
from ulmus.models.awd_lstm import AWDLSTM
from ulmus.models.heads import ClassifierHead
from ulmus.models.weights import numpy_tensors, torch_tensors
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.counting import load_counts, named_arrays
from ulmus.tasks.classifier.fitting import PARTS
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.ids import check_vocabulary
from ulmus.tasks.language_model.config import LMConfig
from ulmus.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from ulmus.tasks.classifier.model import TextClassifier

__all__ = ["load_classifier", "save_classifier"]

KIND = "classifier"
NETWORK, COUNTS = "network.", "counts."


def save_classifier(classifier: TextClassifier, path: str | Path) -> None:
    """Write a fitted classifier. Raises StorageError."""
    arrays, meta = named_arrays(classifier.counts_, COUNTS)
    lm = dataclasses.replace(classifier.lm_config_, tokenizer=classifier.tokenizer_.config)
    settings = dataclasses.replace(classifier._config(), language_model=lm)
    manifest = {
        "kind": KIND,
        "labels": list(classifier.class_names_),
        "multi_label": classifier.multi_label_,
        "config": config.to_dict(settings),
        "combine": classifier.combine,
        "combination": dataclasses.asdict(classifier.combination_),
        "thresholds": classifier.thresholds_,
        "counts": meta,
        "vocabulary": {
            "size": len(classifier.tokenizer_),
            "fingerprint": classifier.tokenizer_.vocab.fingerprint,
        },
        "metrics": classifier.report_,
        "history": classifier.history_,
    }
    tensors = numpy_tensors(classifier.network_, NETWORK) | arrays
    bundle.write(path, manifest=manifest, tokenizer_json=classifier.tokenizer_.to_json(), tensors=tensors)


def load_classifier(classifier: TextClassifier, path: str | Path) -> None:
    """Give a new classifier what the file holds. Raises BundleError."""
    opened = bundle.read(path)
    manifest = opened.manifest
    if manifest.get("kind") != KIND:
        raise BundleError(f"{path} holds a {manifest.get('kind')}, expected a {KIND}. See `ulmus info`.")
    try:
        _take(classifier, manifest, opened.tokenizer_json, opened.tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, BundleError) as error:
        raise BundleError(f"{path}: its parts do not belong together ({error}). Train it anew.") from error


def _take(
    classifier: TextClassifier, manifest: dict[str, Any], tokenizer: str, tensors: dict[str, Any]
) -> None:
    """All parts, each checked against the others."""
    settings = config.from_dict(manifest["config"], ClassifierConfig)
    classes = tuple(manifest["labels"])
    if not all(isinstance(name, str | int | float) for name in classes) or not classes:
        raise ValueError("classes that are no names")
    if len(set(classes)) != len(classes) or manifest["combine"] not in ("auto", "none"):
        raise ValueError("classes that come twice, or an unknown combination")
    if not isinstance(manifest["metrics"], dict) or not isinstance(manifest["history"], list):
        raise TypeError("metrics or history of another kind")
    classifier.config = dataclasses.replace(settings, language_model=None)
    classifier.class_names_, classifier.multi_label_ = classes, manifest["multi_label"]
    classifier.combine = manifest["combine"]
    classifier.combination_ = config.from_dict(manifest["combination"], Combination)
    classifier.thresholds_ = {name: float(manifest["thresholds"][name]) for name in PARTS}
    classifier.tokenizer_ = Tokenizer.from_json(tokenizer)
    check_vocabulary(classifier.tokenizer_, manifest["vocabulary"])
    classifier.lm_config_ = settings.language_model or LMConfig()
    classifier.counts_ = load_counts(tensors, manifest["counts"], COUNTS)
    if not {int(name) for name in classifier.counts_.classes_} <= set(range(len(classes))):
        raise ValueError("word counts of other classes")
    several = {classifier.combination_.multi_label, classifier.counts_.multi_label_, classifier.multi_label_}
    if several not in ({True}, {False}) or not all(0 <= t <= 1 for t in classifier.thresholds_.values()):
        raise ValueError(
            "parts that do not agree whether a text has several labels, or thresholds that are none"
        )
    classifier.network_ = _network(classifier, settings, tensors)
    classifier.report_, classifier.history_ = manifest["metrics"], manifest["history"]


def _network(
    classifier: TextClassifier, settings: ClassifierConfig, tensors: dict[str, Any]
) -> ClassifierNetwork:
    with torch.device("meta"):
        encoder = AWDLSTM(classifier.lm_config_.encoder(len(classifier.tokenizer_)), settings.dropouts)
        head = ClassifierHead(
            encoder.config.pooled(),
            len(classifier.class_names_),
            hidden=settings.head_hidden,
            drops=settings.head_dropouts,
        )
    network = ClassifierNetwork(encoder, head, max_len=settings.max_len, multi_label=classifier.multi_label_)
    torch_tensors(network, tensors, NETWORK)
    return network.eval()

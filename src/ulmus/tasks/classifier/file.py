"""A fitted classifier <-> one `.ulmus` file: encoder and head, word counts, tokenizer, combination, report.

The file is self-contained: it needs no language model file. The further networks of an ensemble are there beside the
first one, each with its tokenizer if that is another. Knows the bundle's parts, not its format.
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
from ulmus.tasks.classifier.fitted import PARTS, FittedClassifier, Member
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.ids import check_vocabulary, vocabulary_of
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.word_counts import WordCounts
from ulmus.text.pretrained import PretrainedTokenizer
from ulmus.text.tokenizer import Tokenizer

__all__ = ["load", "save"]

KINDS = {False: "classifier", True: "regressor"}  # by whether the objective is numeric
NETWORK, COUNTS = "network.", "counts."
# of the second network and so on: in the first one's names, so that a version that knows no ensembles refuses the file
OTHER, OTHER_TOKENIZER = NETWORK + "{}/", "tokenizer-{}.json"


def save(model: FittedClassifier, path: str | Path) -> None:
    """Write a fitted classifier. Raises StorageError."""
    arrays, meta = named_arrays(model.counts.model_, COUNTS)
    first, others = model.members[0], dict(enumerate(model.others, 2))
    settings = dataclasses.replace(model.config, language_model=_language_model(first))
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
        "vocabulary": _vocabulary(first),
        "columns": model.columns,
        "sketch": model.sketch,
        "profile": model.profile,
        **as_saved(model.card, model.report, model.history),
        **transformer,
    }
    if others:
        manifest["others"] = [
            {"language_model": config.to_dict(lm) if (lm := _language_model(one)) else None}
            | {"vocabulary": _vocabulary(one)}
            for one in others.values()
        ]
    tensors = numpy_tensors(model.network, NETWORK) | arrays
    for nth, one in others.items():
        tensors |= numpy_tensors(one.network, OTHER.format(nth))
    extra = {
        OTHER_TOKENIZER.format(nth): one.tokenizer.to_json().encode()
        for nth, one in others.items()
        if one.tokenizer.fingerprint != first.tokenizer.fingerprint
    }
    bundle.write(
        path, manifest=manifest, tokenizer_json=first.tokenizer.to_json(), tensors=tensors, extra=extra
    )


def _language_model(member: Member) -> LMConfig | None:
    """The config of the language model that a network comes from, if there is one, with its tokenizer's."""
    if member.lm_config is None or not isinstance(member.tokenizer, Tokenizer):
        return None
    return dataclasses.replace(member.lm_config, tokenizer=member.tokenizer.config)


def _vocabulary(member: Member) -> dict[str, Any]:
    return {"size": len(member.tokenizer), "fingerprint": vocabulary_of(member.tokenizer)}


def load(path: str | Path, *, numeric: bool | None = None) -> FittedClassifier:
    """The classifier or regressor in a file; `numeric` says which of them is expected (None: either).

    Raises BundleError: a damaged file, or one of another kind.
    """
    opened = bundle.read(path)
    manifest = opened.manifest
    expected = list(KINDS.values()) if numeric is None else [KINDS[numeric]]
    if (kind := str(manifest.get("kind"))) not in expected:
        raise BundleError(
            f"{path} holds {'an' if kind[0] in 'aeiou' else 'a'} {kind}, expected a {' or '.join(expected)}. "
            "See `ulmus info`."
        )
    try:
        return _parts(opened)
    except (KeyError, TypeError, ValueError, RuntimeError, BundleError) as error:
        raise BundleError(f"{path}: its parts are inconsistent ({error}); retrain the model.") from error


def _parts(opened: bundle.Bundle) -> FittedClassifier:
    """The classifier from the parts of its file, each checked against the others.

    Raises KeyError, TypeError, ValueError, RuntimeError, BundleError: missing or inconsistent parts.
    """
    manifest, tensors = opened.manifest, opened.tensors
    settings = config.from_dict(manifest["config"], ClassifierConfig)
    classes = tuple(manifest["labels"])
    if not all(isinstance(name, str | int | float) for name in classes) or not classes:
        raise ValueError("class names that are neither str nor numbers")
    if len(set(classes)) != len(classes) or manifest["combine"] not in ("auto", "none"):
        raise ValueError("duplicate classes, or an unknown value of combine")
    if not isinstance(manifest["metrics"], dict) or not isinstance(manifest.get("profile", {}), dict):
        raise TypeError("metrics or profile of the wrong type")
    counts = load_counts(tensors, manifest["counts"], COUNTS, classes=len(classes))
    objective = restored(manifest)
    combination = Combination.restore(manifest["combination"], objective)
    thresholds = {name: float(manifest["thresholds"][name]) for name in PARTS}
    if manifest["kind"] != KINDS[objective.numeric] or counts.objective.name != objective.name:
        raise ValueError("parts that disagree on multi-label or regression")
    if not all(0 <= t <= 1 for t in thresholds.values()):
        raise ValueError("thresholds outside 0 to 1")
    first, *others = _members(opened, settings, len(classes), objective)
    return FittedClassifier(
        classes=classes,
        network=first.network,
        tokenizer=first.tokenizer,
        counts=WordCounts.of(counts, classes),
        combination=combination,
        thresholds=thresholds,
        config=dataclasses.replace(settings, language_model=None),
        lm_config=first.lm_config,
        others=tuple(others),
        mixed=manifest["combine"] == "auto",
        report=manifest["metrics"],
        **as_loaded(manifest),
        columns=manifest.get("columns", {}),
        sketch=[int(number) for number in manifest.get("sketch", [])],
        profile=manifest.get("profile", {}),
    )


def _members(
    opened: bundle.Bundle, settings: ClassifierConfig, classes: int, objective: Objective
) -> list[Member]:
    """The networks of the file, the first one first."""
    manifest, tensors = opened.manifest, opened.tensors
    others = manifest.get("others", [])
    if not isinstance(others, list):
        raise TypeError("networks of the wrong type")
    transformer, pairs = manifest.get("transformer"), manifest.get("pairs") is True
    from_json = (PretrainedTokenizer if transformer else Tokenizer).from_json
    first, made = from_json(opened.tokenizer_json), []
    for nth, entry in enumerate([manifest, *others], 1):
        prefix, own, tokenizer, lm = OTHER.format(nth), tensors, first, settings.language_model
        if nth == 1:  # all that the others do not account for must be its own
            prefix, taken = NETWORK, tuple(OTHER.format(k) for k in range(2, len(others) + 2))
            own = {name: t for name, t in tensors.items() if not name.startswith(taken)}
        else:
            lm = entry["language_model"] and config.from_dict(entry["language_model"], LMConfig)
            text = opened.extra.get(OTHER_TOKENIZER.format(nth))
            tokenizer = first if text is None else from_json(text.decode())
        check_vocabulary(tokenizer, entry["vocabulary"])
        lm, shape = _encoder(lm, transformer, len(tokenizer))
        network = _network(settings, shape, classes, objective=objective, pairs=pairs)
        torch_tensors(network, own, prefix)
        network.encoder.restore_buffers()
        made.append(Member(network.eval(), tokenizer, lm))
    return made


def _encoder(
    lm: LMConfig | None, transformer: dict[str, Any] | None, vocabulary: int
) -> tuple[LMConfig | None, EncoderShape]:
    """The config of the language model, if there is one, and the shape of the encoder."""
    if transformer is not None:
        return None, TransformerConfig.from_dict(transformer)
    lm = lm or LMConfig()
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

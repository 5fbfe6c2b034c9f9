"""A transformer in a folder or a `.ulmus` file -> one value; that value -> a `.ulmus` file.

The file has the encoder and the weights of the head that are not the encoder's, so that its training can go on. Knows
the bundle's parts, not its format.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ulmus import bundle, config
from ulmus.errors import BundleError
from ulmus.models.checkpoint_folder import check_folder
from ulmus.models.language_head import open_with_head, with_head
from ulmus.models.transformer import Transformer, TransformerConfig, skeleton
from ulmus.models.weights import numpy_tensors, stored, torch_arrays, torch_tensors
from ulmus.tasks.adaptation.config import AdaptationConfig
from ulmus.tasks.adaptation.fitted import FittedTransformer
from ulmus.tasks.circumstances import as_loaded, as_saved
from ulmus.tasks.folders import folder_tokenizer, mask_token
from ulmus.tasks.ids import check_vocabulary, vocabulary_of
from ulmus.text.pretrained import PretrainedTokenizer

__all__ = ["KIND", "check_file", "is_file", "load", "load_encoder", "save"]

KIND = "transformer"
ENCODER, HEAD = "encoder.", "head."
BROKEN = (KeyError, TypeError, ValueError, RuntimeError, BundleError)


def save(fitted: FittedTransformer, path: str | Path, *, weights: str = "float32") -> None:
    """Write the file; bf16 `weights` halve its size. Raises StorageError, and ConfigError: an unknown type."""
    headed, tokenizer = fitted.transformer, fitted.tokenizer
    manifest = {
        "kind": KIND,
        "transformer": headed.config.to_dict(),
        "mask": fitted.mask,
        "config": config.to_dict(fitted.config),
        "vocabulary": {"size": len(tokenizer), "fingerprint": vocabulary_of(tokenizer)},
        **as_saved(fitted.card, fitted.metrics, fitted.history),
    }
    head = {HEAD + name: t.detach().cpu().contiguous().numpy() for name, t in headed.head().items()}
    tensors = stored(numpy_tensors(headed.encoder, ENCODER) | head, weights)
    bundle.write(path, manifest=manifest, tokenizer_json=tokenizer.to_json(), tensors=tensors)


def is_file(path: str | Path) -> bool:
    """Whether the path names a model file, not a folder."""
    return Path(path).suffix == ".ulmus" and not Path(path).is_dir()


def check_file(path: str | Path) -> None:
    """Raise BundleError unless the file holds a transformer; reads only its manifest."""
    _check_kind(bundle.read_manifest(path), path)


def load(path: str | Path) -> FittedTransformer:
    """The transformer in a folder or a file, with its head; a new one if the folder has none.

    Raises BundleError: an unusable folder or file, an architecture without a head, no mask token; MissingExtra.
    """
    return _opened(path) if is_file(path) else _folder(Path(path))


def load_encoder(path: str | Path) -> tuple[Transformer, PretrainedTokenizer, dict[str, Any]]:
    """The encoder in a file, its tokenizer and its scores. Raises BundleError: damaged, or of another kind."""
    opened = _read(path)
    try:
        return (*_encoder(opened), dict(opened.manifest["metrics"]))
    except BROKEN as error:
        raise _inconsistent(path, error) from error


def _folder(folder: Path) -> FittedTransformer:
    check_folder(folder)
    tokenizer = folder_tokenizer(folder)
    transformer, new = open_with_head(folder, tokenizer.layout)
    if len(tokenizer) > (rows := transformer.encoder.vocabulary()):
        raise BundleError(
            f"{folder}: the tokenizer has {len(tokenizer):,} tokens, the model {rows:,}. "
            "Copy the tokenizer's files from where the model came from."
        )
    mask = None if transformer.config.causal else mask_token(folder)
    return FittedTransformer(
        tokenizer, transformer.eval(), mask, card={"source": folder.resolve().name}, new_head=new
    )


def _opened(path: str | Path) -> FittedTransformer:
    opened = _read(path)
    manifest = opened.manifest
    try:
        encoder, tokenizer = _encoder(opened)
        head = torch_arrays(opened.tensors, HEAD)
        mask = manifest["mask"]
        if (mask is None) != encoder.config.causal or not (mask is None or 0 <= int(mask) < len(tokenizer)):
            raise ValueError("a mask token that is none")
        return FittedTransformer(
            tokenizer,
            with_head(encoder, head).eval(),
            mask,
            config=config.from_dict(manifest["config"], AdaptationConfig),
            metrics=dict(manifest["metrics"]),
            **as_loaded(manifest),
        )
    except BROKEN as error:
        raise _inconsistent(path, error) from error


def _read(path: str | Path) -> bundle.Bundle:
    opened = bundle.read(path)
    _check_kind(opened.manifest, path)
    return opened


def _check_kind(manifest: Mapping[str, Any], path: str | Path) -> None:
    if manifest.get("kind") != KIND:
        raise BundleError(
            f"{path} holds a {manifest.get('kind')}, expected a {KIND}: a file made by `ulmus tune` of a transformer's "
            "folder, or such a folder. See `ulmus info`."
        )


def _inconsistent(path: str | Path, error: Exception) -> BundleError:
    return BundleError(f"{path}: its parts are inconsistent ({error}); adapt the model again.")


def _encoder(opened: bundle.Bundle) -> tuple[Transformer, PretrainedTokenizer]:
    """The encoder and the tokenizer, each checked against the manifest. Raises one of `BROKEN`."""
    tokenizer = PretrainedTokenizer.from_json(opened.tokenizer_json)
    check_vocabulary(tokenizer, opened.manifest["vocabulary"])
    with torch.device("meta"):
        encoder = skeleton(TransformerConfig.from_dict(opened.manifest["transformer"]))
    torch_tensors(encoder, opened.tensors, ENCODER)
    encoder.restore_buffers()
    if len(tokenizer) > encoder.vocabulary():
        raise ValueError("more tokens than embeddings")
    return encoder.eval(), tokenizer

"""What a classifier starts from: checks of --language-model, --encoder and --ensemble before any text is read.

Cost: reading manifests; the import of torch where several networks are asked for. Knows no text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ulmus.errors import UsageError

__all__ = ["check", "given"]

_MADE = ("new", "none")  # language models that there is no file of


def given(named: Sequence[str]) -> str | list[str] | None:
    """The values of --language-model as an estimator takes them."""
    return list(named) if len(named) > 1 else named[0] if named else None


def check(
    named: Sequence[str],
    encoder: Path | None,
    *,
    ensemble: str,
    size: str | None,
    tokenizer: str | None,
) -> list[Path]:
    """The files among the values of --language-model, or the path of --encoder. They determine tokenizer and size.

    Raises UsageError if one is no language model, or contradicts --size, --tokenizer or --ensemble; BundleError if the
    encoder's folder or file is unusable.
    """
    if encoder is not None:
        _check_encoder(encoder, {"language-model": list(named) or None, "size": size, "tokenizer": tokenizer})
    paths = [_checked(name, size, tokenizer) for name in named if name not in _MADE]
    if ensemble != "none" or len(named) > 1:
        from ulmus.tasks.classifier.ensemble import Ensemble

        Ensemble.of(ensemble).check(given(named), encoder)
    return paths if encoder is None else [encoder]


def _checked(name: str, size: str | None, tokenizer: str | None) -> Path:
    """The file of a language model."""
    from ulmus import bundle
    from ulmus.installed import find

    path = find(name)
    manifest = bundle.read_manifest(path)
    if manifest.get("kind") != "language-model":
        raise UsageError(
            f"--language-model {path} holds a {manifest.get('kind')}, expected a language-model. "
            "Give a file made by `ulmus pretrain`."
        )
    if size is not None:
        raise UsageError(
            f"--size applies to a new language model only; {path} has its own size. Remove --size."
        )
    kind = manifest.get("config", {}).get("tokenizer", {}).get("kind")
    if tokenizer not in (None, kind):
        raise UsageError(
            f"{path} has a {kind} tokenizer, which cannot be changed to {tokenizer}. Remove --tokenizer."
        )
    return path


def _check_encoder(encoder: Path, others: dict[str, Any]) -> None:
    """Raise UsageError if `others` among the options are given too."""
    from ulmus.tasks.pretrained import check_encoder

    check_encoder(str(encoder))
    for name, value in others.items():
        if value is not None:
            raise UsageError(f"--encoder has its own tokenizer, size and weights. Remove --{name}.")

"""`ulmus tokens`, `ulmus info`, `ulmus models`: how a text is cut, what a model file holds, which are installed.

Neither loads torch: the tokenizer and the manifest of a model file are read, not its weights. Knows no model
class.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ulmus.cli import inputs, show
from ulmus.cli.options import CommonOptions, ReaderOptions, TextCols, command
from ulmus.errors import BundleError, UsageError

if TYPE_CHECKING:
    from ulmus.text.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class TokensOptions(ReaderOptions, CommonOptions):
    """The options of `ulmus tokens`."""

    texts: Annotated[
        list[str],
        typer.Argument(metavar="TEXT...", help="Texts to cut; - reads one a line.", show_default=False),
    ]
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Cut as this model does: a file or an installed one.")
    ] = None
    tokenizer: Annotated[
        Literal["word", "unigram", "bpe", "char"], typer.Option(help="Without a model: how to cut.")
    ] = "word"
    train_on: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="Without a model: learn the vocabulary from these files."),
    ] = field(default_factory=list)
    text: TextCols = field(default_factory=list)
    min_freq: Annotated[int | None, typer.Option(min=1, help="Without a model: rarer words are unknown.")] = (
        None
    )
    max_size: Annotated[
        int | None, typer.Option(min=20, help="Without a model: most tokens in the vocabulary.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class InfoOptions(CommonOptions):
    """The options of `ulmus info`."""

    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Any model file, or an installed model.", show_default=False),
    ]
    all: Annotated[bool, typer.Option("--all", help="Show every setting and score.")] = False


@dataclass(frozen=True, kw_only=True)
class ModelsOptions(CommonOptions):
    """The options of `ulmus models`."""


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    command(app, TokensOptions, example='ulmus tokens "Don\'t PANIC" --model reviews.ulmus')(tokens)
    command(app, InfoOptions, example="ulmus info reviews.ulmus")(info)
    command(app, ModelsOptions, example="ulmus models")(models)


def tokens(options: TokensOptions) -> None:
    """Show how texts are cut, by a model or by a tokenizer made on the spot."""
    texts = list(inputs.stdin_texts(options)) if options.texts == ["-"] else options.texts
    tokenizer = _tokenizer(options, texts)
    cut = [_cut(tokenizer, text) for text in texts]
    if options.json:
        show.as_json({"vocabulary": len(tokenizer.vocab), "fingerprint": tokenizer.fingerprint, "texts": cut})
        return
    for result in cut:
        show.say(" | ".join(result["shown"]))
        show.say(
            f"  {len(result['ids'])} tokens, {result['unknown']} unknown; read back: {result['decoded']}"
        )


def info(options: InfoOptions) -> None:
    """Show what a model file holds: what it was trained on, its classes and scores; with --all every setting."""
    from ulmus import bundle
    from ulmus.installed import find

    path = find(options.model)
    manifest = dict(bundle.read(path).manifest)
    if options.json:
        show.as_json(manifest)
        return
    from ulmus.cli.model_page import draw, everything, page

    if options.all:
        draw(everything(manifest))
        return
    draw([*page(path, manifest), ("settings", f"ulmus info {shlex.quote(options.model)} --all")])


def models(options: ModelsOptions) -> None:
    """List the language models that are installed."""
    from ulmus.installed import installed

    found = {name: (path, told) for name, path in installed().items() if (told := _readable(path))}
    if options.json:
        show.as_json(
            {name: {"path": str(path), **_told(manifest)} for name, (path, manifest) in found.items()}
        )
    elif not found:
        show.say("No language model is installed. `ulmus pretrain` makes one from any raw text.")
    else:
        columns = ["model", "language", "tokens", "perplexity", "bits a character", "MB", "made from"]
        show.table(columns, [_row(name, *one) for name, one in found.items()], numbers=False)


def _readable(path: Path) -> dict[str, Any] | None:
    """The manifest of an installed model; None, and a word about it, for a file that is damaged."""
    from ulmus.bundle import read_manifest

    try:
        return read_manifest(path)
    except BundleError as error:
        show.note(str(error))
        return None


def _told(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a listing says of a language model: its card, its shape, its scores."""
    return {key: manifest.get(key, {}) for key in ("card", "config", "vocabulary", "metrics")}


def _row(name: str, path: Path, manifest: Mapping[str, Any]) -> list[str]:
    card, config, vocabulary, metrics = _told(manifest).values()
    kind = config.get("tokenizer", {}).get("kind", "-")
    backwards = ", backwards" if config.get("backwards") else ""
    return [
        name,
        str(card.get("language", "-")),
        f"{vocabulary.get('size', 0):,} {kind}{backwards}",
        *(show.value(metrics.get(key, "-")) for key in ("perplexity", "bits_per_character")),
        f"{path.stat().st_size / 1e6:.1f}",
        str(card.get("corpus", "-")),
    ]


def _tokenizer(options: TokensOptions, texts: list[str]) -> Tokenizer:
    from ulmus.text.tokenizer import Tokenizer, TokenizerConfig

    fresh = (options.train_on, options.min_freq, options.max_size)
    if options.model is not None:
        if any(fresh):
            raise UsageError(
                "--model brings its own vocabulary: leave --train-on, --min-freq and --max-size away."
            )
        from ulmus.bundle import read_tokenizer
        from ulmus.installed import find

        return Tokenizer.from_json(read_tokenizer(find(options.model)))
    sources = [inputs.source(path, options, inputs.Columns(options.text)) for path in options.train_on]
    inputs.probe(sources)
    given: dict[str, Any] = {
        "kind": options.tokenizer,
        "min_freq": options.min_freq,
        "max_size": options.max_size,
    }
    if not sources and options.min_freq is None:
        given["min_freq"] = 1  # a vocabulary made of the very texts: every word is known
    config = TokenizerConfig(**{key: value for key, value in given.items() if value is not None})
    return Tokenizer.train(inputs.Texts(sources) if sources else texts, config)


def _cut(tokenizer: Tokenizer, text: str) -> dict[str, Any]:
    ids = tokenizer.encode(text).tolist()
    tokens = tokenizer.tokens(text)
    unknown = tokenizer.vocab.id_of("xxunk")
    seen = zip(tokens, ids, strict=True) if len(tokens) == len(ids) else ((token, None) for token in tokens)
    return {
        "text": text,
        "tokens": tokens,
        "shown": [f"xxunk({token})" if number == unknown else token for token, number in seen],
        "ids": ids,
        "unknown": ids.count(unknown),
        "decoded": tokenizer.decode(ids, unknown="xxunk"),
    }

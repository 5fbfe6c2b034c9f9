"""`ulmus tokens`, `ulmus info`, `ulmus models`: how texts are tokenized, what a model file contains, what is installed.

None of them loads torch: they use only the tokenizer and the manifest of a model file. Knows no model class.
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
        typer.Argument(
            metavar="TEXT...",
            help="Texts to tokenize; - reads standard input, one text per line.",
            show_default=False,
        ),
    ]
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Use the tokenizer of this model: a file, or an installed model."),
    ] = None
    tokenizer: Annotated[
        Literal["word", "unigram", "bpe", "char"], typer.Option(help="Without --model: tokenizer type.")
    ] = "word"
    train_on: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE", help="Without --model: learn the vocabulary from this file. Repeatable."
        ),
    ] = field(default_factory=list)
    text: TextCols = field(default_factory=list)
    min_freq: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Without --model: minimum frequency of a word.")
    ] = None
    max_size: Annotated[
        int | None, typer.Option(min=20, metavar="N", help="Without --model: maximum size of the vocabulary.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class InfoOptions(CommonOptions):
    """The options of `ulmus info`."""

    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model file, or the name of an installed model.", show_default=False
        ),
    ]
    all: Annotated[bool, typer.Option("--all", help="Show all settings and scores.")] = False


@dataclass(frozen=True, kw_only=True)
class ModelsOptions(CommonOptions):
    """The options of `ulmus models`."""


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    command(app, TokensOptions, example='ulmus tokens "Don\'t PANIC" --model reviews.ulmus')(tokens)
    command(app, InfoOptions, example="ulmus info reviews.ulmus")(info)
    command(app, ModelsOptions, example="ulmus models")(models)


def tokens(options: TokensOptions) -> None:
    """Show how texts are tokenized.

    Uses the tokenizer of --model, or one trained on the files of --train-on or on the texts themselves.
    """
    texts = list(inputs.stdin_texts(options)) if options.texts == ["-"] else options.texts
    tokenizer = _tokenizer(options, texts)
    results = [_tokenized(tokenizer, text) for text in texts]
    if options.json:
        show.as_json(
            {"vocabulary": len(tokenizer.vocab), "fingerprint": tokenizer.fingerprint, "texts": results}
        )
        return
    for result in results:
        show.say(" | ".join(result["shown"]))
        show.say(f"  {len(result['ids'])} tokens, {result['unknown']} unknown; decoded: {result['decoded']}")


def info(options: InfoOptions) -> None:
    """Show what a model file contains.

    By default: what it was trained on, its classes and its scores.
    """
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
    """List the installed language models."""
    from ulmus.installed import installed

    readable = {name: (path, manifest) for name, path in installed().items() if (manifest := _readable(path))}
    if options.json:
        show.as_json(
            {name: {"path": str(path), **_listed(manifest)} for name, (path, manifest) in readable.items()}
        )
    elif not readable:
        show.say("No language model is installed. `ulmus pretrain` trains one on raw text.")
    else:
        columns = ["model", "language", "tokens", "perplexity", "bits per character", "MB", "corpus"]
        show.table(columns, [_row(name, *one) for name, one in readable.items()], numbers=False)


def _readable(path: Path) -> dict[str, Any] | None:
    """The manifest of an installed model; None, after a note on stderr, if the file is damaged."""
    from ulmus.bundle import read_manifest

    try:
        return read_manifest(path)
    except BundleError as error:
        show.note(str(error))
        return None


def _listed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a manifest that a listing shows: model card, config, vocabulary and scores."""
    return {key: manifest.get(key, {}) for key in ("card", "config", "vocabulary", "metrics")}


def _row(name: str, path: Path, manifest: Mapping[str, Any]) -> list[str]:
    card, config, vocabulary, metrics = _listed(manifest).values()
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
            raise UsageError("--model has its own vocabulary: remove --train-on, --min-freq and --max-size.")
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
        given["min_freq"] = 1  # the vocabulary comes from these texts: no word is unknown
    config = TokenizerConfig(**{key: value for key, value in given.items() if value is not None})
    return Tokenizer.train(inputs.Texts(sources) if sources else texts, config)


def _tokenized(tokenizer: Tokenizer, text: str) -> dict[str, Any]:
    """The entry of a text in the JSON output: its tokens and ids, the number of unknown tokens, the decoded text."""
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

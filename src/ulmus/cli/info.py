"""`ulmus tokens` and `ulmus info`: look at how a text is cut, and at what a model file holds.

Neither loads torch: the tokenizer and the manifest of a model file are read, not its weights. Knows no model
class.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ulmus.cli import inputs, show
from ulmus.cli.options import CommonOptions, ReaderOptions, TextCols, command
from ulmus.errors import UsageError

if TYPE_CHECKING:
    from ulmus.text.tokenizer import Tokenizer

_LONG = {"history", "sha256"}  # of use to programs only


@dataclass(frozen=True, kw_only=True)
class TokensOptions(ReaderOptions, CommonOptions):
    """The options of `ulmus tokens`."""

    texts: Annotated[
        list[str],
        typer.Argument(metavar="TEXT...", help="Texts to cut; - reads one a line.", show_default=False),
    ]
    model: Annotated[Path | None, typer.Option(metavar="MODEL.ulmus", help="Cut as this model does.")] = None
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

    model: Annotated[Path, typer.Argument(metavar="MODEL.ulmus", help="Any model file.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    command(app, TokensOptions)(tokens)
    command(app, InfoOptions)(info)


def tokens(options: TokensOptions) -> None:
    """Show how texts are cut, by a model or by a tokenizer made on the spot."""
    texts = list(inputs.stdin_lines()) if options.texts == ["-"] else options.texts
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
    """Show what a model file holds: its labels, settings and scores."""
    from ulmus import bundle

    manifest = dict(bundle.read(options.model).manifest)
    if options.json:
        show.as_json(manifest)
        return
    told = {key: value for key, value in manifest.items() if key not in _LONG}
    show.table(
        [str(options.model), ""], [[key, show.value(item)] for key, item in show.flat(told)], numbers=False
    )


def _tokenizer(options: TokensOptions, texts: list[str]) -> Tokenizer:
    from ulmus.text.tokenizer import Tokenizer, TokenizerConfig

    fresh = (options.train_on, options.min_freq, options.max_size)
    if options.model is not None:
        if any(fresh):
            raise UsageError(
                "--model brings its own vocabulary: leave --train-on, --min-freq and --max-size away."
            )
        from ulmus import bundle

        return Tokenizer.from_json(bundle.read(options.model).tokenizer_json)
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

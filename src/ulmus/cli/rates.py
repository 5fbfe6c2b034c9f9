"""`ulmus lr-find`: texts -> the curve of the loss over growing learning rates, and a suggested peak.

Costs a hundred training steps. The suggestion goes into a config file: [lm.schedule] peak = ... for `pretrain`, [lm]
tune-peak = ... for `tune`. Knows no layer. Source: Smith 2017, section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ulmus.cli import guard, inputs, outputs, show
from ulmus.cli.options import CommonOptions, ComputeOptions, Force, ReaderOptions, TextCols, command
from ulmus.cli.settings import merged, tables

if TYPE_CHECKING:
    from ulmus.tasks.language_model.model import LanguageModel


@dataclass(frozen=True, kw_only=True)
class RatesOptions(ComputeOptions, ReaderOptions, CommonOptions):
    """The options of `ulmus lr-find`."""

    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files or folders of texts.", show_default=False)
    ]
    text: TextCols = field(default_factory=list)
    model: Annotated[
        Path | None,
        typer.Option(metavar="LM.ulmus", help="Find the rate to tune this one; else for a new one."),
    ] = None
    tokenizer: Annotated[
        Literal["word", "unigram", "bpe", "char"], typer.Option(help="Of a new model: how texts are cut.")
    ] = "word"
    size: Annotated[Literal["small", "base"], typer.Option(help="Of a new model: its size.")] = "small"
    steps: Annotated[int, typer.Option(min=10, help="Training steps to take.")] = 100
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw the curve.")] = None
    force: Force = False


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, RatesOptions, name="lr-find", example="ulmus lr-find reviews.csv --text text")(find_rate)


def find_rate(options: RatesOptions) -> None:
    """Find a learning rate for a language model."""
    if options.plot is not None:
        outputs.claim(options.plot, options, guard.PLOT)
    sources = [inputs.source(path, options, inputs.Columns(options.text)) for path in options.files]
    inputs.probe(sources)
    found = _model(options).lr_find(inputs.Texts(sources), steps=options.steps)
    if options.plot is not None:
        found.plot(options.plot)
    if options.json:
        show.as_json({"suggestion": found.suggestion, "lrs": found.lrs, "losses": found.losses})
    else:
        key = "[lm] tune-peak" if options.model else "[lm.schedule] peak"
        show.say(f"Suggested peak: {found.suggestion:.1e} ({key} in a --config file)")


def _model(options: RatesOptions) -> LanguageModel:
    """The model given, or a new one by the options and the table [lm] of the config file."""
    from ulmus.tasks.language_model.config import lm_config
    from ulmus.tasks.language_model.model import LanguageModel

    settings: dict[str, Any] = {
        "seed": options.seed,
        "device": options.device,
        "precision": options.precision,
        "verbose": False,
    }
    if options.model is not None:
        return LanguageModel.load(options.model, **settings)
    base = lm_config(options.size, kind=options.tokenizer)
    where = f"{options.config}: [lm]"
    return LanguageModel(merged(base, tables(options.config, ["lm"])["lm"], where), **settings)

"""`ulmus lr-find`: texts -> the loss at increasing learning rates, and a suggested peak learning rate.

Cost: a hundred training steps. The suggestion goes into a config file: [lm.schedule] peak = ... for `pretrain`, [lm]
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
        typer.Option(metavar="LM.ulmus", help="Language model to fine-tune; without it a new one."),
    ] = None
    tokenizer: Annotated[
        Literal["word", "unigram", "bpe", "char"], typer.Option(help="Tokenizer type of a new model.")
    ] = "word"
    size: Annotated[Literal["small", "base"], typer.Option(help="Size of a new model.")] = "small"
    steps: Annotated[int, typer.Option(min=10, metavar="N", help="Number of training steps.")] = 100
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Save a plot of the curve.")] = None
    force: Force = False


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, RatesOptions, name="lr-find", example="ulmus lr-find reviews.csv --text text")(find_rate)


def find_rate(options: RatesOptions) -> None:
    """Suggest a learning rate for a language model."""
    if options.plot is not None:
        outputs.claim(options.plot, options, guard.PLOT)
    sources = [inputs.source(path, options, inputs.Columns(options.text)) for path in options.files]
    inputs.probe(sources)
    curve = _model(options).lr_find(inputs.Texts(sources), steps=options.steps)
    if options.plot is not None:
        curve.plot(options.plot)
    if options.json:
        show.as_json({"suggestion": curve.suggestion, "lrs": curve.lrs, "losses": curve.losses})
    else:
        key = "[lm] tune-peak" if options.model else "[lm.schedule] peak"
        show.say(f"Suggested peak learning rate: {curve.suggestion:.1e} ({key} in a --config file)")


def _model(options: RatesOptions) -> LanguageModel:
    """The given model, or a new one configured by the options and the table [lm] of the config file."""
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

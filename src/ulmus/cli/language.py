"""`ulmus pretrain`, `ulmus tune`, `ulmus generate`: raw texts -> a language model, and text out of it.

Files are streamed, not held. What it costs is what `LanguageModel` costs; files, columns and the output are
looked at first. Knows no layer and no schedule.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ulmus.cli import guard, inputs, outputs, reading, show
from ulmus.cli.options import (
    LARGEST_SEED,
    CommonOptions,
    ComputeOptions,
    Device,
    ReaderOptions,
    RunOptions,
    TextCols,
    command,
)
from ulmus.cli.settings import merged, tables
from ulmus.errors import UsageError

if TYPE_CHECKING:
    from ulmus.tasks.language_model.config import LMConfig
    from ulmus.tasks.language_model.model import LanguageModel

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Files or folders of texts.", show_default=False)
]
Valid = Annotated[Path | None, typer.Option(metavar="FILE", help="Texts to measure the perplexity on.")]
Language = Annotated[
    str,
    typer.Argument(metavar="LM", help="A file, or the name of an installed model.", show_default=False),
]
Weights = Annotated[
    Literal["float32", "bf16"],
    typer.Option(help="How weights are stored; bf16: half the size, three digits each."),
]


@dataclass(frozen=True, kw_only=True)
class ModelOptions(RunOptions, ReaderOptions, CommonOptions):
    """The options of the commands that make a language model."""

    language: Annotated[
        str | None, typer.Option(metavar="TEXT", help="For the card: the language of the texts.")
    ] = None
    corpus: Annotated[str | None, typer.Option(metavar="TEXT", help="For the card: what the texts are.")] = (
        None
    )
    licence: Annotated[str | None, typer.Option(metavar="TEXT", help="For the card: their licence.")] = None
    weights: Weights = "float32"


@dataclass(frozen=True, kw_only=True)
class PretrainOptions(ModelOptions):
    """The options of `ulmus pretrain`."""

    files: Files
    text: TextCols = field(default_factory=list)
    valid: Valid = None
    tokenizer: Annotated[
        Literal["word", "unigram", "bpe", "char"], typer.Option(help="How texts are cut.")
    ] = "word"
    size: Annotated[Literal["small", "base"], typer.Option(help="Size of the language model.")] = "small"
    cell: Annotated[
        Literal["lstm", "qrnn"] | None,
        typer.Option(help="Kind of recurrent layer; without it the one the size is best with."),
    ] = None
    backwards: Annotated[bool, typer.Option("--backwards", help="Read every text from its end.")] = False
    start: Annotated[
        str | None,
        typer.Option(metavar="LM", help="Begin with the weights of this model, which has the same shape."),
    ] = None
    decay: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="STEPS",
            help="From the checkpoint in --work-dir let the rate fall to nothing in so many steps, and end there;"
            " without it the same command still goes on.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TuneOptions(ModelOptions):
    """The options of `ulmus tune`."""

    model: Language
    files: Files
    text: TextCols = field(default_factory=list)
    valid: Valid = None


@dataclass(frozen=True, kw_only=True)
class GenerateOptions(CommonOptions):
    """The options of `ulmus generate`."""

    model: Language
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="How the text begins.")] = ""
    words: Annotated[int, typer.Option(min=1, help="Tokens to add.")] = 40
    temperature: Annotated[
        float, typer.Option(min=0.0, help="Below 1 safer, above 1 wilder, 0: always the likeliest word.")
    ] = 0.75
    top_k: Annotated[int, typer.Option(min=0, help="Choose among the k likeliest words; 0: all.")] = 0
    top_p: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Choose among the likeliest words that share this probability."),
    ] = 1.0
    unknown: Annotated[bool, typer.Option("--unknown/--no-unknown", help="Allow xxunk in the text.")] = False
    samples: Annotated[int, typer.Option(min=1, help="How many texts.")] = 1
    seed: Annotated[
        int | None, typer.Option(min=0, max=LARGEST_SEED, help="The same seed gives the same texts.")
    ] = None
    device: Device = "auto"


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    command(app, PretrainOptions, example="ulmus pretrain texts.txt --minutes 60 --out lm.ulmus")(pretrain)
    command(
        app,
        TuneOptions,
        example="ulmus tune lm.ulmus reviews.csv --text text --minutes 20 --out reviews-lm.ulmus",
    )(tune)
    command(app, GenerateOptions, example='ulmus generate lm.ulmus "I liked this film because" --words 40')(
        generate
    )


def pretrain(options: PretrainOptions) -> None:
    """Train a language model on raw texts."""
    started = perf_counter()
    outputs.claim_model(options, "language-model")
    texts, valid = _texts(options)
    from ulmus.installed import find

    given = find(options.start) if options.start else None
    if options.decay and options.work_dir is None:
        raise UsageError("--decay needs the --work-dir of the run that is to decay.")
    with outputs.work_folder(options, [*options.files, *filter(None, [given, options.valid])]) as folder:
        from ulmus.tasks.language_model.config import lm_config
        from ulmus.tasks.language_model.model import LanguageModel

        base = lm_config(options.size, kind=options.tokenizer, backwards=options.backwards, cell=options.cell)
        model = LanguageModel(_config(base, options), **_settings(options, folder))
        _log(model, options)
        model.about = _about(options)
        model.start, model.decay_steps = LanguageModel.load(given) if given else None, options.decay
        _finish(model.fit(texts, valid=valid), options, started)


def tune(options: TuneOptions) -> None:
    """Go on training a language model on texts of another kind."""
    started = perf_counter()
    outputs.claim_model(options, "language-model")
    texts, valid = _texts(options)
    from ulmus.installed import find

    given = find(options.model)
    with outputs.work_folder(options, [given, *options.files, *filter(None, [options.valid])]) as folder:
        from ulmus.tasks.language_model.model import LanguageModel

        model = LanguageModel.load(given, **_settings(options, folder))
        model.config = _config(model.config, options)
        _log(model, options)
        model.about = {k: v for k, v in model.card_.items() if k == "language"} | _about(options)
        _finish(model.fine_tune(texts, valid=valid), options, started)


def generate(options: GenerateOptions) -> None:
    """Let a language model go on writing."""
    from ulmus.tasks.language_model.model import LanguageModel

    model = LanguageModel.load(options.model, device=options.device)
    texts = model.generate(
        options.prompt,
        words=options.words,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        no_unk=not options.unknown,
        samples=options.samples,
        seed=options.seed,
    )
    if options.json:
        show.as_json({"prompt": options.prompt, "samples": texts, "seed": options.seed})
    else:
        show.say("\n\n".join(texts))


def _config(base: LMConfig, options: ComputeOptions) -> LMConfig:
    """The settings of the language model: of its size, then of the table [lm] of the config file."""
    return merged(base, tables(options.config, ["lm"])["lm"], f"{options.config}: [lm]")


def _about(options: PretrainOptions | TuneOptions) -> dict[str, Any]:
    """What the card says of the texts: what the user told, and their files."""
    told = {"language": options.language, "corpus": options.corpus, "licence": options.licence}
    files = [{"file": path.name, "bytes": path.stat().st_size} for path in options.files if path.is_file()]
    return {key: value for key, value in told.items() if value is not None} | {"files": files}


def _settings(options: RunOptions, folder: Path) -> dict[str, Any]:
    """What a run sets in any language model."""
    return {
        "seed": options.seed,
        "device": options.device,
        "precision": options.precision,
        "minutes": options.minutes,
        "work_dir": folder,
        "verbose": not options.quiet,
    }


def _log(model: LanguageModel, options: RunOptions) -> None:
    from ulmus.train.callbacks import JsonLog

    model.callbacks += [JsonLog(options.log)] if options.log else []


def _texts(options: PretrainOptions | TuneOptions) -> tuple[inputs.Texts, inputs.Texts | None]:
    """The texts to train on and those to measure on; every file is opened and its columns looked up."""
    guard.check_held_out(options.valid, options.files)
    columns = inputs.Columns(options.text)
    sources = [inputs.source(path, options, columns) for path in options.files]
    valid = [inputs.source(path, options, columns) for path in filter(None, [options.valid])]
    inputs.probe([*sources, *valid])
    if not options.quiet:
        reading.tell_texts(sources)
        reading.tell_texts(valid)
    return inputs.Texts(sources), inputs.Texts(valid) if valid else None


def _finish(model: LanguageModel, options: PretrainOptions | TuneOptions, started: float) -> None:
    """Save the model, with texts of its own in its card, and report its scores."""
    from ulmus.tasks.language_model.generation import card_samples

    model.describe(samples=card_samples(model.fitted_, options.seed))
    model.save(options.out, weights=options.weights)
    report = {"out": str(options.out), **model.metrics_, "seconds": perf_counter() - started}
    if options.json:
        show.as_json(report)
    else:
        show.table(
            ["language model", ""],
            [[key, show.value(item)] for key, item in show.flat(report)],
            numbers=False,
        )

"""`ulmus pretrain`, `ulmus tune`, `ulmus distil`, `ulmus generate`: raw texts -> a language model -> generated text.

Files are streamed, not held in memory. Cost: that of `LanguageModel`; files, columns and the output are checked
first. Knows no layer and no schedule.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ulmus.cli import guard, inputs, outputs, reading, show
from ulmus.cli.options import (
    CommonOptions,
    ComputeOptions,
    Device,
    ReaderOptions,
    RunOptions,
    TextCols,
    command,
)
from ulmus.cli.settings import merged, tables
from ulmus.config import LARGEST_SEED
from ulmus.errors import UsageError

if TYPE_CHECKING:
    from ulmus.tasks.language_model.config import LMConfig
    from ulmus.tasks.language_model.model import LanguageModel

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Files or folders of texts.", show_default=False)
]
Valid = Annotated[Path | None, typer.Option(metavar="FILE", help="Held-out texts to measure perplexity on.")]
Language = Annotated[
    str,
    typer.Argument(
        metavar="LM", help="Language model: a file, or the name of an installed model.", show_default=False
    ),
]
Tunable = Annotated[
    str,
    typer.Argument(
        metavar="LM",
        help="Language model: a file, or the name of an installed model; or the folder of a transformer.",
        show_default=False,
    ),
]
Weights = Annotated[
    Literal["float32", "bf16"],
    typer.Option(
        help="Number format of the saved weights; bf16 halves the file, with three significant digits."
    ),
]


@dataclass(frozen=True, kw_only=True)
class ModelOptions(RunOptions, ReaderOptions, CommonOptions):
    """The options of the commands that train a language model."""

    language: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Language of the texts, for the model card.")
    ] = None
    corpus: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Description of the texts, for the model card.")
    ] = None
    licence: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Licence of the texts, for the model card.")
    ] = None
    weights: Weights = "float32"


@dataclass(frozen=True, kw_only=True)
class PretrainOptions(ModelOptions):
    """The options of `ulmus pretrain`."""

    files: Files
    text: TextCols = field(default_factory=list)
    valid: Valid = None
    tokenizer: Annotated[Literal["word", "unigram", "bpe", "char"], typer.Option(help="Tokenizer type.")] = (
        "word"
    )
    size: Annotated[Literal["small", "base"], typer.Option(help="Size of the language model.")] = "small"
    cell: Annotated[
        Literal["lstm", "qrnn"] | None,
        typer.Option(help="Type of recurrent layer.", show_default="the best one for the size"),
    ] = None
    backwards: Annotated[
        bool, typer.Option("--backwards", help="Train on reversed texts (right to left).")
    ] = False
    start: Annotated[
        str | None,
        typer.Option(metavar="LM", help="Initialize from this model, which must have the same shape."),
    ] = None
    decay: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="STEPS",
            help="Resume from the checkpoint in --work-dir, decay the learning rate to zero within this many steps, and"
            " stop. The undecayed checkpoint is kept: without --decay the same command resumes from it.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TuneOptions(ModelOptions):
    """The options of `ulmus tune`."""

    model: Tunable
    files: Files
    text: TextCols = field(default_factory=list)
    valid: Valid = None


@dataclass(frozen=True, kw_only=True)
class DistilOptions(ModelOptions):
    """The options of `ulmus distil`."""

    model: Language
    files: Files
    text: TextCols = field(default_factory=list)
    teacher: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Sentence encoder: a transformer's folder, or a file that `ulmus tune` made from one.",
            show_default=False,
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class GenerateOptions(CommonOptions):
    """The options of `ulmus generate`."""

    model: Language
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="Beginning of the text.")] = ""
    words: Annotated[int, typer.Option(min=1, metavar="N", help="Number of tokens to generate.")] = 40
    temperature: Annotated[
        float,
        typer.Option(
            min=0.0,
            metavar="T",
            help="Sampling temperature: below 1 more predictable, above 1 more varied, 0 always the likeliest token.",
        ),
    ] = 0.75
    top_k: Annotated[
        int, typer.Option(min=0, metavar="K", help="Sample from the K likeliest tokens; 0: all.")
    ] = 0
    top_p: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="P",
            help="Sample from the likeliest tokens whose probabilities add up to P.",
        ),
    ] = 1.0
    unknown: Annotated[
        bool, typer.Option("--unknown/--no-unknown", help="Allow the unknown token xxunk.")
    ] = False
    samples: Annotated[int, typer.Option(min=1, metavar="N", help="Number of texts to generate.")] = 1
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=LARGEST_SEED,
            metavar="N",
            help="Random seed; the same seed gives the same texts.",
        ),
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
    command(
        app,
        DistilOptions,
        example="ulmus distil lm.ulmus texts.txt --teacher all-MiniLM-L6-v2 --minutes 60 --out better-lm.ulmus",
    )(distil)
    command(app, GenerateOptions, example='ulmus generate lm.ulmus "I liked this film because" --words 40')(
        generate
    )


def pretrain(options: PretrainOptions) -> None:
    """Train a language model on raw text."""
    started = perf_counter()
    outputs.claim_model(options, "language-model")
    texts, valid = _texts(options)
    from ulmus.installed import find

    given = find(options.start) if options.start else None
    if options.decay and options.work_dir is None:
        raise UsageError("--decay needs the checkpoint of an earlier run: specify its --work-dir.")
    with outputs.work_folder(options, [*options.files, *filter(None, [given, options.valid])]) as folder:
        from ulmus.tasks.language_model.config import lm_config
        from ulmus.tasks.language_model.model import LanguageModel

        base = lm_config(options.size, kind=options.tokenizer, backwards=options.backwards, cell=options.cell)
        model = LanguageModel(_config(base, options), **_settings(options, folder))
        model.callbacks += outputs.callbacks(options)
        model.about = _about(options)
        model.start, model.decay_steps = LanguageModel.load(given) if given else None, options.decay
        _finish(model.fit(texts, valid=valid), options, started)


def tune(options: TuneOptions) -> None:
    """Fine-tune a language model on other texts.

    LM may also be a transformer: a local folder in the format of `transformers`, or a file made from one by this
    command. It then predicts masked words (an encoder) or the next one (a decoder).
    """
    started = perf_counter()
    if Path(options.model).is_dir() or guard.is_model(Path(options.model), "transformer"):
        _adapt(options, started)
        return
    outputs.claim_model(options, "language-model")
    texts, valid = _texts(options)
    from ulmus.installed import find

    given = find(options.model)
    with outputs.work_folder(options, [given, *options.files, *filter(None, [options.valid])]) as folder:
        from ulmus.tasks.language_model.model import LanguageModel

        model = LanguageModel.load(given, **_settings(options, folder))
        model.config = _config(model.config, options)
        model.callbacks += outputs.callbacks(options)
        model.about = {k: v for k, v in model.card_.items() if k == "language"} | _about(options)
        _finish(model.fine_tune(texts, valid=valid), options, started)


def _adapt(options: TuneOptions, started: float) -> None:
    """Fine-tune a transformer on the texts."""
    outputs.claim_model(options, "transformer")
    texts, valid = _texts(options)
    given = Path(options.model)
    with outputs.work_folder(options, [given, *options.files, *filter(None, [options.valid])]) as folder:
        from ulmus.tasks.adaptation.model import TransformerEncoder

        model = TransformerEncoder.load(given, **_settings(options, folder))
        table = tables(options.config, ["adaptation"])["adaptation"]
        model.config = merged(model.fitted_.config, table, f"{options.config}: [adaptation]")
        model.callbacks += outputs.callbacks(options)
        model.about = {k: v for k, v in model.card_.items() if k == "language"} | _about(options)
        model.fine_tune(texts, valid=valid).save(options.out, weights=options.weights)
    _print("transformer", model.metrics_, options, started)


def distil(options: DistilOptions) -> None:
    """Teach a language model what texts mean, by the vectors of a sentence encoder.

    The files are general texts without labels. They are cut into passages; the encoder of the language model learns to
    predict the vector that the teacher gives to each, and goes on predicting the next token.
    """
    started = perf_counter()
    outputs.claim_model(options, "language-model")
    texts, _ = _texts(options)
    from ulmus.installed import find

    given = find(options.model)
    with outputs.work_folder(options, [given, options.teacher, *options.files]) as folder:
        from ulmus.tasks.distillation.config import DistillationConfig
        from ulmus.tasks.language_model.model import LanguageModel

        table = tables(options.config, ["distillation"])["distillation"]
        config = merged(DistillationConfig(), table, f"{options.config}: [distillation]")
        model = LanguageModel.load(given, **_settings(options, folder))
        model.callbacks += outputs.callbacks(options)
        model.about = _about(options)
        _finish(model.distil(texts, teacher=options.teacher, config=config), options, started)


def generate(options: GenerateOptions) -> None:
    """Generate text with a language model."""
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
    """The language model settings: `base`, overridden by the table [lm] of the config file."""
    return merged(base, tables(options.config, ["lm"])["lm"], f"{options.config}: [lm]")


def _about(options: PretrainOptions | TuneOptions | DistilOptions) -> dict[str, Any]:
    """The model card's entries about the texts: those given by the user, and the files with their sizes."""
    given = {"language": options.language, "corpus": options.corpus, "licence": options.licence}
    files = [{"file": path.name, "bytes": path.stat().st_size} for path in options.files if path.is_file()]
    return {key: value for key, value in given.items() if value is not None} | {"files": files}


def _settings(options: RunOptions, folder: Path) -> dict[str, Any]:
    """The keyword arguments of a `LanguageModel` that the run options determine."""
    return {
        "seed": options.seed,
        "device": options.device,
        "precision": options.precision,
        "minutes": options.minutes,
        "work_dir": folder,
        "verbose": not options.quiet,
    }


def _texts(
    options: PretrainOptions | TuneOptions | DistilOptions,
) -> tuple[inputs.Texts, inputs.Texts | None]:
    """The training texts and the held-out texts; every file is opened and its columns are checked."""
    held = None if isinstance(options, DistilOptions) else options.valid
    guard.check_held_out(held, options.files)
    columns = inputs.Columns(options.text)
    sources = [inputs.source(path, options, columns) for path in options.files]
    valid = [inputs.source(path, options, columns) for path in filter(None, [held])]
    inputs.probe([*sources, *valid])
    if not options.quiet:
        reading.report_texts(sources)
        reading.report_texts(valid)
    return inputs.Texts(sources), inputs.Texts(valid) if valid else None


def _finish(
    model: LanguageModel, options: PretrainOptions | TuneOptions | DistilOptions, started: float
) -> None:
    """Save the model, with sample texts in its card, and print its scores."""
    from ulmus.tasks.language_model.generation import card_samples

    if show.rank():  # the first process saves and reports
        return
    model.describe(samples=card_samples(model.fitted_, options.seed))
    model.save(options.out, weights=options.weights)
    _print("language model", model.metrics_, options, started)


def _print(
    kind: str, metrics: dict[str, Any], options: PretrainOptions | TuneOptions | DistilOptions, started: float
) -> None:
    """Print the scores of the saved model."""
    report = {"out": str(options.out), **metrics, "seconds": perf_counter() - started}
    if options.json:
        show.as_json(report)
    else:
        show.table(
            [kind, ""],
            [[key, show.value(item)] for key, item in show.flat(report)],
            numbers=False,
        )

"""`ulmus train`: labelled texts -> a classifier, beside what counting words does.

What it costs is what `TextClassifier.fit` costs; before that, every file is opened, its columns are looked up
and the output is tried, so that mistakes show in seconds. Knows no layer and no schedule.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from ulmus.cli import inputs, outputs, reading, remembered, show
from ulmus.cli.options import (
    CommonOptions,
    LabelCols,
    LabelDelimiter,
    ReaderOptions,
    RunOptions,
    TextCols,
    command,
    reader_arguments,
)
from ulmus.cli.settings import merged, tables
from ulmus.errors import UsageError

if TYPE_CHECKING:
    from ulmus.corpus.source import Source
    from ulmus.tasks.classifier.config import ClassifierConfig
    from ulmus.tasks.classifier.model import TextClassifier

EXAMPLE = """\
ulmus train reviews.csv --text text --label label --unlabeled more.csv --minutes 10 \\
  --out reviews.ulmus"""
PARTS = {"counts": "word counts", "lm": "language model", "combined": "combined"}


@dataclass(frozen=True, kw_only=True)
class TrainOptions(RunOptions, ReaderOptions, CommonOptions):
    """The options of `ulmus train`."""

    GROUP: ClassVar[str] = "Texts and labels"

    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="File or folder of labelled texts.", show_default=False)
    ]
    text: TextCols = field(default_factory=list)
    label: LabelCols = field(default_factory=list)
    label_delimiter: LabelDelimiter = None
    unlabeled: Annotated[
        list[Path],
        typer.Option(
            "--unlabeled",
            "--unlabelled",
            metavar="FILE",
            help="More texts, without labels. Repeatable.",
        ),
    ] = field(default_factory=list)
    valid: Annotated[Path | None, typer.Option(metavar="FILE", help="Labelled texts to judge on.")] = None
    tokenizer: Annotated[
        Literal["word", "unigram", "bpe", "char"] | None,
        typer.Option(
            rich_help_panel="Model", help="How texts are cut.", show_default="word, or the language model's"
        ),
    ] = None
    size: Annotated[
        Literal["small", "base"] | None,
        typer.Option(
            rich_help_panel="Model",
            help="Size of the language model.",
            show_default="small, or the one's it starts from",
        ),
    ] = None
    language_model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE|new|none",
            rich_help_panel="Model",
            help="Start from this language model (see ulmus models); new: train one on the texts; none: use none.",
            show_default="the installed one of the texts' language, or new",
        ),
    ] = None
    teach: Annotated[
        Literal["auto", "none"],
        typer.Option(
            rich_help_panel="Model", help="Let word counts label unlabelled texts for a first training."
        ),
    ] = "auto"
    combine: Annotated[
        Literal["auto", "none"],
        typer.Option(
            rich_help_panel="Model", help="Mix the language model's and the word counts' probabilities."
        ),
    ] = "auto"
    class_weight: Annotated[
        Literal["none", "balanced"],
        typer.Option(rich_help_panel="Model", help="balanced: rare classes count as much as frequent ones."),
    ] = "none"


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, TrainOptions, example=EXAMPLE)(train)


def train(options: TrainOptions) -> None:
    """Train a classifier and report it beside word counts."""
    started = perf_counter()
    outputs.claim_model(options, "classifier")
    given_model = _check_language_model(options)
    settings = _config(options)
    data, valid, unlabeled = _sources(options)
    inputs.probe([item for item in (data, valid, *unlabeled) if item is not None])
    given = inputs.labelled(data)
    if not options.quiet:
        reading.tell_labelled(data, given, title="Training texts")
        reading.tell_texts(unlabeled)
        reading.tell_texts([valid] if valid else [])
    more = [*given.unlabeled, *inputs.Texts(unlabeled)]
    if none := sum(label == () for label in given.labels):
        show.note(
            f"{none:,} texts have none of the labels. If theirs are not known, give them with --unlabeled."
        )
    held_out = _validation(valid, given)
    files = [Path(item.path) for item in (data, valid, *unlabeled) if item is not None]
    with outputs.work_folder(options, [*files, *given_model]) as folder:
        classifier = _classifier(options, settings, folder)
        classifier.fit(given.texts, given.labels, unlabeled=more or None, valid=held_out)
        classifier.describe(columns=remembered.as_manifest(_columns(options)))
        classifier.save(options.out)
    report = {"out": str(options.out), **classifier.report_, "seconds": perf_counter() - started}
    if options.json:
        show.as_json(report)
    else:
        _tell(report)
        show.say(f"Next: {_next(options)}")


def _sources(options: TrainOptions) -> tuple[Source, Source | None, list[Source]]:
    labelled = _columns(options)
    plain = inputs.Columns(options.text)
    return (
        inputs.source(options.data, options, labelled),
        inputs.source(options.valid, options, labelled, like=options.data) if options.valid else None,
        [inputs.source(path, options, plain, like=options.data) for path in options.unlabeled],
    )


def _columns(options: TrainOptions) -> inputs.Columns:
    return inputs.Columns(options.text, options.label, options.label_delimiter)


def _validation(valid: Source | None, given: inputs.Labelled) -> tuple[list[str], list[inputs.Label]] | None:
    """The texts of `--valid` whose labels the training data have; the others are told and left out."""
    if valid is None:
        return None
    classes = {part for label in given.labels for part in inputs.parts(label)}
    kept, unknown = inputs.known_only(inputs.labelled(valid), classes, str(valid.path))
    if unknown:
        show.note(
            f"Warning: {inputs.listed(sorted(unknown))} is not among the labels to learn from: "
            f"{sum(unknown.values()):,} texts of {valid.path} are left out of the validation."
        )
    return kept.texts, kept.labels


def _check_language_model(options: TrainOptions) -> list[Path]:
    """The file of `--language-model` if one is given, known to hold one; it brings its tokenizer and size."""
    if options.language_model in (None, "new", "none"):
        return []
    from ulmus import bundle
    from ulmus.installed import find

    path = find(str(options.language_model))
    manifest = bundle.read_manifest(path)
    if manifest.get("kind") != "language-model":
        raise UsageError(
            f"--language-model {path} holds a {manifest.get('kind')}. Give a file of `ulmus pretrain`."
        )
    if options.size is not None:
        raise UsageError(f"--size is for a new language model; {path} has its own. Leave --size away.")
    kind = manifest.get("config", {}).get("tokenizer", {}).get("kind")
    if options.tokenizer not in (None, kind):
        raise UsageError(f"{path} cuts texts by {kind}, not by {options.tokenizer}. Leave --tokenizer away.")
    return [path]


def _config(options: TrainOptions) -> ClassifierConfig:
    """Settings of the recipe: the tables [classifier] and [lm] of the config file over the defaults."""
    from ulmus.tasks.classifier.config import ClassifierConfig
    from ulmus.tasks.language_model.config import lm_config

    given = tables(options.config, ["classifier", "lm"])
    config = merged(ClassifierConfig(), given["classifier"], f"{options.config}: [classifier]")
    if not given["lm"]:
        return config
    if options.language_model not in (None, "new", "none"):
        raise UsageError(f"{options.config}: [lm] sets up a new language model; leave --language-model away.")
    base = lm_config(options.size or "small", kind=options.tokenizer or "word")
    return replace(config, language_model=merged(base, given["lm"], f"{options.config}: [lm]"))


def _classifier(options: TrainOptions, settings: ClassifierConfig, folder: Path) -> TextClassifier:
    from ulmus.tasks.classifier.model import TextClassifier
    from ulmus.train.callbacks import JsonLog

    classifier = TextClassifier(
        size=options.size,
        tokenizer=options.tokenizer,
        language_model=options.language_model,
        teach=options.teach,
        combine=options.combine,
        class_weight=None if options.class_weight == "none" else options.class_weight,
        minutes=options.minutes,
        seed=options.seed,
        device=options.device,
        precision=options.precision,
        config=settings,
        work_dir=folder,
        verbose=not options.quiet,
    )
    classifier.callbacks += [JsonLog(options.log)] if options.log else []
    return classifier


def _next(options: TrainOptions) -> str:
    """The commands that use the model, with what they need to read files like those of the training."""
    model, reading = shlex.quote(str(options.out)), shlex.join(reader_arguments(options))
    rest = f" {reading}" if reading else ""
    return (
        f"ulmus predict {model} FILE{rest} -o predictions.csv, or ulmus evaluate {model} LABELLED_FILE{rest}"
    )


def _tell(report: dict[str, Any]) -> None:
    """The three ways to classify side by side, and what they say together."""
    rows = {PARTS[name]: report[name] for name in PARTS if isinstance(report.get(name), dict)}
    if rows:
        show.scores(rows, f"measured on {report['n']:,} texts that were not trained on")
    show.say(report["verdict"])
    show.say(f"Written: {report['out']} ({show.seconds(report['seconds'])})")

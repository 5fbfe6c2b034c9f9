"""`ulmus train`: labelled texts -> a classifier or regressor, compared with a word-count baseline.

Cost: that of `TextClassifier.fit` or `TextRegressor.fit`. Before it, every file is opened, its columns are checked and
the output is tested for writing, so that mistakes show within seconds. Knows no layer and no schedule.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from ulmus.cli import guard, inputs, outputs, reading, remembered, scoring, show, starts
from ulmus.cli.options import (
    CommonOptions,
    EncoderFolder,
    LabelCols,
    LabelDelimiter,
    ReaderOptions,
    ReportFile,
    RunOptions,
    TextBCols,
    TextCols,
    UnlabeledFiles,
    command,
    reader_arguments,
)
from ulmus.cli.settings import merged, tables
from ulmus.errors import UsageError

if TYPE_CHECKING:
    from ulmus.corpus.source import Source
    from ulmus.tasks.classifier.config import ClassifierConfig
    from ulmus.tasks.classifier.model import TextClassifier
    from ulmus.tasks.classifier.regressor import TextRegressor

EXAMPLE = """\
ulmus train reviews.csv --text text --label label --unlabeled more.csv --minutes 10 \\
  --out reviews.ulmus"""


@dataclass(frozen=True, kw_only=True)
class TrainOptions(RunOptions, ReaderOptions, CommonOptions):
    """The options of `ulmus train`."""

    GROUP: ClassVar[str] = "Texts and labels"

    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="File or folder of labelled texts.", show_default=False)
    ]
    text: TextCols = field(default_factory=list)
    text_b: TextBCols = field(default_factory=list)
    label: LabelCols = field(default_factory=list)
    label_delimiter: LabelDelimiter = None
    task: Annotated[
        Literal["classification", "regression"],
        typer.Option(help="regression: labels are numbers, and so are predictions."),
    ] = "classification"
    group: Annotated[
        str | None,
        typer.Option(
            metavar="COL",
            help="Column whose values are held out together or not at all, e.g. authors: scores are of new ones.",
        ),
    ] = None
    time: Annotated[
        str | None,
        typer.Option(
            metavar="COL",
            help="Column of dates or numbers: the newest texts are held out, so that scores are of later ones.",
        ),
    ] = None
    unlabeled: UnlabeledFiles = field(default_factory=list)
    valid: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Labelled held-out set; by default part of DATA is held out."),
    ] = None
    test: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Labelled texts to report on once, when all is trained and chosen; never used before.",
        ),
    ] = None
    report: ReportFile = None
    tokenizer: Annotated[
        Literal["word", "unigram", "bpe", "char"] | None,
        typer.Option(
            rich_help_panel="Model",
            help="Tokenizer type.",
            show_default="word, or that of the language model",
        ),
    ] = None
    size: Annotated[
        Literal["small", "base"] | None,
        typer.Option(
            rich_help_panel="Model",
            help="Size of the language model.",
            show_default="small, or that of --language-model",
        ),
    ] = None
    language_model: Annotated[
        list[str],
        typer.Option(
            metavar="NAME|FILE|new|none",
            rich_help_panel="Model",
            help="Language model to start from (see ulmus models); new: train one on the texts; none: do without. "
            "Twice with --ensemble directions or tokenizers.",
            show_default="the installed one for the language of the texts, or new",
        ),
    ] = field(default_factory=list)
    encoder: EncoderFolder = None
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            metavar="MINUTES",
            rich_help_panel="Running",
            help="Time budget of the whole run.",
            show_default="as much text as fits into about 10, whatever the clock says",
        ),
    ] = None
    teach: Annotated[
        Literal["auto", "none"],
        typer.Option(
            rich_help_panel="Model",
            help="auto: first train on unlabelled texts, with soft labels from word counts as the teacher.",
        ),
    ] = "auto"
    combine: Annotated[
        Literal["auto", "none"],
        typer.Option(
            rich_help_panel="Model",
            help="auto: combine the probabilities of the language model and of word counts.",
        ),
    ] = "auto"
    ensemble: Annotated[
        str,
        typer.Option(
            metavar="none|auto|directions|tokenizers|seeds:N",
            rich_help_panel="Model",
            help="Train several networks within --minutes and average their probabilities: of N seeds, of a forward "
            "and a backward language model, or of two kinds of tokens; auto: seeds:3 if labels are few and there is "
            "time.",
        ),
    ] = "none"
    distil: Annotated[
        bool,
        typer.Option(
            "--distil",
            rich_help_panel="Model",
            help="Teach one network what those of --ensemble say of the unlabelled texts, and keep it in their place.",
        ),
    ] = False
    class_weight: Annotated[
        Literal["none", "balanced"],
        typer.Option(rich_help_panel="Model", help="balanced: all classes get the same total weight."),
    ] = "none"


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, TrainOptions, example=EXAMPLE)(train)


def train(options: TrainOptions) -> None:
    """Train a classifier, or a regressor, and compare it with word counts."""
    started = perf_counter()
    numbers = options.task == "regression"
    if numbers and options.class_weight != "none":
        raise UsageError("--class-weight is for classes; --task regression has none. Remove it.")
    outputs.claim_model(options, "regressor" if numbers else "classifier")
    given_model = _check_start(options)
    settings = _config(options)
    data, valid, unlabeled = _sources(options)
    test = _test_source(options)
    inputs.probe([item for item in (data, valid, test, *unlabeled) if item is not None])
    given, columns = inputs.labelled(data), _used_columns(data, options)
    if not options.quiet:
        reading.report_labelled(data, given, title="Training texts", numbers=numbers)
        reading.report_texts(unlabeled)
        reading.report_texts([valid] if valid else [])
    more = inputs.documents(data, given.unlabeled)
    for item in unlabeled:
        more += inputs.documents(item, list(inputs.Texts([item])))
    if none := sum(label == () for label in given.labels):
        show.note(
            f"{none:,} texts have none of the labels. If their labels are unknown, pass them with --unlabeled instead."
        )
    held_out, tested = _validation(valid, given, numbers=numbers), _tested(test, given, numbers=numbers)
    files = [Path(item.path) for item in (data, valid, test, *unlabeled) if item is not None]
    with outputs.work_folder(options, [*files, *given_model]) as folder:
        model = _estimator(options, settings, folder)
        material: dict[str, Any] = {
            "texts": inputs.documents(data, given.texts),
            "labels": given.labels,
            "unlabeled": more or None,
            "valid": held_out,
            ("times" if options.time is not None else "groups"): given.beside or None,
        }
        model.fit(**material)
        model.describe(columns=remembered.as_manifest(columns))
        if not show.rank():
            model.save(options.out)
            _report(model, material, options)
    report = {"out": str(options.out), **model.report_}
    for warning in report.get("warnings", []):
        show.note(f"Warning: {warning}")
    if test is not None and tested is not None:
        known = [*inputs.documents(data, given.texts), *(held_out[0] if held_out else [])]
        report["test"] = scoring.scored(model, test, tested, name=str(options.out), train=known)
    report["seconds"] = perf_counter() - started
    if options.json:
        show.as_json(report)
    else:
        _print_report(report, options)


def _report(model: TextClassifier | TextRegressor, material: dict[str, Any], options: TrainOptions) -> None:
    """Write the page of `--report`, if it is wanted."""
    if options.report is None:
        return
    show.note("Writing the report.")
    made = model.training_report(**material)
    replace(made, title=f"{options.out.name}, trained on {options.data.name}").save(options.report)


def _check_start(options: TrainOptions) -> list[Path]:
    return starts.check(
        options.language_model,
        options.encoder,
        ensemble=options.ensemble,
        size=options.size,
        tokenizer=options.tokenizer,
    )


def _sources(options: TrainOptions) -> tuple[Source, Source | None, list[Source]]:
    labelled = _columns(options)
    plain = inputs.Columns(options.text, text_b=options.text_b)
    if options.group is not None and options.time is not None:
        raise UsageError(
            "--group and --time: a split holds out whole groups or the newest texts. Give one of them."
        )
    beside = tuple(name for name in (options.group, options.time) if name is not None)
    return (
        replace(inputs.source(options.data, options, labelled), keep=beside),
        inputs.source(options.valid, options, labelled, like=options.data) if options.valid else None,
        [inputs.source(path, options, plain, like=options.data) for path in options.unlabeled],
    )


def _columns(options: TrainOptions) -> inputs.Columns:
    return inputs.Columns(options.text, options.label, options.label_delimiter, options.text_b)


def _used_columns(data: Source, options: TrainOptions) -> inputs.Columns:
    """The columns that the texts and labels are read from, a guessed text column included."""
    from ulmus.corpus.source import resolved

    return replace(_columns(options), text=resolved(data).columns)


def _validation(
    valid: Source | None, given: inputs.Labelled, *, numbers: bool
) -> tuple[list[Any], list[inputs.Label]] | None:
    """The texts and labels of `--valid`; texts whose label is not in the training data are reported and left out."""
    if valid is None:
        return None
    if numbers:
        content = inputs.labelled(valid)
        return inputs.documents(valid, content.texts), content.labels
    classes = {part for label in given.labels for part in inputs.parts(label)}
    kept, unknown = inputs.known_only(inputs.labelled(valid), classes, str(valid.path))
    if unknown:
        show.note(
            f"Warning: {inputs.listed(sorted(unknown))} is not among the training labels: "
            f"{sum(unknown.values()):,} texts of {valid.path} are left out of the held-out set."
        )
    return inputs.documents(valid, kept.texts), kept.labels


def _test_source(options: TrainOptions) -> Source | None:
    """How to read `--test`. Raises UsageError if it is a file that is trained on or chosen by."""
    if options.test is None:
        return None
    guard.check_held_out(options.test, [p for p in (options.data, options.valid) if p], option="--test")
    return inputs.source(options.test, options, _columns(options), like=options.data)


def _tested(test: Source | None, given: inputs.Labelled, *, numbers: bool) -> inputs.Labelled | None:
    """The content of `--test`. Raises UsageError, DataError: labels that are no numbers, or none that is a class."""
    if test is None:
        return None
    content = inputs.labelled(test)
    if numbers:
        from ulmus.corpus.numbers import as_numbers

        as_numbers(list(content.labels))
    else:
        classes = {part for label in given.labels for part in inputs.parts(label)}
        inputs.known_only(content, classes, str(test.path))
    return content


def _config(options: TrainOptions) -> ClassifierConfig:
    """The defaults, overridden by the tables [classifier] and [lm] of the config file."""
    from ulmus.tasks.classifier.config import ClassifierConfig, transformer_config
    from ulmus.tasks.language_model.config import lm_config

    given = tables(options.config, ["classifier", "lm"])
    default = ClassifierConfig() if options.encoder is None else transformer_config()
    config = merged(default, given["classifier"], f"{options.config}: [classifier]")
    if not given["lm"]:
        return config
    if set(options.language_model) - {"new", "none"}:
        raise UsageError(
            f"{options.config}: [lm] configures a new language model; remove --language-model or [lm]."
        )
    base = lm_config(options.size or "small", kind=options.tokenizer or "word")
    return replace(config, language_model=merged(base, given["lm"], f"{options.config}: [lm]"))


def _estimator(
    options: TrainOptions, settings: ClassifierConfig, folder: Path
) -> TextClassifier | TextRegressor:
    from ulmus.tasks.classifier.model import TextClassifier
    from ulmus.tasks.classifier.regressor import TextRegressor
    from ulmus.train.callbacks import Curve

    chosen: dict[str, Any] = {
        "size": options.size,
        "tokenizer": options.tokenizer,
        "language_model": starts.given(options.language_model),
        "encoder": options.encoder,
        "teach": options.teach,
        "combine": options.combine,
        "ensemble": options.ensemble,
        "distil": options.distil,
        "minutes": options.minutes,
        "seed": options.seed,
        "device": options.device,
        "precision": options.precision,
        "config": settings,
        "work_dir": folder,
        "verbose": not options.quiet,
    }
    model: TextClassifier | TextRegressor
    if options.task == "regression":
        model = TextRegressor(**chosen)
    else:
        class_weight = None if options.class_weight == "none" else options.class_weight
        model = TextClassifier(**chosen, class_weight=class_weight)
    model.callbacks += outputs.callbacks(options)
    model.callbacks += [Curve()] if options.report else []
    return model


def _next(options: TrainOptions) -> str:
    """The commands that use the model, with the options needed to read files like the training data."""
    model, reading = shlex.quote(str(options.out)), shlex.join(reader_arguments(options))
    rest = f" {reading}" if reading else ""
    return (
        f"ulmus predict {model} FILE{rest} -o predictions.csv, or ulmus evaluate {model} LABELLED_FILE{rest}"
    )


def _print_report(report: dict[str, Any], options: TrainOptions) -> None:
    """Print the scores of the language model, of word counts and of both, the verdict, and what to do next."""
    if "n" in report:
        show.scores(scoring.rows(report), f"scores on {report['n']:,} held-out texts")
    show.say(report["verdict"])
    if test := report.get("test"):
        parts = test["parts"] | {"majority": test.get("majority")}
        show.scores(scoring.rows(parts), f"scores on {test['n']:,} texts of --test")
    show.say(f"Saved {report['out']} ({show.seconds(report['seconds'])})")
    show.say(f"Next: {_next(options)}")

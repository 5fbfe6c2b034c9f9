"""`ulmus ablate`: labelled texts -> what each part of the recipe is worth, as a table, a plot and JSON.

Cost: that of rows x sizes x seeds trainings. Before them every file is opened, and its columns and the grid are
checked, so that mistakes show within seconds. Knows no layer and no schedule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from ulmus.cli import guard, inputs, outputs, reading, show
from ulmus.cli.failures import advise
from ulmus.cli.options import (
    CommonOptions,
    ComputeOptions,
    EncoderFolder,
    Force,
    LabelCols,
    LabelDelimiter,
    ReaderOptions,
    TextBCols,
    TextCols,
    UnlabeledFiles,
    command,
    sizes_of,
)
from ulmus.cli.settings import merged, read, tables
from ulmus.config import from_dict
from ulmus.errors import ConfigError

if TYPE_CHECKING:
    from ulmus.corpus.source import Source
    from ulmus.studies.ablation import Ablation
    from ulmus.tasks.classifier.config import ClassifierConfig
    from ulmus.tasks.classifier.model import TextClassifier

EXAMPLE = """\
ulmus ablate reviews.csv --text text --label label --unlabeled more.csv --sizes 100,1000 \\
  --minutes 5 --jobs 2 --out ablation"""
TABLE, PLOT, JSON = "table.md", "ablation.png", "ablation.json"


@dataclass(frozen=True, kw_only=True)
class AblateOptions(ComputeOptions, ReaderOptions, CommonOptions):
    """The options of `ulmus ablate`."""

    GROUP: ClassVar[str] = "Texts and labels"

    data: Annotated[
        Path, typer.Argument(metavar="FILE", help="File or folder of labelled texts.", show_default=False)
    ]
    text: TextCols = field(default_factory=list)
    text_b: TextBCols = field(default_factory=list)
    label: LabelCols = field(default_factory=list)
    label_delimiter: LabelDelimiter = None
    unlabeled: UnlabeledFiles = field(default_factory=list)
    test: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Labelled texts to measure on; by default a fifth of FILE is held out from every training.",
        ),
    ] = None
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Folder for rows, table, plot and checkpoints.")
    ]
    sizes: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            rich_help_panel="Trainings",
            help="Numbers of labels to train with; the other texts count as unlabelled.",
            show_default="all",
        ),
    ] = None
    seeds: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", rich_help_panel="Trainings", help="Trainings of each row and size, each with "
            "its own draw of the labels; the first seed is --seed."
        ),
    ] = 3  # fmt: skip
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.01, metavar="MINUTES", rich_help_panel="Trainings", help="Time budget of each training."
        ),
    ] = None
    jobs: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            rich_help_panel="Trainings",
            help="Trainings at the same time; each has one thread.",
        ),
    ] = 1
    grid: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml",
            rich_help_panel="Trainings",
            help="Rows of your own, [rows.NAME], instead of the parts of the recipe.",
        ),
    ] = None
    language_model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE|new|none",
            rich_help_panel="Model",
            help="Language model that the full recipe starts from, as for ulmus train.",
            show_default="the installed one for the language of the texts, or new",
        ),
    ] = None
    encoder: EncoderFolder = None
    force: Force = False


@dataclass(frozen=True)
class GridRow:
    """What a row of the grid may change: parameters of a classifier, and its settings."""

    language_model: str | None = None
    encoder: str | None = None
    size: Literal["small", "base"] | None = None
    tokenizer: Literal["word", "unigram", "bpe", "char"] | None = None
    teach: Literal["auto", "none"] = "auto"
    combine: Literal["auto", "none"] = "auto"
    class_weight: Literal["balanced"] | None = None
    minutes: float | None = None
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    config: dict[str, Any] = field(default_factory=dict)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, AblateOptions, example=EXAMPLE)(ablate)


def ablate(options: AblateOptions) -> None:
    """Measure what each part of the recipe is worth.

    Each row of the table is trained with one part left out: pretraining, fine-tuning of the language model,
    discriminative rates, the learning-rate schedule, teaching, word counts; one row adds gradual unfreezing.
    """
    from ulmus.studies.ablation import ROWS, AblationConfig
    from ulmus.studies.ablation import ablate as run

    guard.check_separate(options.out, options)
    guard.check_work_folder(options.out, ROWS, force=options.force, option="--out")
    full = _full(options)
    config = AblationConfig(full, _rows(options, full), sizes_of(options.sizes), options.seeds, options.jobs)
    columns = inputs.Columns(options.text, options.label, options.label_delimiter, options.text_b)
    data = inputs.source(options.data, options, columns)
    plain = replace(columns, label=(), label_delimiter=None)
    unlabeled = [inputs.source(path, options, plain, like=options.data) for path in options.unlabeled]
    guard.check_held_out(options.test, [options.data], option="--test")
    test = None if options.test is None else inputs.source(options.test, options, columns, like=options.data)
    inputs.probe([data, *unlabeled, *([] if test is None else [test])])
    given = inputs.labelled(data)
    if not options.quiet:
        reading.report_labelled(data, given, title="Texts", numbers=False)
        reading.report_texts(unlabeled)
    more = inputs.documents(data, given.unlabeled)
    for item in unlabeled:
        more += inputs.documents(item, list(inputs.Texts([item])))
    advise(lambda: f"Finished trainings are in {options.out / ROWS}: run the same command again to resume.")
    result = run(
        inputs.documents(data, given.texts),
        given.labels,
        more or None,
        None if test is None else _labelled(test),
        folder=options.out,
        config=config,
        tell=(lambda _: None) if options.quiet else show.note,
    )
    _write(result, options)


def _labelled(source: Source) -> tuple[list[Any], list[inputs.Label]]:
    content = inputs.labelled(source)
    return inputs.documents(source, content.texts), content.labels


def _write(result: Ablation, options: AblateOptions) -> None:
    """Write table, plot and JSON into the folder, and print the table."""
    with outputs.writing(options.out / TABLE) as file:
        file.write(result.markdown())
    with outputs.writing(options.out / JSON) as file:
        file.write(show.dumps(result.as_dict()) + "\n")
    result.plot(options.out / PLOT)
    if options.json:
        show.as_json({"out": str(options.out), **result.as_dict()})
        return
    columns, rows = result.table()
    show.table(columns, rows)
    show.say(f"{result.caption} Also in {options.out}: {TABLE}, {PLOT}, {JSON}.")


def _full(options: AblateOptions) -> TextClassifier:
    """The full recipe: the defaults, overridden by the tables [classifier] and [lm] of the config file."""
    from ulmus.tasks.classifier.config import ClassifierConfig, transformer_config
    from ulmus.tasks.classifier.model import TextClassifier

    given = tables(options.config, ["classifier", "lm"])
    default = ClassifierConfig() if options.encoder is None else transformer_config()
    config = merged(default, given["classifier"], f"{options.config}: [classifier]")
    config = _with_lm(config, given["lm"], f"{options.config}: [lm]")
    return TextClassifier(
        language_model=options.language_model,
        encoder=None if options.encoder is None else str(options.encoder),
        minutes=options.minutes,
        seed=options.seed,
        device=options.device,
        precision=options.precision,
        config=config,
    )


def _with_lm(config: ClassifierConfig, table: Mapping[str, Any], where: str) -> ClassifierConfig:
    """Settings with those of a new language model changed."""
    from ulmus.tasks.language_model.config import lm_config

    if not table:
        return config
    base = config.language_model or lm_config("small", kind="word")
    return replace(config, language_model=merged(base, table, where))


def _rows(options: AblateOptions, full: TextClassifier) -> dict[str, dict[str, Any]] | None:
    """What each row of the grid changes; None: the parts of the recipe.

    Raises ConfigError: a file that cannot be read, no rows, an unknown key, a value of the wrong type.
    """
    if options.grid is None:
        return None
    content = read(options.grid, option="--grid")
    unknown = [key for key in content if key != "rows"]
    given = content.get("rows")
    if unknown or not isinstance(given, dict) or not given:
        found = f"got {', '.join(map(repr, unknown))}" if unknown else "got none"
        raise ConfigError(f"--grid {options.grid}: expected tables [rows.NAME], one for each row, {found}.")
    return {name: _changes(table, full, f"{options.grid}: [rows.{name}]") for name, table in given.items()}


def _changes(table: Any, full: TextClassifier, where: str) -> dict[str, Any]:
    """The parameters that one row changes, its settings merged into those of the full recipe."""
    spelled = (
        {key.replace("-", "_"): value for key, value in table.items()} if isinstance(table, dict) else table
    )
    row = from_dict(spelled, GridRow, where=where)
    changes = {item.name: getattr(row, item.name) for item in fields(row) if item.name in spelled}
    if "config" in changes:
        settings = {key.replace("-", "_"): value for key, value in row.config.items()}
        config = _with_lm(full.config, settings.pop("language_model", {}), f"{where} config.language_model")  # type: ignore[arg-type]
        changes["config"] = merged(config, settings, f"{where} config")
    return changes

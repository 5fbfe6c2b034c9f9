"""`ulmus label`: a table of texts -> a local page where people label them, and the table with their labels.

Everything is checked before the page opens. Answers are in the journal beside the output as soon as they are given; the
table is written from it at the start, every few answers and at the end. Cost: counting the texts, in the background.
"""

from __future__ import annotations

import secrets
import shlex
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from ulmus.cli import guard, inputs, labelled, outputs, show
from ulmus.cli.failures import advise
from ulmus.cli.options import CommonOptions, Device, Force, ReaderOptions, command
from ulmus.config import LARGEST_SEED
from ulmus.errors import DataError, MissingExtra, UsageError

if TYPE_CHECKING:
    from ulmus.labelling.desk import Desk
    from ulmus.labelling.guesses import ModelGuesses
    from ulmus.labelling.journal import Journal

EXAMPLE = "ulmus label reviews.csv --text text --class good --class bad -o labelled.csv"


@dataclass(frozen=True, kw_only=True)
class LabelOptions(ReaderOptions, CommonOptions):
    """The options of `ulmus label`."""

    GROUP: ClassVar[str] = "Texts and labels"

    data: Annotated[Path, typer.Argument(metavar="DATA", help="File or folder of texts.", show_default=False)]
    text: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Text column.", show_default="the common name, or the only one"),
    ] = None
    label: Annotated[
        str,
        typer.Option(
            metavar="COL", help="Column of labels; those that DATA has already are kept and learnt from."
        ),
    ] = "label"
    classes: Annotated[
        list[str],
        typer.Option("--class", metavar="NAME", help="A class. Repeatable; others can be added on the page."),
    ] = field(default_factory=list)
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL.ulmus", help="Classifier that guesses and chooses.", show_default="word counts"
        ),
    ] = None
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="LABELLED.csv|.jsonl",
            help="DATA with its labels; a journal is kept beside.",
        ),
    ]
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            rich_help_panel="Page",
            help="Address to listen on; 0.0.0.0: other machines can label, unencrypted.",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="N", rich_help_panel="Page", help="Port; 0: any free one."),
    ] = 8766
    allow_host: Annotated[
        list[str],
        typer.Option(
            metavar="NAME", rich_help_panel="Page", help="Name by which the page is called. Repeatable."
        ),
    ] = field(default_factory=list)
    device: Device = "auto"
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, metavar="N", help="Random seed of the order.")
    ] = 0
    force: Force = False


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, LabelOptions, example=EXAMPLE)(label)


def label(options: LabelOptions) -> None:
    """Label texts on a local page, one key each, in the order that teaches most.

    Every answer is on the disk at once. The same command resumes; several people label at the same time with ?who=NAME.
    """
    from ulmus.storage import locked_folder

    _check_extra()
    outputs.claim(options.output, options, labelled.LABELLED)
    journal = labelled.journal_of(options.output)
    guard.check_separate(journal, options)
    source = inputs.source(options.data, options, inputs.Columns([options.text] if options.text else []))
    inputs.probe([source])
    table = labelled.read_table(source, options.label)
    model = _model(options)
    with locked_folder(journal):
        _serve(options, table, model, journal)


def _serve(options: LabelOptions, table: labelled.Table, model: ModelGuesses | None, path: Path) -> None:
    """Open the page until the process is told to stop."""
    from ulmus.labelling.app import Room, application
    from ulmus.labelling.desk import Desk, Sheet, checked_name
    from ulmus.labelling.journal import Journal
    from ulmus.labelling.trainer import Trainer
    from ulmus.serve.listening import listen, run

    named = [checked_name(name, "a class") for name in options.classes]
    sheet = Sheet.of(table.texts, table.labels)
    with closing(Journal(path)) as journal:
        classes = [*named, *(model.classes if model else ())]
        desk = Desk(sheet, journal, classes=classes, seed=options.seed)
        if not any(True for _ in sheet.asked()):
            raise DataError(
                f"every text of {options.data} has a label in column {options.label!r} already, or is empty."
            )
        listener = listen(options.host, options.port)
        _tell(desk, journal, options)
        desk.begin(options.data.name, table.digest())

        def save() -> None:
            table.write(options.output, desk.table())

        trainer = Trainer(desk, model, seed=options.seed)
        learn = _train_command(options, table)
        name = None if options.model is None else options.model.name
        room = Room(desk, trainer, save, options.data.name, learn, name)
        token = secrets.token_urlsafe(16)
        room.write()
        advise(lambda: _stopped(desk, options, learn))
        tell = show.note if options.json else show.say
        trainer.start()
        try:
            run(
                application(room, token, hosts=tuple(name.lower() for name in options.allow_host)),
                listener,
                lambda url: tell(f"Label at {url}?who=me#{token}\nCtrl-C stops."),
            )
        finally:
            trainer.stop()
            room.write()
            if options.json:
                show.as_json({"out": str(options.output), **desk.progress(), "train": learn})


def _check_extra() -> None:
    """Raise MissingExtra where the server's packages are not installed."""
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingExtra.of("serve", str(error.name), "ulmus label") from error


def _model(options: LabelOptions) -> ModelGuesses | None:
    """The classifier of --model. Raises UsageError: not one with one label a text."""
    if options.model is None:
        return None
    from ulmus.labelling.guesses import ModelGuesses
    from ulmus.tasks.classifier.model import TextClassifier

    model = TextClassifier.load(options.model, device=options.device)
    if model.fitted_.pairs or model.fitted_.objective.multi_label:
        raise UsageError(
            f"--model {options.model}: expected a classifier of single texts with one label each."
        )
    return ModelGuesses(model, options.model.name)


def _tell(desk: Desk, journal: Journal, options: LabelOptions) -> None:
    """Report what was found in the journal."""
    if journal.dropped:
        show.note(
            f"{journal.path}: the last line was incomplete ({journal.dropped:,} bytes of an answer that was never "
            "confirmed) and has been removed."
        )
    progress = desk.progress()
    if journal.entries:
        show.note(
            f"Resuming: {progress['labelled']:,} of {progress['asked']:,} texts are labelled in {journal.path}."
        )
    if lost := desk.lost():
        show.note(
            f"{lost:,} answers are of texts that {options.data} no longer has. They stay in the journal."
        )


def _stopped(desk: Desk, options: LabelOptions, learn: str) -> str:
    progress = desk.progress()
    return (
        f"{progress['labelled']:,} of {progress['asked']:,} texts are labelled in {options.output}; "
        f"the same command resumes. To train a classifier:\n{learn}"
    )


def _train_command(options: LabelOptions, table: labelled.Table) -> str:
    """The command that learns from the result; rows without a label count as unlabelled."""
    out = options.output.with_suffix(".ulmus")
    columns = ["--text", table.text, "--label", table.label]
    return shlex.join(["ulmus", "train", str(options.output), *columns, "--out", str(out)])

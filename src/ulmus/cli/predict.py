"""`ulmus predict`: a classifier and texts -> a label for every text, with the probability of each class.

Reads and writes in batches: memory does not grow with the file, and the output appears only when it is complete.
Cost: the forward passes of the model. Knows no layer.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ulmus.cli import guard, inputs, outputs, remembered, show
from ulmus.cli.options import (
    Classifier,
    CommonOptions,
    Device,
    Force,
    InferencePrecision,
    ReaderOptions,
    TextCols,
    command,
)
from ulmus.cli.writers import CsvWriter, JsonLinesWriter, JsonWriter, Writer
from ulmus.errors import UsageError

if TYPE_CHECKING:
    from ulmus.corpus.source import Source
    from ulmus.tasks.classifier.model import TextClassifier

_BATCH = 1024  # texts read at a time
_BATCH_OF_STDIN = 64  # texts; smaller, so that a waiting program gets its answers sooner


@dataclass(frozen=True, kw_only=True)
class PredictOptions(ReaderOptions, CommonOptions):
    """The options of `ulmus predict`."""

    model: Classifier
    data: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|-",
            help="Texts; - (the default) reads standard input, one text per line.",
            show_default=False,
        ),
    ] = inputs.STDIN
    text: TextCols = field(default_factory=list)
    keep: Annotated[
        list[str],
        typer.Option(metavar="COL", help="Column of FILE to copy to the output, e.g. an id. Repeatable."),
    ] = field(default_factory=list)
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="OUT.csv|.jsonl", help="Output file; by default standard output."
        ),
    ] = None
    device: Device = "auto"
    precision: InferencePrecision = "auto"
    force: Force = False


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(
        app, PredictOptions, example="ulmus predict reviews.ulmus new.csv --text text -o predictions.csv"
    )(predict)


def predict(options: PredictOptions) -> None:
    """Predict labels and class probabilities.

    Output columns: row (number of the text, from 0), those of --keep, label (several are joined by commas), and the
    probability of each class.
    """
    started = perf_counter()
    guard.check_order(options.model, options.data)
    if options.documents == "auto":  # one prediction per line, as for standard input
        options = replace(options, documents="line")
    if options.output is not None:
        outputs.claim(options.output, options, guard.PREDICTIONS)
    source = _source(options)
    from ulmus.tasks.classifier.model import TextClassifier

    classifier = TextClassifier.load(options.model, device=options.device, precision=options.precision)
    counts: Counter[str] = Counter()
    with _writer(options, [str(name) for name in classifier.class_names_]) as writer:
        for labels, probabilities, kept in _predictions(classifier, source, options):
            writer.write(labels, probabilities, kept)
            for label in labels:
                counts.update(inputs.parts(label))
        summary: dict[str, Any] = {
            "n": writer.rows,
            "labels": dict(counts.most_common()),
            "seconds": perf_counter() - started,
        }
        writer.finish(summary)
    if options.output is not None and options.json:
        show.as_json({"out": str(options.output), **summary})
    elif options.output is not None:
        show.note(f"{summary['n']:,} predictions in {options.output} ({show.seconds(summary['seconds'])}).")


def _source(options: PredictOptions) -> Source | None:
    """How to read the texts, after checking that it works; None for standard input. Raises UsageError."""
    if options.data == inputs.STDIN:
        for name, given in (("--keep", options.keep), ("--text", options.text)):
            if given:
                raise UsageError(
                    f"{name} needs a file with columns; the standard input has none. Remove {name}."
                )
        return None
    source = remembered.source(options.model, options.data, options, inputs.Columns(options.text))
    if options.keep:
        source = replace(source, keep=_kept(options))
        inputs.probe([source])
    return source


def _kept(options: PredictOptions) -> tuple[str, ...]:
    """The columns to copy, each once."""
    return tuple(dict.fromkeys(options.keep))


def _predictions(
    classifier: TextClassifier, source: Source | None, options: PredictOptions
) -> Iterator[tuple[list[inputs.Label], Any, list[tuple[Any, ...]]]]:
    """Per batch: N labels, (N, C) probabilities, and N tuples of kept columns."""
    for texts, kept in _batches(source, options):
        probabilities = classifier.predict_proba(texts)
        yield classifier.labels_of(probabilities), probabilities, kept


def _batches(
    source: Source | None, options: PredictOptions
) -> Iterator[tuple[list[str], list[tuple[Any, ...]]]]:
    """Per batch: the texts and their kept columns."""
    if source is None:
        for texts in inputs.batches(None, _BATCH_OF_STDIN, options):
            yield texts, [()] * len(texts)
        return
    from ulmus.corpus.source import read_batches

    for records in read_batches(source, size=_BATCH):
        yield [record.text for record in records], [record.kept for record in records]


@contextmanager
def _writer(options: PredictOptions, classes: list[str]) -> Iterator[Writer]:
    """The writer for the requested format, on its open file."""
    keep = _kept(options)
    if options.output is not None:
        with outputs.writing(options.output) as file:
            jsonl = options.output.suffix == ".jsonl"
            yield (JsonLinesWriter if jsonl else CsvWriter)(file, classes, keep)
    else:
        yield (JsonWriter if options.json else CsvWriter)(sys.stdout, classes, keep)
        sys.stdout.flush()

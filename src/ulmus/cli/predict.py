"""`ulmus predict`: a model and texts -> a label for every text, with the probability of each class, or a number.

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
    TextBCols,
    TextCols,
    command,
)
from ulmus.cli.writers import CsvWriter, JsonLinesWriter, JsonWriter, Writer
from ulmus.errors import UsageError

if TYPE_CHECKING:
    from ulmus.corpus.source import Source
    from ulmus.tasks.classifier.base import TextEstimator

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
    text_b: TextBCols = field(default_factory=list)
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
    """Predict labels and class probabilities, or numbers.

    Output columns: row (number of the text, from 0), those of --keep, label (several are joined by commas), and the
    probability of each class; of a regressor: row, those of --keep, prediction.
    """
    started = perf_counter()
    guard.check_order(options.model, options.data)
    if options.documents == "auto":  # one prediction per line, as for standard input
        options = replace(options, documents="line")
    if options.output is not None:
        outputs.claim(options.output, options, guard.PREDICTIONS)
    source = _source(options)
    from ulmus.tasks.classifier.regressor import load_estimator

    model = load_estimator(options.model, device=options.device, precision=options.precision)
    numeric = model.fitted_.objective.numeric
    found: list[float] | Counter[str] = [] if numeric else Counter()
    names = [] if numeric else [str(name) for name in model.fitted_.classes]
    with _writer(options, names, "prediction" if numeric else "label") as writer:
        for labels, probabilities, kept in _predictions(model, source, options):
            writer.write(labels, probabilities, kept)
            if isinstance(found, list):
                found.extend(labels)
            else:
                found.update(part for label in labels for part in inputs.parts(label))
        summary: dict[str, Any] = {"n": writer.rows, **_summary(found), "seconds": perf_counter() - started}
        writer.finish(summary)
    if options.output is not None and options.json:
        show.as_json({"out": str(options.output), **summary})
    elif options.output is not None:
        show.note(f"{summary['n']:,} predictions in {options.output} ({show.seconds(summary['seconds'])}).")


def _summary(found: list[float] | Counter[str]) -> dict[str, Any]:
    """How often each label was predicted, or the mean and the range of the numbers."""
    if isinstance(found, list):
        return {"mean": sum(found) / len(found), "min": min(found), "max": max(found)} if found else {}
    return {"labels": dict(found.most_common())}


def _source(options: PredictOptions) -> Source | None:
    """How to read the texts, after checking that it works; None for standard input. Raises UsageError."""
    if options.data == inputs.STDIN:
        for name, given in (
            ("--keep", options.keep),
            ("--text", options.text),
            ("--text-b", options.text_b),
        ):
            if given:
                raise UsageError(
                    f"{name} needs a file with columns; the standard input has none. Remove {name}."
                )
        return None
    columns = inputs.Columns(options.text, text_b=options.text_b)
    source = remembered.source(options.model, options.data, options, columns)
    if options.keep:
        source = replace(source, keep=_kept(options))
        inputs.probe([source])
    return source


def _kept(options: PredictOptions) -> tuple[str, ...]:
    """The columns to copy, each once."""
    return tuple(dict.fromkeys(options.keep))


def _predictions(
    model: TextEstimator, source: Source | None, options: PredictOptions
) -> Iterator[tuple[list[Any], Any, list[tuple[Any, ...]]]]:
    """Per batch: N labels or numbers, (N, C) probabilities (none of numbers), and N tuples of kept columns."""
    for texts, kept in _batches(source, options):
        outputs = model.outputs(inputs.documents(source, texts))
        shown = [()] * len(texts) if model.fitted_.objective.numeric else outputs
        yield model.labels_of(outputs), shown, kept


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
def _writer(options: PredictOptions, classes: list[str], name: str) -> Iterator[Writer]:
    """The writer for the requested format, on its open file."""
    keep = _kept(options)
    if options.output is not None:
        with outputs.writing(options.output) as file:
            jsonl = options.output.suffix == ".jsonl"
            yield (JsonLinesWriter if jsonl else CsvWriter)(file, classes, keep, name=name)
    else:
        yield (JsonWriter if options.json else CsvWriter)(sys.stdout, classes, keep, name=name)
        sys.stdout.flush()

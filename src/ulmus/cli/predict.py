"""`ulmus predict`: a model and texts -> a label for every text, with the probability of each class, or a number.

Reads and writes in batches: memory does not grow with the file. The output appears only when it is complete; a run that
was stopped resumes (see `journal.py`). Cost: the forward passes of the model. Knows no layer.
"""

from __future__ import annotations

import io
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ulmus.cli import guard, inputs, outputs, remembered, show
from ulmus.cli.journal import as_they_are, journal
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
from ulmus.cli.parquet_writer import ParquetWriter, to_parquet
from ulmus.cli.tally import Tally
from ulmus.cli.writers import CsvWriter, JsonLinesWriter, JsonWriter, Writer
from ulmus.errors import UsageError
from ulmus.terminal import Live

if TYPE_CHECKING:
    from ulmus.corpus.source import Source
    from ulmus.tasks.classifier.bulk import Facts, Predictor

Batch = tuple[list[Any], list[tuple[Any, ...]]]  # documents and their kept columns
Predicted = tuple[list[Any], Any, list[tuple[Any, ...]]]  # labels or numbers, outputs (N, C), kept columns

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
            "-o",
            "--output",
            metavar="OUT.csv|.jsonl|.parquet",
            help="Output file; by default standard output.",
        ),
    ] = None
    device: Device = "auto"
    precision: InferencePrecision = "auto"
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Processes that predict at the same time, with one thread and a copy of the model each.",
        ),
    ] = 1
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]",
            help="Predict over Ray Data, on the cluster at ADDRESS (auto, HOST:PORT or ray://HOST:PORT) or, without "
            "one, on all processors of this machine. --processes limits the workers. Needs the extra ray.",
        ),
    ] = None
    force: Force = False
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress on stderr.")] = False


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
    from ulmus.tasks.classifier.bulk import Predictor

    predictor = Predictor(options.model, options.device, options.precision)
    if options.output is None or outputs.is_device(options.output):
        summary = _to_stream(predictor, source, options, started)
    else:
        summary = _to_file(predictor, source, options, started)
    if options.output is not None and options.json:
        show.as_json({"out": str(options.output), **summary})
    elif options.output is not None:
        show.note(f"{summary['n']:,} predictions in {options.output} ({_speed(summary, options)}).")


def _to_stream(
    predictor: Predictor, source: Source | None, options: PredictOptions, started: float
) -> dict[str, Any]:
    """Write all predictions to the standard output or a device; what was predicted."""
    facts = predictor.facts()
    tally = Tally(numeric=facts.numeric, state={})
    with outputs.writing(options.output) if options.output else nullcontext(sys.stdout) as file:
        kind = JsonWriter if options.json and not options.output else _TEXTS.get(_suffix(options), CsvWriter)
        writer = kind(file, facts.classes, _kept(options), name=_heading(facts))
        for _ in _written(_predictions(predictor, source, options, 0), writer, tally, options):
            pass
        summary = {"n": writer.rows, **tally.summary(), "seconds": perf_counter() - started}
        writer.finish(summary)
        file.flush()
    return summary


def _to_file(
    predictor: Predictor, source: Source | None, options: PredictOptions, started: float
) -> dict[str, Any]:
    """Write all predictions to a file, after those that a stopped run has left; what was predicted."""
    out, parquet = Path(str(options.output)), _suffix(options) == ".parquet"
    files = [options.model] + ([] if source is None else [options.data])
    finish = to_parquet if parquet else as_they_are
    with journal(out, options, files, finish=finish, again=source is not None) as kept:
        facts, before = predictor.facts(), kept.rows
        tally = Tally(numeric=facts.numeric, state=kept.found)
        binary: Any = kept.file
        if not parquet:
            binary = io.TextIOWrapper(
                kept.file, "utf-8", errors="backslashreplace", newline="", write_through=True
            )
        writer = _file_writer(binary, facts, options, before)
        if not kept.complete:
            for _ in _written(_predictions(predictor, source, options, before), writer, tally, options):
                kept.written(writer.rows, tally.state())
            writer.finish({})
            kept.written(writer.rows, tally.state(), complete=True)
        if not parquet:
            binary.detach()
    seconds = perf_counter() - started
    resumed = {"resumed_after": before} if before else {}
    return {"n": writer.rows, **tally.summary(), **resumed, "seconds": seconds, **_memory()}


def _file_writer(file: Any, facts: Facts, options: PredictOptions, rows: int) -> Writer:
    keep, name = _kept(options), _heading(facts)
    if _suffix(options) == ".parquet":
        return ParquetWriter(file, facts.classes, keep, name=name, several=facts.several, rows=rows)
    return _TEXTS[_suffix(options)](file, facts.classes, keep, name=name, rows=rows)


def _written(
    predictions: Iterator[Predicted], writer: Writer, tally: Tally, options: PredictOptions
) -> Iterator[None]:
    """Write and count batch by batch, with progress on stderr unless the predictions go to the same terminal."""
    line, began, before = Live(), perf_counter(), writer.rows
    shown = not options.quiet and (options.output is not None or not sys.stdout.isatty())
    for labels, scores, kept in predictions:
        writer.write(labels, [()] * len(labels) if tally.numeric else scores, kept)
        tally.add(labels)
        yield
        if shown and line.due():
            rate = (writer.rows - before) / max(perf_counter() - began, 1e-9)
            line.show(f"{writer.rows:,} texts  {rate:,.{0 if rate >= 10 else 1}f} texts/s")
    line.end()


def _predictions(
    predictor: Predictor, source: Source | None, options: PredictOptions, skip: int
) -> Iterator[Predicted]:
    """Per batch: N labels or numbers, outputs (N, C), and N tuples of kept columns."""
    if options.ray is not None and source is not None:
        yield from _over_ray(predictor, source, options, skip)
        return
    waiting = deque[list[tuple[Any, ...]]]()

    def jobs() -> Iterator[list[Any]]:
        for documents, kept in _batches(source, options, skip):
            waiting.append(kept)
            yield documents

    if options.processes > 1:
        from ulmus.tasks.workers import in_order

        results = in_order(replace(predictor), jobs(), options.processes)
    else:
        results = map(predictor, jobs())
    for labels, scores in results:
        yield labels, scores, waiting.popleft()


def _over_ray(
    predictor: Predictor, source: Source, options: PredictOptions, skip: int
) -> Iterator[Predicted]:
    """The same from a cluster."""
    from ulmus.tasks.classifier.on_ray import on_ray

    workers = options.processes if options.processes > 1 else None
    return on_ray(predictor, source, size=_BATCH, skip=skip, address=str(options.ray), workers=workers)


def _speed(summary: dict[str, Any], options: PredictOptions) -> str:
    """The time, and with several processes the memory that each has used."""
    each = f"; {options.processes} processes, up to {summary.get('process_mb', 0):,} MB each"
    return show.seconds(summary["seconds"]) + (each if options.processes > 1 else "")


def _memory() -> dict[str, int]:
    """The peak memory in MB of this process, and of the largest that it has started; nothing where that is unknown."""
    with suppress(ImportError):
        import resource

        own, largest = (
            resource.getrusage(who).ru_maxrss // 1024
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        return {"memory_mb": own} | ({"process_mb": largest} if largest else {})
    return {}


def _source(options: PredictOptions) -> Source | None:
    """How to read the texts, after checking that it works; None for standard input. Raises UsageError."""
    if options.data == inputs.STDIN:
        if options.ray is not None:
            raise UsageError(
                "--ray needs a file that every machine can read. Save the standard input to one first."
            )
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


def _batches(source: Source | None, options: PredictOptions, skip: int) -> Iterator[Batch]:
    """Per batch: the documents and their kept columns, after the first `skip` ones."""
    if source is None:
        for texts in inputs.batches(None, _BATCH_OF_STDIN, options):
            yield texts, [()] * len(texts)
        return
    from ulmus.corpus.source import read_batches

    for records in read_batches(source, size=_BATCH):
        done, skip = skip, max(0, skip - len(records))
        if done < len(records):
            texts = [record.text for record in records[done:]]
            yield inputs.documents(source, texts), [record.kept for record in records[done:]]


def _heading(facts: Facts) -> str:
    return "prediction" if facts.numeric else "label"


def _suffix(options: PredictOptions) -> str:
    return options.output.suffix if options.output is not None else ""


_TEXTS: dict[str, type[CsvWriter] | type[JsonLinesWriter]] = {".csv": CsvWriter, ".jsonl": JsonLinesWriter}

"""`ulmus serve`: a model file -> predictions over HTTP and a page to try it, until Ctrl-C or SIGTERM.

An exported file is served without torch, any other through torch. Knows no route: `serve/app.py`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ulmus.cli import inputs, remembered, show
from ulmus.cli.options import Classifier, CommonOptions, ReaderOptions, command
from ulmus.cli.writers import CsvWriter
from ulmus.errors import DataError, UsageError

if TYPE_CHECKING:
    from ulmus.serve.predictor import Predictor


@dataclass(frozen=True, kw_only=True)
class ServeOptions(CommonOptions):
    """The options of `ulmus serve`."""

    model: Classifier
    port: Annotated[
        int, typer.Option(min=0, max=65_535, metavar="N", help="Port to listen on; 0: any free one.")
    ] = 8000
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0: reachable from other machines."),
    ] = "127.0.0.1"
    allow_host: Annotated[
        list[str],
        typer.Option(
            metavar="NAME",
            help="Name by which the server may be called, beside localhost and addresses. Repeatable.",
        ),
    ] = field(default_factory=list)
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with the token that requests must bring; by default that in ULMUS_TOKEN, if set.",
        ),
    ] = None
    threads: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Cores for an exported model; 0: all of them."),
    ] = 0
    max_characters: Annotated[int, typer.Option(min=1, metavar="N", help="Longest text, in characters.")] = (
        100_000
    )
    max_texts: Annotated[int, typer.Option(min=1, metavar="N", help="Most texts in a request.")] = 1_000
    max_requests: Annotated[
        int, typer.Option(min=1, metavar="N", help="Most requests at a time; more get 503 and Retry-After.")
    ] = 64
    max_seconds: Annotated[
        float, typer.Option(min=0.01, metavar="N", help="Longest time for an answer; then 503.")
    ] = 30.0
    quiet: Annotated[bool, typer.Option("--quiet", help="Log no requests on stderr.")] = False


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, ServeOptions, example="ulmus serve reviews.ulmus --port 8000")(serve)


def serve(options: ServeOptions) -> None:
    """Answer requests for predictions over HTTP, and show a page to try the model.

    POST /predict and /explain, GET /health, /metrics, /openapi.json. A file of `ulmus export` is served without torch,
    any other one through torch. Only this machine can reach the server unless --host says otherwise.
    """
    from ulmus.serve.app import application
    from ulmus.serve.limits import Limits
    from ulmus.serve.listening import listen, run
    from ulmus.serve.local import token_of

    limits = Limits(
        characters=options.max_characters,
        texts=options.max_texts,
        requests=options.max_requests,
        seconds=options.max_seconds,
    )
    token, hosts = token_of(options.token_file), tuple(name.lower() for name in options.allow_host)
    with listen(options.host, options.port) as listener:  # before the model is loaded, which takes longer
        model = _predictor(options)
        model.rows(
            [("", "") if model.pairs else ""]
        )  # what is prepared for the first prediction is ready then
        app = application(model, limits, token=token, hosts=hosts, tables=_Tables(options.model))
        _announce(options, needs_token=token is not None)
        run(app, listener, partial(_ready, options))


def _announce(options: ServeOptions, *, needs_token: bool) -> None:
    """Warn of a server that is open to others, and begin the log."""
    from ulmus.serve.listening import LOOPBACK, log_to_stderr

    if options.host not in (LOOPBACK, "localhost", "::1") and not needs_token:
        show.note("Other machines can reach this server and need no token. Set ULMUS_TOKEN or --token-file.")
    if not options.quiet:
        log_to_stderr()


def _ready(options: ServeOptions, url: str) -> None:
    if options.json:
        show.as_json({"url": url})
    else:
        show.note(f"{options.model} is served at {url} (Ctrl-C stops it).")


def _predictor(options: ServeOptions) -> Predictor:
    """The model of the file. Raises UsageError: it predicts no label and no number of a text."""
    from ulmus.bundle import read_manifest
    from ulmus.serve.predictor import Predictor
    from ulmus.serve.runtime import KINDS, load

    kind = str(read_manifest(options.model).get("kind"))
    if kind in KINDS.values():
        return Predictor.of(load(options.model, threads=options.threads))
    if kind not in ("classifier", "regressor"):
        raise UsageError(f"{options.model} holds a {kind}, expected a classifier or a regressor.")
    from ulmus.tasks.classifier.regressor import load_estimator

    model = load_estimator(options.model)
    fitted = model.fitted_
    parts = (fitted.classes, fitted.objective, fitted.pairs)
    return Predictor(*parts, model.outputs, model.labels_of, model.explain)


@dataclass(frozen=True)
class _Tables:
    """Reads files as `ulmus predict` does, and writes the csv that it writes."""

    model: Path

    def texts(self, path: Path, column: str | None, most: int) -> list[Any]:
        """The texts (or pairs) of a file. Raises UsageError, DataError: also more than `most`."""
        from ulmus.corpus.source import read

        columns = inputs.Columns([column] if column else ())
        source = remembered.source(self.model, path, ReaderOptions(documents="line"), columns)
        texts = list[str]()
        for record in read(source):
            if len(texts) == most:
                raise DataError(f"{path}: expected at most {most:,} texts, got more. Divide the file.")
            texts.append(record.text)
        return inputs.documents(source, texts)

    def writer(
        self, classes: list[str], *, numeric: bool
    ) -> Callable[[Sequence[tuple[Any, list[float]]]], str]:
        """A function from rows to lines of csv."""
        buffer = io.StringIO()
        into = CsvWriter(buffer, classes, name="prediction" if numeric else "label")

        def lines(rows: Sequence[tuple[Any, list[float]]]) -> str:
            into.write([label for label, _ in rows], [shown for _, shown in rows], [()] * len(rows))
            made = buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
            return made

        return lines

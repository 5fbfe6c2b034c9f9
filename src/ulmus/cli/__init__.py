"""The `ulmus` command: arguments -> one call each.

    options.py     dataclasses whose fields are the options
    settings.py    --config FILE -> the same options
    pages.py       grouped help; suggestions for misspelt options
    inputs.py      files -> texts and labels
    remembered.py  the columns that a classifier was trained on
    summary.py     counts of texts and classes; reading.py: how each input file was read
    outputs.py     output files: checked before the work, written completely or not at all
    guard.py       which files may be overwritten
    failures.py    exceptions -> message and exit code
    show.py        results -> tables or JSON; model_page.py: `ulmus info`
    writers.py     predictions -> csv or JSON; parquet_writer.py; span_writers.py: entities likewise
    journal.py     an output that grows, and resumes after a kill; tally.py: what was predicted
    to_label.py    files of texts to label; labelled.py: the table that people have labelled
    train.py, language.py, evaluate.py, verify.py, predict.py, drift.py, explain.py, export.py, serve.py, tag.py,
                   learning_curve.py, label.py, pipeline.py, rates.py, ablate.py, info.py: the commands; heavy imports
                   are inside them

`ulmus --help` imports typer and nothing heavier: no torch, numpy, pyarrow or sklearn (enforced by a test).
"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ulmus import __version__
from ulmus.cli import (
    ablate,
    drift,
    evaluate,
    explain,
    export,
    info,
    label,
    language,
    learning_curve,
    pipeline,
    predict,
    rates,
    serve,
    tag,
    train,
    verify,
)
from ulmus.cli.failures import Group, set_debug

__all__ = ["app"]

app = typer.Typer(
    name="ulmus",
    cls=Group,
    help="Transfer learning for text: from raw text and a few labels to a classifier you can ship.",
    epilog="Exit codes: 0 done, 1 failed, 2 usage error, 130 interrupted by Ctrl-C."
    " Run the same command again to resume an interrupted training run.",
    no_args_is_help=True,
    add_completion=False,
    # plain help: fast, and ASCII in every pipe
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"ulmus {__version__}")
        raise typer.Exit


@app.callback()
def ulmus(
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[  # noqa: ARG001
        bool,
        typer.Option(
            "--debug", callback=set_debug, is_eager=True, help="Show the traceback when a command fails."
        ),
    ] = False,
) -> None:
    """Transfer learning for text: from raw text and a few labels to a classifier you can ship."""
    # Waiting threads sleep instead of spinning: on a machine that is busy with other work, spinning made a training
    # step 3.5 times slower (two cores, load 6). torch reads the variable once, when it is loaded, so it is set here.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


for _part in (
    train, language, evaluate, verify, predict, drift, explain, export, serve, tag, learning_curve, label, pipeline,
    rates, ablate, info,
):  # fmt: skip
    _part.register(app)

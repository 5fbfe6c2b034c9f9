"""The `ulmus` command: arguments -> one call each.

    options.py   dataclasses whose fields are the options
    settings.py  --config FILE -> the same options
    pages.py     help in groups; what a misspelt option probably means
    inputs.py    files -> texts and labels; remembered.py: by the columns of the training; summary.py: counted
    reading.py   what was read, said
    outputs.py   where results go: tried first, written whole or not at all
    failures.py  exceptions -> message and exit code
    show.py      results -> tables or JSON; writers.py: predictions -> csv or JSON; model_page.py: what a file holds
    train.py, language.py, evaluate.py, predict.py, rates.py, info.py: the commands; heavy imports are inside them

`ulmus --help` costs the import of typer and nothing else: no torch, numpy, pyarrow or sklearn (a test holds
it to that).
"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ulmus import __version__
from ulmus.cli import evaluate, info, language, predict, rates, train
from ulmus.cli.failures import Group, set_debug

__all__ = ["app"]

app = typer.Typer(
    name="ulmus",
    cls=Group,
    help="Transfer learning for text: from raw text and a few labels to a classifier you can ship.",
    epilog="Exit codes: 0 done, 1 failed, 2 asked for wrongly, 130 stopped by Ctrl-C."
    " The same command goes on where it stopped.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: quick, and ASCII in every pipe
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
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
    debug: Annotated[  # noqa: ARG001
        bool,
        typer.Option("--debug", callback=set_debug, is_eager=True, help="Show the traceback of a failure."),
    ] = False,
) -> None:
    """Transfer learning for text: from raw text and a few labels to a classifier you can ship."""
    # Threads that wait for each other sleep instead of spinning: on a machine that does other work as well, spinning
    # made a training step 3.5 times slower (two cores, load 6). Read once, when torch is loaded, so it is set here.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


for _part in (train, language, evaluate, predict, rates, info):
    _part.register(app)

"""Exceptions -> one message on stderr and an exit code. Nothing else in the command line catches errors.

    0    done
    1    it failed: bad data, a damaged model file, a full disk, or a mistake of ours (then: try --debug)
    2    it was asked for wrongly: an unknown option, a wrong column, a config file with an unknown key
    130  Ctrl-C (143: SIGTERM); the message says where the checkpoints are and that the same command goes on

How: a typer group whose `invoke` wraps every command. `--debug` or ULMUS_DEBUG=1 adds the traceback.
Cost: nothing is imported here but typer. Knows no command, no text, no model.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

from ulmus.cli.show import warnings_as_notes
from ulmus.errors import UlmusError
from ulmus.terminal import printable, use_utf8

INTERRUPTED, TERMINATED = 130, 143  # 128 + SIGINT, 128 + SIGTERM: what shells report
_DEBUG = "ulmus.debug"
_advice: ContextVar[Callable[[], str] | None] = ContextVar("advice", default=None)


class Terminated(KeyboardInterrupt):
    """SIGTERM, on the same way out as Ctrl-C: checkpoints are saved and temporary files removed."""


class Group(TyperGroup):
    """The `ulmus` command; turns whatever a subcommand raises into a message and an exit code."""

    def main(self, *arguments: Any, **settings: Any) -> Any:
        """Run with UTF-8 on stdout and stderr, whatever the locale."""
        use_utf8()
        return super().main(*arguments, **settings)

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand; see the module header for the exit codes."""
        _advice.set(None)
        try:
            with _sigterm_as_interrupt(), warnings_as_notes():
                return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            _complain(_stopped(stop), debug=False)
            raise typer.Exit(TERMINATED if isinstance(stop, Terminated) else INTERRUPTED) from stop
        except UlmusError as error:
            _complain(f"Error: {printable(str(error))}", debug=debugging(ctx))
            raise typer.Exit(error.exit_code) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # `ulmus predict ... | head`: the reader has had enough
                raise
            _give_up_stdout()
            _complain(f"Error: {printable(_os_message(error))}", debug=debugging(ctx))
            raise typer.Exit(1) from error
        except MemoryError as error:
            _complain("Error: out of memory. Give fewer texts, or a smaller --size.", debug=debugging(ctx))
            raise typer.Exit(1) from error
        except Exception as error:
            if _is_click(error):  # usage errors, --help and Exit: typer shows them itself
                raise
            _complain(_bug(error), debug=debugging(ctx))
            raise typer.Exit(1) from error


def set_debug(ctx: typer.Context, value: bool) -> bool:
    """Callback of `--debug`, before and after the command's name."""
    if value:
        ctx.meta[_DEBUG] = True
    return value


def debugging(ctx: typer.Context) -> bool:
    """Whether the user wants tracebacks."""
    return bool(ctx.meta.get(_DEBUG)) or os.environ.get("ULMUS_DEBUG", "") not in ("", "0")


def advise(sentence: Callable[[], str]) -> None:
    """What to say when the run is stopped: how to go on with it. Called at that moment."""
    _advice.set(sentence)


def _stopped(stop: KeyboardInterrupt) -> str:
    word = "Terminated." if isinstance(stop, Terminated) else "Stopped."
    sentence = _advice.get()
    return f"{word} {sentence() if sentence else stop}".rstrip()


def _complain(message: str, *, debug: bool) -> None:
    if debug:
        typer.echo(printable(traceback.format_exc(), lines=True), err=True, nl=False)
    typer.echo(printable(message, lines=True), err=True)


def _give_up_stdout() -> None:
    """Where stdout itself is what failed (`> /dev/full`), keep Python from trying again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _os_message(error: OSError) -> str:
    from ulmus.storage import ADVICE

    where = f"{error.filename}: " if error.filename else ""
    if error.errno in ADVICE:
        return f"{where}{ADVICE[error.errno]}. Then run the same command again."
    return f"{where}{error.strerror or error}."


def _bug(error: Exception) -> str:
    return (
        f"Error: {type(error).__name__}: {printable(str(error))}\n"
        "This message is not one of Ulmus' own, so it may be a mistake in Ulmus: "
        "run the command again with --debug and report the traceback."
    )


def _is_click(error: Exception) -> bool:
    """Newer versions of typer carry their own click, so the class is known by its look, not its place."""
    return hasattr(error, "exit_code") or type(error).__name__ == "Abort"


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # signals can only be set by the main thread
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

"""Exceptions -> one message on stderr and an exit code. Nothing else in the command line catches errors.

    0    done
    1    failed: bad data, a damaged model file, a full disk, or a bug in Ulmus (then: try --debug)
    2    usage error: an unknown option, a wrong column, a config file with an unknown key
    130  Ctrl-C (143: SIGTERM); the message says where the checkpoints are and how to resume

How: a typer group whose `invoke` wraps every command. `--debug` or ULMUS_DEBUG=1 adds the traceback.
Cost: imports only typer. Knows no command, no text, no model.
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
from pathlib import Path
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

from ulmus.cli.show import rank, warnings_as_notes
from ulmus.errors import UlmusError
from ulmus.terminal import printable, use_utf8

INTERRUPTED, TERMINATED = 130, 143  # 128 + SIGINT, 128 + SIGTERM: what shells report
_DEBUG = "ulmus.debug"
_advice: ContextVar[Callable[[], str] | None] = ContextVar("advice", default=None)


class Terminated(KeyboardInterrupt):
    """SIGTERM, handled like Ctrl-C: checkpoints are saved and temporary files removed."""


class Group(TyperGroup):
    """The `ulmus` command; turns any exception of a subcommand into a message and an exit code."""

    def main(self, *arguments: Any, **settings: Any) -> Any:
        """Run with UTF-8 on stdout and stderr, whatever the locale; of several processes the first one has a stdout."""
        use_utf8()
        if rank():
            with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
                return super().main(*arguments, **settings)
        return super().main(*arguments, **settings)

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand; see the module header for the exit codes."""
        _advice.set(None)
        try:
            with _sigterm_as_interrupt(), warnings_as_notes():
                return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            if not rank():
                _print_error(_stopped(stop), debug=False)
            raise typer.Exit(TERMINATED if isinstance(stop, Terminated) else INTERRUPTED) from stop
        except UlmusError as error:
            _print_error(f"Error: {printable(str(error))}", debug=debugging(ctx))
            raise typer.Exit(error.exit_code) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # `ulmus predict ... | head`: the reader has closed the pipe
                raise
            _discard_stdout()
            _print_error(f"Error: {printable(_os_message(error))}", debug=debugging(ctx))
            raise typer.Exit(1) from error
        except MemoryError as error:
            _print_error("Error: out of memory. Use fewer texts or a smaller --size.", debug=debugging(ctx))
            raise typer.Exit(1) from error
        except Exception as error:
            # usage errors, --help and Exit: typer reports them itself
            if _is_click(error):
                raise
            _print_error(_bug(error), debug=debugging(ctx))
            raise typer.Exit(1) from error


def set_debug(ctx: typer.Context, value: bool) -> bool:
    """Callback of `--debug`, which may stand before or after the command's name."""
    if value:
        ctx.meta[_DEBUG] = True
    return value


def debugging(ctx: typer.Context) -> bool:
    """Whether tracebacks are shown: `--debug`, or ULMUS_DEBUG set and not 0."""
    return bool(ctx.meta.get(_DEBUG)) or os.environ.get("ULMUS_DEBUG", "") not in ("", "0")


def advise(sentence: Callable[[], str]) -> None:
    """Set what to print if the run is interrupted: how to resume it. `sentence` is called at that moment."""
    _advice.set(sentence)


def _stopped(stop: KeyboardInterrupt) -> str:
    word = "Terminated." if isinstance(stop, Terminated) else "Stopped."
    sentence = _advice.get()
    return f"{word} {sentence() if sentence else stop}".rstrip()


def _print_error(message: str, *, debug: bool) -> None:
    if debug:
        typer.echo(printable(traceback.format_exc(), lines=True), err=True, nl=False)
    where = f"Process {rank()}: " if rank() else ""
    typer.echo(where + printable(message, lines=True), err=True)


def _discard_stdout() -> None:
    """If stdout itself failed (`> /dev/full`), keep Python from flushing it again on exit."""
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
        "This error was not expected and may be a bug in Ulmus. "
        "Run the command again with --debug and report the traceback."
    )


def _is_click(error: Exception) -> bool:
    """Newer versions of typer contain their own click, so the class is recognized by its attributes."""
    return hasattr(error, "exit_code") or type(error).__name__ == "Abort"


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set signal handlers
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

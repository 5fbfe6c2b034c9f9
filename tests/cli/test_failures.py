"""Exceptions -> messages and exit codes, on a tiny command line with the same group."""

from __future__ import annotations

import errno
import os
import signal

import pytest
import typer
from typer.testing import CliRunner, Result

from ulmus.cli.failures import Group, advise
from ulmus.errors import BundleError, ConfigError, DataError, MissingExtra, StorageError, UsageError


def run(error: BaseException, advice: str | None = None) -> Result:
    """The result of a command that raises `error`."""
    app = typer.Typer(cls=Group, rich_markup_mode=None, pretty_exceptions_enable=False)

    @app.callback()
    def group() -> None:
        """Only so that there are subcommands."""

    @app.command()
    def fail() -> None:
        if advice is not None:
            advise(lambda: advice)
        raise error

    return CliRunner().invoke(app, ["fail"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no column 'x'"), 2),
        (ConfigError("unknown key 'sed'"), 2),
        (DataError("a.csv is empty"), 1),
        (BundleError("a byte was changed"), 1),
        (StorageError("the disk is full"), 1),
        (MissingExtra.of("serve", "onnxruntime", "serving"), 1),
    ],
)
def test_an_ulmus_error_becomes_a_message_and_an_exit_code(error: Exception, code: int) -> None:
    """Every UlmusError is one line on stderr, with its exit code."""
    done = run(error)
    assert (done.exit_code, done.stdout, done.stderr) == (code, "", f"Error: {error}\n")


def test_an_unexpected_error_asks_for_a_report() -> None:
    """An unexpected error shows its type and asks for a report with --debug, without a traceback."""
    done = run(ZeroDivisionError("division by zero"))
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ZeroDivisionError: division by zero\n")
    assert "--debug" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "big.bin: the disk is full"),
        (errno.EACCES, "big.bin: permission denied"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_an_operating_system_error_becomes_a_message(number: int, said: str) -> None:
    """A full disk or a missing permission is never a traceback."""
    done = run(OSError(number, os.strerror(number), "big.bin"))
    assert done.exit_code == 1
    assert said in done.stderr


def test_out_of_memory_says_what_helps() -> None:
    """Running out of memory gives a message that says what helps."""
    done = run(MemoryError())
    assert (done.exit_code, "out of memory" in done.stderr) == (1, True)


def test_ctrl_c_exits_with_130_and_says_how_to_resume() -> None:
    """Ctrl-C exits with 130 and prints how to resume."""
    done = run(KeyboardInterrupt(), "Checkpoints are in .m: run the same command again to resume.")
    assert done.exit_code == 130
    assert done.stderr == "Stopped. Checkpoints are in .m: run the same command again to resume.\n"


def test_ctrl_c_without_advice_is_one_word() -> None:
    """Without advice only one word is printed, not the advice of an earlier command."""
    run(KeyboardInterrupt(), "old advice")
    done = run(KeyboardInterrupt())
    assert (done.exit_code, done.stderr) == (130, "Stopped.\n")


def test_sigterm_is_handled_like_ctrl_c() -> None:
    """SIGTERM unwinds the stack, so that temporary files are removed, exits with 143 and restores the old handler."""
    before = signal.getsignal(signal.SIGTERM)
    app = typer.Typer(cls=Group, rich_markup_mode=None)
    unwound = []

    @app.callback()
    def group() -> None:
        """Only so that there are subcommands."""

    @app.command()
    def wait() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            unwound.append(True)

    done = CliRunner().invoke(app, ["wait"])
    assert (done.exit_code, unwound) == (143, [True])
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_message_with_lone_surrogates_can_be_printed() -> None:
    """A file name that is not UTF-8 can be printed in a message."""
    done = run(DataError("no file \udcff.csv"))
    assert (done.exit_code, done.stderr) == (1, "Error: no file \\udcff.csv\n")

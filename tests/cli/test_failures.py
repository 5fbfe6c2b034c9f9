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
    """What happens when a command raises `error`."""
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
def test_an_error_of_ours_is_its_message_and_its_code(error: Exception, code: int) -> None:
    """Every error on purpose is one line on stderr."""
    done = run(error)
    assert (done.exit_code, done.stdout, done.stderr) == (code, "", f"Error: {error}\n")


def test_an_error_of_nobody_asks_for_a_report() -> None:
    """What we did not foresee says so, gives its type, and how to see more; still no traceback."""
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
def test_an_operating_system_error_is_told_in_words(number: int, said: str) -> None:
    """A full disk or a missing permission is never a traceback."""
    done = run(OSError(number, os.strerror(number), "big.bin"))
    assert done.exit_code == 1
    assert said in done.stderr


def test_out_of_memory_says_what_helps() -> None:
    """MemoryError has no text of its own."""
    done = run(MemoryError())
    assert (done.exit_code, "out of memory" in done.stderr) == (1, True)


def test_ctrl_c_ends_with_130_and_how_to_go_on() -> None:
    """The sentence that the command left is said."""
    done = run(KeyboardInterrupt(), "The checkpoints are in .m: the same command goes on from there.")
    assert done.exit_code == 130
    assert done.stderr == "Stopped. The checkpoints are in .m: the same command goes on from there.\n"


def test_ctrl_c_without_advice_is_one_word() -> None:
    """Advice of an earlier command is not repeated."""
    run(KeyboardInterrupt(), "old advice")
    done = run(KeyboardInterrupt())
    assert (done.exit_code, done.stderr) == (130, "Stopped.\n")


def test_sigterm_goes_the_way_of_ctrl_c() -> None:
    """SIGTERM unwinds the stack (temporary files go), ends with 143, and the old handler is back."""
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
    """A file name that is not UTF-8 does not break the message about it."""
    done = run(DataError("no file \udcff.csv"))
    assert (done.exit_code, done.stderr) == (1, "Error: no file \\udcff.csv\n")

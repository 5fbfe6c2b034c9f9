"""The `ulmus` command as a whole: what it loads, its commands, its exit codes."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

import ulmus
from ulmus.cli import app

HEAVY = [
    "torch",
    "numpy",
    "pyarrow",
    "sklearn",
    "accelerate",
    "tokenizers",
    "safetensors",
    "matplotlib",
    "scipy",
]
COMMANDS = ["train", "tune", "pretrain", "evaluate", "predict", "generate", "tokens", "info", "lr-find"]


def loaded_by(arguments: list[str]) -> set[str]:
    """The top-level modules that a fresh process has loaded after `ulmus ARGUMENTS`."""
    code = (
        "import json, sys\n"
        "from ulmus.cli import app\n"
        f"try: app({arguments!r}, prog_name='ulmus')\n"
        "except SystemExit: pass\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["predict", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """`ulmus --help` imports no numeric library and does not even load rich."""
    assert not loaded_by(arguments) & {*HEAVY, "rich"}


def test_the_module_runs_as_the_command_does() -> None:
    """`python -m ulmus --version` prints the version on stdout."""
    done = subprocess.run(
        [sys.executable, "-m", "ulmus", "--version"], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == (f"ulmus {ulmus.__version__}\n", "")


def test_help_lists_every_command() -> None:
    """The first page names all commands."""
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    assert all(f"\n  {name} " in shown.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_is_ascii_and_documents_every_option(name: str) -> None:
    """Help is plain ASCII and documents every option."""
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0
    assert shown.stdout.isascii()
    assert "--json" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "Did you mean 'train'"),
        (["train"], "Missing argument 'DATA'"),
        (["train", "a.csv"], "--out"),
        (
            ["train", "a.csv", "--out", "m.ulmus", "--txt", "x"],
            "No such option: --txt. Did you mean '--text'?",
        ),
        (["train", "a.csv", "--out", "m.ulmus", "--model", "x"], "Did you mean '--language-model'?"),
        (
            ["train", "a.csv", "--out", "m.ulmus", "--epochs", "3"],
            "--config file. Did you mean [classifier] all_epochs",
        ),
        (["train", "a.csv", "--out", "m.ulmus", "--embedding", "3"], "Did you mean [lm] embedding?"),
        (["pretrain", "a.txt", "--out", "m.ulmus", "--epochs", "3"], "Did you mean [lm] epochs"),
        (["predict", "m.ulmus", "--outputs", "3"], "Did you mean '--output'?"),
        (["predict", "m.ulmus", "--batch-size", "3"], "No such option: --batch-size\n"),
        (["train", "a.csv", "--out", "m.ulmus", "--seed", "one"], "--seed"),
        (["train", "a.csv", "--out", "m.ulmus", "--size", "huge"], "--size"),
        (["generate"], "Missing argument"),
    ],
)
def test_a_usage_error_ends_with_code_2_and_says_what_is_wrong(arguments: list[str], said: str) -> None:
    """A usage error has exit code 2, the reason on stderr and nothing on stdout."""
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_grouped_and_ends_with_an_example(name: str) -> None:
    """Help lists the command's own options, then the shared ones, then an example that parses."""
    shown = CliRunner().invoke(app, [name, "--help"]).stdout
    headings = [line.rstrip(":") for line in shown.splitlines() if re.fullmatch(r"[A-Z].*:", line)]
    assert len(headings) == len(set(headings)) >= 3
    assert headings[-1] == "Example"
    example = shown.split("Example:\n")[1].replace("\\\n", " ")
    arguments = shlex.split(next(part for part in example.split("|") if "ulmus" in part))
    assert arguments[:2] == ["ulmus", name]
    group = typer.main.get_command(app)
    command = group.commands[name]  # type: ignore[attr-defined]
    command.make_parser(command.context_class(command)).parse_args(arguments[2:])


def test_other_spellings_are_accepted() -> None:
    """`--unlabelled` is an alias of `--unlabeled`."""
    done = CliRunner().invoke(app, ["train", "nowhere.csv", "--out", "m.ulmus", "--unlabelled", "x.csv"])
    assert "nowhere.csv" in done.stderr


def test_a_failure_ends_with_code_1_and_no_traceback() -> None:
    """A missing file gives one sentence on stderr."""
    done = CliRunner().invoke(app, ["info", "nowhere.ulmus"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: There is no model file at nowhere.ulmus. Check the path.\n"


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["info", "nowhere.ulmus", "--debug"], {}),
        (["--debug", "info", "nowhere.ulmus"], {}),
        (["info", "nowhere.ulmus"], {"ULMUS_DEBUG": "1"}),
    ],
)
def test_debug_shows_the_traceback(arguments: list[str], environment: dict[str, str]) -> None:
    """--debug before or after the command, or ULMUS_DEBUG=1, adds the traceback to the message."""
    done = CliRunner().invoke(app, arguments, env=environment)
    assert done.exit_code == 1
    assert "Traceback" in done.stderr
    assert done.stderr.rstrip().endswith("Check the path.")


def test_output_to_a_closed_pipe_ends_quietly() -> None:
    """`ulmus --help | true` leaves no traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ulmus", "--help"], stdout=writer, stderr=subprocess.PIPE
        )
    finally:
        os.close(writer)
    assert b"Traceback" not in done.stderr

"""Dataclasses -> options, and a --config file -> the same options."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner, Result

from ulmus.cli import settings
from ulmus.cli.failures import Group
from ulmus.cli.options import RunOptions, TextCols, command
from ulmus.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """A command's options: two of its own and those of every run."""

    data: Annotated[Path, typer.Argument()]
    text: TextCols = field(default_factory=list)


def call(arguments: list[str]) -> tuple[Result, list[Options]]:
    """The outcome, and the options that the command was called with."""
    app = typer.Typer(cls=Group, rich_markup_mode=None, pretty_exceptions_enable=False)
    got: list[Options] = []

    @app.callback()
    def group() -> None:
        """Only so that there are subcommands."""

    def work(options: Options) -> None:
        """Work."""
        got.append(options)

    command(app, Options)(work)
    return CliRunner().invoke(app, ["work", *arguments]), got


def config(folder: Path, text: str) -> str:
    """The path of a config file that holds `text`."""
    path = folder / "run.toml"
    path.write_text(text)
    return str(path)


def test_a_command_gets_one_frozen_dataclass() -> None:
    """Options that are not given have their defaults; repeatable ones are lists."""
    _, got = call(["a.csv", "--out", "m.ulmus", "--text", "title", "--text", "body"])
    assert got == [Options(data=Path("a.csv"), out=Path("m.ulmus"), text=["title", "body"])]


def test_help_shows_the_commands_own_options_first() -> None:
    """Inherited options follow the command's own."""
    shown, _ = call(["--help"])
    assert shown.stdout.index("--text") < shown.stdout.index("--seed")


def test_a_config_file_gives_any_option_by_its_name(tmp_path: Path) -> None:
    """A config file may set any option or argument, with - or _; one value is enough for a repeatable one."""
    path = config(tmp_path, 'data = "a.csv"\nout = "m.ulmus"\nwork-dir = "w"\nseed = 7\ntext = "body"\n')
    done, got = call(["--config", path])
    assert done.stderr == ""
    expected = Options(
        data=Path("a.csv"), out=Path("m.ulmus"), work_dir=Path("w"), seed=7, text=["body"], config=Path(path)
    )
    assert got == [expected]


def test_the_config_file_is_overridden_by_the_command_line(tmp_path: Path) -> None:
    """The config file is overridden by the command line, also for lists and values equal to the default."""
    path = config(tmp_path, 'out = "m.ulmus"\nseed = 7\ntext = ["title", "body"]\nquiet = true\n')
    _, got = call(["a.csv", "--seed", "0", "--text", "only", "--config", path])
    assert (got[0].seed, got[0].text, got[0].quiet) == (0, ["only"], True)


def test_an_unknown_key_of_the_config_file_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    """An unknown key is a usage error with a suggestion."""
    path = config(tmp_path, "sed = 7\n")
    done, got = call(["a.csv", "--out", "m.ulmus", "--config", path])
    assert (done.exit_code, got) == (2, [])
    assert f"unknown key 'sed' in {path}. Did you mean 'seed'?" in done.stderr
    done, _ = call(["a.csv", "--out", "m.ulmus", "--config", config(tmp_path, "hidden = 7\n")])
    assert "Did you mean [lm] hidden?" in done.stderr


@pytest.mark.parametrize("key", ["config", "debug", "help"])
def test_some_options_are_for_the_command_line_only(tmp_path: Path, key: str) -> None:
    """A config file cannot name another one."""
    done, _ = call(["a.csv", "--out", "m.ulmus", "--config", config(tmp_path, f'{key} = "x"\n')])
    assert done.exit_code == 2


def test_a_wrong_type_in_the_config_file_is_a_usage_error(tmp_path: Path) -> None:
    """A value of the wrong type is a usage error that names the option."""
    done, got = call(["a.csv", "--out", "m.ulmus", "--config", config(tmp_path, 'seed = "seven"\n')])
    assert (done.exit_code, got) == (2, [])
    assert "--seed" in done.stderr


@pytest.mark.parametrize("content", [b"seed = \n", b"\xff\xfe", b"[[["])
def test_a_config_file_that_is_not_toml_is_an_error(tmp_path: Path, content: bytes) -> None:
    """A file that is not TOML is a usage error that names it."""
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    done, _ = call(["a.csv", "--out", "m.ulmus", "--config", str(path)])
    assert done.exit_code == 2
    assert f"{path} is not valid TOML" in done.stderr


def test_a_missing_config_file_is_an_error() -> None:
    """A missing config file is a usage error."""
    done, _ = call(["a.csv", "--out", "m.ulmus", "--config", "nowhere.toml"])
    assert done.exit_code == 2
    assert "nowhere.toml: No such file or directory" in done.stderr


def test_tables_of_the_config_file_are_left_to_the_command(tmp_path: Path) -> None:
    """Tables are returned for the known names; without a file they are empty."""
    path = config(tmp_path, "seed = 1\n[model]\nlayers = 2\n")
    assert settings.tables(Path(path), ["model"]) == {"model": {"layers": 2}}
    assert settings.tables(None, []) == {}
    with pytest.raises(ConfigError):
        settings.tables(tmp_path / "nowhere.toml", [])

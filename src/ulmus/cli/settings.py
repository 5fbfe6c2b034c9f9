"""A `--config` TOML file -> defaults of the options, and the tables that set up the models.

    seed = 7                     # any option of the command, spelled as there: work-dir or work_dir
    text = ["title", "body"]     # an option that may be repeated: a list, or one value
    [lm]                         # settings of the language model: the fields of its config dataclass
    epochs = 5

How: the values become the context's `default_map`, so what stands on the command line wins. An unknown key is
an error with "did you mean". Paths are relative to where the command is called, as on the command line.
Knows no option by name, no model: which tables there may be is the command's affair.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import typer

from ulmus.config import did_you_mean, from_dict, to_dict
from ulmus.errors import ConfigError

Config = TypeVar("Config")
_NOT_IN_FILES = {"config", "debug", "help"}


def use_config(ctx: typer.Context, value: Path | None) -> Path | None:
    """Callback of `--config`: take the file's options as defaults."""
    if value is None or ctx.resilient_parsing:
        return value
    parameters = {p.name: p for p in ctx.command.params if p.name and p.name not in _NOT_IN_FILES}
    defaults: dict[str, Any] = {}
    for key, given in read(value).items():
        if isinstance(given, dict):
            continue  # a table: `tables` hands it to the command
        name = key.replace("-", "_")
        if name not in parameters:
            raise ConfigError(_unknown(key, value, sorted(parameters)))
        several = parameters[name].multiple or parameters[name].nargs == -1
        defaults[name] = [given] if several and not isinstance(given, list) else given
    ctx.default_map = {**(ctx.default_map or {}), **defaults}
    return value


def tables(path: Path | None, known: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The tables of the file, one for each `known` name. Raises ConfigError for a table of another name."""
    content = {} if path is None else read(path)
    given = {key: value for key, value in content.items() if isinstance(value, dict)}
    for name in given:
        if name not in known:
            there = ", ".join(f"[{name}]" for name in known) or "none"
            raise ConfigError(
                f"unknown table [{name}] in {path}.{did_you_mean(name, known)} This command has: {there}."
            )
    return {name: given.get(name, {}) for name in known}


def merged(base: Config, table: Mapping[str, Any], where: str) -> Config:
    """The dataclass `base` with what `table` says otherwise. Raises ConfigError as `from_dict` does."""
    return from_dict(_over(to_dict(base), table), type(base), where=where)


def _over(base: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """Nested dicts: values of `table` over those of `base`; TOML may spell keys with -."""
    result = dict(base)
    for key, value in table.items():
        name = key.replace("-", "_")
        inner = result.get(name)
        result[name] = _over(inner, value) if isinstance(value, dict) and isinstance(inner, dict) else value
    return result


def read(path: Path) -> dict[str, Any]:
    """The file as a dict. Raises ConfigError for a missing file or text that is not TOML."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(
            f"--config {path}: {error.strerror or error}. Give a TOML file that exists."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config {path} is not TOML: {error}.") from error


def _unknown(key: str, path: Path, known: list[str]) -> str:
    spelled = [name.replace("_", "-") for name in known]
    hint = did_you_mean(key.replace("_", "-"), spelled)
    return f"unknown key {key!r} in {path}.{hint} Known keys: {', '.join(spelled)}."

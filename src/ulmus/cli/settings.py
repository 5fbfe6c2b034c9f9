"""A `--config` TOML file -> defaults of the options, and the tables with the model settings.

    seed = 7                     # any option of the command: work-dir or work_dir
    text = ["title", "body"]     # a repeatable option: a list, or one value
    [lm]                         # settings of the language model: the fields of its config dataclass
    epochs = 5

How: the values become the context's `default_map`, so they are overridden by the command line. An unknown key is
an error with a suggestion. Paths are relative to the current directory, as on the command line.
Knows no option by name and no model: each command says which tables it accepts.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import typer

from ulmus.config import did_you_mean, from_dict, to_dict
from ulmus.errors import ConfigError

Config = TypeVar("Config")
_NOT_IN_FILES = {"config", "debug", "help"}
_SYNONYMS = {  # common names elsewhere -> the option or setting here
    "model": "language-model",
    "output": "out",
    "time": "minutes",
    "target": "label",
    "column": "text",
    "validation": "valid",
    "lr": "peak",
    "learning-rate": "peak",
}
_MOST_SETTINGS = 6  # listed in a message
_TYPO = 0.8  # similarity (0 to 1) above which a name is taken for a typing mistake


def use_config(ctx: typer.Context, value: Path | None) -> Path | None:
    """Callback of `--config`: use the options of the file as defaults. Raises ConfigError for an unknown key."""
    if value is None or ctx.resilient_parsing:
        return value
    parameters = {p.name: p for p in ctx.command.params if p.name and p.name not in _NOT_IN_FILES}
    defaults: dict[str, Any] = {}
    for key, given in read(value).items():
        if isinstance(given, dict):
            continue  # a table: see `tables`
        name = key.replace("-", "_")
        if name not in parameters:
            raise ConfigError(_unknown(key, value, sorted(parameters), command_name(ctx)))
        several = parameters[name].multiple or parameters[name].nargs == -1
        defaults[name] = [given] if several and not isinstance(given, list) else given
    ctx.default_map = {**(ctx.default_map or {}), **defaults}
    return value


def command_name(ctx: Any) -> str:
    """The words of a command after `ulmus`: "train", "tag train"."""
    outer = "" if ctx.parent is None or ctx.parent.parent is None else f"{command_name(ctx.parent)} "
    return f"{outer}{ctx.command.name or ''}"


def tables(path: Path | None, known: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The tables of the file, one for each `known` name. Raises ConfigError for a table with any other name."""
    content = {} if path is None else read(path)
    given = {key: value for key, value in content.items() if isinstance(value, dict)}
    for name in given:
        if name not in known:
            there = ", ".join(f"[{name}]" for name in known) or "none"
            raise ConfigError(
                f"unknown table [{name}] in {path}.{did_you_mean(name, known)} This command accepts: {there}."
            )
    return {name: given.get(name, {}) for name in known}


def merged(base: Config, table: Mapping[str, Any], where: str) -> Config:
    """The dataclass `base`, overridden by the values of `table`. Raises ConfigError as `from_dict` does."""
    return from_dict(_over(to_dict(base), table), type(base), where=where)


def meant(wrong: str, known: Sequence[str], command: str, *, prefix: str = "") -> str:
    """` Did you mean ...?` for an unknown option or key; an empty string if nothing is similar.

    known: the options of the command, spelled with -. A model setting is suggested with its table.
    """
    name = wrong.lower().replace("_", "-")
    word = _SYNONYMS.get(name, name)
    if word in known:
        return f" Did you mean '{prefix}{word}'?"
    near = did_you_mean(name, known, least=_TYPO)
    if not near and (settings := _model_settings(word, command) if "config" in known or not prefix else []):
        return f" Model settings go into the --config file. Did you mean {', or '.join(settings)}?"
    return (near or did_you_mean(name, known)).replace("'", f"'{prefix}", 1)


def _model_settings(word: str, command: str) -> list[str]:
    """The model settings whose name is or contains `word`, as `[table] key`, exact matches first."""
    from ulmus.tasks.adaptation.config import AdaptationConfig
    from ulmus.tasks.classifier.config import ClassifierConfig
    from ulmus.tasks.distillation.config import DistillationConfig
    from ulmus.tasks.language_model.config import LMConfig
    from ulmus.tasks.tagger.config import TaggerConfig

    own: dict[str, dict[str, Any]] = {
        "train": {"classifier": ClassifierConfig},
        "ablate": {"classifier": ClassifierConfig},
        "tune": {"adaptation": AdaptationConfig},
        "distil": {"distillation": DistillationConfig},
        "tag train": {"tagger": TaggerConfig},
    }
    tables_: dict[str, Any] = {"lm": LMConfig, **own.get(command, {})}
    key = word.replace("-", "_")
    every = [(table, item.name) for table, config in tables_.items() for item in fields(config)]
    matches = [one for one in every if one[1] == key or f"_{key}" in f"_{one[1]}_".replace("__", "_")]
    matches.sort(key=lambda one: (one[0] == "lm", one[1] != key, not one[1].startswith("all_")))
    return [f"[{table}] {name}" for table, name in matches[:_MOST_SETTINGS]]


def _over(base: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """The nested dict `base`, overridden by the values of `table`; TOML keys may be spelled with -."""
    result = dict(base)
    for key, value in table.items():
        name = key.replace("-", "_")
        inner = result.get(name)
        result[name] = _over(inner, value) if isinstance(value, dict) and isinstance(inner, dict) else value
    return result


def read(path: Path, option: str = "--config") -> dict[str, Any]:
    """The file of an option as a dict. Raises ConfigError if it cannot be read or is not TOML."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(
            f"{option} {path}: {error.strerror or error}. Give an existing TOML file."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{option} {path} is not valid TOML: {error}.") from error


def _unknown(key: str, path: Path, known: list[str], command: str) -> str:
    spelled = [name.replace("_", "-") for name in known]
    hint = meant(key, spelled, command)
    return f"unknown key {key!r} in {path}.{hint} Known keys: {', '.join(spelled)}."

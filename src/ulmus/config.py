"""TOML or plain dicts <-> nested frozen dataclasses; an unknown key or a wrong type is a helpful error.

The dataclass is the schema: field names are the keys, annotations the types, defaults the defaults.
Supported: bool, int, float (an int is accepted), str, Path, None, Literal, unions, tuple[X, ...], tuple[X, Y],
list[X], dict[str, X], Any, and dataclasses of those. TOML has no null: an omitted key gets its default (None
if it has none), and `key = "none"` means None where the default is something else and no string is allowed.
Round trip: `from_dict(to_dict(c), type(c)) == c`, and the same through TOML. Cost is negligible.
Knows no option of its own.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import numbers
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from ulmus.errors import ConfigError

__all__ = [
    "check_range",
    "check_seed",
    "did_you_mean",
    "from_dict",
    "from_toml",
    "json_value",
    "to_dict",
    "to_toml",
]

T = TypeVar("T")
LARGEST_SEED = 2**32 - 1


def from_toml(path: str | Path, cls: type[T]) -> T:
    """The `cls` that the TOML file at `path` describes. Raises ConfigError as `from_dict` does."""
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigError(f"There is no config file {path}. Check the path.") from error
    except OSError as error:
        raise ConfigError(f"Cannot read the config file {path}: {error.strerror}.") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise ConfigError(f"{path} is not valid TOML: {error}. Fix it (format: toml.io).") from error
    return from_dict(data, cls, where=str(path))


def from_dict(data: Mapping[str, Any], cls: type[T], *, where: str = "config") -> T:
    """The `cls` that nested dicts describe; omitted keys get their defaults.

    Raises ConfigError for an unknown key (suggesting the closest one), a missing key, a value of the wrong type,
    and for anything that the dataclass's own `__post_init__` rejects. Messages start with `where`.
    """
    return typing.cast("T", _dataclass(data, cls, f"{where}: "))


def to_dict(config: Any) -> dict[str, Any]:
    """A dataclass as nested dicts of JSON values (tuples become lists, paths strings)."""
    return typing.cast("dict[str, Any]", _tree(config))


def to_toml(config: Any) -> str:
    """A dataclass as TOML text that `from_toml` reads back."""
    return "\n".join(_table(_tree(config, none="none"), ())).strip() + "\n"


def check_range(config: Any, names: str, least: float, most: float = math.inf) -> None:
    """Raise ConfigError if a field (`names`, space-separated) is outside `least` to `most`; None is allowed."""
    for name in names.split():
        value = getattr(config, name)
        if value is not None and not least <= value <= most:
            bounds = f"at least {least:g}" if most == math.inf else f"{least:g} to {most:g}"
            raise ConfigError(f"{name}: expected {bounds}, got {value}.")


def check_seed(seed: Any) -> None:
    """Raise ConfigError unless `seed` is valid for every random generator: a whole number from 0 to 2**32 - 1."""
    whole = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    if not whole or not 0 <= seed <= LARGEST_SEED:
        raise ConfigError(f"seed: expected a whole number from 0 to {LARGEST_SEED:,}, got {seed!r}.")


def did_you_mean(wrong: str, names: typing.Iterable[str], *, least: float = 0.6) -> str:
    """` Did you mean 'x'?` with the name closest to `wrong`; empty if none is at least `least` (0 to 1) similar."""
    close = difflib.get_close_matches(
        wrong.lower(), {name.lower(): name for name in names}, n=1, cutoff=least
    )
    matching = [name for name in names if close and name.lower() == close[0]]
    return f" Did you mean {matching[0]!r}?" if matching else ""


def _dataclass(data: Any, cls: Any, at: str) -> Any:
    if dataclasses.is_dataclass(data) and isinstance(data, cls):
        return data
    if not isinstance(data, Mapping):
        raise ConfigError(f"{at}expected a table [{cls.__name__}] of keys, got {_shown(data)}.")
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    for key in data:
        if key not in fields:
            hint = did_you_mean(str(key), fields) or f" Valid keys: {', '.join(fields)}."
            raise ConfigError(f"{at}unknown key {str(key)!r}.{hint}")
    types_ = typing.get_type_hints(cls)
    values = {key: _value(value, types_[key], f"{at}{key}: ") for key, value in data.items()}
    missing = [name for name, f in fields.items() if name not in values and _required(f)]
    missing_none = [name for name in missing if type(None) in typing.get_args(types_[name])]
    values |= dict.fromkeys(missing_none)
    if missing := [name for name in missing if name not in missing_none]:
        raise ConfigError(f"{at}missing {', '.join(missing)}. Give each a value.")
    try:
        return cls(**values)
    except ConfigError as error:
        raise ConfigError(f"{at}{error}") from error
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{at}{error}") from error


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _none_if_omitted(field: dataclasses.Field[Any]) -> bool:
    return field.default is None or _required(field)


def _value(value: Any, annotation: Any, at: str) -> Any:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _union(value, arguments, at)
    if origin is Literal:
        if not any(value == a and type(value) is type(a) for a in arguments):
            hint = did_you_mean(str(value), [str(a) for a in arguments])
            raise ConfigError(f"{at}expected one of {_names(arguments)}, got {_shown(value)}.{hint}")
        return value
    if origin in (tuple, list):
        return _sequence(value, annotation, at)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise _wrong(value, annotation, at)
        return {str(k): _value(v, arguments[1], f"{at}{k}: ") for k, v in value.items()}
    if dataclasses.is_dataclass(annotation):
        return _dataclass(value, annotation, at)
    return _scalar(value, annotation, at)


def _scalar(value: Any, annotation: Any, at: str) -> Any:
    if annotation is Any:
        return value
    if annotation is float and type(value) is int:
        return float(value)
    if annotation is Path and isinstance(value, str):
        return Path(value)
    if annotation is None or annotation is type(None):
        fits = value is None
    elif annotation is int:
        fits = type(value) is int  # excludes bool
    else:
        fits = isinstance(value, annotation)
    if not fits:
        raise _wrong(value, annotation, at)
    return value


def _union(value: Any, choices: tuple[Any, ...], at: str) -> Any:
    """The first choice that accepts the value; exact types are tried first (int before float)."""
    if value == "none" and type(None) in choices and str not in choices:
        value = None
    exact = [c for c in choices if type(value) is c]
    errors: list[ConfigError] = []
    for choice in exact or choices:
        try:
            return _value(value, choice, at)
        except ConfigError as error:
            errors.append(error)
    tables = [e for c, e in zip(choices, errors, strict=False) if dataclasses.is_dataclass(c)]
    if isinstance(value, Mapping) and len(tables) == 1:
        raise tables[0]  # the error inside the table is more specific
    words = [w for c in choices if typing.get_origin(c) is Literal for w in typing.get_args(c)]
    hint = did_you_mean(str(value), [str(w) for w in words])
    raise ConfigError(f"{at}expected {' or '.join(_name(c) for c in choices)}, got {_shown(value)}.{hint}")


def _sequence(value: Any, annotation: Any, at: str) -> Any:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if not isinstance(value, list | tuple):
        raise _wrong(value, annotation, at)
    if origin is tuple and arguments[-1] is not Ellipsis:
        if len(value) != len(arguments):
            raise ConfigError(f"{at}expected {len(arguments)} values, got {len(value)}: {_shown(value)}.")
        kinds = list(arguments)
    else:
        kinds = [arguments[0]] * len(value)
    return origin(_value(v, kind, f"{at}{i}: ") for i, (v, kind) in enumerate(zip(value, kinds, strict=True)))


def _wrong(value: Any, annotation: Any, at: str) -> ConfigError:
    return ConfigError(f"{at}expected {_name(annotation)}, got {_shown(value)}.")


def _name(annotation: Any) -> str:
    if typing.get_origin(annotation) is Literal:
        return f"one of {_names(typing.get_args(annotation))}"
    plain = {bool: "true or false", int: "a whole number", float: "a number", str: "a string", Path: "a path"}
    if annotation in plain:
        return plain[annotation]
    if annotation in (None, type(None)):
        return "nothing"
    if typing.get_origin(annotation) in (tuple, list):
        return "a list"
    if typing.get_origin(annotation) is dict or dataclasses.is_dataclass(annotation):
        return "a table"
    return str(getattr(annotation, "__name__", annotation))


def _names(values: typing.Iterable[Any]) -> str:
    return ", ".join(repr(v) for v in values)


def _shown(value: Any) -> str:
    text = repr(value)
    kind = {bool: "", str: "the string ", int: "the number ", float: "the number "}.get(type(value), "")
    return kind + (text if len(text) <= 60 else text[:57] + "...")


def json_value(value: Any) -> Any:
    """`value` as JSON can hold it: str keys, lists (sets sorted), Python numbers, str paths; NaN and infinity as None.

    Arrays and tensors become nested lists. Any other object is returned unchanged.
    """
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [
            json_value(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)
        ]
    if hasattr(value, "tolist"):  # numpy arrays and numbers, without importing numpy
        return json_value(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def _tree(value: Any, *, none: str | None = None) -> Any:
    """`value` without dataclasses, tuples and paths; `none` replaces a None that is not the default."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [(f, getattr(value, f.name)) for f in dataclasses.fields(value) if f.init]
        values = {f.name: none if v is None and not _none_if_omitted(f) else v for f, v in fields}
        return {name: _tree(v, none=none) for name, v in values.items()}
    if isinstance(value, Mapping):
        return {str(k): _tree(v, none=none) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_tree(v, none=none) for v in value]
    return str(value) if isinstance(value, Path) else value


def _table(data: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    """Lines of a TOML table: plain keys first, then tables and lists of tables under their headings."""
    present = {k: v for k, v in data.items() if v is not None}
    headed = {k: v for k, v in present.items() if isinstance(v, dict) or _is_tables(v)}
    lines = [f"{_key(k)} = {_inline(v)}" for k, v in present.items() if k not in headed]
    for key, value in headed.items():
        name = ".".join(_key(part) for part in (*path, key))
        heading = f"[[{name}]]" if isinstance(value, list) else f"[{name}]"
        for table in value if isinstance(value, list) else [value]:
            lines += ["", heading, *_table(table, (*path, key))]
    return lines


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _inline(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)  # TOML has inf and nan
    if isinstance(value, list):
        return "[" + ", ".join(_inline(v) for v in value if v is not None) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_inline(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else json.dumps(key, ensure_ascii=False).replace("\x7f", "\\u007f")

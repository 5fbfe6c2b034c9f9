"""What a command may write: nothing that it reads, nothing twice, and over nothing that it did not make.

How: a command's options are a dataclass, so every path among them is either one of the few outputs in `WRITTEN` or
an input; links, hard links and the case of names are the file system's to judge (`Path.samefile`).
Costs: a look at each file, and at the first bytes of what is to be replaced. Knows no model class.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ulmus.errors import BundleError, UsageError

WRITTEN = ("out", "log", "work_dir", "output", "plot")  # the options that are outputs
_MODELS = ("model", "language_model")  # options that are a file or the name of an installed model
_FIRST_BYTES = 65_536


class Kind(NamedTuple):
    """A kind of file that a command writes."""

    name: str  # for messages
    is_one: Callable[[Path], bool]  # whether an existing file is of this kind
    suffixes: tuple[str, ...] = ()  # that its name may have; none: any


def check_separate(path: Path, options: Any) -> None:
    """Raise UsageError where writing `path` would destroy an input or another output of the same call."""
    for name, other in _paths(options):
        if other is path:
            continue
        if _same(path, other):
            what = f"also --{name.replace('_', '-')}" if name in WRITTEN else "read by the same command"
            raise UsageError(f"{path} is {what}: it would be written over. Give the output another name.")
        if name not in WRITTEN and other.is_dir() and _lies_in(path, other):
            raise UsageError(f"{path} would lie in the folder {other}, which is read. Choose another place.")
        if name not in WRITTEN and path.is_dir() and _same(other.resolve().parent, path):
            raise UsageError(f"{path} holds {other}, which is read. Choose an empty folder, or a new one.")
    if _is_standard_input(path):
        raise UsageError(f"{path} is the standard input as well. Give the output another name.")


def check_held_out(valid: Path | None, files: Iterable[Path]) -> None:
    """Raise UsageError where the file to measure on is one of those to train on, or lies in such a folder."""
    for path in files:
        if valid is None:
            return
        if _same(valid, path) or (path.is_dir() and _lies_in(valid, path)):
            raise UsageError(
                f"--valid {valid} is trained on, so that measuring on it would say nothing. Give other texts, or leave "
                "--valid away: then a few of the texts are held out."
            )


def check_stdout(options: Any) -> None:
    """Raise UsageError where the shell sends stdout into a file that is read: `ulmus predict M a.csv >> a.csv`."""
    for name, other in _paths(options):
        if name not in WRITTEN and other.is_file() and _is_stream(other, sys.stdout):
            raise UsageError(f"{other} is read, and the output goes there too. Give the output another name.")


def check_replaceable(path: Path, kind: Kind, *, force: bool) -> None:
    """Raise UsageError where `path` is a file of another kind (an empty one is of any), unless forced."""
    if force or not path.is_file() or path.stat().st_size == 0 or kind.is_one(path):
        return
    raise UsageError(f"{path} exists and is no {kind.name}. Choose another name, or replace it with --force.")


def check_work_folder(folder: Path, marker: str, *, force: bool) -> None:
    """Raise UsageError where `folder` is a file, or has files in it and none called `marker`, unless forced."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--work-dir {folder} is a file. Give an empty folder, or a new one.")
    if force or not folder.is_dir() or (folder / marker).exists() or not any(folder.iterdir()):
        return
    raise UsageError(
        f"--work-dir {folder} holds other files than checkpoints. Give an empty folder, or a new one; "
        "--force takes this one."
    )


def model(kind: str) -> Kind:
    """The model files of a kind: "classifier" or "language-model"."""
    return Kind(kind.replace("-", " "), partial(is_model, kind=kind))


def is_model(path: Path, kind: str | None = None) -> bool:
    """Whether the file is a model, of that kind if one is given ("classifier", "language-model")."""
    from ulmus.bundle import read_manifest

    try:
        manifest = read_manifest(path)
    except (BundleError, OSError):
        return False
    return kind is None or manifest.get("kind") == kind


def is_log(path: Path) -> bool:
    """Whether the file is a log of losses and rates: lines of JSON, each with an event."""
    return "event" in _first_object(path)


def is_predictions(path: Path) -> bool:
    """Whether the file is one that `ulmus predict` writes: by its columns, or the keys of its first line."""
    if path.suffix == ".jsonl":
        return {"row", "label", "probabilities"} <= _first_object(path).keys()
    names, first = _first_rows(path)
    if names[:1] != ["row"] or "label" not in names:
        return False
    classes = names.index("label") + 1
    shares = first[classes:]
    return not first or (len(first) == len(names) > classes and all(_is_share(cell) for cell in shares))


def is_plot(path: Path) -> bool:
    """Whether the file is a picture that matplotlib drew."""
    start = _start(path)
    return start.startswith(b"\x89PNG") and b"matplotlib" in start[:1024].lower()


LOG = Kind("log of losses", is_log)
PLOT = Kind("plot of rates", is_plot, (".png",))
PREDICTIONS = Kind("file of predictions", is_predictions, (".csv", ".jsonl"))


def check_order(model: Path, data: Path) -> None:
    """Raise UsageError where the texts are a model file: the arguments are probably swapped."""
    if not data.is_file() or not is_model(data):
        return
    if model.is_file() and not is_model(model):
        raise UsageError(f"{data} is the model and {model} is not: give the model first, then the texts.")
    raise UsageError(f"{data} is a model file. Give texts after the model.")


def _paths(options: Any) -> Iterator[tuple[str, Path]]:
    """Name and path of every file that the options name."""
    from ulmus.installed import find

    for field in dataclasses.fields(options):
        given = getattr(options, field.name)
        for value in given if isinstance(given, list) else [given]:
            if isinstance(value, Path):
                yield field.name, value
            elif isinstance(value, str) and field.name in _MODELS:
                with contextlib.suppress(BundleError):
                    yield field.name, find(value)


def _same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _lies_in(path: Path, folder: Path) -> bool:
    """Whether the path is below the folder: one of its parents is that very folder."""
    return any(_same(parent, folder) for parent in path.resolve().parents)


def _is_standard_input(path: Path) -> bool:
    return path.is_file() and _is_stream(path, sys.stdin)


def _is_stream(path: Path, stream: Any) -> bool:
    """Whether the shell has connected the stream with that file."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # a stream need not have a file
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    return False


def _start(path: Path) -> bytes:
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(_FIRST_BYTES)
    return b""


def _first_object(path: Path) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        found = json.loads(_start(path).split(b"\n", 1)[0])
        return found if isinstance(found, dict) else {}
    return {}


def _first_rows(path: Path) -> tuple[list[str], list[str]]:
    """The names of a csv file's columns and its first row; empty lists where there are none."""
    lines = _start(path).decode("utf-8", "replace").splitlines(keepends=True)
    rows = csv.reader(lines)
    with contextlib.suppress(csv.Error):
        return next(rows, []), next(rows, [])
    return [], []


def _is_share(cell: str) -> bool:
    with contextlib.suppress(ValueError):
        return 0.0 <= float(cell) <= 1.0
    return False

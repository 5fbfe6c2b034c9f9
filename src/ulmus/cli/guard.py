"""Checks before a command writes: no output is also an input or another output, or replaces a foreign file.

How: a command's options are a dataclass, so every path among them is either one of the few outputs in `WRITTEN` or
an input. Whether two paths are the same file (links, hard links, letter case) is decided by `Path.samefile`.
Cost: a `stat` of each file, and reading the first bytes of a file to be replaced. Knows no model class.
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

WRITTEN = ("out", "log", "work_dir", "output", "plot", "tensorboard", "report")  # options that are outputs
_MODELS = ("model", "language_model")  # options that are a file or the name of an installed model
_FIRST_BYTES = 65_536  # bytes read to recognize a file


class Kind(NamedTuple):
    """A kind of file that a command writes."""

    name: str  # for messages
    is_one: Callable[[Path], bool]  # whether an existing file is of this kind
    suffixes: tuple[str, ...] = ()  # allowed file name suffixes; empty: any


def check_separate(path: Path, options: Any) -> None:
    """Raise UsageError if writing `path` would overwrite an input or another output of the same command."""
    for name, other in _paths(options):
        if other is path:
            continue
        if _same(path, other):
            what = f"also --{name.replace('_', '-')}" if name in WRITTEN else "read by the same command"
            raise UsageError(f"{path} is {what} and would be overwritten. Give the output another name.")
        if name not in WRITTEN and other.is_dir() and _lies_in(path, other):
            raise UsageError(f"{path} is inside the input folder {other}. Choose another location.")
        if name not in WRITTEN and path.is_dir() and _same(other.resolve().parent, path):
            raise UsageError(f"{path} contains the input {other}. Choose an empty or new folder.")
    if _is_standard_input(path):
        raise UsageError(f"{path} is also the standard input. Give the output another name.")


def check_held_out(valid: Path | None, files: Iterable[Path], option: str = "--valid") -> None:
    """Raise UsageError if the file of this option is one of the training files, or inside a training folder."""
    for path in files:
        if valid is None:
            return
        if _same(valid, path) or (path.is_dir() and _lies_in(valid, path)):
            raise UsageError(
                f"{option} {valid} is also trained on or chosen by, so its scores would mean nothing. Give other "
                f"texts, or remove {option}: a few of the training texts are held out."
            )


def check_stdout(options: Any) -> None:
    """Raise UsageError if the shell redirects stdout to an input: `ulmus predict M a.csv >> a.csv`."""
    for name, other in _paths(options):
        if name not in WRITTEN and other.is_file() and _is_stream(other, sys.stdout):
            raise UsageError(
                f"{other} is an input, and standard output is redirected to it. Give the output another name."
            )


def check_replaceable(path: Path, kind: Kind, *, force: bool) -> None:
    """Raise UsageError if `path` is a file of another kind, unless it is empty or `force` is set."""
    if force or not path.is_file() or path.stat().st_size == 0 or kind.is_one(path):
        return
    raise UsageError(
        f"{path} exists and is not a {kind.name}. Choose another name, or replace it with --force."
    )


def check_work_folder(folder: Path, marker: str, *, force: bool, option: str = "--work-dir") -> None:
    """Raise UsageError if `folder` is a file, or has files but none called `marker` and `force` is not set."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{option} {folder} is a file. Give an empty or new folder.")
    if force or not folder.is_dir() or (folder / marker).exists() or not any(folder.iterdir()):
        return
    raise UsageError(
        f"{option} {folder} contains other files. Give an empty or new folder, or use this one with --force."
    )


def model(kind: str) -> Kind:
    """Model files of this kind: "classifier", "regressor", "language-model", "tagger", "transformer", or
    "exported-" with one of the first two before it.
    """
    return Kind(kind.replace("-", " "), partial(is_model, kind=kind))


def is_model(path: Path, kind: str | None = None) -> bool:
    """Whether the file is a model; if `kind` is given, one of that kind, as in `model`."""
    from ulmus.bundle import read_manifest

    try:
        manifest = read_manifest(path)
    except (BundleError, OSError):
        return False
    return kind is None or manifest.get("kind") == kind


def is_log(path: Path) -> bool:
    """Whether the file is a training log: lines of JSON, each with an event."""
    return "event" in _first_object(path)


def is_predictions(path: Path) -> bool:
    """Whether the file was written by `ulmus predict`, judging by its columns or the keys of its first line."""
    if path.suffix == ".parquet":
        names = _parquet_columns(path)
        return names[:1] == ["row"] and (names[-1:] == ["prediction"] or "label" in names)
    if path.suffix == ".jsonl":
        keys = _first_object(path).keys()
        return {"row", "label", "probabilities"} <= keys or {"row", "prediction"} <= keys
    names, first = _first_rows(path)
    if names[:1] == ["row"] and names[-1:] == ["prediction"]:  # of numbers
        return not first or len(first) == len(names)
    if names[:1] != ["row"] or "label" not in names:
        return False
    classes = names.index("label") + 1
    probabilities = first[classes:]
    return not first or (
        len(first) == len(names) > classes and all(_is_probability(cell) for cell in probabilities)
    )


def is_plot(path: Path) -> bool:
    """Whether the file is a PNG image made by matplotlib."""
    start = _start(path)
    return start.startswith(b"\x89PNG") and b"matplotlib" in start[:1024].lower()


def is_entities(path: Path) -> bool:
    """Whether the file was written by `ulmus tag predict`, judging by its columns or the keys of its first line."""
    if path.suffix == ".jsonl":
        return _first_object(path).keys() == {"row", "spans"}
    return _first_rows(path)[0] == ["row", "start", "end", "label", "text", "score"]


def is_explanations(path: Path) -> bool:
    """Whether the file was written by `ulmus explain`: a page of its, or JSON with tokens on its first line."""
    if path.suffix == ".jsonl":
        return {"text", "tokens", "base", "unit", "method"} <= _first_object(path).keys()
    return b'<meta name="generator" content="ulmus explain">' in _start(path)


def is_report(path: Path) -> bool:
    """Whether the file is a page that `--report` wrote."""
    return b'<meta name="generator" content="ulmus report">' in _start(path)


LOG = Kind("training log", is_log)
PLOT = Kind("learning-rate plot", is_plot, (".png",))
PREDICTIONS = Kind("predictions file", is_predictions, (".csv", ".jsonl", ".parquet"))
EXPLANATIONS = Kind("file of explanations", is_explanations, (".html", ".jsonl"))
REPORT = Kind("report", is_report, (".html",))
ENTITIES = Kind("file of entities", is_entities, (".csv", ".jsonl"))


def check_order(model: Path, data: Path) -> None:
    """Raise UsageError if `data` is a model file: the arguments are probably swapped."""
    if not data.is_file() or not is_model(data):
        return
    if model.is_file() and not is_model(model):
        raise UsageError(f"{data} is a model and {model} is not: give the model first, then the texts.")
    raise UsageError(f"{data} is a model file. Give a file of texts after the model.")


def _paths(options: Any) -> Iterator[tuple[str, Path]]:
    """Option name and path of every file among the options."""
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
    """Whether the path is inside the folder, at any depth."""
    return any(_same(parent, folder) for parent in path.resolve().parents)


def _is_standard_input(path: Path) -> bool:
    return path.is_file() and _is_stream(path, sys.stdin)


def _is_stream(path: Path, stream: Any) -> bool:
    """Whether the stream is redirected from or to that file."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # a stream may have no file
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    return False


def _start(path: Path) -> bytes:
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(_FIRST_BYTES)
    return b""


def _first_object(path: Path) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        first = json.loads(_start(path).split(b"\n", 1)[0])
        return first if isinstance(first, dict) else {}
    return {}


def _first_rows(path: Path) -> tuple[list[str], list[str]]:
    """The column names and the first row of a csv file; empty lists if there are none."""
    lines = _start(path).decode("utf-8", "replace").splitlines(keepends=True)
    rows = csv.reader(lines)
    with contextlib.suppress(csv.Error):
        return next(rows, []), next(rows, [])
    return [], []


def _parquet_columns(path: Path) -> list[str]:
    """The names of the columns of a parquet file; none if it is not one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with contextlib.suppress(OSError, pa.ArrowException):
        return list(pq.read_schema(path).names)
    return []


def _is_probability(cell: str) -> bool:
    with contextlib.suppress(ValueError):
        return 0.0 <= float(cell) <= 1.0
    return False

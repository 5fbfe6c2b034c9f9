"""The columns of the file that a classifier was trained on: kept in its model file, read again by default.

What an option names wins. A file that lacks the columns is an error that says what to name; plain text has none, so
each of its documents is read whole. Cost: the manifest of the model file is read. Knows no weights.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulmus.cli import inputs
from ulmus.cli.inputs import Columns
from ulmus.cli.options import ReaderOptions
from ulmus.cli.show import note
from ulmus.errors import BundleError, DataError, UsageError

if TYPE_CHECKING:
    from ulmus.corpus.source import Source

_OF_PLAIN_TEXT = ("first-word", "first-word-to-colon")  # labels of lines, not columns


def as_manifest(columns: Columns) -> dict[str, Any]:
    """What a model file keeps of the columns that it was trained on."""
    return {
        key: list(value) if isinstance(value, (list, tuple)) else value
        for key, value in vars(columns).items()
    }


def of_model(path: Path) -> Columns:
    """The columns that a classifier was trained on, as far as its file says. Raises BundleError."""
    from ulmus import bundle

    said = bundle.read_manifest(path).get("columns", {})
    if not said:
        return Columns()
    try:
        lists = [said["text"], said["label"]]
        delimiter = said["label_delimiter"]
        names = [name for some in lists for name in some]
        if not all(isinstance(some, list) for some in lists) or not all(
            isinstance(name, str) for name in names
        ):
            raise TypeError("columns are lists of names")
        if not isinstance(delimiter, str | None):
            raise TypeError("a delimiter is a string")
    except (KeyError, TypeError) as error:
        raise BundleError(
            f"{path}: its manifest names columns in a wrong way ({error}). Train it anew."
        ) from error
    return Columns(said["text"], said["label"], delimiter)


def source(
    model: Path, path: Path, options: ReaderOptions, given: Columns, *, labelled: bool = False
) -> Source:
    """How to read `path` for a classifier: by the columns that are `given`, else by those it was trained on.

    The file is opened and its columns are looked up, those of the label where it is to be `labelled`.
    Raises UsageError where it has no such columns.
    """
    from ulmus.corpus.streams import existing

    existing(path)
    trained = of_model(model)
    plain = inputs.is_plain(path, options)
    labels = [name for name in trained.label if labelled and (plain or name not in _OF_PLAIN_TEXT)]
    named = given.label or labels
    columns = Columns(
        text=given.text or trained.text,
        label=named,
        label_delimiter=given.label_delimiter or (trained.label_delimiter if len(named) < 2 else None),
    )
    if given.text and len(given.text) != len(trained.text) and len(trained.text) > 1:
        note(f"The model was trained on {_named(trained.text)}, and reads {_named(given.text)} of {path}.")
    if plain and not given.text and trained.text:
        return _plain_or_table(path, options, columns, trained)
    try:
        return _opened(path, options, columns)
    except UsageError as error:
        advice = _advice(given, trained, labels)
        raise UsageError(f"{error} {advice}".rstrip()) from error


def _plain_or_table(path: Path, options: ReaderOptions, columns: Columns, trained: Columns) -> Source:
    """A file whose name says nothing: a table where its first line names the columns, else plain text."""
    if options.format == "auto" and not all(name.isdigit() for name in columns.text):
        try:
            return _opened(path, options, columns)
        except (UsageError, DataError):
            pass
    if len(trained.text) > 1:
        note(
            f"{path} is read as plain text: one text a document, not {_named(trained.text)} as in the training."
        )
    label = [name for name in columns.label if name in _OF_PLAIN_TEXT]
    return _opened(path, options, dataclasses.replace(columns, text=(), label=label))


def _opened(path: Path, options: ReaderOptions, columns: Columns) -> Source:
    made = inputs.source(path, options, columns)
    inputs.probe([made])
    return made


def _advice(given: Columns, trained: Columns, labels: list[str]) -> str:
    """What to name where the columns of the training are not there."""
    said = []
    if trained.text and not given.text:
        order = ", in this order," if len(trained.text) > 1 else ""
        said.append(
            f"The model was trained on {_named(trained.text)}: name those of this file{order} with --text."
        )
    if labels and not given.label:
        said.append(f"Its labels were in {_named(labels)}: name the label of this file with --label.")
    return " ".join(said)


def _named(columns: Any) -> str:
    return f"the column{'s' if len(columns) > 1 else ''} {inputs.listed(columns)}"

"""The columns that a classifier was trained on: stored in its model file, and read by default.

Overridden by options. For a file without these columns the error says what to specify; plain text has no columns, so
each document is one text. Cost: reading the manifest of the model file. Knows no weights.
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

_OF_PLAIN_TEXT = ("first-word", "first-word-to-colon")  # labels taken from lines, not columns


def as_manifest(columns: Columns) -> dict[str, Any]:
    """The columns in the form stored in the manifest of a model file."""
    return {
        key: list(value) if isinstance(value, (list, tuple)) else value
        for key, value in vars(columns).items()
    }


def of_model(path: Path) -> Columns:
    """The columns that a classifier was trained on, if its file says so. Raises BundleError for an invalid entry."""
    from ulmus import bundle

    stored = bundle.read_manifest(path).get("columns", {})
    if not stored:
        return Columns()
    try:
        lists = [stored["text"], stored["label"], stored.get("text_b", [])]
        delimiter = stored["label_delimiter"]
        names = [name for some in lists for name in some]
        if not all(isinstance(some, list) for some in lists) or not all(
            isinstance(name, str) for name in names
        ):
            raise TypeError("columns are lists of names")
        if not isinstance(delimiter, str | None):
            raise TypeError("a delimiter is a string")
    except (KeyError, TypeError) as error:
        raise BundleError(
            f"{path}: the columns in its manifest are invalid ({error}). Retrain the model."
        ) from error
    return Columns(stored["text"], stored["label"], delimiter, tuple(lists[2]))


def source(
    model: Path, path: Path, options: ReaderOptions, given: Columns, *, labelled: bool = False
) -> Source:
    """How to read `path` for a classifier: the columns that are `given`, else those it was trained on.

    labelled: whether the label columns are read too. The file is opened and its columns are checked.
    Raises UsageError if it does not have them.
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
        text_b=given.text_b or trained.text_b,
    )
    if given.text and len(given.text) != len(trained.text) and len(trained.text) > 1:
        note(f"The model was trained on {_named(trained.text)}; using {_named(given.text)} of {path}.")
    if plain and not given.text and trained.text:
        return _plain_or_table(path, options, columns, trained)
    try:
        return _opened(path, options, columns)
    except UsageError as error:
        advice = _advice(given, trained, labels)
        raise UsageError(f"{error} {advice}".rstrip()) from error


def _plain_or_table(path: Path, options: ReaderOptions, columns: Columns, trained: Columns) -> Source:
    """A file with an uninformative name: a table if its first line has the column names, else plain text."""
    if options.format == "auto" and not all(name.isdigit() for name in columns.text):
        try:
            return _opened(path, options, columns)
        except (UsageError, DataError):
            pass
    if len(trained.text) > 1:
        note(
            f"{path} is read as plain text: one text per document, not {_named(trained.text)} as in training."
        )
    label = [name for name in columns.label if name in _OF_PLAIN_TEXT]
    return _opened(path, options, dataclasses.replace(columns, text=(), text_b=(), label=label))


def _opened(path: Path, options: ReaderOptions, columns: Columns) -> Source:
    made = inputs.source(path, options, columns)
    inputs.probe([made])
    return made


def _advice(given: Columns, trained: Columns, labels: list[str]) -> str:
    """Which options to use if the training columns are missing from a file."""
    advice = []
    if trained.text and not given.text:
        order = ", in this order," if len(trained.text) > 1 else ""
        advice.append(
            f"The model was trained on {_named(trained.text)}: specify those of this file{order} with --text."
            + (f" The second texts were in {_named(trained.text_b)}: --text-b." if trained.text_b else "")
        )
    if labels and not given.label:
        advice.append(
            f"Its labels were in {_named(labels)}: specify the label column of this file with --label."
        )
    return " ".join(advice)


def _named(columns: Any) -> str:
    return f"the column{'s' if len(columns) > 1 else ''} {inputs.listed(columns)}"

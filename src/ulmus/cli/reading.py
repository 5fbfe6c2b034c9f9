"""What was read, said on stderr: what was guessed of each file, how many texts, which classes, what is odd.

How: `resolved` says how a file is read; labelled texts are counted where they are, others in one pass of their files,
which also finds what cannot be read before any long work. Cost: eight bytes a text. Knows no model.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ulmus.cli.inputs import Labelled, Texts
from ulmus.cli.show import note
from ulmus.cli.summary import labelled_texts

if TYPE_CHECKING:
    from ulmus.corpus.source import Source

__all__ = ["tell_labelled", "tell_texts"]

_FILES = 5  # told one by one


def tell_labelled(item: Source, given: Labelled, *, title: str) -> None:
    """Say how a labelled file was read, and what it holds."""
    _tell_guesses([item])
    note("\n".join(labelled_texts(title, given.texts, given.labels, len(given.unlabeled))))


def tell_texts(sources: Sequence[Source]) -> None:
    """Read files of texts once, and say how, and what they hold. Raises what reading raises."""
    if not sources:
        return
    counts = _counted(Texts(sources))
    _tell_guesses(sources)
    name = str(sources[0].path) if len(sources) == 1 else f"{len(sources):,} files"
    note(f"{name}: {counts}.")


def _tell_guesses(sources: Sequence[Source]) -> None:
    for item in sources[:_FILES]:
        if guessed := list(_guesses(item)):
            note(f"{item.path} is read as {', '.join(guessed)} (guessed).")
    if len(sources) > _FILES:
        note(f"... and {len(sources) - _FILES:,} more files.")


def _guesses(given: Source) -> Iterator[str]:
    """What the reader guessed of a file, in words."""
    from ulmus.corpus.source import resolved

    found = resolved(given)
    if found.format == "folder":
        return
    if given.format != found.format:
        yield found.format
    if found.delimiter is not None and given.delimiter is None:
        yield f"delimiter {found.delimiter!r}"
    if found.quoting is not None and given.quoting is None:
        yield "quoting" if found.quoting else "no quoting"
    if given.header != found.header:
        yield "with a header" if found.header == "yes" else "without a header"
    if given.encoding != found.encoding:
        yield found.encoding
    if given.documents != found.documents:
        yield "one text a line" if found.documents == "line" else "texts between blank lines"
    if found.columns and not given.columns:
        yield f"text in column {found.columns[0]!r}"


def _counted(texts: Iterable[str]) -> str:
    """How many texts there are, how many of them are empty, and how many repeat another."""
    import numpy as np

    marks = array("q")  # of those that are not empty; two that are not equal share one in 10^19
    documents = 0
    for text in texts:
        documents += 1
        if stripped := text.strip():
            marks.append(hash(stripped))
    repeated = len(marks) - len(np.unique(np.frombuffer(marks, np.int64))) if marks else 0
    return f"{documents:,} texts, {documents - len(marks):,} empty, {repeated:,} that repeat another"

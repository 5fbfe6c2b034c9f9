"""A report on stderr of how input files were read: guessed formats, numbers of texts, classes, irregularities.

How: `resolved` gives the format of a file. Labelled texts are counted in memory, others in one pass over their files,
which also finds unreadable ones before any long work. Cost: eight bytes per text. Knows no model.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ulmus.cli.inputs import Labelled, Texts
from ulmus.cli.show import note
from ulmus.cli.summary import labelled_numbers, labelled_texts

if TYPE_CHECKING:
    from ulmus.corpus.source import Source

__all__ = ["report_labelled", "report_texts"]

_FILES = 5  # listed one by one


def report_labelled(item: Source, given: Labelled, *, title: str, numbers: bool = False) -> None:
    """Report how a labelled file was read, and what it contains; `numbers`: its labels are numbers."""
    _report_guesses([item])
    report = labelled_numbers if numbers else labelled_texts
    note("\n".join(report(title, given.texts, given.labels, len(given.unlabeled))))


def report_texts(sources: Sequence[Source]) -> None:
    """Read files of texts once; report how they were read and what they contain. Raises DataError and UsageError."""
    if not sources:
        return
    counts = _counted(Texts(sources))
    _report_guesses(sources)
    name = str(sources[0].path) if len(sources) == 1 else f"{len(sources):,} files"
    note(f"{name}: {counts}.")


def _report_guesses(sources: Sequence[Source]) -> None:
    for item in sources[:_FILES]:
        if guessed := list(_guesses(item)):
            note(f"{item.path} read as {', '.join(guessed)} (guessed).")
    if len(sources) > _FILES:
        note(f"... and {len(sources) - _FILES:,} more files.")


def _guesses(given: Source) -> Iterator[str]:
    """The properties of a file that the reader guessed, in words."""
    from ulmus.corpus.source import resolved

    used = resolved(given)
    if used.format == "folder":
        return
    if given.format != used.format:
        yield used.format
    if used.delimiter is not None and given.delimiter is None:
        yield f"delimiter {used.delimiter!r}"
    if used.quoting is not None and given.quoting is None:
        yield "quoting" if used.quoting else "no quoting"
    if given.header != used.header:
        yield "with a header" if used.header == "yes" else "without a header"
    if given.encoding != used.encoding:
        yield used.encoding
    if given.documents != used.documents:
        yield "one text per line" if used.documents == "line" else "texts separated by blank lines"
    if used.columns and not given.columns:
        yield f"text in column {used.columns[0]!r}"


def _counted(texts: Iterable[str]) -> str:
    """The numbers of texts, of empty texts and of repeated texts, in words."""
    import numpy as np

    # hashes of the texts that are not empty; two different texts collide with a probability of 10^-19
    hashes = array("q")
    documents = 0
    for text in texts:
        documents += 1
        if stripped := text.strip():
            hashes.append(hash(stripped))
    repeated = len(hashes) - len(np.unique(np.frombuffer(hashes, np.int64))) if hashes else 0
    return f"{documents:,} texts, {documents - len(hashes):,} empty, {repeated:,} repeated"

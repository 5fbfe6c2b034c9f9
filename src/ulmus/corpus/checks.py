"""What is suspicious about labelled texts before anything is trained: an id column as label, swapped columns and more.

What cannot end well is a DataError that says what to do; what is only doubtful is a sentence to show. Numbers and
strings alone: knows no model and no file. Costs one pass over the texts. Axes: N documents, C classes.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import numpy as np

from ulmus.corpus.labels import Labels
from ulmus.corpus.saved_lists import looks_saved
from ulmus.errors import DataError

__all__ = ["doubts"]

_MANY = 100  # classes; of so many, mostly with one document each, nothing is learnt
_SOME = 20  # classes from which on it is worth a word that most have one document
_SHOWN = 5  # names in a message


def doubts(texts: Sequence[str], labels: Labels) -> list[str]:
    """Sentences about what may be wrong with N texts and their labels.

    Raises DataError where most documents have a class of their own, where texts and labels are swapped, where labels
    are lists saved as text, and where all classes are the same word but for case and white space.
    """
    if not labels.counts().any():
        raise DataError("no text has any of the labels: all of them are 0. Check the label columns.")
    found = [*_saved(labels), *_swapped(texts, labels), *_nearly_unique(labels), *_alike(labels.classes)]
    if never := [name for name, n in zip(labels.classes, labels.counts(), strict=True) if n == 0]:
        found.append(f"No text has the label {_listed(never)}: it cannot be learnt.")
    return found


def _saved(labels: Labels) -> Iterable[str]:
    """Single labels such as `['joy', 'anger']`."""
    if labels.multi_label:
        return
    saved = [k for k, name in enumerate(labels.classes) if looks_saved(name)]
    if not saved:
        return
    documents, example = int(labels.counts()[saved].sum()), labels.classes[saved[0]]
    said = (
        f"{documents:,} of {len(labels):,} labels look like lists that were saved as text: {_cut(example)}."
    )
    if 2 * documents > len(labels):
        raise DataError(
            f"{said} If a text has several labels, say so: --label-delimiter , on the command line; in Python give "
            "lists, e.g. [ast.literal_eval(label) for label in labels]."
        )
    yield f"{said} Each is taken for a class of its own."


def _nearly_unique(labels: Labels) -> Iterable[str]:
    """An id, a title or a date as label: most documents have a class that no other has."""
    counts = labels.counts()
    alone = int((counts == 1).sum())
    members = int(counts.sum())  # as many as documents where each has one
    if len(counts) < _SOME or 2 * alone <= members:
        return
    said = (
        f"{alone:,} of {len(counts):,} classes have one text only ({_listed(labels.classes)}; "
        f"{len(labels):,} labelled texts)."
    )
    if len(counts) >= _MANY:
        raise DataError(
            f"{said} From one text nothing can be learnt of a class. Is it the right label column, or one of ids, "
            "titles or dates? Otherwise leave out the rare classes, or give at least two texts of each."
        )
    yield f"{said} Is it the right label column?"


def _swapped(texts: Sequence[str], labels: Labels) -> Iterable[str]:
    """Labels that are longer than the texts."""
    if not all(isinstance(name, str) for name in labels.classes):
        return
    sizes = np.array([len(name) for name in labels.classes])
    label_chars, text_chars = median(np.repeat(sizes, labels.counts())), median(map(len, texts))
    if label_chars <= text_chars or not text_chars:
        return
    said = f"The labels are longer than the texts (in the median {label_chars:.0f} and {text_chars:.0f} characters)"
    different = len(set(texts))
    if len(sizes) >= 10 and different < len(sizes):
        raise DataError(
            f"{said}, and there are more different labels ({len(sizes):,}) than different texts ({different:,}). "
            "Are the columns of the text and of the label swapped?"
        )
    yield f"{said}. Are they swapped?"


def _alike(classes: Sequence[Any]) -> Iterable[str]:
    """Classes that differ in case, white space or Unicode form only: ham and Ham."""
    forms: dict[str, list[str]] = defaultdict(list)
    for name in classes:
        if isinstance(name, str):
            forms[" ".join(unicodedata.normalize("NFKC", name).casefold().split())].append(name)
    same = [names for names in forms.values() if len(names) > 1]
    if not same:
        return
    shown = "; ".join(", ".join(map(_cut, names)) for names in same[:_SHOWN])
    rest = f" and {len(same) - _SHOWN:,} more" if len(same) > _SHOWN else ""
    said = f"Classes that differ in case, white space or the form of a character only: {shown}{rest}."
    if len(forms) == 1 and len(same[0]) == len(classes):
        raise DataError(f"{said} Then there is one class only, and nothing to tell apart. Check the labels.")
    yield f"{said} They are learnt as different classes: if they are meant to be one, spell them alike."


def _listed(names: Sequence[Any]) -> str:
    rest = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(_cut, names[:_SHOWN])) + rest


def _cut(name: Any) -> str:
    shown = repr(name)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."

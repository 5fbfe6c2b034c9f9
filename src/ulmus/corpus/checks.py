"""Checks of labelled texts before training: an id column used as label, swapped columns and the like.

A hopeless data set is a DataError that says what to do; a doubtful one gets a warning sentence. Works on numbers and
strings; knows no model and no file. Costs one pass over the texts. Axes: N documents, C classes.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import numpy as np

from ulmus.corpus.labels import Labels
from ulmus.corpus.numbers import Targets, look_like_numbers
from ulmus.corpus.saved_lists import looks_saved
from ulmus.errors import DataError

__all__ = ["doubts"]

_MANY = 100  # classes; an error if most of so many have one document each
_SOME = 20  # classes; a warning if most of so many have one document each
_SHOWN = 5  # names in a message
REGRESSION = "--task regression (in Python: TextRegressor)"


def doubts(texts: Sequence[str], labels: Targets) -> list[str]:
    """Warning sentences about N texts and their labels; none about numbers (regression).

    Raises DataError if most documents have a class of their own, if texts and labels are swapped, if the labels are
    lists saved as text, or if all classes are one word but for case and white space.
    """
    if not isinstance(labels, Labels):
        return []
    if not labels.counts().any():
        raise DataError("no text has a label: all label columns are 0. Check the label columns.")
    warnings = [
        *_numbers(labels),
        *_saved(labels),
        *_swapped(texts, labels),
        *_nearly_unique(labels),
        *_alike(labels.classes),
    ]
    if never := [name for name, n in zip(labels.classes, labels.counts(), strict=True) if n == 0]:
        warnings.append(f"No text has the label {_listed(never)}: it cannot be learned.")
    return warnings


def _numbers(labels: Labels) -> Iterable[str]:
    """Single labels such as 0.25, 0.5 and 0.75."""
    if not labels.multi_label and look_like_numbers(labels.classes):
        yield (
            f"The labels look like numbers: {_listed(labels.classes)}. Each is treated as one class; to predict "
            f"numbers use {REGRESSION}."
        )


def _saved(labels: Labels) -> Iterable[str]:
    """Single labels such as `['joy', 'anger']`."""
    if labels.multi_label:
        return
    saved = [k for k, name in enumerate(labels.classes) if looks_saved(name)]
    if not saved:
        return
    documents, example = int(labels.counts()[saved].sum()), labels.classes[saved[0]]
    message = f"{documents:,} of {len(labels):,} labels look like lists saved as text: {_shortened(example)}."
    if 2 * documents > len(labels):
        raise DataError(
            f"{message} If a text can have several labels, add --label-delimiter , on the command line; in Python "
            "pass lists, e.g. [ast.literal_eval(label) for label in labels]."
        )
    yield f"{message} Each is treated as one class."


def _nearly_unique(labels: Labels) -> Iterable[str]:
    """An id, a title or a date as label: most documents have a class of their own."""
    counts = labels.counts()
    alone = int((counts == 1).sum())
    members = int(counts.sum())  # the number of documents for single labels
    if len(counts) < _SOME or 2 * alone <= members:
        return
    message = (
        f"{alone:,} of {len(counts):,} classes have only one text ({_listed(labels.classes)}; "
        f"{len(labels):,} labelled texts)."
    )
    if len(counts) >= _MANY:
        raise DataError(
            f"{message} A class cannot be learned from one text. "
            + (
                f"Is this the right label column? It looks like numbers: to predict those use {REGRESSION}."
                if look_like_numbers(labels.classes)
                else "Is this the right label column, or does it hold ids, titles or dates? Otherwise remove the rare "
                "classes, or give at least two texts of each."
            )
        )
    yield f"{message} Is this the right label column?"


def _swapped(texts: Sequence[str], labels: Labels) -> Iterable[str]:
    """Labels longer than the texts."""
    if not all(isinstance(name, str) for name in labels.classes):
        return
    sizes = np.array([len(name) for name in labels.classes])
    label_chars, text_chars = median(np.repeat(sizes, labels.counts())), median(map(len, texts))
    if label_chars <= text_chars or not text_chars:
        return
    message = (
        f"The labels are longer than the texts (median {label_chars:.0f} and {text_chars:.0f} characters)"
    )
    different = len(set(texts))
    if len(sizes) >= 10 and different < len(sizes):
        raise DataError(
            f"{message}, and there are more distinct labels ({len(sizes):,}) than distinct texts ({different:,}). "
            "Are the text and label columns swapped?"
        )
    yield f"{message}. Are the columns swapped?"


def _alike(classes: Sequence[Any]) -> Iterable[str]:
    """Classes that differ only in case, white space or Unicode form: ham and Ham."""
    forms: dict[str, list[str]] = defaultdict(list)
    for name in classes:
        if isinstance(name, str):
            forms[" ".join(unicodedata.normalize("NFKC", name).casefold().split())].append(name)
    same = [names for names in forms.values() if len(names) > 1]
    if not same:
        return
    shown = "; ".join(", ".join(map(_shortened, names)) for names in same[:_SHOWN])
    rest = f" and {len(same) - _SHOWN:,} more" if len(same) > _SHOWN else ""
    message = f"Some classes differ only in case, white space or Unicode form: {shown}{rest}."
    if len(forms) == 1 and len(same[0]) == len(classes):
        raise DataError(f"{message} That leaves only one class. Check the labels.")
    yield f"{message} They are treated as different classes; if they are the same, spell them alike."


def _listed(names: Sequence[Any]) -> str:
    rest = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(_shortened, names[:_SHOWN])) + rest


def _shortened(name: Any) -> str:
    shown = repr(name)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."

"""A summary of labelled texts in aligned plain text: number of texts, of each class, of irregular texts.

Cost: one pass over texts in memory, and the import of rich for the width of characters. Knows no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ulmus.cli.inputs import Label, parts
from ulmus.terminal import printable

__all__ = ["class_counts", "labelled_numbers", "labelled_texts"]

_CLASSES = 20  # classes shown one by one
_CLASSES_OF_ONE = 5  # the same if every class has just one text
_NAME = 32  # width of a class name in terminal columns


def labelled_texts(title: str, texts: Sequence[str], labels: Sequence[Label], unlabeled: int) -> list[str]:
    """Lines with the numbers of texts, of irregular texts (empty, repeated, contradictory) and of each class."""
    counts = Counter(part for label in labels for part in parts(label))
    return [
        _heading(title, texts, labels, unlabeled),
        f"Classes: {len(counts):,}",
        *class_counts(counts.items(), len(texts)),
    ]


def labelled_numbers(title: str, texts: Sequence[str], labels: Sequence[Label], unlabeled: int) -> list[str]:
    """The same for texts with a number each: range, mean and median. Raises UsageError: labels are no numbers."""
    from statistics import mean, median

    from ulmus.corpus.numbers import as_numbers

    numbers = as_numbers(list(labels)).tolist()
    spread = f"Numbers: from {min(numbers):g} to {max(numbers):g}, mean {mean(numbers):.4g}"
    return [
        _heading(title, texts, labels, unlabeled),
        f"{spread}, median {median(numbers):.4g}; {len(set(numbers)):,} different ones.",
    ]


def _heading(title: str, texts: Sequence[str], labels: Sequence[Label], unlabeled: int) -> str:
    of_text: dict[str, set[Label]] = {}
    for text, label in zip(texts, labels, strict=True):
        of_text.setdefault(text.strip(), set()).add(label)
    irregular = {
        "empty": sum(not text.strip() for text in texts),
        "repeated": len(texts) - len(of_text),
        "with different labels": sum(len(some) > 1 for some in of_text.values()),
    }
    details = "".join(f", {n:,} {what}" for what, n in irregular.items() if n)
    return f"{title}: {len(texts):,} with a label, {unlabeled:,} without{details}."


def class_counts(counts: Iterable[tuple[str, int]], documents: int) -> list[str]:
    """Aligned lines of the most frequent classes: name, texts, share of all texts; one line for the others."""
    from rich.cells import cell_len, set_cell_size

    ordered = sorted(counts, key=lambda item: -item[1])
    most = _CLASSES if ordered and ordered[0][1] > 1 else _CLASSES_OF_ONE
    shown, rest = ordered[:most], ordered[most:]
    names = [printable(name) for name, _ in shown]
    names = [name if cell_len(name) <= _NAME else f"{set_cell_size(name, _NAME - 3)}..." for name in names]
    wide, digits = max(map(cell_len, names), default=0), len(f"{ordered[0][1]:,}") if ordered else 0
    lines = [
        f"  {name}{' ' * (wide - cell_len(name))}  {n:>{digits},}  {n / max(documents, 1):>6.1%}"
        for name, (_, n) in zip(names, shown, strict=True)
    ]
    if rest:
        least, largest = f"{rest[-1][1]:,}", f"{rest[0][1]:,}"
        each = largest if least == largest else f"{least} to {largest}"
        unit = "text" if each == "1" else "texts"
        lines.append(f"  and {len(rest):,} more classes with {each} {unit} each")
    return lines

"""Labelled texts to train or evaluate on, in aligned plain text: how many, how many of each class, what is odd.

Costs one pass over texts that are in memory, and the import of rich for the width of characters. Knows no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ulmus.cli.inputs import Label, parts
from ulmus.terminal import printable

__all__ = ["class_counts", "labelled_texts"]

_CLASSES = 20  # shown one by one
_CLASSES_OF_ONE = 5  # where each has one text, which says little
_NAME = 32  # columns of a name


def labelled_texts(title: str, texts: Sequence[str], labels: Sequence[Label], unlabeled: int) -> list[str]:
    """Lines on labelled texts: how many, how many empty and repeated ones, the classes with their counts."""
    of_text: dict[str, set[Label]] = {}
    for text, label in zip(texts, labels, strict=True):
        of_text.setdefault(text.strip(), set()).add(label)
    odd = {
        "empty": sum(not text.strip() for text in texts),
        "repeated": len(texts) - len(of_text),
        "with different labels": sum(len(some) > 1 for some in of_text.values()),
    }
    said = "".join(f", {n:,} {what}" for what, n in odd.items() if n)
    counts = Counter(part for label in labels for part in parts(label))
    head = f"{title}: {len(texts):,} with a label, {unlabeled:,} without{said}."
    return [head, f"Classes: {len(counts):,}", *class_counts(counts.items(), len(texts))]


def class_counts(counts: Iterable[tuple[str, int]], documents: int) -> list[str]:
    """Aligned lines of the most frequent classes: name, texts, share of all; one line for the others."""
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
        lines.append(f"  and {len(rest):,} more classes, texts of each: {each}")
    return lines

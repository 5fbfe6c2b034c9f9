"""Folders -> files in the order of their names, each with the label that its folder gives. Knows no records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ulmus.errors import UsageError

__all__ = ["UNLABELED", "labelled_files"]

UNLABELED = ("unsup", "unlabeled", "unlabelled")  # names of folders whose texts have no label


def labelled_files(path: Path, split: str | None) -> Iterator[tuple[Path, str | None]]:
    """The files of the lowest folders below `path`, each with its folder's name as label.

    split: only below the folder of that name (`train` of train/pos/1.txt). Folders called `unsup` and a folder
    without folders give no label. Files beside folders (read-mes, word lists) and hidden ones are left out.
    """
    top = path
    if split is not None:
        parts = [path] if path.name == split else sorted(p for p in path.rglob(split) if p.is_dir())
        if not parts:
            raise UsageError(
                f"{path} has no folder {split!r} in it. Leave the split out, or name one that is there."
            )
        top = parts[0]
    for folder in [top, *sorted(p for p in top.rglob("*") if p.is_dir())]:
        if any(p.is_dir() for p in folder.iterdir()):
            continue
        label = None if folder == top or folder.name.lower() in UNLABELED else folder.name
        for file in sorted(folder.iterdir()):
            if not file.name.startswith("."):
                yield file, label

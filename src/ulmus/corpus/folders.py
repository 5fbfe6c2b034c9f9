"""Folders -> files in the order of their names, each with the label that its folder gives, and its format.

How: the lowest folders hold the documents, one a file, or tables. What is left out is said: hidden and system entries
(.git, _SUCCESS, Thumbs.db), files beside folders (read-mes, word lists). Folders for training and testing are never
read together. Costs: the names of all files in memory. Knows no records.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ulmus.corpus.packing import check_regular, plain_suffix, read_error
from ulmus.corpus.signatures import TABLES, table_format
from ulmus.errors import DataError, DataWarning, UsageError

__all__ = ["UNLABELED", "labelled_files"]

UNLABELED = ("unsup", "unlabeled", "unlabelled")  # names of folders whose texts have no label
_SYSTEM = ("thumbs.db", "desktop.ini")  # beside all names that begin with . or _
_SPLITS = ("train", "training", "test", "testing", "valid", "validation", "val", "dev", "eval")
_PLAIN = re.compile(r"(\.\w+)+$")  # the suffixes of a name
_BETWEEN = re.compile(r"[-_.]+")  # words of a name
_COMPANION = re.compile(  # of tables: what describes them
    r"(readme|licen[cs]e|copying|changelog)\b.*|.*\.md|(dataset_info|dataset_infos|dataset_dict|state)\.json",
    re.I,
)
_LISTED = 5  # names in a message


@dataclass(frozen=True)
class _Folder:
    """What a folder holds, by name; `skipped` is hidden or the system's."""

    path: Path
    files: list[str]
    folders: list[str]
    skipped: list[str]


def labelled_files(
    path: Path, split: str | None, *, tables: bool = True
) -> Iterator[tuple[Path, str | None, str | None]]:
    """The files of the lowest folders below `path`, each with its folder's name as label, and its format.

    split: only below the folder of that name (`train` of train/pos/1.txt), or the files whose names begin with it
    (train-0.parquet). Folders called `unsup` and a folder without folders give no label. The format is that of a
    table or None for a text; without `tables` each file is one.
    Raises UsageError (no such split; none said where there are several), DataError (a link to nothing, a pipe, tables
    among texts), StorageError (not allowed).
    """
    top, found = path, list(_walk(path))
    if split is not None:
        top, found = _part(found, path, split)
    else:
        _check_splits(found, tables=tables)
    lowest = [folder for folder in found if not folder.folders]
    kinds = [_kinds(folder) if tables else dict.fromkeys(folder.files) for folder in lowest]
    _say(path, found, kinds)
    for folder, formats in zip(lowest, kinds, strict=True):
        label = None if folder.path == top or folder.path.name.lower() in UNLABELED else _label(folder.path)
        for name, kind in formats.items():
            yield folder.path / name, label, kind


def _walk(top: Path) -> Iterator[_Folder]:
    """All folders, each before those in it. Raises DataError for what is neither a file nor a folder."""
    waiting: list[tuple[Path, tuple[str, ...]]] = [(top, ())]
    while waiting:
        path, above = waiting.pop()
        real = os.path.realpath(path)
        if real in above:
            raise DataError(f"{path} is a link to a folder that it lies in. Remove the link.")
        folder = _Folder(path, [], [], [])
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as error:
            raise read_error(path, error) from error
        for entry in entries:
            if entry.name.startswith((".", "_")) or entry.name.lower() in _SYSTEM:
                folder.skipped.append(entry.name)
            elif entry.is_dir():
                folder.folders.append(entry.name)
            else:
                if not entry.is_file():
                    check_regular(path / entry.name)
                folder.files.append(entry.name)
        waiting += [(path / name, (*above, real)) for name in reversed(folder.folders)]
        yield folder


def _part(found: list[_Folder], path: Path, split: str) -> tuple[Path, list[_Folder]]:
    """The folder of a split and all that is in it; or everything, with only the files that are called after it."""
    if path.name == split:
        return path, found
    for of_split in (lambda name: name == split, lambda name: split in _ends(name)):
        tops = [folder.path for folder in found if folder.path != path and of_split(folder.path.name)]
        tops = [top for top in tops if not any(top != other and top.is_relative_to(other) for other in tops)]
        if len(tops) > 1:
            raise UsageError(
                f"{path} has {len(tops)} folders {split!r}: {_listed(map(str, tops))}. Name one of them."
            )
        if tops:
            return tops[0], [folder for folder in found if folder.path.is_relative_to(tops[0])]
    named = [replace(one, files=[name for name in one.files if split in _ends(name)]) for one in found]
    if not any(folder.files and not folder.folders for folder in named):
        raise UsageError(
            f"{path} has no folder {split!r} in it, and no files called {split}.* or {split}-*. "
            "Leave the split out, or name one that is there."
        )
    return path, [folder for folder in named if folder.files or folder.folders]


def _check_splits(found: list[_Folder], *, tables: bool) -> None:
    """Raises UsageError where training and test data would be read together."""
    for folder in found:
        names = folder.folders or [
            name for name in folder.files if tables and plain_suffix(Path(name)) in TABLES
        ]
        parts = sorted({end for name in names for end in _ends(name) if end.lower() in _SPLITS})
        if len({part.lower() for part in parts}) > 1:
            raise UsageError(
                f"{folder.path} holds {_listed(parts)}, which are not read together. Say which one, e.g. "
                f"--split {parts[-1]} (split={parts[-1]!r})."
            )


def _ends(name: str) -> tuple[str, str]:
    """The first and the last word of a name without its suffixes: wiki and train of wiki-train.csv.gz."""
    words = _BETWEEN.split(_PLAIN.sub("", name))
    return words[0], words[-1]


def _kinds(folder: _Folder) -> dict[str, str | None]:
    """The files of a folder with the format of each: all tables, or all texts. What describes tables is left out."""
    files = [(name, folder.path / name) for name in folder.files]
    if not any(
        plain_suffix(Path(name)) in TABLES or (i == 0 and table_format(file))
        for i, (name, file) in enumerate(files)
    ):
        return dict.fromkeys(folder.files)
    kinds = {name: table_format(file) for name, file in files}
    described = {name: kind for name, kind in kinds.items() if not _COMPANION.fullmatch(name)}
    kinds = described or kinds
    texts = [name for name, kind in kinds.items() if kind is None]
    if texts and len(texts) < len(kinds):
        first = next(name for name, kind in kinds.items() if kind is not None)
        raise DataError(
            f"{folder.path} holds tables ({first} ...) and {len(texts):,} other files ({_listed(texts)}): expected one "
            "or the other. Name one file, move the others away, or read each file as one text (format text)."
        )
    return kinds


def _say(path: Path, found: list[_Folder], kinds: list[dict[str, str | None]]) -> None:
    """Warns of what is left out."""
    lowest = [folder for folder in found if not folder.folders]
    left = {
        "hidden and system entries": [folder.path / name for folder in found for name in folder.skipped],
        "files beside folders": [one.path / name for one in found if one.folders for name in one.files],
        "files that describe tables": [
            one.path / name
            for one, mine in zip(lowest, kinds, strict=True)
            for name in one.files
            if name not in mine
        ],
        "empty folders": [folder.path for folder in lowest if not folder.files],
    }
    said = [
        f"{len(paths):,} {what} ({_listed(str(one.relative_to(path)) for one in paths)})"
        for what, paths in left.items()
        if paths
    ]
    if said:
        warnings.warn(f"of {path} is left out: {'; '.join(said)}.", DataWarning, stacklevel=2)


def _label(folder: Path) -> str:
    try:
        folder.name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"the name of the folder {str(folder)!r} is not UTF-8. Rename it.") from error
    return folder.name


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:_LISTED]) + (" ..." if len(every) > _LISTED else "")

"""Folders -> files in the order of their names, each with its folder's label and its format.

How: the lowest folders hold the documents, one per file, or tables. A warning lists what is skipped: hidden and system
entries (.git, _SUCCESS, Thumbs.db), files beside folders (read-mes, word lists). Training and test folders are never
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

UNLABELED = ("unsup", "unlabeled", "unlabelled")  # folders of texts without a label
_SYSTEM = ("thumbs.db", "desktop.ini")  # besides all names that start with . or _
_SPLITS = ("train", "training", "test", "testing", "valid", "validation", "val", "dev", "eval")
_PLAIN = re.compile(r"(\.\w+)+$")  # the suffixes of a name
_BETWEEN = re.compile(r"[-_.]+")  # separates the words of a name
# files that describe the tables beside them
_COMPANION = re.compile(
    r"(readme|licen[cs]e|copying|changelog)\b.*|.*\.md|(dataset_info|dataset_infos|dataset_dict|state)\.json",
    re.I,
)
_LISTED = 5  # names in a message


@dataclass(frozen=True)
class _Folder:
    """The entries of a folder, by name; `skipped`: hidden and system entries."""

    path: Path
    files: list[str]
    folders: list[str]
    skipped: list[str]


def labelled_files(
    path: Path, split: str | None, *, tables: bool = True
) -> Iterator[tuple[Path, str | None, str | None]]:
    """(file, label, format) of the files in the lowest folders below `path`; the label is the folder's name.

    split: only the folder of that name (`train` of train/pos/1.txt), or the files whose names start or end with it
    (train-0.parquet). Folders called `unsup`, and `path` itself, give no label. The format is that of a table or None
    for a text; without `tables` every file is a text.
    Raises UsageError (no such split; several splits and none specified), DataError (a broken link, a pipe, tables
    mixed with texts), StorageError (permission denied).
    """
    top, folders = path, list(_walk(path))
    if split is not None:
        top, folders = _part(folders, path, split)
    else:
        _check_splits(folders, tables=tables)
    lowest = [folder for folder in folders if not folder.folders]
    kinds = [_kinds(folder) if tables else dict.fromkeys(folder.files) for folder in lowest]
    _warn_of_skipped(path, folders, kinds)
    for folder, formats in zip(lowest, kinds, strict=True):
        label = None if folder.path == top or folder.path.name.lower() in UNLABELED else _label(folder.path)
        for name, kind in formats.items():
            yield folder.path / name, label, kind


def _walk(top: Path) -> Iterator[_Folder]:
    """All folders, each before its subfolders. Raises DataError for anything that is neither a file nor a folder."""
    waiting: list[tuple[Path, tuple[str, ...]]] = [(top, ())]
    while waiting:
        path, above = waiting.pop()
        real = os.path.realpath(path)
        if real in above:
            raise DataError(f"{path} is a link to a folder that contains it. Remove the link.")
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


def _part(folders: list[_Folder], path: Path, split: str) -> tuple[Path, list[_Folder]]:
    """The folder of a split and its subfolders, or `path` and all folders, with only the files named after the split.

    Raises UsageError for a split that does not exist, or exists several times.
    """
    if path.name == split:
        return path, folders
    for of_split in (lambda name: name == split, lambda name: split in _ends(name)):
        tops = [folder.path for folder in folders if folder.path != path and of_split(folder.path.name)]
        tops = [top for top in tops if not any(top != other and top.is_relative_to(other) for other in tops)]
        if len(tops) > 1:
            raise UsageError(
                f"{path} has {len(tops)} folders {split!r}: {_listed(map(str, tops))}. Name one of them."
            )
        if tops:
            return tops[0], [folder for folder in folders if folder.path.is_relative_to(tops[0])]
    named = [replace(one, files=[name for name in one.files if split in _ends(name)]) for one in folders]
    if not any(folder.files and not folder.folders for folder in named):
        raise UsageError(
            f"{path} has no folder {split!r} and no files named {split}.* or {split}-*. "
            "Remove the split, or name an existing one."
        )
    return path, [folder for folder in named if folder.files or folder.folders]


def _check_splits(folders: list[_Folder], *, tables: bool) -> None:
    """Raise UsageError if training and test data would be read together."""
    for folder in folders:
        names = folder.folders or [
            name for name in folder.files if tables and plain_suffix(Path(name)) in TABLES
        ]
        parts = sorted({end for name in names for end in _ends(name) if end.lower() in _SPLITS})
        if len({part.lower() for part in parts}) > 1:
            raise UsageError(
                f"{folder.path} contains {_listed(parts)}, which are not read together. Specify one, e.g. "
                f"--split {parts[-1]} (split={parts[-1]!r})."
            )


def _ends(name: str) -> tuple[str, str]:
    """The first and last word of a name without suffixes: wiki and train of wiki-train.csv.gz."""
    words = _BETWEEN.split(_PLAIN.sub("", name))
    return words[0], words[-1]


def _kinds(folder: _Folder) -> dict[str, str | None]:
    """The files of a folder with their formats: all tables or all texts, without files that describe tables.

    Raises DataError for tables mixed with texts.
    """
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
            f"{folder.path} contains tables ({first} ...) and {len(texts):,} other files ({_listed(texts)}); expected "
            "one or the other. Name one file, move the others away, or read each file as one text (--format text)."
        )
    return kinds


def _warn_of_skipped(path: Path, folders: list[_Folder], kinds: list[dict[str, str | None]]) -> None:
    """Warn (DataWarning) of everything that is skipped."""
    lowest = [folder for folder in folders if not folder.folders]
    skipped = {
        "hidden and system entries": [folder.path / name for folder in folders for name in folder.skipped],
        "files beside folders": [one.path / name for one in folders if one.folders for name in one.files],
        "files that describe tables": [
            one.path / name
            for one, mine in zip(lowest, kinds, strict=True)
            for name in one.files
            if name not in mine
        ],
        "empty folders": [folder.path for folder in lowest if not folder.files],
    }
    lists = [
        f"{len(paths):,} {what} ({_listed(str(one.relative_to(path)) for one in paths)})"
        for what, paths in skipped.items()
        if paths
    ]
    if lists:
        warnings.warn(f"skipped in {path}: {'; '.join(lists)}.", DataWarning, stacklevel=2)


def _label(folder: Path) -> str:
    try:
        folder.name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"the name of the folder {str(folder)!r} is not UTF-8. Rename it.") from error
    return folder.name


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:_LISTED]) + (" ..." if len(every) > _LISTED else "")

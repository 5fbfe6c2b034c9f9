"""Installed language models: those of this package, and those provided by other distributions.

A distribution provides models through an entry point of the group `ulmus.models` whose value is the name of a package;
every `*.ulmus` file in the folder of that package is a model, named after the file. The package is located, not
imported: none of its code runs. Cost: listing a few folders. Knows no model.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from ulmus.config import did_you_mean
from ulmus.errors import BundleError

__all__ = ["find", "installed"]

GROUP = "ulmus.models"
OWN = Path(__file__).parent / "pretrained"
SUFFIX = ".ulmus"


def installed() -> dict[str, Path]:
    """Name -> file of every installed model, those of this package first; of two equal names the first counts."""
    folders = [OWN]
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        folders += _folders(entry.value)
    models: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.glob(f"*{SUFFIX}")):
            models.setdefault(file.stem, file)
    return models


def find(name: str | Path) -> Path:
    """The file of an installed model, or `name` itself if it is a path. Raises BundleError if it is neither."""
    path = Path(name)
    if path.is_file() or path.suffix or path.name != str(name):
        return path
    known = installed()
    if path.name not in known:
        raise BundleError(
            f"There is no file or installed model named {path.name!r}. Installed models: {', '.join(known) or 'none'}."
            f"{did_you_mean(path.name, known)}"
        )
    return known[path.name]


def _folders(package: str) -> list[Path]:
    """The folders of a package; empty if it is not installed."""
    # locating a nested package would import the outer one
    if "." in package:
        return []
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return []
    return [Path(folder) for folder in (spec.submodule_search_locations if spec else None) or ()]

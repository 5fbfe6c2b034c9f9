"""Language models that are installed: those of this package, and those that other distributions bring.

A distribution brings models by an entry point of the group `ulmus.models` whose value is the name of a package; every
`*.ulmus` file in the folder of that package is a model, called like the file. The package is found, not imported: no
code of it runs. Costs a look into a few folders. Knows no model.
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
    """Name -> model file of all that are installed, our own first; of two with one name the first."""
    folders = [OWN]
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        folders += _folders(entry.value)
    found: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.glob(f"*{SUFFIX}")):
            found.setdefault(file.stem, file)
    return found


def find(name: str | Path) -> Path:
    """The file of an installed model, or `name` itself where that is a path. Raises BundleError for neither."""
    path = Path(name)
    if path.is_file() or path.suffix or path.name != str(name):
        return path
    known = installed()
    if path.name not in known:
        raise BundleError(
            f"There is no file and no installed model called {path.name!r}. Installed: {', '.join(known) or 'none'}."
            f"{did_you_mean(path.name, known)}"
        )
    return known[path.name]


def _folders(package: str) -> list[Path]:
    """Where a package of this name lies; nowhere if it is not there."""
    if "." in package:  # (to find a package in a package the outer one would have to be imported)
        return []
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return []
    return [Path(place) for place in (spec.submodule_search_locations if spec else None) or ()]

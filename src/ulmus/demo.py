"""A demo data set from texts that every installation has: the docstrings of well-known Python packages.

What: eight packages, one label each; the description in each docstring; the task is *which package is this from?*
How: the source files are parsed with `ast`, nothing is imported or run; the same files give the same texts.
     Only the prose before the first section, example or parameter list is kept. A text that contains the name of
     its package, or its usual abbreviation, would give the answer away and is left out; so is a text that occurs
     in two packages.
Cost: about 15 seconds for 3,000 files; nothing is downloaded.
Does not know: models, training, tokenizers.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import inspect
import re
import sys
import sysconfig
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from ulmus.storage import whole_file

# label -> words that give it away
PACKAGES: dict[str, tuple[str, ...]] = {
    "matplotlib": ("matplotlib", "pyplot", "plt", "mpl"),
    "networkx": ("networkx", "nx"),
    "numpy": ("numpy", "np"),
    "python": ("python", "cpython"),
    "scipy": ("scipy",),
    "sklearn": ("sklearn", "scikit"),
    "sympy": ("sympy",),
    "torch": ("torch", "pytorch", "aten"),
}
_SKIPPED = {"test", "tests", "testing", "_vendor", "externals", "site-packages", "lib2to3", "idlelib"}
# torch's compilers: half of its text, of interest to few
_SKIPPED |= {"_inductor", "_dynamo", "_export", "_functorch", "_subclasses"}
_END_OF_PROSE = re.compile(
    r"""^\s*(?:
        >>>                                # an example
      | \.\.\s                             # a reST directive
      | :\w+[^:]*:                         # a reST field
      | \S[^\n]*\n\s*[-=~]{3,}\s*$         # an underlined heading
      | [A-Z]\w+(?:\ \w+)?:\s*$            # "Args:", "Example usage:"
    )""",
    re.MULTILINE | re.VERBOSE,
)
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_MIN_WORDS, _MAX_WORDS = 20, 80
_ENOUGH = 1500  # descriptions per package


class Task(NamedTuple):
    """The demo task: a few labelled texts, many unlabelled ones, and a test set that is never trained on."""

    texts: list[str]
    labels: list[str]
    unlabeled: list[str]
    test_texts: list[str]
    test_labels: list[str]


def docstrings(labeled: int = 400, test: int = 1000) -> Task:
    """Read the sources of the packages and split the descriptions into training, test and unlabelled texts.

    `labeled` and `test` are numbers of documents, in equal parts from the eight packages; all others are
    unlabelled. The split of a text depends on its hash: a new version of one package hardly changes the others.
    Raises ModuleNotFoundError if a package is not installed.
    """
    seen = Counter[str]()
    task = Task([], [], [], [], [])
    for text, label in sorted(_descriptions().items(), key=lambda item: _hash(item[0])):
        number = seen[label]
        seen[label] += 1
        if number < test // len(PACKAGES):
            task.test_texts.append(text)
            task.test_labels.append(label)
        elif number < (test + labeled) // len(PACKAGES):
            task.texts.append(text)
            task.labels.append(label)
        else:
            task.unlabeled.append(text)
    return task


def _descriptions() -> dict[str, str]:
    """Text -> label for all descriptions, without texts that occur in two packages."""
    labels: dict[str, str] = {}
    shared: set[str] = set()
    for label, giveaways in PACKAGES.items():
        own_name = re.compile(rf"(?<![^\W_])(?:{'|'.join(giveaways)})(?![^\W_])", re.IGNORECASE)
        for text in _from_package(label):
            if not own_name.search(text) and labels.setdefault(text, label) != label:
                shared.add(text)
    return {text: label for text, label in labels.items() if text not in shared}


def _from_package(label: str) -> Iterator[str]:
    """The descriptions in one package, file by file, in an order unrelated to their subjects."""
    count = 0
    for file in _source_files(label):
        try:
            with warnings.catch_warnings(action="ignore"):  # invalid escapes in other people's strings
                tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError, OSError):
            continue
        for docstring in _strings(tree):
            text = prose(docstring)
            if text.count(" ") >= _MIN_WORDS - 1:
                count += 1
                yield text
        if count >= _ENOUGH:
            return


def _strings(node: ast.Module | ast.stmt) -> Iterator[str]:
    """The docstrings of a module and of its classes and functions, nested ones included."""
    if isinstance(node, _DOCUMENTED):
        yield ast.get_docstring(node, clean=False) or ""
    for statement in getattr(node, "body", ()):
        if isinstance(statement, _DOCUMENTED | ast.If | ast.Try):
            yield from _strings(statement)


def prose(docstring: str) -> str:
    """The description at the head of a docstring as one line of at most 80 words."""
    text = inspect.cleandoc(docstring)
    end = _END_OF_PROSE.search(text)
    return " ".join(text[: end.start() if end else None].split()[:_MAX_WORDS])


def _source_files(label: str) -> list[Path]:
    root = _folder(label)
    names = [file.relative_to(root) for file in root.rglob("*.py")]
    names = [
        name for name in names if not any(part in _SKIPPED or part.startswith("test_") for part in name.parts)
    ]
    return [root / name for name in sorted(names, key=lambda name: _hash(name.as_posix()))]


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()


def _folder(label: str) -> Path:
    if label == "python":
        return Path(sysconfig.get_paths()["stdlib"])
    spec = find_spec(label)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"the demo needs the sources of {label}, which is not installed. Run: pip install {label}"
        )
    return Path(spec.origin).parent


def write(folder: str | Path, task: Task | None = None) -> Path:
    """Write `train.csv` and `test.csv` (text, label) and `unlabeled.csv` (text) into `folder`.

    A file that already has this content is left unchanged, so that an interrupted training on it can resume.
    Raises StorageError if the disk is full or the folder is not writable.
    """
    task = task or docstrings()
    folder = Path(folder)
    _write_csv(folder / "train.csv", ("text", "label"), zip(task.texts, task.labels, strict=True))
    _write_csv(folder / "test.csv", ("text", "label"), zip(task.test_texts, task.test_labels, strict=True))
    _write_csv(folder / "unlabeled.csv", ("text",), ((text,) for text in task.unlabeled))
    return folder


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = StringIO(newline="")
    csv.writer(table).writerows([header, *rows])
    content = table.getvalue().encode("utf-8", errors="replace")
    if not path.is_file() or path.read_bytes() != content:
        with whole_file(path) as file:
            file.write(content)


if __name__ == "__main__":
    target = write(sys.argv[1] if len(sys.argv) > 1 else "demo")
    for name in ("train", "test", "unlabeled"):
        print(f"{target / name}.csv")

"""The package as a whole: the cost of importing, the public names, and the house rules that can be checked."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ulmus

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "ulmus").rglob("*.py"))
OTHERS = sorted(
    file
    for name in ("tests", "examples", "bench", "docs")
    for file in (ROOT / name).rglob("*.py")
    if ".peer" not in file.parts  # (the other library's environment, which bench/compare.py makes)
)
HEAVY = {
    "torch",
    "accelerate",
    "numpy",
    "scipy",
    "sklearn",
    "pyarrow",
    "tokenizers",
    "safetensors",
    "matplotlib",
    "transformers",
    "pandas",
}
MODULES = [
    ".".join(("ulmus", *file.relative_to(ROOT / "src" / "ulmus").with_suffix("").parts)).removesuffix(
        ".__init__"
    )
    for file in SOURCES
]
TORCHLESS = [
    name
    for name in MODULES
    if re.match(
        r"ulmus\.(corpus|text|data|linear|evaluation|serve|cli)\b|ulmus\.(?!train|tasks|models|__main__)\w+$",
        name,
    )
]
MAX_LINES, MAX_BODY_LINES = 400, 50
ARRAY = re.compile(r"\b(ndarray|NDArray|Tensor)\b")
# (N,), (B, T), (4D, 1), (tokens,); or that the shape is free or that of something else
SHAPE = re.compile(
    r"\((?:[^()]*\b)?\d?[A-Z](?!\w)[^()]*,[^()]*\)|\([^(),]+,\)|\bany shape\b|\bsame shape\b|\bshapes? (?:of|its)\b"
)


def loaded_by(statement: str) -> set[str]:
    """The top-level names of the modules that `statement` loads in a fresh interpreter."""
    script = f"import sys; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_importing_the_package_loads_nothing_heavy() -> None:
    """`import ulmus` loads the package and a few small modules of the standard library, and nothing else."""
    loaded = loaded_by("import ulmus")
    assert loaded <= {"ulmus", "__future__", "typing", "importlib", "re", "sre_compile"} | set(
        sys.stdlib_module_names
    )
    assert not loaded & HEAVY


def test_the_command_line_starts_without_torch() -> None:
    """Importing the command line loads none of the libraries that cost time."""
    assert not loaded_by("import ulmus.cli") & HEAVY


def test_modules_below_the_models_never_load_torch() -> None:
    """Texts, ids, bundles and word counts work in a process that never sees torch."""
    assert not loaded_by("import " + ", ".join(TORCHLESS)) & {"torch", "accelerate"}


def test_public_names_are_few_and_can_be_imported() -> None:
    """Every name in `__all__` can be imported and is listed by dir(); there are about a dozen."""
    names = [name for name in ulmus.__all__ if not name.startswith("_")]
    assert len(names) == len(set(names)) <= 15
    assert set(ulmus.__all__) <= set(dir(ulmus))
    for name in names:
        assert getattr(ulmus, name).__name__ == name


def test_lazy_names_agree_with_those_for_type_checkers() -> None:
    """The table of lazy names agrees with the imports for type checkers."""
    tree = ast.parse(Path(ulmus.__file__).read_text(encoding="utf-8"))
    typed = {
        alias.name: (node.module or "").removeprefix("ulmus.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ulmus.")
        for alias in node.names
    }
    assert typed == ulmus._HOMES
    assert set(ulmus.__all__) == {*typed, "__version__"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Accessing an unknown name raises AttributeError."""
    with pytest.raises(AttributeError, match="no attribute 'TextClassifer'"):
        ulmus.TextClassifer  # noqa: B018


@pytest.mark.parametrize("file", SOURCES + OTHERS, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_file_or_function_is_too_long(file: Path) -> None:
    """No file is longer than 400 lines, and no function is longer than 50 without its docstring."""
    source = file.read_text(encoding="utf-8")
    assert source.count("\n") <= MAX_LINES
    too_long = [
        f"{name}: {lines} lines" for name, lines in body_lengths(ast.parse(source)) if lines > MAX_BODY_LINES
    ]
    assert not too_long


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_function_takes_more_than_seven_parameters(file: Path) -> None:
    """But the constructors of estimators, whose parameters are their settings."""
    too_many = [
        f"{name}: {count}"
        for name, count in parameters(ast.parse(file.read_text(encoding="utf-8")))
        if count > 7
    ]
    assert not too_many


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_module_says_what_it_is(file: Path) -> None:
    """A module with code in it has a docstring, and a name that says what is inside."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or not tree.body
    assert file.stem not in {"utils", "util", "helpers", "helper", "common", "misc"}


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_module_can_run_foreign_code(file: Path) -> None:
    """Nothing unpickles, evaluates text, star-imports, or checks input with assert."""
    assert not list(forbidden(ast.parse(file.read_text(encoding="utf-8"))))


def test_the_root_folder_stays_small() -> None:
    """The root folder has at most 13 visible entries."""
    listed = subprocess.run(
        ["git", "ls-tree", "--name-only", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert len(listed.stdout.split()) <= 13


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_public_function_of_arrays_says_their_shapes(file: Path) -> None:
    """A public function or method that takes or returns arrays has a shape, such as (N,) or (B, T), in its docstring,
    or in that of its class or module.
    """
    silent = [
        name
        for name, function, docstrings in public_functions(ast.parse(file.read_text(encoding="utf-8")))
        if any(ARRAY.search(ast.unparse(kind)) for kind in annotations(function))
        and not any(SHAPE.search(text) for text in docstrings)
    ]
    assert not silent


def parameters(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """(name, number of parameters) of every function but constructors; `self` and `cls` do not count."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "__init__":
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            yield node.name, sum(arg.arg not in ("self", "cls") for arg in given)


def body_lengths(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """(name, lines from `def` to the end, docstring left out) of every function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            said = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) is not None else 0
            yield node.name, node.end_lineno - node.lineno + 1 - said


def forbidden(tree: ast.Module) -> Iterator[str]:
    """Every banned construct with its line number."""
    banned_modules = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"}
    banned_calls = {"torch.load", "torch.save", "joblib.load", "joblib.dump", "eval", "exec", "yaml.load"}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names) if banned_modules & {name.name for name in names}:
                yield f"line {node.lineno}: imports a pickle"
            case ast.ImportFrom(module=module) if module in banned_modules:
                yield f"line {node.lineno}: imports a pickle"
            case ast.ImportFrom(names=[ast.alias(name="*")]):
                yield f"line {node.lineno}: star import"
            case ast.Call(func=func) if ast.unparse(func) in banned_calls:
                yield f"line {node.lineno}: calls {ast.unparse(func)}"
            case ast.Call(keywords=keywords) if any(key.arg == "allow_pickle" for key in keywords):
                if any(key.arg == "allow_pickle" and ast.unparse(key.value) != "False" for key in keywords):
                    yield f"line {node.lineno}: allows pickles"
            case ast.Assert():
                yield f"line {node.lineno}: assert; raise an error of ulmus.errors"


def public_functions(
    tree: ast.Module,
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, list[str]]]:
    """(name, function, docstrings of it and of what it is in) of the public functions and methods of a module."""

    def inside(node: ast.Module | ast.ClassDef, docstrings: list[str]) -> Iterator[Any]:
        for child in node.body:
            if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if child.name.startswith("_"):
                continue
            own = [*docstrings, ast.get_docstring(child) or ""]
            if isinstance(child, ast.ClassDef):
                yield from inside(child, own)
            else:
                yield child.name, child, own

    return inside(tree, [ast.get_docstring(tree) or ""])


def annotations(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    """The types of the parameters and of the result."""
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [kind for kind in (*(arg.annotation for arg in given), function.returns) if kind is not None]

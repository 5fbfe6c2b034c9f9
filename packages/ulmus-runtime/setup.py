"""The wheel: the modules of `ulmus` that its runtime imports, under the name `ulmus_runtime`.

What belongs to them is found by following the imports from `ulmus.serve`, so no list can be out of date, and nothing is
kept twice: the files are copied when the wheel is built, with the package's name in their imports replaced. Both
packages can be installed side by side.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src" / "ulmus"
NAME = "ulmus_runtime"
START = ("serve.runtime", "serve.command")


def modules() -> dict[str, Path]:
    """Name within the package -> file, of all modules that `START` imports, the packages they are in included."""
    found: dict[str, Path] = {}
    waiting = list(START)
    while waiting:
        name = waiting.pop()
        path = SOURCE.joinpath(*name.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name in found or not file.exists():  # (a name in a module, not a module)
            continue
        found[name] = file
        waiting += [name.rpartition(".")[0]] * ("." in name)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                waiting += [alias.name[6:] for alias in node.names if alias.name.startswith("ulmus.")]
            elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "ulmus":
                base = (node.module or "")[6:]
                waiting += [base] * bool(base) + [f"{base}.{a.name}".strip(".") for a in node.names]
    return found


def version() -> str:
    """That of Ulmus."""
    text = (SOURCE / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"', text, re.M).group(1)  # type: ignore[union-attr]


class Build(build_py):
    """Copies the modules into the wheel's folder."""

    def run(self) -> None:
        """Add them to what the package itself holds."""
        super().run()
        root = Path(self.build_lib) / NAME
        for file in modules().values():
            text = re.sub(r"\bulmus(?=\.[a-z_]+)", NAME, file.read_text(encoding="utf-8"))
            text = re.sub(r"^(\s*)from ulmus import", rf"\1from {NAME} import", text, flags=re.M)
            text = text.replace("'ulmus[", "'ulmus-runtime[")  # what a missing extra says to install
            target = root / file.relative_to(SOURCE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        (root / "py.typed").touch()


if not SOURCE.is_dir():
    raise SystemExit("ulmus-runtime is built in a checkout of Ulmus: its modules are copied from src/ulmus.")
setup(
    version=version(),
    packages=[NAME],
    package_dir={NAME: f"src/{NAME}"},
    cmdclass={"build_py": Build},
)

"""The installed wheels, as opposed to the source tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ulmus import LanguageModel
from ulmus.tasks.language_model.config import LMConfig

ROOT = Path(__file__).parents[1]
TINY = LMConfig(embedding=4, hidden=4, layers=1, epochs=1)


def installed_wheel(name: str, source: Path, work: Path, *, model: Path, into: str) -> None:
    """Build the wheel of a copy of `source` that has one model more, in its folder `into`, and install it."""
    copy = work / "source" / name
    left_out = shutil.ignore_patterns("*.egg-info", "__pycache__")
    shutil.copytree(source / "src", copy / "src", ignore=left_out)
    for file in [source / name for name in ("pyproject.toml", "README.md", "LICENSE")]:
        if file.exists():
            shutil.copy(file, copy)
    (copy / into).mkdir(exist_ok=True)
    shutil.copy(model, copy / into)
    pip(["wheel", str(copy), "--no-build-isolation", "--wheel-dir", str(work / "wheels")])
    (wheel,) = (work / "wheels").glob(f"{name}-*.whl")
    assert wheel.stat().st_size < 100e6
    pip(["install", str(wheel), "--no-compile", "--upgrade", "--target", str(work / "site")])


def pip(arguments: list[str]) -> None:
    """Call pip, which downloads nothing; a failure shows what it said."""
    quietly = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments, *quietly], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `wheels`, and `site` where they are installed: ulmus and ulmus-en, with one more model each."""
    pytest.importorskip("setuptools", reason="building a wheel needs setuptools")
    pytest.importorskip("pip", reason="building a wheel needs pip")
    work = tmp_path_factory.mktemp("wheels")
    model = LanguageModel(TINY, verbose=False).fit(["a film of a friend"] * 20)
    for name in ("xx-own", "xx-more"):
        model.save(work / f"{name}.ulmus", weights="bf16")
    installed_wheel("ulmus", ROOT, work, model=work / "xx-own.ulmus", into="src/ulmus/pretrained")
    packages = ROOT / "packages"
    installed_wheel(
        "ulmus_en", packages / "ulmus-en", work, model=work / "xx-more.ulmus", into="src/ulmus_en"
    )
    return work


def test_the_small_wheel_predicts_with_the_same_modules(tmp_path: Path) -> None:
    """ulmus-runtime is built from the modules of this checkout, and none of them asks for torch or for `ulmus`."""
    pytest.importorskip("setuptools", reason="building a wheel needs setuptools")
    pytest.importorskip("onnxruntime")
    left_out = shutil.ignore_patterns("*.egg-info", "__pycache__", "build", "*.ulmus")
    for name in ("src/ulmus", "packages/ulmus-runtime"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=left_out)
    source = str(tmp_path / "packages" / "ulmus-runtime")
    pip(["wheel", source, "--no-build-isolation", "--wheel-dir", str(tmp_path / "wheels")])
    (wheel,) = (tmp_path / "wheels").glob("ulmus_runtime-*.whl")
    assert wheel.stat().st_size < 200e3
    pip(["install", str(wheel), "--no-compile", "--target", str(tmp_path / "site")])
    script = (
        "import sys, json; sys.modules.update(dict.fromkeys(('torch', 'scipy', 'sklearn', 'ulmus')));"
        "import ulmus_runtime, ulmus_runtime.serve.command, ulmus_runtime.serve.app;"
        "from ulmus_runtime import UlmusError, load;"
        "print(json.dumps(sorted(name for name in sys.modules if name.startswith('ulmus_runtime.'))))"
    )
    (tmp_path / "site").mkdir(exist_ok=True)
    loaded = ran(tmp_path, "-c", script)
    names = ("serve.networks", "serve.page", "linear.scorer")
    assert {f"ulmus_runtime.{name}" for name in names} <= set(loaded)


def ran(work: Path, *arguments: str) -> Any:
    """What a fresh interpreter prints, which sees the wheels before all else, as JSON."""
    environment = {**os.environ, "PYTHONPATH": str(work / "site")}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=work, env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_an_installed_wheel_finds_the_models_of_its_own_and_of_other_wheels(work: Path) -> None:
    """A wheel has all models of the source tree; those of another wheel are found through its entry point."""
    found = ran(work, "-m", "ulmus", "models", "--json")
    shipped = {file.stem for file in (ROOT / "src" / "ulmus" / "pretrained").glob("*.ulmus")}
    assert set(found) >= {"xx-own", "xx-more", *shipped}
    site = (work / "site").resolve()
    assert all(Path(one["path"]).is_relative_to(site) for one in found.values())


def test_a_model_of_a_wheel_generates_text(work: Path) -> None:
    """A model of a wheel generates text by its name, from any folder."""
    told = ran(work, "-m", "ulmus", "generate", "xx-more", "a film", "--words", "3", "--seed", "0", "--json")
    assert told["samples"][0].startswith("a film")


def test_models_cost_nothing_until_one_is_used(work: Path) -> None:
    """Importing the installed package neither opens nor looks up models."""
    script = (
        "import sys, json; opened = []; sys.addaudithook(lambda event, details: opened.append(str(details[0]))"
        " if event in ('open', 'os.scandir', 'os.listdir') else None); import ulmus, ulmus.cli;"
        "print(json.dumps([name for name in opened if 'pretrained' in name or '.ulmus' in name]))"
    )
    assert ran(work, "-c", script) == []

"""Finding language models: in the package's folder, and in packages that entry points name."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ulmus import installed as module
from ulmus.errors import BundleError
from ulmus.installed import find, installed


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two bundled models, and a package with two more that fails when imported."""
    for name in ("own/en-small", "own/zh-small", "ulmus_xy/xy", "ulmus_xy/en-small"):
        file = tmp_path / f"{name}.ulmus"
        file.parent.mkdir(exist_ok=True)
        file.touch()
    (tmp_path / "ulmus_xy" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(module, "OWN", tmp_path / "own")
    entries = [EntryPoint(name, name, module.GROUP) for name in ("ulmus_xy", "not_there", "a.b")]
    monkeypatch.setattr(module, "entry_points", lambda *, group: entries if group == module.GROUP else ())
    return tmp_path


def test_models_of_the_package_and_of_others_are_found_by_name(models: Path) -> None:
    """Bundled models come first; a package with models is not imported, and a missing one is ignored."""
    found = installed()
    assert found == {
        "en-small": models / "own/en-small.ulmus",
        "zh-small": models / "own/zh-small.ulmus",
        "xy": models / "ulmus_xy/xy.ulmus",
    }
    assert "ulmus_xy" not in sys.modules
    assert find("xy") == found["xy"]


def test_a_path_stays_a_path(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An existing file takes precedence over an installed model of the same name."""
    assert find("models/en-small.ulmus") == Path("models/en-small.ulmus")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "xy").touch()
    assert find("xy") == Path("xy")


def test_a_name_that_is_not_installed_is_an_error_with_those_that_are(models: Path) -> None:
    """An unknown name is an error that lists the installed models and suggests the closest."""
    with pytest.raises(
        BundleError, match=r"named 'en-smal'. Installed models: en-small, zh-small, xy\..*en-small"
    ):
        find("en-smal")

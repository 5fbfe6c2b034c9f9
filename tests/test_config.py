"""Configs: round trips through dicts and TOML, and the message for each mistake."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmus.config import did_you_mean, from_dict, from_toml, to_dict, to_toml
from ulmus.errors import ConfigError, UsageError


@dataclass(frozen=True)
class Schedule:
    """A leaf."""

    peak: float = 1e-3
    kind: Literal["one_cycle", "slanted", "constant"] = "one_cycle"


@dataclass(frozen=True)
class Stage:
    """A table in a list of tables."""

    name: str
    epochs: int = 1
    schedule: Schedule = Schedule()
    minutes: float | None = None
    clip: float | None = 0.25
    unfreeze: int | Literal["all"] = "all"

    def __post_init__(self) -> None:
        if self.epochs < 0:
            raise UsageError(f"epochs must be at least 0, got {self.epochs}")


@dataclass(frozen=True)
class Run:
    """A whole run."""

    seed: int = 0
    label: str | None = None
    shuffle: bool = True
    out: Path = Path("model.ulmus")
    betas: tuple[float, float] = (0.9, 0.99)
    columns: tuple[str, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)
    first: Stage = Stage("first")
    stages: tuple[Stage, ...] = ()


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
number = st.floats(allow_nan=False)
schedules = st.builds(Schedule, peak=number, kind=st.sampled_from(["one_cycle", "slanted", "constant"]))
stages = st.builds(
    Stage,
    name=text,
    epochs=st.integers(0, 99),
    schedule=schedules,
    minutes=st.none() | number,
    clip=st.none() | number,
    unfreeze=st.integers() | st.just("all"),
)
runs = st.builds(
    Run,
    seed=st.integers(-(2**63), 2**63 - 1),
    label=st.none() | text,
    shuffle=st.booleans(),
    out=st.sampled_from([Path("a b"), Path("x/y.ulmus")]),
    betas=st.tuples(number, number),
    columns=st.lists(text, max_size=3).map(tuple),
    weights=st.dictionaries(text, number, max_size=3),
    first=stages,
    stages=st.lists(stages, max_size=3).map(tuple),
)


@settings(deadline=None)
@given(run=runs)
def test_a_config_survives_dict_and_toml(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any config survives a round trip through dicts and through TOML."""
    assert from_dict(to_dict(run), Run) == run
    path = tmp_path_factory.getbasetemp() / "run.toml"
    path.write_text(to_toml(run), encoding="utf-8", newline="")
    assert from_toml(path, Run) == run


def test_keys_left_out_get_their_defaults(tmp_path: Path) -> None:
    """Keys left out get their defaults, also in an empty file; a BOM is ignored."""
    path = tmp_path / "run.toml"
    path.write_text("", encoding="utf-8-sig")
    assert from_toml(path, Run) == Run()
    path.write_text("[first]\nname = 'x'\nschedule.peak = 3\n", encoding="utf-8-sig")
    assert from_toml(path, Run) == Run(first=Stage("x", schedule=Schedule(peak=3.0)))


def test_none_can_be_written_in_toml(tmp_path: Path) -> None:
    """TOML has no null: "none" disables what is enabled by default."""
    path = tmp_path / "run.toml"
    path.write_text("[first]\nname = 'x'\nclip = 'none'\n")
    assert from_toml(path, Run).first.clip is None
    assert 'clip = "none"' in to_toml(Run(first=Stage("x", clip=None)))


def test_values_get_the_types_of_their_fields() -> None:
    """Values are converted to the field type: whole numbers to float, strings to paths, lists to tuples."""
    run = from_dict(
        {"betas": [1, 0], "out": "x", "columns": ["a"], "first": {"name": "n", "minutes": 3}}, Run
    )
    assert run == Run(betas=(1.0, 0.0), out=Path("x"), columns=("a",), first=Stage("n", minutes=3.0))
    assert isinstance(run.first.minutes, float)
    assert isinstance(run.betas[0], float)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"sede": 1}, "run: unknown key 'sede'. Did you mean 'seed'?"),
        ({"first": {"name": "x", "Epoch": 1}}, "run: first: unknown key 'Epoch'. Did you mean 'epochs'?"),
        ({"zzz": 1}, "unknown key 'zzz'. Valid keys: seed, label, shuffle,"),
        ({"seed": "one"}, "run: seed: expected a whole number, got the string 'one'."),
        ({"seed": 1.5}, "seed: expected a whole number, got the number 1.5."),
        ({"seed": True}, "seed: expected a whole number, got True."),
        ({"shuffle": 1}, "shuffle: expected true or false, got the number 1."),
        ({"label": 3}, "label: expected a string or nothing, got the number 3."),
        ({"out": 3}, "out: expected a path, got the number 3."),
        ({"betas": [0.9]}, "betas: expected 2 values, got 1: [0.9]."),
        ({"betas": 0.9}, "betas: expected a list, got the number 0.9."),
        ({"columns": ["a", 1]}, "columns: 1: expected a string, got the number 1."),
        ({"columns": "a"}, "columns: expected a list, got the string 'a'."),
        ({"weights": {"a": "b"}}, "weights: a: expected a number, got the string 'b'."),
        ({"weights": 1}, "weights: expected a table, got the number 1."),
        ({"first": 1}, "first: expected a table [Stage] of keys, got the number 1."),
        ({"first": {}}, "first: missing name. Give each a value."),
        ({"first": {"name": "x", "epochs": -1}}, "first: epochs must be at least 0, got -1"),
        (
            {"first": {"name": "x", "clip": "off"}},
            "clip: expected a number or nothing, got the string 'off'.",
        ),
        ({"first": {"name": "x", "unfreeze": "al"}}, "'al'. Did you mean 'all'?"),
        (
            {"first": {"name": "x", "schedule": {"kind": "slant"}}},
            "got the string 'slant'. Did you mean 'slanted'?",
        ),
        ({"stages": [{"name": "a"}, {"name": 1}]}, "stages: 1: name: expected a string, got the number 1."),
        ({"label": "x" * 999, "seed": "y" * 999}, "yyy..."),
    ],
)
def test_a_mistake_is_reported_with_its_place_and_what_was_expected(
    data: dict[str, Any], message: str
) -> None:
    """An error says where, what was expected, what was given, and what was probably meant."""
    with pytest.raises(ConfigError) as caught:
        from_dict(data, Run, where="run")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a = ", "is not valid TOML"),
        (b"\xff", "is not valid TOML"),
        (b"a = 1\na = 2", "is not valid TOML"),
        (b"x = 1", "unknown key"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    """Bad syntax, bad UTF-8 and unknown keys all name the file."""
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        from_toml(path, Run)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_are_config_errors(tmp_path: Path) -> None:
    """A missing file and a folder are ConfigErrors, exit code 2, that say what to check."""
    with pytest.raises(ConfigError, match=r"no config file .*nowhere.toml. Check the path"):
        from_toml(tmp_path / "nowhere.toml", Run)
    with pytest.raises(ConfigError, match="Cannot read"):
        from_toml(tmp_path, Run)


def test_optional_fields_without_default_may_be_left_out() -> None:
    """A field that may be None and has no default is None if left out."""

    @dataclass(frozen=True)
    class Source:
        path: str
        label: str | None

    globals()["Source"] = Source
    assert from_dict({"path": "x"}, Source) == Source("x", None)


def test_an_error_in_a_union_of_tables_names_the_key() -> None:
    """For a mistake in an optional table the message is about the key, not about tables."""
    optional = dataclasses.make_dataclass("Optional", [("stage", Stage | None, None)], frozen=True)
    with pytest.raises(ConfigError, match=r"unknown key 'epoch'. Did you mean 'epochs'"):
        from_dict({"stage": {"epoch": 1}}, optional)
    assert from_dict({"stage": {"name": "x"}}, optional).stage == Stage("x")
    assert from_dict({}, optional).stage is None


def test_infinities_are_written_as_toml_has_them() -> None:
    """Infinities and NaN are written as `inf` and `nan`, as TOML spells them."""
    assert "peak = inf" in to_toml(Schedule(peak=math.inf))
    assert "peak = nan" in to_toml(Schedule(peak=math.nan))


def test_did_you_mean_ignores_case_and_says_nothing_when_nothing_is_close() -> None:
    """Suggestions ignore case; nothing is suggested if no name is similar."""
    assert did_you_mean("TEXT", ["Text", "label"]) == " Did you mean 'Text'?"
    assert did_you_mean("xyz", ["text", "label"]) == ""
    assert did_you_mean("x", []) == ""

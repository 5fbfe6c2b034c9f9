"""`ulmus ablate`: files and a grid -> rows, table, plot and JSON in a folder."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
GRID = """\
[rows."no teaching"]
teach = "none"
[rows.wide]
config.head-hidden = 9
config.language_model.hidden = 8
"""


@pytest.fixture
def arguments(corpus: Path, tmp_path: Path) -> list[Any]:
    """Of a study whose trainings take a second."""
    (tmp_path / "grid.toml").write_text(GRID)
    return [
        *(
            "ablate",
            corpus / "train.csv",
            "--text",
            "text",
            "--label",
            "label",
            "--test",
            corpus / "test.csv",
        ),
        *("--language-model", "none", "--config", corpus / "tiny.toml", "--grid", tmp_path / "grid.toml"),
        *("--seeds", 1, "--out", tmp_path / "out"),
    ]


def test_a_grid_becomes_a_table(arguments: list[Any], tmp_path: Path, run: Run) -> None:
    """The folder has rows, table, plot and JSON; the same command again trains nothing; --json prints one object."""
    done = run(*arguments, "--sizes", "10,20")
    assert done.exit_code == 0, done.stderr
    assert "6 of 6: wide, 20 labels, seed 0: accuracy" in done.stderr
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        "rows.jsonl",
        "table.md",
        "ablation.png",
        "ablation.json",
    }
    rows = (out / "table.md").read_text().splitlines()
    assert rows[0] == "| row | 10 labels | difference | 20 labels | difference |"
    assert [row.split(" |")[0] for row in rows[2:5]] == ["| full recipe", "| no teaching", "| wide"]
    assert "no teaching" in done.stdout
    before = (out / "rows.jsonl").read_bytes()
    again = run(*arguments, "--sizes", "20", "--json", "--quiet")
    assert again.exit_code == 0, again.stderr
    assert (out / "rows.jsonl").read_bytes() == before
    assert [row["row"] for row in json.loads(again.stdout)["rows"]] == ["full recipe", "no teaching", "wide"]
    assert not again.stderr


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ("[rows.x]\ntaech = 'none'", "[rows.x]: unknown key 'taech'. Did you mean 'teach'?"),
        ("[rows.x]\nconfig.facter = 1.0", "[rows.x] config: unknown key 'facter'. Did you mean 'factor'?"),
        ("[rows.x]\nconfig.factor = 'one'", "factor: expected a number, got the string 'one'"),
        ("[rows.x]\nteach = 'some'", "teach: expected one of 'auto', 'none'"),
        ("[rows.x]\nconfig.language_model.hiden = 3", "Did you mean 'hidden'?"),
        ("[row.x]\nteach = 'none'", "expected tables [rows.NAME], one for each row, got 'row'"),
        ("", "got none"),
        ("[rows.x", "is not valid TOML"),
    ],
)
def test_a_wrong_grid_is_a_usage_error(
    arguments: list[Any], tmp_path: Path, run: Run, grid: str, message: str
) -> None:
    """The message names the row and suggests the key; nothing is written."""
    (tmp_path / "grid.toml").write_text(grid)
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_usage_errors(arguments: list[Any], corpus: Path, tmp_path: Path, run: Run) -> None:
    """Sizes that are no numbers, a test file that is trained on, a folder of other files, a setting as an option."""
    assert "expected numbers separated by commas" in run(*arguments, "--sizes", "10;20").stderr
    assert run(*arguments, "--test", corpus / "train.csv").exit_code == 2
    assert "[classifier] all_epochs" in run(*arguments, "--all-epochs", 1).stderr
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("Dear")
    done = run(*arguments)
    assert done.exit_code == 2
    assert "--out" in done.stderr
    assert "contains other files" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_keeps_the_finished_rows(arguments: list[Any], tmp_path: Path) -> None:
    """Exit code 130, the advice to run the command again, and no process left; a finished row stays finished."""
    command = [sys.executable, "-m", "ulmus", *map(str, arguments), "--seeds", "200", "--jobs", "2"]
    rows = tmp_path / "out" / "rows.jsonl"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not rows.exists() and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    assert process.returncode == 130, told
    assert "run the same command again to resume" in told
    assert "Traceback" not in told
    assert all("accuracy" in json.loads(line) for line in rows.read_text().splitlines())

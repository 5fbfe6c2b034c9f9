"""Output files: checked first, written completely or not at all; checkpoints belong to one run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest

from ulmus.cli import guard, outputs
from ulmus.cli.options import CommonOptions, RunOptions
from ulmus.errors import ConfigError, StorageError, UsageError

ANYTHING = guard.Kind("file", lambda _path: True)


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions, CommonOptions):
    """The options that `work_folder` uses."""


def checkpoint(folder: Path) -> None:
    """Write a checkpoint, as a stage does."""
    (folder / "lm.safetensors").write_bytes(b"weights")


def stopped_run(options: Options, files: list[Path], error: type[BaseException] = KeyboardInterrupt) -> None:
    """A run that ends after its first checkpoint."""
    with pytest.raises(error), outputs.work_folder(options, files) as folder:
        raise_after_checkpoint(folder, error)


def raise_after_writing(file: TextIO, error: type[BaseException]) -> None:
    """One statement for `pytest.raises`."""
    file.write("half")
    raise error


def raise_after_checkpoint(folder: Path, error: type[BaseException]) -> None:
    """One statement for `pytest.raises`."""
    checkpoint(folder)
    raise error


def test_claiming_leaves_nothing_behind(tmp_path: Path) -> None:
    """The test file of `claim` is removed and an existing file is untouched."""
    (tmp_path / "m.csv").write_text("old")
    outputs.claim(tmp_path / "m.csv", Options(out=tmp_path / "m.ulmus"), ANYTHING)
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]
    assert (tmp_path / "m.csv").read_text() == "old"


def test_an_output_with_another_suffix_is_refused(tmp_path: Path) -> None:
    """An output with an unsupported suffix is refused."""
    with pytest.raises(UsageError, match=r"\.csv or \.jsonl"):
        outputs.claim(tmp_path / "out.xlsx", Options(out=tmp_path / "m.ulmus"), guard.PREDICTIONS)


def test_an_output_below_a_file_is_refused(tmp_path: Path) -> None:
    """An output path below a file is refused."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        outputs.claim(tmp_path / "file" / "a", Options(out=tmp_path / "m.ulmus"), ANYTHING)


def test_a_model_is_not_written_to_a_device() -> None:
    """--out /dev/null is refused: renaming would replace the device."""
    with pytest.raises(UsageError, match="is a device, not a file"):
        outputs.claim_model(Options(out=Path(os.devnull)), "classifier")


def test_a_written_file_gets_its_name_at_the_end(tmp_path: Path) -> None:
    """A file gets its name when it is complete; until then the old one remains."""
    path = tmp_path / "out.csv"
    path.write_text("old")
    with outputs.writing(path) as file:
        file.write("new\r\nline\n")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_bytes() == b"new\r\nline\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    """A failed write, also by Ctrl-C, leaves the old file."""
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(error), outputs.writing(path) as file:
        raise_after_writing(file, error)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """Writing to a link writes its target."""
    (tmp_path / "real").mkdir()
    (tmp_path / "out.csv").symlink_to(tmp_path / "real" / "out.csv")
    with outputs.writing(tmp_path / "out.csv") as file:
        file.write("new")
    assert (tmp_path / "out.csv").is_symlink()
    assert (tmp_path / "real" / "out.csv").read_text() == "new"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_is_a_storage_error() -> None:
    """A full device is a StorageError, and is still a device afterwards."""
    with pytest.raises(StorageError, match="disk is full"), outputs.writing(Path("/dev/full")) as file:
        file.write("x" * 100_000)
    assert outputs.is_device(Path("/dev/full"))


def test_the_work_folder_is_hidden_next_to_the_output_and_removed_at_the_end(tmp_path: Path) -> None:
    """The default work folder is hidden, named after the output, and removed at the end."""
    with outputs.work_folder(Options(out=tmp_path / "m.ulmus"), []) as folder:
        assert folder == tmp_path / ".m.ulmus.work"
        checkpoint(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_chosen_work_folder_stays(tmp_path: Path) -> None:
    """The folder of --work-dir is not removed."""
    with outputs.work_folder(Options(out=tmp_path / "m.ulmus", work_dir=tmp_path / "w"), []) as folder:
        checkpoint(folder)
    assert (tmp_path / "w" / "lm.safetensors").exists()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_run_keeps_its_checkpoints_and_the_next_one_resumes(
    tmp_path: Path, error: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """An interrupted run keeps its checkpoints, and the same command reports that it resumes."""
    options = Options(out=tmp_path / "m.ulmus", seed=3)
    stopped_run(options, [], error)
    with outputs.work_folder(options, []) as folder:
        assert (folder / "lm.safetensors").exists()
    assert "Resuming from the checkpoints" in capsys.readouterr().err


def test_a_run_that_failed_before_a_checkpoint_leaves_no_folder(tmp_path: Path) -> None:
    """A run that fails before its first checkpoint leaves no work folder."""
    with pytest.raises(ValueError, match="bad"), outputs.work_folder(Options(out=tmp_path / "m.ulmus"), []):
        raise ValueError("bad")
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_of_another_run_are_an_error_that_names_the_difference(tmp_path: Path) -> None:
    """Checkpoints of a run with another seed are refused, naming the difference."""
    stopped_run(Options(out=tmp_path / "m.ulmus"), [])
    other = Options(out=tmp_path / "m.ulmus", seed=4)
    with (
        pytest.raises(ConfigError, match=r"another run \(it differs in: seed\)"),
        outputs.work_folder(other, []),
    ):
        pass


def test_a_changed_input_file_makes_another_run(tmp_path: Path) -> None:
    """The contents of the input files identify a run."""
    data = tmp_path / "a.csv"
    data.write_text("one")
    options = Options(out=tmp_path / "m.ulmus")
    stopped_run(options, [data])
    data.write_text("three")
    with pytest.raises(ConfigError, match="input files"), outputs.work_folder(options, [data]):
        pass


def test_display_options_and_the_time_budget_do_not_identify_a_run(tmp_path: Path) -> None:
    """--json, --quiet and --minutes may change when a run is resumed."""
    stopped_run(Options(out=tmp_path / "m.ulmus"), [])
    with outputs.work_folder(
        Options(out=tmp_path / "m.ulmus", json=True, quiet=True, minutes=5), []
    ) as folder:
        assert (folder / "lm.safetensors").exists()


def test_a_work_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    """A --work-dir below a file is a StorageError."""
    (tmp_path / "file").touch()
    options = Options(out=tmp_path / "m.ulmus", work_dir=tmp_path / "file" / "w")
    with pytest.raises(StorageError), outputs.work_folder(options, []):
        pass


def test_two_runs_do_not_share_a_work_folder(tmp_path: Path) -> None:
    """A second run in the same work folder is refused while the first is running."""
    options = Options(out=tmp_path / "m.ulmus")
    with outputs.work_folder(options, []) as folder:
        assert folder.is_dir()
        with pytest.raises(StorageError, match="in use by another run"), outputs.work_folder(options, []):
            pass
        assert folder.is_dir()


def test_an_input_is_identified_by_its_content(tmp_path: Path) -> None:
    """Touching an input file does not change the run; changing a byte does."""
    data = tmp_path / "data.csv"
    data.write_text("a")
    before = outputs._stamp(data)
    os.utime(data, (1, 1))
    assert outputs._stamp(data) == before
    data.write_text("b")
    assert outputs._stamp(data) != before

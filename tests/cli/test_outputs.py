"""Where results go: tried first, whole or not at all; checkpoints that belong to one run."""

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
    """The options that `work_folder` looks at."""


def checkpoint(folder: Path) -> None:
    """What a stage leaves behind."""
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
    """The trial file is gone and an existing file untouched."""
    (tmp_path / "m.csv").write_text("old")
    outputs.claim(tmp_path / "m.csv", Options(out=tmp_path / "m.ulmus"), ANYTHING)
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]
    assert (tmp_path / "m.csv").read_text() == "old"


def test_an_output_with_another_ending_is_refused(tmp_path: Path) -> None:
    """The ending is the format."""
    with pytest.raises(UsageError, match=r"\.csv or \.jsonl"):
        outputs.claim(tmp_path / "out.xlsx", Options(out=tmp_path / "m.ulmus"), guard.PREDICTIONS)


def test_an_output_below_a_file_is_refused(tmp_path: Path) -> None:
    """Nothing can be written into a file as if it were a folder."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        outputs.claim(tmp_path / "file" / "a", Options(out=tmp_path / "m.ulmus"), ANYTHING)


def test_a_device_is_no_place_for_a_model() -> None:
    """Renaming a model over /dev/null would take the device away."""
    with pytest.raises(UsageError, match="is a device, not a file"):
        outputs.claim_model(Options(out=Path(os.devnull)), "classifier")


def test_a_written_file_takes_its_name_at_the_end(tmp_path: Path) -> None:
    """Until then the old one stands there."""
    path = tmp_path / "out.csv"
    path.write_text("old")
    with outputs.writing(path) as file:
        file.write("new\r\nline\n")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_bytes() == b"new\r\nline\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_stopped_write_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    """Ctrl-C included."""
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(error), outputs.writing(path) as file:
        raise_after_writing(file, error)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """The file that it points to is written."""
    (tmp_path / "real").mkdir()
    (tmp_path / "out.csv").symlink_to(tmp_path / "real" / "out.csv")
    with outputs.writing(tmp_path / "out.csv") as file:
        file.write("new")
    assert (tmp_path / "out.csv").is_symlink()
    assert (tmp_path / "real" / "out.csv").read_text() == "new"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_is_a_storage_error() -> None:
    """And it is still a device afterwards."""
    with pytest.raises(StorageError, match="disk is full"), outputs.writing(Path("/dev/full")) as file:
        file.write("x" * 100_000)
    assert outputs.is_device(Path("/dev/full"))


def test_the_work_folder_is_hidden_beside_the_output_and_goes_at_the_end(tmp_path: Path) -> None:
    """Its name is made of the output's."""
    with outputs.work_folder(Options(out=tmp_path / "m.ulmus"), []) as folder:
        assert folder == tmp_path / ".m.ulmus.work"
        checkpoint(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_chosen_work_folder_stays(tmp_path: Path) -> None:
    """--work-dir is the user's own."""
    with outputs.work_folder(Options(out=tmp_path / "m.ulmus", work_dir=tmp_path / "w"), []) as folder:
        checkpoint(folder)
    assert (tmp_path / "w" / "lm.safetensors").exists()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_stopped_run_keeps_its_checkpoints_and_the_next_one_finds_them(
    tmp_path: Path, error: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """The second identical call says that it goes on."""
    options = Options(out=tmp_path / "m.ulmus", seed=3)
    stopped_run(options, [], error)
    with outputs.work_folder(options, []) as folder:
        assert (folder / "lm.safetensors").exists()
    assert "Resuming from the checkpoints" in capsys.readouterr().err


def test_a_run_that_failed_before_a_checkpoint_leaves_no_folder(tmp_path: Path) -> None:
    """Bad data are found in the first seconds, and found again after the correction."""
    with pytest.raises(ValueError, match="bad"), outputs.work_folder(Options(out=tmp_path / "m.ulmus"), []):
        raise ValueError("bad")
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_of_another_run_are_an_error_that_names_the_difference(tmp_path: Path) -> None:
    """Going on with another seed would be neither the one run nor the other."""
    stopped_run(Options(out=tmp_path / "m.ulmus"), [])
    other = Options(out=tmp_path / "m.ulmus", seed=4)
    with (
        pytest.raises(ConfigError, match=r"another run \(it differs in: seed\)"),
        outputs.work_folder(other, []),
    ):
        pass


def test_a_changed_input_file_makes_another_run(tmp_path: Path) -> None:
    """The content of the files belongs to the run."""
    data = tmp_path / "a.csv"
    data.write_text("one")
    options = Options(out=tmp_path / "m.ulmus")
    stopped_run(options, [data])
    data.write_text("three")
    with pytest.raises(ConfigError, match="input files"), outputs.work_folder(options, [data]):
        pass


def test_how_results_are_shown_and_the_time_there_is_are_not_part_of_the_run(tmp_path: Path) -> None:
    """--json, --quiet and --minutes may differ between the first and the second call."""
    stopped_run(Options(out=tmp_path / "m.ulmus"), [])
    with outputs.work_folder(
        Options(out=tmp_path / "m.ulmus", json=True, quiet=True, minutes=5), []
    ) as folder:
        assert (folder / "lm.safetensors").exists()


def test_a_work_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    """--work-dir below a file."""
    (tmp_path / "file").touch()
    options = Options(out=tmp_path / "m.ulmus", work_dir=tmp_path / "file" / "w")
    with pytest.raises(StorageError), outputs.work_folder(options, []):
        pass


def test_two_runs_do_not_share_a_work_folder(tmp_path: Path) -> None:
    """The second is refused while the first is under way, rather than remove what it has done so far."""
    options = Options(out=tmp_path / "m.ulmus")
    with outputs.work_folder(options, []) as folder:
        assert folder.is_dir()
        with pytest.raises(StorageError, match="in use by another run"), outputs.work_folder(options, []):
            pass
        assert folder.is_dir()


def test_an_input_is_the_same_while_its_content_is(tmp_path: Path) -> None:
    """`touch data.csv` makes no other run; a changed byte does."""
    data = tmp_path / "data.csv"
    data.write_text("a")
    before = outputs._stamp(data)
    os.utime(data, (1, 1))
    assert outputs._stamp(data) == before
    data.write_text("b")
    assert outputs._stamp(data) != before

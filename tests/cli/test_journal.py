"""The journal of an output: kills, resuming, another run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ulmus.cli import journal as module
from ulmus.cli.journal import Journal, as_they_are, journal
from ulmus.errors import ConfigError, DataError, StorageError

Opened = Callable[..., AbstractContextManager[Journal]]
LINES = [f"line {i}\n".encode() for i in range(20)]


@dataclass(frozen=True)
class Options:
    """Options of a command."""

    data: Path
    seed: int = 0


class KilledError(BaseException):
    """The process ends here."""


@pytest.fixture
def options(tmp_path: Path) -> Options:
    """Options with an input file."""
    (tmp_path / "in").mkdir()
    data = tmp_path / "in" / "data.txt"
    data.write_text("texts\n")
    return Options(data)


@pytest.fixture
def opened(tmp_path: Path, options: Options) -> Opened:
    """The journal of out.txt; every batch is saved at once."""

    @contextmanager
    def enter(given: Options = options, **named: object) -> Iterator[Journal]:
        with journal(tmp_path / "out.txt", given, [given.data], **{"finish": as_they_are} | named) as made:
            yield made

    return enter


def write(made: Journal, stop: int = len(LINES), *, save: bool = True) -> None:
    """Append lines up to `stop`; the last one only in part."""
    for i in range(made.rows, len(LINES)):
        if i == stop:
            made.file.write(LINES[i][:3])
            raise KilledError
        made.file.write(LINES[i])
        made.written(i + 1, {"n": i + 1})
        if save:
            made.save()
    made.written(len(LINES), {"n": len(LINES)}, complete=True)


def write_to(stop: int, *, killed: bool = False) -> Callable[[Journal], None]:
    """Writes lines up to `stop`; killed: nothing more is saved then."""

    def action(made: Journal) -> None:
        try:
            write(made, stop)
        finally:
            if killed:
                made.save = lambda: None  # type: ignore[method-assign]

    return action


def one_line_then(error: BaseException) -> Callable[[Journal], None]:
    """Writes a line and raises the error."""

    def action(made: Journal) -> None:
        made.file.write(LINES[0])
        made.written(1, {})
        raise error

    return action


def stopped(
    opened: Opened,
    action: Callable[[Journal], None],
    error: type[BaseException] = KilledError,
    **named: object,
) -> None:
    """Open the journal and do something that ends with an error."""
    with pytest.raises(error), opened(**named) as made:
        action(made)


@pytest.mark.parametrize("stop", [0, 1, 7, 19])
@pytest.mark.parametrize("killed", [False, True])
def test_a_stopped_run_continues_after_the_last_whole_row(
    stop: int, killed: bool, opened: Opened, tmp_path: Path
) -> None:
    """Ctrl-C or a kill in the middle of a row: the same command writes what an uninterrupted run writes."""
    stopped(opened, write_to(stop, killed=killed))
    assert not (tmp_path / "out.txt").exists()
    with opened() as made:
        assert made.rows == stop
        assert made.found == ({"n": stop} if stop else {})
        write(made)
    assert (tmp_path / "out.txt").read_bytes() == b"".join(LINES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out.txt"]


def test_rows_that_were_not_saved_are_written_again(opened: Opened, tmp_path: Path) -> None:
    """Rows after the last save are cut off, whatever a kill left of them."""
    stopped(opened, write_to(5))
    with (tmp_path / ".out.txt.work" / "rows").open("ab") as file:
        file.write(b"half a ro")
    with opened() as made:
        assert made.rows == 5
        write(made)
    assert (tmp_path / "out.txt").read_bytes() == b"".join(LINES)


@pytest.mark.parametrize("damage", ["gone", "short", "state"])
def test_a_damaged_journal_starts_from_the_beginning(damage: str, opened: Opened, tmp_path: Path) -> None:
    """Rows that the state speaks of but that are not there, or a state that is not JSON."""
    stopped(opened, write_to(5))
    folder = tmp_path / ".out.txt.work"
    if damage == "gone":
        (folder / "rows").unlink()
    elif damage == "short":
        (folder / "rows").write_bytes(LINES[0])
    else:
        (folder / "state.json").write_text('{"rows": 3')
    with opened() as made:
        assert made.rows == 0
        write(made)
    assert (tmp_path / "out.txt").read_bytes() == b"".join(LINES)


def test_a_run_killed_while_the_output_is_renamed_only_renames(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Complete rows are not written again."""

    def stop(*_: object, **__: object) -> None:
        raise KilledError

    for step in ("ulmus.storage.put_in_place", "ulmus.cli.journal.shutil.rmtree"):
        with monkeypatch.context() as patch:
            patch.setattr(step, stop)
            stopped(opened, lambda made: None if made.complete else write(made))
    with opened() as made:
        assert made.complete
    assert (tmp_path / "out.txt").read_bytes() == b"".join(LINES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out.txt"]


def test_another_run_does_not_continue(opened: Opened, options: Options) -> None:
    """Other options or other texts are refused, naming what differs, so that hours of work are not lost."""
    stopped(opened, write_to(5))
    with (
        pytest.raises(ConfigError, match=r"contains the predictions of another run \(it differs in: seed\)"),
        opened(Options(options.data, seed=1)),
    ):
        pass
    options.data.write_text("other texts\n")
    with pytest.raises(ConfigError, match="differs in: input files"), opened():
        pass


def test_unusable_texts_leave_nothing(opened: Opened, tmp_path: Path) -> None:
    """An error in the input ends the run for good; so does any stop where the texts cannot be read again."""
    for error, again in ((DataError("bad"), True), (KeyboardInterrupt(), False)):
        stopped(opened, one_line_then(error), type(error), again=again)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_a_full_disk_keeps_what_is_written(opened: Opened, tmp_path: Path) -> None:
    """The rows before the error are kept for the same command."""
    stopped(opened, one_line_then(OSError(28, "No space left on device")), StorageError)
    assert json.loads((tmp_path / ".out.txt.work" / "state.json").read_bytes())["rows"] == 1


def test_the_state_is_saved_once_a_second(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with every batch, which would cost a sync each."""
    now, saved = [0.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(
        module.os, "fsync", lambda handle, sync=module.os.fsync: (saved.append(now[0]), sync(handle))
    )
    with opened() as made:
        for i in range(8):
            now[0] += 0.25
            made.file.write(LINES[i])
            saved.clear() if i == 0 else None
            made.written(i + 1, {})
        assert set(saved) == {1.0, 2.0}
